/**
 * Waiting for a lock without stopping the runtime.
 *
 * @module
 */

import { LOCK_EX } from "./constants.ts";
import { word } from "./data.ts";
import { ERRNO } from "./errno.ts";
import { SyscallError } from "./errors.ts";
import { rawCallLater } from "./native.ts";

/**
 * Takes the exclusive lock of an open file, flock(2), on another thread.
 *
 * @param descriptor An open descriptor of the file.
 * @throws {SyscallError} If it cannot be locked.
 *
 * @example A file that nobody has locked
 * ```ts
 * import { lockLater } from "cage/ffi/lock.ts";
 * import { close, memfdCreate } from "cage/ffi/libc.ts";
 *
 * const descriptor = memfdCreate("example");
 * await lockLater(descriptor);
 * close(descriptor);
 * ```
 */
export async function lockLater(descriptor: number): Promise<void> {
  for (;;) {
    const args = [descriptor, LOCK_EX].map(word);
    const result = Number(await rawCallLater("flock", args));
    if (result >= 0) return;
    if (-result !== ERRNO.EINTR) throw new SyscallError("flock", -result);
  }
}
