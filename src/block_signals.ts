/**
 * Signals blocked in the whole process.
 *
 * @module
 */

import { SIGNALS } from "../ffi/constants.ts";
import { execveat, rtSigprocmask, signalSet } from "../ffi/libc.ts";

/**
 * Signals that a program gets to end or to do something. They are to wait for
 * the supervisor, which passes them on: the container has begun by then.
 */
const PASSED = signalSet(
  SIGNALS.SIGHUP,
  SIGNALS.SIGINT,
  SIGNALS.SIGQUIT,
  SIGNALS.SIGUSR1,
  SIGNALS.SIGUSR2,
  SIGNALS.SIGALRM,
  SIGNALS.SIGTERM,
);

/**
 * Blocks signals in every thread of the runtime. A mask is the thread's, and
 * those of the runtime are there already: so it is started again, unless it
 * was started with them blocked, as the installed program is.
 */
export function blockSignals(): void {
  const mask = rtSigprocmask();
  if ((mask & PASSED) === PASSED) return;
  rtSigprocmask(mask | PASSED);
  execveat(Deno.execPath(), texts("cmdline"), texts("environ"));
}

/** Texts of this process that each end with a NUL byte, proc(5). */
function texts(file: "cmdline" | "environ"): string[] {
  return Deno.readTextFileSync(`/proc/self/${file}`).split("\0").slice(0, -1);
}
