/**
 * Asks the user, where there is one to be asked.
 *
 * @module
 */

import { read, writeAll } from "../ffi/libc.ts";
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
 */
export function* ask(question: string): Waiting<boolean> {
  writeAll(STDERR, new TextEncoder().encode(`${question} [y/N] `));
  // Only what is waited for can be ended by a signal.
  yield* untilReadable(STDIN);
  const answer = new Uint8Array(ANSWER_SIZE);
  const size = read(STDIN, answer);
  const text = new TextDecoder().decode(answer.subarray(0, size));
  return /^y(es)?\s*$/i.test(text);
}

const STDIN = 0;
const STDERR = 2;

/** Room for a line of an answer. */
const ANSWER_SIZE = 256;
