/**
 * What a command line asks for instead of a command, and what goes with it.
 *
 * @module
 */

import { UsageError } from "./errors.ts";
import { type Given, isGiven } from "./given.ts";
import { optionName, OPTIONS } from "./options.ts";

/** What is done instead of running a command. */
export type Verb = "kill" | "list" | "reset";

/** What each does, and nothing else, in the order in which they are told. */
const ONLY: Readonly<Record<Verb, string>> = {
  list: "--list only tells of instances, of all",
  reset: "--reset only throws away what was changed",
  kill: "-k only stops an instance",
};

const VERBS = Object.keys(ONLY) as readonly Verb[];

/**
 * Finds out what is asked for.
 *
 * @param given The options that were given.
 * @returns It; nothing if a command is to run.
 * @throws {UsageError} If it is more than one thing.
 *
 * @example Stopped, and then thrown away
 * ```ts
 * import { collect } from "cage/src/given.ts";
 * import { verbOf } from "cage/src/verbs.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(verbOf(collect(["--kill", "--reset"])), "reset");
 * ```
 */
export function verbOf(given: Given): Verb | undefined {
  const verbs = VERBS.filter((verb) => isGiven(given, verb));
  const [verb, other] = verbs;
  if (other === undefined || verbs.join() === "reset,kill") return verb;
  throw new UsageError(
    `Cannot use ${nameOf(verb)} with ${nameOf(other)}: ${ONLY[verb]}`,
  );
}

/**
 * Refuses what does not go with what is asked for.
 *
 * @param verb What is asked for; nothing if a command is to run.
 * @param given The options that were given.
 * @param words What follows the options.
 * @throws {UsageError} If something does not go with it.
 *
 * @example A command that is stopped
 * ```ts
 * import { collect } from "cage/src/given.ts";
 * import { checkVerb } from "cage/src/verbs.ts";
 * import { assertThrows } from "@std/assert";
 *
 * const given = collect(["--kill"]);
 * checkVerb("kill", given, []);
 * assertThrows(() => checkVerb("kill", given, ["ls"]), Error, "a command");
 * ```
 */
export function checkVerb(
  verb: Verb | undefined,
  given: Given,
  words: readonly string[],
): void {
  refuseAlone(given);
  if (verb === undefined) return;
  const launch = ["explain", "compile"].find((long) => isGiven(given, long));
  if (launch !== undefined) {
    throw new UsageError(
      `Cannot use --${launch} with ${nameOf(verb)}: it is about what runs a ` +
        "command",
    );
  }
  const option = OPTIONS.find(({ group, long }) =>
    isGiven(given, long) &&
    // It tells of no one instance.
    (verb === "list" ? !["list", "json"].includes(long) : group === "inside")
  );
  if (option === undefined && words.length === 0) return;
  const other = option ? optionName(option) : "a command";
  throw new UsageError(
    `Cannot use ${nameOf(verb)} with ${other}: ${ONLY[verb]}`,
  );
}

function nameOf(verb: Verb): string {
  return optionName(OPTIONS.find(({ long }) => long === verb)!);
}

function refuseAlone(given: Given): void {
  const option = OPTIONS.find(({ long, of }) =>
    isGiven(given, long) && of?.every((verb) => !isGiven(given, verb))
  );
  if (option === undefined) return;
  const verbs = option.of!.map((verb) => `--${verb}`).join(" or ");
  throw new UsageError(
    `Cannot use ${optionName(option)} alone: it goes with ${verbs}`,
  );
}
