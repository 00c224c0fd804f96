/**
 * Waits for what a launch waits for: on this thread, as a command line does.
 *
 * @module
 */

import { LOCK_EX, O_NONBLOCK, SIGINFO, SIGNALS } from "../ffi/constants.ts";
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
import type { Notes } from "../ffi/notes.ts";
import { CageError } from "./errors.ts";
import { lockNow } from "./lock_now.ts";
import type { DescriptorWait, Waiting } from "./wait.ts";

/** Signals that end a program which does not handle them. */
export const ENDING: readonly number[] = [
  SIGNALS.SIGHUP,
  SIGNALS.SIGINT,
  SIGNALS.SIGQUIT,
  SIGNALS.SIGTERM,
];

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
 * @param notes Where signals are written down, unless they are blocked in all
 * threads.
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
export async function drive<T>(
  waiting: Waiting<T>,
  notes?: Notes,
): Promise<T> {
  const signals = notes === undefined
    ? new BlockedSignals()
    : new NotedSignals(notes);
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

/** Signals that end the program, and how to learn of them. */
interface Signals extends Disposable {
  /** Can be read when one may have come. */
  readonly descriptor: number;
  /** The number of one that came. */
  next(): number | undefined;
  /** Lets one that comes end the program at once, or forbids that again. */
  setEnding(atOnce: boolean): void;
}

/** Blocked in all threads, and to be read. */
class BlockedSignals implements Signals {
  readonly descriptor: number;

  /** They stay blocked: what comes next is to get them. */
  constructor() {
    this.setEnding(false);
    this.descriptor = signalfd4(signalSet(...ENDING), O_NONBLOCK);
  }

  next(): number | undefined {
    // struct signalfd_siginfo, 128 bytes, begins with the number: signalfd(2).
    const info = new Uint8Array(128);
    try {
      read(this.descriptor, info);
    } catch (error) {
      if (hasErrno(error, "EAGAIN")) return undefined;
      throw error;
    }
    return new DataView(info.buffer).getUint32(0, true);
  }

  setEnding(atOnce: boolean): void {
    const set = signalSet(...ENDING);
    const mask = rtSigprocmask();
    rtSigprocmask(atOnce ? mask & ~set : mask | set);
  }

  [Symbol.dispose](): void {
    close(this.descriptor);
  }
}

/** Written down; those that do not end the program are put back. */
class NotedSignals implements Signals {
  readonly #notes: Notes;
  readonly #others: Uint8Array[] = [];

  constructor(notes: Notes) {
    this.#notes = notes;
  }

  get descriptor(): number {
    return this.#notes.reader;
  }

  next(): number | undefined {
    for (;;) {
      const info = this.#notes.next();
      if (info === undefined) return undefined;
      const signal = new DataView(info.buffer).getInt32(SIGINFO.signo, true);
      if (ENDING.includes(signal)) return signal;
      this.#others.push(info);
    }
  }

  setEnding(atOnce: boolean): void {
    if (atOnce) this.#notes.end();
    else this.#notes.begin();
  }

  [Symbol.dispose](): void {
    this.#others.forEach((info) => this.#notes.putBack(info));
  }
}

function waitFor(wait: DescriptorWait, signals: Signals): number | undefined {
  if (wait.kind === "lock") return lock(wait.descriptor, signals);
  const descriptors = wait.signalsLater
    ? [wait.descriptor]
    : [wait.descriptor, signals.descriptor];
  for (;;) {
    const ready = pollAgain(descriptors, wait.atMost);
    const signal = ready.includes(signals.descriptor)
      ? signals.next()
      : undefined;
    const isOver = ready.length === 0 || ready.includes(wait.descriptor);
    if (signal !== undefined || isOver) return signal;
  }
}

/** A signal that comes while another instance starts ends this one at once. */
function lock(descriptor: number, signals: Signals): number | undefined {
  // Where nobody else has it, what was begun is taken back at the next wait.
  if (lockNow(descriptor)) return undefined;
  signals.setEnding(true);
  try {
    for (;;) {
      // One that came before is not going to come again.
      const signal = signals.next();
      if (signal !== undefined) return signal;
      try {
        flock(descriptor, LOCK_EX);
        return undefined;
      } catch (error) {
        if (!isInterrupted(error)) throw error;
      }
    }
  } finally {
    signals.setEnding(false);
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
