/**
 * Locks without waiting.
 *
 * @module
 */

import { LOCK_EX, LOCK_NB } from "../ffi/constants.ts";
import { flock, hasErrno } from "../ffi/libc.ts";

/**
 * Takes the exclusive lock of an open file, flock(2), unless somebody else has
 * it.
 *
 * @param descriptor The descriptor of the file.
 * @returns Whether this process has it.
 * @throws {SyscallError} If it cannot be locked.
 *
 * @example A file that nobody has locked
 * ```ts
 * import { memfdCreate } from "cage/ffi/libc.ts";
 * import { lockNow } from "cage/src/lock_now.ts";
 * import { assert } from "@std/assert";
 *
 * assert(lockNow(memfdCreate("example")));
 * ```
 */
export function lockNow(descriptor: number): boolean {
  try {
    flock(descriptor, LOCK_EX | LOCK_NB);
    return true;
  } catch (error) {
    if (hasErrno(error, "EAGAIN")) return false;
    throw error;
  }
}
