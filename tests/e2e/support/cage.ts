/**
 * Runs of `cage`.
 *
 * @module
 */

import {
  type Child,
  type Result,
  run,
  type RunOptions,
  spawn,
} from "./process.ts";
import { spawnOnTerminal, type TerminalOptions } from "./terminal.ts";
import { cageWords } from "./words.ts";

/**
 * Runs `cage` to its end.
 *
 * @param args The arguments.
 * @param options What it gets.
 * @returns How it ended.
 */
export function cage(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result> {
  return run([...cageWords(), ...args], options);
}

/**
 * Starts `cage`. What runs inside prints when it is ready, see
 * {@linkcode Child.seen}.
 *
 * @param args The arguments.
 * @param options What it gets.
 * @returns The running `cage`.
 */
export function spawnCage(
  args: readonly string[],
  options: RunOptions = {},
): Child {
  return spawn([...cageWords(), ...args], options);
}

/**
 * Starts `cage` on a terminal of its own.
 *
 * @param args The arguments.
 * @param options What it gets, and the size of the terminal.
 * @returns The running `cage`.
 */
export function cageOnTerminal(
  args: readonly string[],
  options: TerminalOptions = {},
): Child {
  return spawnOnTerminal([...cageWords(), ...args], options);
}

/**
 * A command that waits until its standard input is closed.
 *
 * @param script What it does first.
 * @returns The words, after the options.
 */
export function waiting(script: string = "echo ready"): string[] {
  return ["--", "/bin/sh", "-c", `${script}\ncat >/dev/null`];
}

/**
 * A command that is a shell script.
 *
 * @param script The script.
 * @returns The words, after the options.
 */
export function sh(script: string): string[] {
  return ["--", "/bin/sh", "-c", script];
}
