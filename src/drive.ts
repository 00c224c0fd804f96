/**
 * Waits for what a launch waits for: on this thread, as a command line does.
 *
 * @module
 */

import { LOCK_EX, SIGNALS } from "../ffi/constants.ts";
import {
  close,
  flock,
  hasErrno,
  poll,
  read,
  rtSigprocmask,
  signalfd4,
  signalSet,
} from "../ffi/libc.ts";
import { CageError } from "./errors.ts";
import type { DescriptorWait, Waiting } from "./wait.ts";

/** Signals that end a program which does not handle them. */
const ENDING = signalSet(
  SIGNALS.SIGHUP,
  SIGNALS.SIGINT,
  SIGNALS.SIGQUIT,
  SIGNALS.SIGTERM,
);

/** A signal came that ends the program. */
export class InterruptedError extends CageError {
  /** The name of the class. */
  override name = "InterruptedError";
}

/**
 * Runs to the end of something that waits now and then. A signal that would
 * end the program does so while it waits for a lock; otherwise what was begun
 * is taken back first.
 *
 * @param waiting What waits.
 * @returns Its result.
 * @throws {InterruptedError} If a signal came.
 *
 * @example Nothing to wait for
 * ```ts
 * import { drive } from "cage/src/drive.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await drive(function* () { return 7; }()), 7);
 * ```
 */
export async function drive<T>(waiting: Waiting<T>): Promise<T> {
  const signals = new Signals();
  try {
    let turn = waiting.next();
    while (!turn.done) {
      const wait = turn.value;
      if (wait.kind === "module") await wait.module;
      const signal = wait.kind === "module"
        ? undefined
        : waitFor(wait, signals);
      turn = signal === undefined ? waiting.next() : waiting.throw(
        new InterruptedError(`Ended by signal ${signal}`, 128 + signal),
      );
    }
    return turn.value;
  } finally {
    signals[Symbol.dispose]();
  }
}

/** The signals of {@linkcode ENDING}, blocked and to be read. */
class Signals implements Disposable {
  readonly descriptor: number;

  /** They stay blocked: what comes next is to get them. */
  constructor() {
    rtSigprocmask(rtSigprocmask() | ENDING);
    this.descriptor = signalfd4(ENDING);
  }

  [Symbol.dispose](): void {
    close(this.descriptor);
  }
}

function waitFor(wait: DescriptorWait, signals: Signals): number | undefined {
  if (wait.kind === "lock") {
    lock(wait.descriptor);
    return undefined;
  }
  const descriptors = wait.signalsLater
    ? [wait.descriptor]
    : [wait.descriptor, signals.descriptor];
  const ready = pollAgain(descriptors, wait.atMost);
  if (!ready.includes(signals.descriptor)) return undefined;
  // struct signalfd_siginfo, 128 bytes, begins with the number: signalfd(2).
  const info = new Uint8Array(128);
  read(signals.descriptor, info);
  return new DataView(info.buffer).getUint32(0, true);
}

/** A signal that comes while another instance starts ends this one at once. */
function lock(descriptor: number): void {
  const blocked = rtSigprocmask();
  rtSigprocmask(blocked & ~ENDING);
  try {
    for (;;) {
      try {
        return flock(descriptor, LOCK_EX);
      } catch (error) {
        if (!isInterrupted(error)) throw error;
      }
    }
  } finally {
    rtSigprocmask(blocked);
  }
}

function pollAgain(descriptors: readonly number[], atMost?: number): number[] {
  for (;;) {
    try {
      return poll(descriptors.map((fd) => ({ fd })), atMost);
    } catch (error) {
      if (!isInterrupted(error)) throw error;
    }
  }
}

function isInterrupted(error: unknown): boolean {
  return hasErrno(error, "EINTR");
}
