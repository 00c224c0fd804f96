/**
 * Programs that a user runs, as after a login.
 *
 * @module
 */

import {
  type Child,
  type Result,
  run,
  type RunOptions,
  spawn,
} from "../../e2e/support/mod.ts";
import { install } from "./installed.ts";
import type { Person } from "./people.ts";

/** What a login sets, and nothing of who runs the tests. */
const PATH = "/usr/local/bin:/usr/bin:/bin";

/** How a user runs a program: variables are on top of those of a login. */
export type AsOptions = Omit<RunOptions, "clearEnv">;

/**
 * Gives the words that make a program a user's.
 *
 * @param person The user.
 * @param env Variables beside those of a login.
 * @returns Words to be followed by the program.
 */
export function wordsAs(
  person: Person,
  env: Readonly<Record<string, string>> = {},
): string[] {
  return [...becoming(person), "env", ...variables(person, env)];
}

/**
 * Gives the words that change ids and groups alone.
 *
 * @param person The user.
 * @returns Words to be followed by the program.
 */
export function becoming({ uid }: Person): string[] {
  return [
    ...["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--init-groups", "--"],
  ];
}

function variables(
  { name, home }: Person,
  env: Readonly<Record<string, string>>,
): string[] {
  const login = { HOME: home, LOGNAME: name, USER: name, SHELL: "/bin/sh" };
  return Object.entries({ ...login, PATH, ...env })
    .map((entry) => entry.join("="));
}

/**
 * Runs a program to its end.
 *
 * @param person The user.
 * @param words The program and its arguments.
 * @param options What it gets; it starts at home unless told otherwise.
 * @returns How it ended.
 */
export function runAs(
  person: Person,
  words: readonly string[],
  options: AsOptions = {},
): Promise<Result> {
  return run(
    [...wordsAs(person, options.env), ...words],
    rest(person, options),
  );
}

/**
 * Starts a program.
 *
 * @param person The user.
 * @param words The program and its arguments.
 * @param options What it gets; it starts at home unless told otherwise.
 * @returns The running program.
 */
export function spawnAs(
  person: Person,
  words: readonly string[],
  options: AsOptions = {},
): Child {
  return spawn(
    [...wordsAs(person, options.env), ...words],
    rest(person, options),
  );
}

/**
 * Runs the installed `cage` to its end.
 *
 * @param person The user.
 * @param args The arguments.
 * @param options What it gets.
 * @returns How it ended.
 */
export function cageAs(
  person: Person,
  args: readonly string[],
  options: AsOptions = {},
): Promise<Result> {
  return runAs(person, [install().cage, ...args], options);
}

/**
 * Starts the installed `cage`.
 *
 * @param person The user.
 * @param args The arguments.
 * @param options What it gets.
 * @returns The running `cage`.
 */
export function spawnCageAs(
  person: Person,
  args: readonly string[],
  options: AsOptions = {},
): Child {
  return spawnAs(person, [install().cage, ...args], options);
}

/** A test's own environment is for no user. */
function rest({ home }: Person, options: AsOptions): RunOptions {
  return { cwd: home, ...options, env: { PATH }, clearEnv: true };
}
