/**
 * Signals that come while a command is being started.
 *
 * @module
 */

import { SIGNALS } from "../ffi/constants.ts";
import { rtSigprocmask, signalSet } from "../ffi/libc.ts";
import { Notes } from "../ffi/notes.ts";

/**
 * Signals that a program gets to end or to do something. They are to wait for
 * the supervisor, which passes them on: the container has begun by then.
 */
const PASSED: readonly number[] = [
  SIGNALS.SIGHUP,
  SIGNALS.SIGINT,
  SIGNALS.SIGQUIT,
  SIGNALS.SIGUSR1,
  SIGNALS.SIGUSR2,
  SIGNALS.SIGALRM,
  SIGNALS.SIGTERM,
];

/**
 * Keeps signals for later. They are blocked in all threads of the installed
 * program from its first instruction on. Elsewhere the threads of the runtime
 * are there already, and a mask is one thread's: so they are written down.
 *
 * @returns The notes, if signals are not blocked.
 * @throws {SyscallError} If there are no descriptors left.
 */
export function noteSignals(): Notes | undefined {
  const passed = signalSet(...PASSED);
  if ((rtSigprocmask() & passed) === passed) return undefined;
  return new Notes(PASSED);
}
