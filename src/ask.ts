/**
 * Asks the user, where there is one to be asked.
 *
 * @module
 */

import { hasErrno, read, syscall, writeAll } from "../ffi/libc.ts";
import { asJob } from "./as_job.ts";
import { CageError } from "./errors.ts";
import { untilReadable, type Waiting } from "./wait.ts";

/**
 * Tells whether there is somebody who can answer.
 *
 * @returns Whether standard input is a terminal.
 *
 * @example Without a terminal
 * ```ts
 * import { canAsk } from "cage/src/ask.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(canAsk(), Deno.stdin.isTerminal());
 * ```
 */
export function canAsk(): boolean {
  return Deno.stdin.isTerminal();
}

/**
 * Asks a question that is answered by yes or no.
 *
 * @param question The question. Whatever it has of a user is quoted.
 * @returns Whether the answer is yes; any other answer, and none, is no.
 * @throws {CageError} If nobody can answer, for it is no job of a shell.
 */
export function* ask(question: string): Waiting<boolean> {
  return yield* asJob(function* () {
    try {
      untilForeground();
      writeAll(STDERR, new TextEncoder().encode(`${question} [y/N] `));
      // Only what is waited for can be ended by a signal.
      yield* untilReadable(STDIN);
      return isYes();
    } catch (error) {
      if (!hasErrno(error, "EIO")) throw error;
      throw new CageError(
        "Cannot ask: the terminal is not this program's: answer with --yes",
      );
    }
  });
}

function isYes(): boolean {
  const answer = new Uint8Array(ANSWER_SIZE);
  const size = read(STDIN, answer);
  const text = new TextDecoder().decode(answer.subarray(0, size));
  return /^y(es)?\s*$/i.test(text);
}

/**
 * Nothing is to be drained; a job in the background is stopped by that, as by
 * any change of its terminal, until it is in the foreground: tcdrain(3).
 */
function untilForeground(): void {
  syscall("ioctl", STDIN, TCSBRK, 1);
}

/** `TCSBRK` of asm-generic/ioctls.h: tcdrain(3) with any argument but 0. */
const TCSBRK = 0x5409;

const STDIN = 0;
const STDERR = 2;

/** Room for a line of an answer. */
const ANSWER_SIZE = 256;
