/**
 * Heads of the members of a tar file: POSIX.1-2017, pax(1), "ustar Interchange
 * Format" and "pax Interchange Format". Extended attributes are as star(1)
 * began it, and GNU tar, bsdtar and container images have it. The same member
 * gives the same bytes.
 *
 * @module
 */

/** What a member is: the typeflag of the format. */
export type TarType =
  | "file"
  | "hardlink"
  | "link"
  | "char"
  | "block"
  | "directory"
  | "fifo";

/** A member. Texts are bytes, one character for each. */
export interface TarMember {
  /** The path, without a slash at its beginning. */
  readonly path: string;
  /** What it is. */
  readonly type: TarType;
  /** The permissions. */
  readonly mode: number;
  /** The id of the owner. */
  readonly uid: number;
  /** The id of the group. */
  readonly gid: number;
  /** The bytes that follow; 0 of what is no file. */
  readonly size: number;
  /** When its content was last changed, in nanoseconds since 1970. */
  readonly modified: bigint;
  /** What a link points to: of a hard link the path of a member before. */
  readonly target?: string;
  /** The device that it is, major and minor. */
  readonly rdev?: readonly [number, number];
  /** Extended attributes. */
  readonly attributes?: ReadonlyMap<string, Uint8Array>;
}

/** The size of a block. */
export const TAR_BLOCK = 512;

/** Two empty blocks are the end. */
export const TAR_END: Uint8Array = new Uint8Array(2 * TAR_BLOCK);

const FLAGS: Readonly<Record<TarType, string>> = {
  ...{ file: "0", hardlink: "1", link: "2", char: "3", block: "4" },
  ...{ directory: "5", fifo: "6" },
};

type Field = readonly [at: number, length: number];

/** Offset and length of the fields of a head. */
const FIELDS: Readonly<
  Record<
    | ("name" | "mode" | "uid" | "gid" | "size" | "mtime" | "sum" | "flag")
    | ("target" | "magic" | "major" | "minor"),
    Field
  >
> = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  sum: [148, 8],
  flag: [156, 1],
  target: [157, 100],
  magic: [257, 8],
  major: [329, 8],
  minor: [337, 8],
};

/**
 * Writes the head of a member, before which there is another one if the old
 * format cannot hold everything.
 *
 * @param member The member.
 * @returns The blocks. The bytes of a file follow, filled up with
 * {@linkcode padding}.
 *
 * @example An empty file
 * ```ts
 * import { tarHead } from "cage/src/tar.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const head = tarHead({
 *   ...{ path: "x", type: "file", mode: 0o644, uid: 0, gid: 0, size: 0 },
 *   modified: 0n,
 * });
 * assertEquals(head.length, 512);
 * ```
 */
export function tarHead(member: TarMember): Uint8Array {
  const records = recordsOf(member);
  if (records.length === 0) return block(member, FLAGS[member.type]);
  const text = records.sort(byKey).map(recordText).join("");
  const { path } = member;
  const extended = block({
    ...{ path: `PaxHeaders/${path}`.slice(0, 100), type: "file", mode: 0o644 },
    ...{ uid: 0, gid: 0, size: text.length, modified: 0n },
  }, "x");
  const head = block(member, FLAGS[member.type]);
  const filled = text.length + padding(text.length);
  const whole = new Uint8Array(extended.length + filled + head.length);
  whole.set(extended);
  put(whole, TAR_BLOCK, text);
  whole.set(head, TAR_BLOCK + filled);
  return whole;
}

/**
 * Tells how many bytes fill up the last block.
 *
 * @param size The size of a file.
 * @returns The number of zeroes after it.
 *
 * @example One byte
 * ```ts
 * import { padding } from "cage/src/tar.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(padding(1), 511);
 * assertEquals(padding(512), 0);
 * ```
 */
