/**
 * Signals that are written down instead of handled.
 *
 * A handler of the runtime does its work later, on the thread that is about to
 * do something else, and a mask is one thread's. The handler here is a few
 * instructions that write down what came, on whichever thread that is.
 *
 * @module
 */

import { HOST_ARCH } from "./arch.ts";
import {
  O_NONBLOCK,
  SIGACTION_SIZE,
  SIGINFO,
  SIGSET_SIZE,
} from "./constants.ts";
import { hasErrno } from "./errors.ts";
import { pipe2, read, write } from "./files.ts";
import { mapCode } from "./native.ts";
import { noteListing, RESTORER } from "./note_code.ts";
import { syscall } from "./syscall.ts";

// Flags of asm-generic/signal-defs.h and, the second one, of asm/signal.h of
// both architectures, Linux 6.1.
const SA_SIGINFO = 4n;
const SA_RESTORER = 0x0400_0000n;
const SA_ONSTACK = 0x0800_0000n;
const SA_RESTART = 0x1000_0000n;

/** `SIG_IGN` of asm-generic/signal-defs.h. */
const SIG_IGN = 1n;

/** While the handler writes, no other one does. */
const ALL = 0xffff_ffff_ffff_ffffn;

/**
 * Signals that are written down: in a pipe, each a `siginfo_t` of 128 bytes,
 * which begins with the number of the signal.
 *
 * They are this process's until it executes another program; who reads the
 * pipe then learns of those that came before.
 *
 * @example One that comes
 * ```ts
 * import { Notes } from "cage/ffi/notes.ts";
 * import { kill, poll } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const SIGUSR2 = 12;
 * const notes = new Notes([SIGUSR2]);
 * kill(Deno.pid, SIGUSR2);
 * poll([{ fd: notes.reader }]);
 * assertEquals(notes.next()?.[0], SIGUSR2);
 * notes.end();
 * ```
 */
export class Notes {
  /** The end of the pipe to read from, which waits for nothing. */
  readonly reader: number;
  readonly #writer: number;
  readonly #signals: readonly number[];
  readonly #action: Uint8Array;

  /**
   * Writes signals down from here on, but for those that are ignored.
   *
   * @param signals Which.
   * @throws {SyscallError} If there are no descriptors left.
   * @throws {Error} If there is no memory for machine code.
   */
  constructor(signals: readonly number[]) {
    // A handler that waited for a reader would stop its thread.
    ({ reader: this.reader, writer: this.#writer } = pipe2(O_NONBLOCK));
    this.#action = handler(this.#writer);
    this.#signals = signals.filter((signal) => !isIgnored(signal));
    this.begin();
  }

  /** Writes signals down again. */
  begin(): void {
    for (const signal of this.#signals) setAction(signal, this.#action);
  }

  /** Lets signals do what they do to a program that handles none. */
  end(): void {
    const none = new Uint8Array(SIGACTION_SIZE);
    for (const signal of this.#signals) setAction(signal, none);
  }

  /**
   * Reads what was written down.
   *
   * @returns The next one, if there is one.
   */
  next(): Uint8Array | undefined {
    const info = new Uint8Array(SIGINFO.size);
    try {
      read(this.reader, info);
      return info;
    } catch (error) {
      if (hasErrno(error, "EAGAIN")) return undefined;
      throw error;
    }
  }

  /**
   * Writes down again what was read.
   *
   * @param info What {@linkcode next} gave.
   */
  putBack(info: Uint8Array): void {
    write(this.#writer, info);
  }
}

/** `struct sigaction` of asm-generic/signal.h: four words. */
function handler(writer: number): Uint8Array {
  const { code } = noteListing(HOST_ARCH);
  new DataView(code.buffer).setBigUint64(code.length - 8, BigInt(writer), true);
  const address = mapCode(code);
  const flags = SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_RESTART;
  const restorer = address + BigInt(RESTORER[HOST_ARCH]);
  return new Uint8Array(
    new BigUint64Array([address, flags, restorer, ALL]).buffer,
  );
}

function setAction(signal: number, action: Uint8Array): void {
  syscall("rt_sigaction", signal, action, 0, SIGSET_SIZE);
}

function isIgnored(signal: number): boolean {
  const old = new BigUint64Array(SIGACTION_SIZE / 8);
  const into = new Uint8Array(old.buffer);
  syscall("rt_sigaction", signal, 0, { into }, SIGSET_SIZE);
  return old[0] === SIG_IGN;
}
