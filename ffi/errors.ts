/**
 * Errors of system calls.
 *
 * @module
 */

import type { SystemCall } from "./calls.ts";
import { errnoName, errnoText } from "./errno.ts";

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