export function padding(size: number): number {
  return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

type Pair = readonly [key: string, value: string];

/** What does not fit into the fields of a head. */
function recordsOf(member: TarMember): Pair[] {
  const { attributes, gid, modified, path, size, target = "", uid } = member;
  const records: Pair[] = [];
  const add = (key: string, value: string, fits: boolean) => {
    if (!fits) records.push([key, value]);
  };
  add("path", path, path.length <= FIELDS.name[1]);
  add("linkpath", target, target.length <= FIELDS.target[1]);
  add("size", String(size), size < 8 ** 11);
  add("uid", String(uid), uid < 8 ** 7);
  add("gid", String(gid), gid < 8 ** 7);
  add("mtime", timeText(modified), isWhole(modified));
  for (const [name, value] of attributes ?? []) {
    let bytes = "";
    for (const byte of value) bytes += String.fromCharCode(byte);
    records.push([`SCHILY.xattr.${keyOf(name)}`, bytes]);
  }
  return records;
}

/**
 * A key ends at the first `=`, so GNU tar has `%3D` for one in a name: its
 * xheader.c, `xattr_encode_keyword`, 1.30. Other readers know nothing of that;
 * so a `%` is written as `%25` only where GNU tar would take it for one of both.
 */
function keyOf(name: string): string {
  return name.replace(/%(?=3D|25)/g, "%25").replaceAll("=", "%3D");
}

function byKey([a]: Pair, [b]: Pair): number {
  return a < b ? -1 : 1;
}

const SECOND = 1_000_000_000n;

/** Whether a time is one that the old format has. */
function isWhole(time: bigint): boolean {
  return time >= 0n && time % SECOND === 0n && time / SECOND < 8n ** 11n;
}

function timeText(time: bigint): string {
  const digits = (time < 0n ? -time : time).toString().padStart(10, "0");
  const fraction = digits.slice(-9).replace(/0+$/, "");
  const seconds = `${time < 0n ? "-" : ""}${digits.slice(0, -9)}`;
  return fraction === "" ? seconds : `${seconds}.${fraction}`;
}

/** The length in front counts its own digits too. */
function recordText([key, value]: Pair): string {
  const rest = ` ${key}=${value}\n`;
  let size = rest.length;
  while (`${size}${rest}`.length !== size) size = `${size}${rest}`.length;
  return `${size}${rest}`;
}

function block(member: TarMember, flag: string): Uint8Array {
  const { gid, mode, modified, path, rdev, size, target = "", uid } = member;
  const bytes = new Uint8Array(TAR_BLOCK);
  const text = ([at, length]: Field, value: string) =>
    put(bytes, at, value.slice(0, length));
  // What does not fit is in the records before.
  const number = (field: Field, value: number) => {
    const fits = value >= 0 && value < 8 ** (field[1] - 1);
    const digits = (fits ? value : 0).toString(8);
    text(field, `${digits.padStart(field[1] - 1, "0")}\0`);
  };
  text(FIELDS.name, path);
  number(FIELDS.mode, mode & 0o7777);
  number(FIELDS.uid, uid);
  number(FIELDS.gid, gid);
  number(FIELDS.size, size);
  number(FIELDS.mtime, modified < 0n ? 0 : Number(modified / SECOND));
  text(FIELDS.flag, flag);
  text(FIELDS.target, target);
  text(FIELDS.magic, "ustar\0" + "00");
  if (rdev !== undefined) {
    number(FIELDS.major, rdev[0]);
    number(FIELDS.minor, rdev[1]);
  }
  // The sum of all bytes, in which its own field has spaces.
  text(FIELDS.sum, " ".repeat(8));
  const sum = bytes.reduce((all, byte) => all + byte, 0);
  text(FIELDS.sum, `${sum.toString(8).padStart(6, "0")}\0 `);
  return bytes;
}

function put(bytes: Uint8Array, at: number, text: string): void {
  for (let index = 0; index < text.length; index++) {
    bytes[at + index] = text.charCodeAt(index);
  }
}
