/**
 * Starts processes that share the memory of this one.
 *
 * @module
 */

import type { Block } from "../ffi/block.ts";
import { ALL_SIGNALS, rtSigprocmask } from "../ffi/libc.ts";
import { openChild } from "./open_child.ts";

/**
 * Starts a process with all signals blocked: no handler of the runtime may run
 * in it, see signal-safety(7).
 *
 * @param block The memory, with the program of the process.
 * @param flags Flags of clone(2).
 * @returns The id and a pidfd of the process.
 * @throws {SyscallError} If it cannot be started. None is left then.
 *
 * @example A process that ends at once
 * ```ts
 * import { startQuietly } from "cage/src/quiet_start.ts";
 * import { Block } from "cage/ffi/block.ts";
 * import { close, waitPidfd } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * using block = new Block();
 * const { pidfd } = startQuietly(block, 0);
 * assertEquals(waitPidfd(pidfd)?.status, 0);
 * close(pidfd);
 * ```
 */
export function startQuietly(
  block: Block,
  flags: number,
): { readonly pid: number; readonly pidfd: number } {
  const mask = rtSigprocmask(ALL_SIGNALS);
  try {
    const pid = block.start(flags);
    return { pid, pidfd: openChild(pid) };
  } finally {
    rtSigprocmask(mask);
  }
}
