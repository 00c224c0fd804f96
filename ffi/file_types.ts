/**
 * What the mode of a file says beside its permissions: linux/stat.h, inode(7).
 *
 * @module
 */

/** The bits that are the type. */
const S_IFMT = 0o170000;

/** A regular file. */
export const S_IFREG = 0o100000;
/** A directory. */
export const S_IFDIR = 0o040000;
/** A character device, such as a terminal. */
export const S_IFCHR = 0o020000;
/** A FIFO. */
export const S_IFIFO = 0o010000;
/** A socket with a path. */
export const S_IFSOCK = 0o140000;
/** Executed, it takes on the user that it belongs to. */
export const S_ISUID = 0o4000;

/**
 * Tells whether a file is of a type.
 *
 * @param mode The mode, as of statx(2).
 * @param type One of the types.
 * @returns Whether it is.
 *
 * @example A directory
 * ```ts
 * import { isOfType, S_IFDIR, S_IFREG } from "cage/ffi/file_types.ts";
 * import { assert } from "@std/assert";
 *
 * assert(isOfType(0o040755, S_IFDIR));
 * assert(!isOfType(0o040755, S_IFREG));
 * ```
 */
export function isOfType(mode: number, type: number): boolean {
  return (mode & S_IFMT) === type;
}
