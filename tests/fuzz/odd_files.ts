/**
 * Files that options may name and that are not what they should be.
 *
 * @module
 */

import { AT_FDCWD } from "../../ffi/constants.ts";
import { syscall } from "../../ffi/libc.ts";
import { byteMark, bytesOf } from "./marks.ts";

/** Kinds of files for mknod(2), linux/stat.h. */
export const KINDS = {
  fifo: 0o010000,
  character: 0o020000,
  block: 0o060000,
  socket: 0o140000,
} as const;

/** What opens as a device that is not there: numbers for experiments. */
export const NO_DEVICE: readonly [major: number, minor: number] = [60, 0];

/** The host's `/dev/null`, the one device that hurts nobody. */
export const NULL_DEVICE: readonly [major: number, minor: number] = [1, 3];

/** A name as long as a name may be, `NAME_MAX` of linux/limits.h. */
const LONG = "l".repeat(255);

/**
 * Directories, by their names in the directory of a case. `locked` has no
 * rights for anyone; the last one is no UTF-8.
 */
const DIRECTORIES = [
  ...["dir", "full", "locked", "a:b", "a,b", "a\\b", "a b", "new\nline"],
  ...["\x1b[31m", "-x", "漢字", LONG, `bytes${byteMark(0xff)}`],
];

/** Links, by their names: to what is there, to what is not, to themselves. */
const LINKS: Readonly<Record<string, string>> = {
  "link-to-dir": "dir",
  "link-to-file": "text",
  dangling: "missing/below",
  loop: "loop",
  "loop-a": "loop-b",
  "loop-b": "loop-a",
  "self-dir": ".",
  descriptor: "/proc/self/fd/0",
};

/** Files and what is in them. */
const FILES: Readonly<Record<string, string>> = {
  empty: "",
  text: "plain text\n",
  garbage: "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0>\0\xff\xff",
  "no-interpreter": "#!/nosuch/interpreter\n",
  "script-5": "#!/bin/sh\nexit 5\n",
  "script-0": "echo inside: script >&2\n",
  "pid-gone": "99999999\n",
  "pid-huge": "9999999999\n",
  "pid-odd": "-7 0x1\n",
};

/** What mknod(2) makes. */
const NODES: Readonly<Record<string, readonly [number, number, number]>> = {
  fifo: [KINDS.fifo, 0, 0],
  socket: [KINDS.socket, 0, 0],
  null: [KINDS.character, ...NULL_DEVICE],
  "no-device": [KINDS.character, ...NO_DEVICE],
  "no-disk": [KINDS.block, ...NO_DEVICE],
};

/** Every name, and what is made from them: below, above, beside. */
export const ODD_NAMES: readonly string[] = [
  ...DIRECTORIES,
  ...Object.keys(LINKS),
  ...Object.keys(FILES),
  ...Object.keys(NODES),
  ...["missing", "missing/below", "text/below", "loop/below", "dir/new"],
  ...["dir/../dir", "dir//", "dir/.", "link-to-dir/new", "self-dir/self-dir"],
  ...["sparse", "unreadable", "full/file", `${LONG}l`, "."],
  `${"dir/../".repeat(600)}dir`,
  `${"self-dir/".repeat(41)}dir`,
];

/**
 * Makes the files.
 *
 * @param place The directory, which is there and empty.
 */
export function makeOddFiles(place: string): void {
  for (const name of DIRECTORIES) {
    syscall("mkdirat", AT_FDCWD, pathOf(`${place}/${name}`), 0o755);
  }
  for (const [name, target] of Object.entries(LINKS)) {
    Deno.symlinkSync(target, `${place}/${name}`);
  }
  for (const [name, text] of Object.entries(FILES)) {
    Deno.writeTextFileSync(`${place}/${name}`, text);
  }
  for (const [name, [kind, major, minor]] of Object.entries(NODES)) {
    makeNode(`${place}/${name}`, kind, major, minor);
  }
  Deno.writeTextFileSync(`${place}/full/file`, "");
  Deno.chmodSync(`${place}/script-5`, 0o755);
  Deno.writeTextFileSync(`${place}/unreadable`, "", { mode: 0 });
  Deno.chmodSync(`${place}/locked`, 0);
  Deno.writeTextFileSync(`${place}/sparse`, "");
  Deno.truncateSync(`${place}/sparse`, 2 ** 40);
}

/**
 * Makes a FIFO, a socket or a device, where that is allowed.
 *
 * @param path The path.
 * @param kind One of {@linkcode KINDS}.
 * @param major The number of the driver.
 * @param minor The number for the driver.
 */
export function makeNode(
  path: string,
  kind: number,
  major: number = 0,
  minor: number = 0,
): void {
  const device = (major << 8) | minor;
  syscall("mknodat", AT_FDCWD, pathOf(path), kind | 0o666, device);
}

/**
 * Encodes a path for a system call.
 *
 * @param path The path, which may have marks of bytes.
 * @returns The bytes, with a NUL at the end.
 */
export function pathOf(path: string): Uint8Array<ArrayBuffer> {
  const bytes = bytesOf(path);
  const ended = new Uint8Array(bytes.length + 1);
  ended.set(bytes);
  return ended;
}
