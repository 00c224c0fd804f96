/**
 * What there is to say about fuse-overlayfs when it is no help.
 *
 * @module
 */

import { quote } from "./quote.ts";

/** The name of the program. */
export const FUSE_PROGRAM = "fuse-overlayfs";

/**
 * Says that the program is missing.
 *
 * @param upper The upper directory, as it was named.
 * @returns The sentence.
 *
 * @example The sentence
 * ```ts
 * import { fuseMissing } from "cage/src/fuse_words.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   fuseMissing("/x"),
 *   'Cannot use upper directory "/x": its file system cannot hold an ' +
 *     "overlay: use -U and -w to put it elsewhere, or install fuse-overlayfs",
 * );
 * ```
 */
export function fuseMissing(upper: string): string {
  return `Cannot use upper directory ${quote(upper)}: its file system cannot ` +
    `hold an overlay: ${ELSEWHERE}, or install ${FUSE_PROGRAM}`;
}

/**
 * Says that the program cannot be told the directories.
 *
 * @param upper The upper directory, as it was named.
 * @returns The sentence.
 *
 * @example The end of the sentence
 * ```ts
 * import { fuseUnnamed } from "cage/src/fuse_words.ts";
 * import { assert } from "@std/assert";
 *
 * assert(fuseUnnamed("/a:b").endsWith("use -U and -w to put it elsewhere"));
 * ```
 */
export function fuseUnnamed(upper: string): string {
  return `Cannot use upper directory ${quote(upper)}: its file system cannot ` +
    `hold an overlay, and ${FUSE_PROGRAM} takes no path with a colon, a ` +
    `comma or a backslash: ${ELSEWHERE}`;
}

/**
 * Says why the program has failed, in its own words.
 *
 * @param upper The upper directory, as it was named.
 * @param words What it has written.
 * @returns The sentence.
 *
 * @example No right to the device
 * ```ts
 * import { fuseFailed } from "cage/src/fuse_words.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   fuseFailed("/x", "fuse: failed to open /dev/fuse: Permission denied\n"),
 *   'Cannot use upper directory "/x" with fuse-overlayfs: fuse: failed to ' +
 *     "open /dev/fuse: Permission denied: have root give you read and write " +
 *     "access to /dev/fuse, or use -U and -w to put it elsewhere",
 * );
 * ```
 */
export function fuseFailed(upper: string, words: string): string {
  const lines = words.split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("unknown argument"));
  const said = lines.join("; ") || "it failed without a word";
  return `Cannot use upper directory ${quote(upper)} with ${FUSE_PROGRAM}: ` +
    `${said}: ${adviceFor(said)}${ELSEWHERE}`;
}

const ELSEWHERE = "use -U and -w to put it elsewhere";

/** Sentences of lib/mount.c of libfuse, 3.14. */
function adviceFor(said: string): string {
  if (/failed to open \/dev\/fuse/.test(said)) {
    return "have root give you read and write access to /dev/fuse, or ";
  }
  if (/device not found/.test(said)) {
    return "have root load the kernel module with modprobe fuse, and where " +
      "this is a container give it /dev/fuse, or ";
  }
  return "";
}
