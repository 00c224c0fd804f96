/**
 * Where an open directory or file is.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
} from "../ffi/constants.ts";
import { close, open, openat2, statx, SyscallError } from "../ffi/libc.ts";

/**
 * Tells the path of an open file, as it is now.
 *
 * @param descriptor The descriptor.
 * @returns The path.
 *
 * @example The root directory
 * ```ts
 * import { pathOf } from "cage/src/location.ts";
 * import { close, open } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const root = open("/", 0);
 * assertEquals(pathOf(root), "/");
 * close(root);
 * ```
 */
export function pathOf(descriptor: number): string {
  return Deno.readLinkSync(`/proc/self/fd/${descriptor}`);
}

/**
 * Tells whether there is anything at a path, were it a link to nowhere.
 *
 * @param path The path.
 * @returns Whether there is, as far as this process can look.
 *
 * @example The root directory
 * ```ts
 * import { isThere } from "cage/src/location.ts";
 * import { assert } from "@std/assert";
 *
 * assert(isThere("/"));
 * assert(!isThere("/proc/nothing"));
 * ```
 */
export function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Tells in which of some directories of root an open file is. The answer is
 * about the file, not about a path that somebody may be changing.
 *
 * @param descriptor The descriptor of the file.
 * @param directories The paths of the directories.
 * @returns The path of the first directory that it is in or is; none if there
 * is none, or others than root could change what is in it.
 *
 * @example A directory of root
 * ```ts
 * import { directoryOf } from "cage/src/location.ts";
 * import { close, open } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const file = open("/proc/sys/kernel", 0);
 * assertEquals(directoryOf(file, ["/nowhere", "/proc/sys"]), "/proc/sys");
 * close(file);
 * ```
 */
export function directoryOf(
  descriptor: number,
  directories: readonly string[],
): string | undefined {
  return directories.find((path) => isIn(descriptor, path));
}

const WRITABLE_BY_OTHERS = 0o022;

function isIn(descriptor: number, directory: string): boolean {
  let above: number;
  try {
    above = open(directory, O_PATH);
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
  try {
    const { mode, uid } = statx(above, "", AT_EMPTY_PATH);
    if (uid !== 0 || (mode & WRITABLE_BY_OTHERS) !== 0) return false;
    const way = wayTo(pathOf(above), pathOf(descriptor));
    return way !== undefined && leadsTo(above, way, descriptor);
  } finally {
    close(above);
  }
}

/** The path of the one from the other, if there is a way down. */
function wayTo(above: string, path: string): string | undefined {
  if (path === above) return ".";
  const prefix = above === "/" ? above : `${above}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length) : undefined;
}

function leadsTo(above: number, way: string, descriptor: number): boolean {
  const resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  let there: number;
  try {
    there = openat2(above, way, { flags: O_PATH, resolve });
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
  const [one, other] = [there, descriptor]
    .map((file) => statx(file, "", AT_EMPTY_PATH));
  close(there);
  return one.ino === other.ino && one.mountId === other.mountId;
}
