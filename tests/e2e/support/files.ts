/**
 * What is in files and directories.
 *
 * @module
 */

import { asRootInside } from "./mode.ts";
import { output } from "./process.ts";
import { exists } from "./words.ts";

/**
 * Lists everything below a directory with its kind, mode, owner and content,
 * so that two lists are equal if nothing has changed.
 *
 * @param path The directory.
 * @returns One line for each entry, in order.
 */
export async function fingerprint(path: string): Promise<string> {
  const list = await output([
    ...["find", path, "-printf", "%P %y %m %U:%G %s %T@ %l\\n"],
  ]);
  const sums = await output([
    ...["find", path, "-type", "f", "-exec", "sha256sum", "{}", "+"],
  ]);
  return [list, sums].map((text) => text.split("\n").sort().join("\n"))
    .join("\n");
}

/**
 * Lists the files below a directory.
 *
 * @param path The directory, which may be missing.
 * @returns Their paths from there, in order.
 */
export async function filesBelow(path: string): Promise<string[]> {
  if (!exists(path)) return [];
  const list = await output([
    "find",
    path,
    "-mindepth",
    "1",
    "-printf",
    "%P\n",
  ]);
  return list.split("\n").filter((line) => line !== "").sort();
}

/**
 * Makes a file somebody's inside.
 *
 * @param path The file, or a link itself.
 * @param uid The user inside.
 * @param gid The group inside; the one of the same number if absent.
 */
export async function ownInside(
  path: string,
  uid: number,
  gid: number = uid,
): Promise<void> {
  const words = ["chown", "-h", `${uid}:${gid}`, path];
  await output([...asRootInside(), ...words]);
}

/**
 * Gives the permission bits of a path as they are usually written.
 *
 * @param path The path.
 * @returns Four octal digits.
 */
export function modeOf(path: string): string {
  const mode = (Deno.lstatSync(path).mode ?? 0) & 0o7777;
  return mode.toString(8).padStart(4, "0");
}
