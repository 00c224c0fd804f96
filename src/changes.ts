/**
 * What became of files: the difference of two entries, and what is told of it.
 *
 * @module
 */

import { quotedName } from "./byte_names.ts";
import { CageError } from "./errors.ts";

/** What an entry of a directory can be. */
export type FileType =
  | "file"
  | "directory"
  | "link"
  | "fifo"
  | "socket"
  | "char"
  | "block";

/** An entry as a change tells of it; statx(2) has more. */
export interface Entry {
  /** Type and permissions, as in inode(7). */
  readonly mode: number;
  /** The id of the owner. */
  readonly uid: number;
  /** The id of the group. */
  readonly gid: number;
  /** The size in bytes. */
  readonly size: number;
  /** When its content was last changed, in nanoseconds since 1970. */
  readonly modified: bigint;
  /** The device that it is, major and minor. */
  readonly rdev: readonly [number, number];
}

/** What of a file that is still there is another one. */
export type Aspect =
  | "type"
  | "content"
  | "mode"
  | "owner"
  | "xattrs"
  | "time";

/** What became of one path. */
export interface Change {
  /**
   * A directory that is renamed has what it had under the other name; what
   * else was changed in it is told by changes of its own.
   */
  readonly kind: "added" | "changed" | "deleted" | "renamed";
  /** The path inside, as bytes, one character for each. */
  readonly path: string;
  /** What is another one, if it is changed or renamed. */
  readonly aspects: readonly Aspect[];
  /** What was there. */
  readonly before?: Entry;
  /** What is there. */
  readonly after?: Entry;
  /** The path that it had below, if it is renamed. */
  readonly from?: string;
  /** A path told of before that is the same file, by a hard link. */
  readonly link?: string;
  /** What a symbolic link points to. */
  readonly target?: string;
  /** Whether the file below was changed after the container had copied it. */
  readonly isStale: boolean;
}

/** Types by their bits of a mode: linux/stat.h. */
const TYPES: Readonly<Record<number, FileType>> = {
  0o100000: "file",
  0o040000: "directory",
  0o120000: "link",
  0o010000: "fifo",
  0o140000: "socket",
  0o020000: "char",
  0o060000: "block",
};

/**
 * Tells what an entry is.
 *
 * @param entry The entry.
 * @returns Its type.
 *
 * @example A directory
 * ```ts
 * import { typeOf } from "cage/src/changes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(typeOf({ mode: 0o040755 }), "directory");
 * ```
 */
export function typeOf({ mode }: Pick<Entry, "mode">): FileType {
  return TYPES[mode & 0o170000] ?? "file";
}

/** What takes more than to look at two entries; each is asked for once. */
export interface Look {
  /** Whether two regular files of one size, or two links, have one content. */
  readonly isSameContent: () => boolean;
  /** Whether they have the same extended attributes. */
  readonly isSameAttributes: () => boolean;
}

/**
 * Compares two entries. The size and the time of a directory are no matter:
 * they change with what is in it.
 *
 * @param before What was there.
 * @param after What is there.
 * @param look Compares what is in them.
 * @returns What is another one; nothing if they are the same.
 *
 * @example Another mode
 * ```ts
 * import { aspectsOf } from "cage/src/changes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const before = {
 *   ...{ mode: 0o100644, uid: 0, gid: 0, size: 5, modified: 1n },
 *   rdev: [0, 0],
 * } as const;
 * const look = { isSameContent: () => true, isSameAttributes: () => true };
 * const after = { ...before, mode: 0o100600 };
 * assertEquals(aspectsOf(before, after, look), ["mode"]);
 * ```
 */
export function aspectsOf(before: Entry, after: Entry, look: Look): Aspect[] {
  const type = typeOf(after);
  if (type !== typeOf(before)) return ["type"];
  const aspects: Aspect[] = [];
  if (!isSameInside(type, before, after, look)) aspects.push("content");
  if (before.mode !== after.mode) aspects.push("mode");
  if (before.uid !== after.uid || before.gid !== after.gid) {
    aspects.push("owner");
  }
  if (!look.isSameAttributes()) aspects.push("xattrs");
  if (type !== "directory" && before.modified !== after.modified) {
    aspects.push("time");
  }
  return aspects;
}

function isSameInside(
  type: FileType,
  before: Entry,
  after: Entry,
  look: Look,
): boolean {
  switch (type) {
    case "file":
    case "link":
      return before.size === after.size && look.isSameContent();
    case "char":
    case "block":
      return before.rdev.join() === after.rdev.join();
    default:
      return true;
  }
}

/**
 * Tells whether a path is asked for.
 *
 * @param path The path.
 * @param wanted The paths that were named; all of them are asked for if there
 * are none.
 * @returns Whether it is one of them or below one; `way` if one is below it.
 *
 * @example Below, above, and beside
 * ```ts
 * import { selects } from "cage/src/changes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(selects("/etc/apt/x", ["/etc/apt"]), "all");
 * assertEquals(selects("/etc", ["/etc/apt"]), "way");
 * assertEquals(selects("/etc/apt2", ["/etc/apt"]), "none");
 * ```
 */
export function selects(
  path: string,
  wanted: readonly string[],
): "all" | "way" | "none" {
  if (wanted.length === 0) return "all";
  const isIn = (one: string, other: string) =>
    one === other || other === "/" || one.startsWith(`${other}/`);
  if (wanted.some((other) => isIn(path, other))) return "all";
  return wanted.some((other) => isIn(other, path)) ? "way" : "none";
}

/**
 * Most directories one inside another: the walks keep each open, and go down by
 * calls of functions.
 */
const DEEPEST = 1000;

/**
 * Refuses a directory that is too deep to be walked.
 *
 * @param path Its path.
 * @throws {CageError} If it is.
 *
 * @example One that is not
 * ```ts
 * import { checkDepth } from "cage/src/changes.ts";
 *
 * checkDepth("/usr/share");
 * ```
 */
export function checkDepth(path: string): void {
  let depth = 0;
  for (const letter of path) if (letter === "/") depth++;
  if (depth <= DEEPEST) return;
  throw new CageError(
    `Cannot look into more than ${DEEPEST} directories inside one another ` +
      `below ${quotedName(path.split("/").slice(0, 3).join("/"))}: remove ` +
      "them, or name the paths that are wanted",
  );
}
