/**
 * What a command line asks for instead of a command, and what goes with it.
 *
 * @module
 */

import type { ApplyWish } from "./apply.ts";
import type { DiffWish } from "./diff.ts";
import { UsageError } from "./errors.ts";
import type { ExportWish } from "./export.ts";
import { type Given, isGiven, valuesOf } from "./given.ts";
import { optionName, OPTIONS } from "./options.ts";

/** What is done instead of running a command. */
export type Verb = "apply" | "diff" | "export" | "kill" | "list" | "reset";

/** What each does, and nothing else, in the order in which they are told. */
const ONLY: Readonly<Record<Verb, string>> = {
  list: "--list only tells of instances, of all",
  reset: "--reset only throws away what was changed",
  apply: "--apply only carries changes over",
  diff: "--diff only tells what was changed",
  export: "--export only writes a tar file",
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
  const isNone = words.length === 0 || takesPaths(verb);
  if (option === undefined && isNone) return;
  const other = option ? optionName(option) : "a command";
  throw new UsageError(
    `Cannot use ${nameOf(verb)} with ${other}: ${ONLY[verb]}`,
  );
}

/**
 * Tells whether the words after the options are paths, and no command.
 *
 * @param verb What is asked for.
 * @returns Whether they are.
 *
 * @example Changes of some files
 * ```ts
 * import { takesPaths } from "cage/src/verbs.ts";
 * import { assert } from "@std/assert";
 *
 * assert(takesPaths("diff"));
 * ```
 */
export function takesPaths(verb: Verb | undefined): boolean {
  return verb === "diff" || verb === "apply";
}

/**
 * Reads how changes are to be told.
 *
 * @param given The options that were given.
 * @param paths The paths.
 * @returns What is wanted.
 * @throws {UsageError} If it is to be told in two ways.
 *
 * @example All
 * ```ts
 * import { collect } from "cage/src/given.ts";
 * import { diffWish } from "cage/src/verbs.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(diffWish(collect(["--diff"]), []).isPatch, false);
 * ```
 */
export function diffWish(given: Given, paths: readonly string[]): DiffWish {
  if (given.patch && (given.stat || given.json)) {
    throw new UsageError(
      `Cannot use --patch with ${given.stat ? "--stat" : "--json"}: ` +
        "a patch has a form of its own: leave one of them out",
    );
  }
  return {
    paths,
    isStat: given.stat === true,
    isPatch: given.patch === true,
    isJson: given.json === true,
  };
}

/**
 * Reads how changes are to be carried over.
 *
 * @param given The options that were given.
 * @param paths The paths.
 * @returns What is wanted.
 *
 * @example Without a question
 * ```ts
 * import { collect } from "cage/src/given.ts";
 * import { applyWish } from "cage/src/verbs.ts";
 * import { assert } from "@std/assert";
 *
 * assert(applyWish(collect(["--apply", "--yes"]), []).isSure);
 * ```
 */
export function applyWish(given: Given, paths: readonly string[]): ApplyWish {
  const to = valuesOf(given, "to").at(0);
  return {
    paths,
    ...(to === undefined ? {} : { to }),
    isSure: given.yes === true,
    isForced: given.force === true,
  };
}

/**
 * Reads what is to be written.
 *
 * @param given The options that were given.
 * @returns What is wanted.
 *
 * @example What was changed
 * ```ts
 * import { collect } from "cage/src/given.ts";
 * import { exportWish } from "cage/src/verbs.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(exportWish(collect(["--export=x.tar", "--changes"])), {
 *   file: "x.tar",
 *   isLayer: true,
 * });
 * ```
 */
export function exportWish(given: Given): ExportWish {
  return {
    file: valuesOf(given, "export")[0],
    isLayer: given.changes === true,
  };
}

function nameOf(verb: Verb): string {
  return optionName(OPTIONS.find(({ long }) => long === verb)!);
}

function refuseAlone(given: Given): void {
  const option = OPTIONS.find(({ long, of }) =>
    isGiven(given, long) && of?.every((verb) => !isGiven(given, verb))
  );
  if (option === undefined) return;
  const verbs = option.of!.map((verb) => `--${verb}`).join(", ")
    .replace(/, (?=[^,]*$)/, " or ");
  throw new UsageError(
    `Cannot use ${optionName(option)} alone: it goes with ${verbs}`,
  );
}
