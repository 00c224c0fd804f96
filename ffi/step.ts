/**
 * Programs as data: lists of system calls, with what to do when one fails.
 *
 * @module
 */

import type { Call } from "./calls.ts";
import type { ErrnoName } from "./errno.ts";

/** The result of a step, as it is when the step that has this argument runs. */
export interface ResultArgument {
  /** The name of the step. */
  readonly result: string;
}

/** The address of a named buffer, or of a place in it. */
export interface BufferArgument {
  /** The name of the buffer. */
  readonly buffer: string;
  /** Bytes from its start, 0 if absent. */
  readonly offset?: number;
}

/** The address of 64-bit words: of a struct that points to other things. */
export interface WordsArgument {
  /** What each word is, as it would be passed. No results: they come late. */
  readonly words: readonly Exclude<Argument, ResultArgument>[];
}

/** The address of a place in the header, see `instruction.ts`. */
export interface HeaderArgument {
  /** Bytes from its start. */
  readonly header: number;
}

/**
 * An argument of a step: a number as it is; the address of a NUL-terminated
 * UTF-8 text, of a copy of bytes, of a null-ended vector of texts (argv,
 * envp), or of words; a result; an address in a buffer or in the header. Bytes
 * and words that are the same object are in memory once, so that one step can
 * change what another uses.
 */
export type Argument =
  | number
  | bigint
  | string
  | Uint8Array
  | readonly string[]
  | WordsArgument
  | ResultArgument
  | BufferArgument
  | HeaderArgument;

/** How a program goes on after an error. */
export interface OnError {
  /** The name of the step to go to; the next one if absent. */
  readonly goto?: string;
  /** The only error to go on after; any other stops. All if absent. */
  readonly errno?: ErrnoName;
}

/**
 * One step of a program: a system call, or what the machine does, which never
 * fails:
 *
 * | call                        | gives                                        |
 * | --------------------------- | -------------------------------------------- |
 * | `load(address, n)`          | the unsigned 32-bit value there, plus n      |
 * | `fetch(address, n)`         | the 64-bit value n bytes after the address   |
 * | `store(address, n, value)`  | the value, which is put there                |
 * | `subtract(a, b, n)`         | a - b * 2^n                                  |
 * | `stack()`                   | the address of the stack, which nothing uses |
 * | `parse(address, n)`         | a decimal number after n spaces              |
 * | `unpack(start, end, target)` | where it ends: the LZ4 block is decoded     |
 * | `find(vector, prefix, other)` | the first text that begins so, or the other |
 *
 * With `load` a program computes 128 + n, compares with a constant (`ifZero`),
 * and jumps always (a zero cell and `ifZero`).
 *
 * Spaces are counted after the last `)`, as in proc_pid_stat(5). The number of
 * `parse` ends with a space, a newline or the text; it is 0 if it
 * does not. A NUL is written after its digits, so that they are a text. What
 * `find` gives has something after the prefix, and nothing but ASCII that can
 * be printed. `unpack` reads and writes up to seven bytes behind both ends.
 */
export interface Step {
  /** A label to go to, and the name of the result. */
  readonly name?: string;
  /** What to do. */
  readonly call: Call;
  /** At most six; those that are missing are 0. */
  readonly args: readonly Argument[];
  /** How to go on after an error; the program stops if absent. */
  readonly onError?: OnError;
  /** The name of the step to go to when the result is 0. */
  readonly ifZero?: string;
  /** What could not be done if this step fails, for the user to read. */
  readonly why?: string;
  /** The name of the step to report instead when this one stops the program. */
  readonly blame?: string;
}

/** A list of steps, and memory for them. */
export interface Program {
  /** The steps, which run in order. After the last the process exits with 0. */
  readonly steps: readonly Step[];
  /** Names and sizes in bytes of memory that is zero at first. */
  readonly buffers?: Readonly<Record<string, number>>;
  /** The name of the step to go to where a step would stop the program. */
  readonly onStop?: string;
}
