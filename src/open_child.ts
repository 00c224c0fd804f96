/**
 * Children that are held, or ended.
 *
 * @module
 */

import { P_PID, SIGNALS, WEXITED } from "../ffi/constants.ts";
import { kill, pidfdOpen, syscall } from "../ffi/libc.ts";

/**
 * Opens a child, which has memory of this process: one that cannot be held is
 * not left alone.
 *
 * @param pid The id of the process.
 * @param isOwn Whether it is a child of this process; another one has a
 * supervisor that waits for it.
 * @returns A pidfd of it.
 * @throws {SyscallError} If it cannot be opened. It has ended then.
 *
 * @example A child that ends at once
 * ```ts
 * import { Block } from "cage/ffi/block.ts";
 * import { close, waitPidfd } from "cage/ffi/libc.ts";
 * import { openChild } from "cage/src/open_child.ts";
 * import { assertEquals } from "@std/assert";
 *
 * using block = new Block();
 * const pidfd = openChild(block.start(0));
 * assertEquals(waitPidfd(pidfd)?.status, 0);
 * close(pidfd);
 * ```
 */
export function openChild(pid: number, isOwn = true): number {
  try {
    return pidfdOpen(pid);
  } catch (error) {
    endChild(pid, isOwn);
    throw error;
  }
}

/**
 * Ends a child, and waits for that.
 *
 * @param pid The id of the process.
 * @param isOwn Whether it is a child of this process; another one is waited for
 * by its supervisor.
 * @throws {SyscallError} If there is no such process.
 *
 * @example A child
 * ```ts
 * import { Block } from "cage/ffi/block.ts";
 * import { endChild } from "cage/src/open_child.ts";
 *
 * using block = new Block();
 * endChild(block.start(0), true);
 * ```
 */
export function endChild(pid: number, isOwn: boolean): void {
  kill(pid, SIGNALS.SIGKILL);
  if (isOwn) syscall("waitid", P_PID, pid, 0, WEXITED, 0);
}
