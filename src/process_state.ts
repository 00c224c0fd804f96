/**
 * Processes as `/proc` shows them.
 *
 * @module
 */

import { close, pidfdOpen } from "../ffi/libc.ts";
import { isEnding, parseStart, type ProcessId } from "./pid_file.ts";
import { SUPERVISOR_NAME } from "./supervisor.ts";

/**
 * Finds out what tells a process from all others.
 *
 * @param pid The id.
 * @returns The id, and when the process began.
 * @throws {Deno.errors.NotFound} If there is no such process.
 *
 * @example This process
 * ```ts
 * import { identify } from "cage/src/process_state.ts";
 * import { assert } from "@std/assert";
 *
 * assert(identify(Deno.pid).start > 0n);
 * ```
 */
export function identify(pid: number): ProcessId {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return { pid, start: parseStart(stat) };
}

/**
 * Tells whether a process is the one that is meant, and goes on.
 *
 * @param pid The id, of which a pidfd is open, so that it cannot come to mean
 * another process meanwhile.
 * @param start When the process that is meant began.
 * @returns Whether it runs, is about to end or has ended, or is another one.
 *
 * @example This process
 * ```ts
 * import { identify, stateOf } from "cage/src/process_state.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { start } = identify(Deno.pid);
 * assertEquals(stateOf(Deno.pid, start), "running");
 * assertEquals(stateOf(Deno.pid, start + 1n), "other");
 * ```
 */
export function stateOf(
  pid: number,
  start: bigint,
): "running" | "ending" | "other" {
  try {
    if (identify(pid).start !== start) return "other";
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return isEnding(status) ? "ending" : "running";
  } catch {
    // No such process any more.
    return "other";
  }
}

/**
 * Opens the supervisor of an instance, which holds its directories.
 *
 * @param pid The id of pid 1 of the instance.
 * @returns A pidfd, unless another program launched the instance.
 *
 * @example This process supervises nothing
 * ```ts
 * import { openSupervisor } from "cage/src/process_state.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(openSupervisor(0), undefined);
 * ```
 */
export function openSupervisor(pid: number): number | undefined {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    const parent = Number(/^PPid:\t([0-9]+)$/m.exec(status)?.[1]);
    const pidfd = pidfdOpen(parent);
    const name = Deno.readTextFileSync(`/proc/${parent}/comm`);
    if (name === `${SUPERVISOR_NAME}\n`) return pidfd;
    close(pidfd);
  } catch {
    // It has just ended.
  }
  return undefined;
}
