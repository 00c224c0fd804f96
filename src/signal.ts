/**
 * Signals to processes that may have ended.
 *
 * @module
 */

import { hasErrno, pidfdSendSignal } from "../ffi/libc.ts";

/**
 * Signals a process. One that has just ended needs no signal.
 *
 * @param pidfd The descriptor of the process.
 * @param number The number of the signal.
 * @throws {SyscallError} If it may not be signalled.
 *
 * @example A process that is not there any more
 * ```ts
 * import { signal } from "cage/src/signal.ts";
 * import { startQuietly } from "cage/src/quiet_start.ts";
 * import { Block } from "cage/ffi/block.ts";
 * import { close, waitPidfd } from "cage/ffi/libc.ts";
 *
 * using block = new Block();
 * const { pidfd } = startQuietly(block, 0);
 * waitPidfd(pidfd);
 * signal(pidfd, 9);
 * close(pidfd);
 * ```
 */
export function signal(pidfd: number, number: number): void {
  try {
    pidfdSendSignal(pidfd, number);
  } catch (error) {
    if (!hasErrno(error, "ESRCH")) throw error;
  }
}
