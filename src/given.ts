/**
 * The options of a command line, by their names.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { type Option, OPTIONS } from "./options.ts";

/** The options that were given, by their long names. */
export type Given = Readonly<Record<string, unknown>>;

/**
 * Collects options.
 *
 * @param words The options as `splitWords` spells them.
 * @returns The options. Each value is in a list, flags are true or false.
 *
 * @example A flag, and a value
 * ```ts
 * import { collect, isGiven, valuesOf } from "cage/src/given.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const given = collect(["--kill", "--name=web"]);
 * assertEquals(isGiven(given, "kill"), true);
 * assertEquals(valuesOf(given, "name"), ["web"]);
 * ```
 */
export function collect(words: readonly string[]): Given {
  const takesValue = ({ value }: Option) => value !== undefined;
  const values = OPTIONS.filter(takesValue).map(({ long }) => long);
  const flags = OPTIONS.filter((option) => !takesValue(option))
    .map(({ long }) => long);
  return parseArgs([...words], {
    string: values,
    collect: values,
    boolean: flags,
  });
}

/**
 * Gives the values of an option.
 *
 * @param given The options that were given.
 * @param long The long name of the option.
 * @returns The values, in their order; none if it was not given.
 *
 * @example Two
 * ```ts
 * import { collect, valuesOf } from "cage/src/given.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(valuesOf(collect(["--env=A=1", "--env=B"]), "env"), ["A=1", "B"]);
 * ```
 */
export function valuesOf(given: Given, long: string): string[] {
  const values = given[long];
  return Array.isArray(values) ? values : [];
}

/**
 * Tells whether an option was given.
 *
 * @param given The options that were given.
 * @param long The long name of the option.
 * @returns Whether it was.
 *
 * @example Neither of two
 * ```ts
 * import { collect, isGiven } from "cage/src/given.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const given = collect([]);
 * assertEquals(["kill", "name"].map((long) => isGiven(given, long)), [
 *   false,
 *   false,
 * ]);
 * ```
 */
export function isGiven(given: Given, long: string): boolean {
  return given[long] === true || valuesOf(given, long).length > 0;
}
