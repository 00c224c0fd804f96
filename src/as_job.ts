/**
 * Waiting as a job of a shell.
 *
 * @module
 */

import { SIG_BLOCK, SIG_UNBLOCK, SIGNALS } from "../ffi/constants.ts";
import { rtSigprocmask, signalSet } from "../ffi/libc.ts";
import type { Waiting } from "./wait.ts";

/** The signals by which a terminal and a shell stop a job. */
const STOPPING = signalSet(SIGNALS.SIGTSTP, SIGNALS.SIGTTIN, SIGNALS.SIGTTOU);

/**
 * Does something during which this process can be stopped, and goes on when the
 * shell says so: the installed program has all signals blocked otherwise.
 *
 * @param action What to do.
 * @returns What it gives.
 *
 * @example Nothing
 * ```ts
 * import { asJob } from "cage/src/as_job.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(asJob(function* () { return 7; }).next().value, 7);
 * ```
 */
export function* asJob<T>(action: () => Waiting<T>): Waiting<T> {
  const blocked = rtSigprocmask() & STOPPING;
  rtSigprocmask(STOPPING, SIG_UNBLOCK);
  try {
    return yield* action();
  } finally {
    rtSigprocmask(blocked, SIG_BLOCK);
  }
}
