/**
 * Processes as `/proc` shows them.
 *
 * @module
 */

import { close, pidfdOpen } from "../ffi/libc.ts";
import { type Birth, isEnding, parseBirth } from "./pid_file.ts";
import { SUPERVISOR_NAME } from "./supervisor.ts";

/**
 * Finds out what tells a process from all others.
 *
 * @param pid The id.
 * @returns When the process began, and its parent.
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
export function identify(pid: number): Birth {
  return parseBirth(Deno.readTextFileSync(`/proc/${pid}/stat`));
}

/**
 * Tells whether a process is the one that is meant, and goes on.
 *
 * @param pid The id, of which a pidfd is open, so that it cannot come to mean
 * another process meanwhile.
 * @param birth When the process that is meant began.
 * @returns Whether it runs, is about to end or has ended, or is another one.
 * @throws {Error} If that cannot be found out now.
 *
 * @example This process
 * ```ts
 * import { identify, stateOf } from "cage/src/process_state.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { start } = identify(Deno.pid);
 * assertEquals(stateOf(Deno.pid, { start }), "running");
 * assertEquals(stateOf(Deno.pid, { start: start + 1n }), "other");
 * ```
 */
export function stateOf(
  pid: number,
  { start }: Pick<Birth, "start">,
): "running" | "ending" | "other" {
  try {
    if (identify(pid).start !== start) return "other";
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return isEnding(status) ? "ending" : "running";
  } catch (error) {
    // Where `/proc` hides those of others, it is one of them.
    const isHidden = error instanceof Deno.errors.PermissionDenied;
    if (isHidden || isOfEnded(error)) return "other";
    // What cannot be told now, for want of descriptors, is not given up.
    throw error;
  }
}

/**
 * Tells whether a file of a process could not be read because that has ended:
 * ENOENT when it is gone, ESRCH when it goes meanwhile, EINVAL for the mounts of
 * one that nobody has waited for (`mounts_open_common` of fs/proc_namespace.c).
 *
 * @param error What was thrown by a function of Deno's.
 * @returns Whether it is that.
 *
 * @example No such process
 * ```ts
 * import { isOfEnded } from "cage/src/process_state.ts";
 * import { assert, assertThrows } from "@std/assert";
 *
 * const error = assertThrows(() => Deno.readTextFileSync("/proc/0/stat"));
 * assert(isOfEnded(error));
 * ```
 */
export function isOfEnded(error: unknown): boolean {
  // Deno has no class for the others, and no code for ESRCH.
  return error instanceof Deno.errors.NotFound ||
    error instanceof Error && /\(os error (?:3|22)\)/.test(error.message);
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
  let pidfd: number | undefined;
  try {
    const { parent } = identify(pid);
    pidfd = pidfdOpen(parent);
    const name = Deno.readTextFileSync(`/proc/${parent}/comm`);
    if (name === `${SUPERVISOR_NAME}\n`) return pidfd;
  } catch {
    // It has just ended.
  }
  if (pidfd !== undefined) close(pidfd);
  return undefined;
}
