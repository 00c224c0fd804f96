/**
 * Errors of system calls.
 *
 * @module
 */

import type { SystemCall } from "./calls.ts";
import { ERRNO, type ErrnoName, errnoName, errnoText } from "./errno.ts";

/**
 * A system call failed.
 *
 * @example What it says
 * ```ts
 * import { SyscallError } from "cage/ffi/errors.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new SyscallError("openat", 2);
 * assertEquals(error.code, "ENOENT");
 * assertEquals(error.message, "openat failed: No such file or directory");
 * ```
 */
export class SyscallError extends Error {
  /** The name of the class. */
  override name = "SyscallError";
  /** The name of the call. */
  readonly call: SystemCall;
  /** The number of the error, see errno(3). */
  readonly errno: number;
  /** The name of the error, `ENOENT`, as Deno's own errors have it. */
  readonly code: string;

  /**
   * Makes an error.
   *
   * @param call The name of the call.
   * @param errno The number of the error.
   */
  constructor(call: SystemCall, errno: number) {
    super(`${call} failed: ${errnoText(errno)}`);
    this.call = call;
    this.errno = errno;
    this.code = errnoName(errno) ?? `E${errno}`;
  }
}

/**
 * Tells whether something thrown is a failed system call with this error.
 *
 * @param error What was thrown.
 * @param code The name of the error.
 * @returns Whether it is.
 *
 * @example A descriptor that is not open
 * ```ts
 * import { hasErrno, SyscallError } from "cage/ffi/errors.ts";
 * import { assert } from "@std/assert";
 *
 * assert(hasErrno(new SyscallError("close", 9), "EBADF"));
 * assert(!hasErrno(new Error("EBADF"), "EBADF"));
 * ```
 */
export function hasErrno(error: unknown, code: ErrnoName): boolean {
  return error instanceof SyscallError && error.errno === ERRNO[code];
}
