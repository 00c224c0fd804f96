/**
 * From the command line to what is wanted.
 *
 * @module
 */

import type { ApplyWish } from "./apply.ts";
import { checkSpec } from "./check_spec.ts";
import type { DiffWish } from "./diff.ts";
import { UsageError } from "./errors.ts";
import type { ExportWish } from "./export.ts";
import { collect, type Given, isGiven, valuesOf } from "./given.ts";
import { splitLayers } from "./layers.ts";
import { optionName, OPTIONS } from "./options.ts";
import { quote } from "./quote.ts";
import type { ContainerSpec } from "./spec.ts";
import {
  applyWish,
  checkVerb,
  diffWish,
  exportWish,
  takesPaths,
  verbOf,
} from "./verbs.ts";
import { parseVolume } from "./volumes.ts";
import { splitWords } from "./words.ts";

/** What a command line asks for. */
export type Invocation =
  | { readonly kind: "help" }
  | { readonly kind: "usage" }
  | { readonly kind: "version" }
  | { readonly kind: "check" }
  | {
    readonly kind: "compile";
    readonly spec: ContainerSpec;
    /** The path of the program. */
    readonly file: string;
  }
  | {
    readonly kind: "explain";
    /** What is wanted of the call that is explained. */
    readonly spec: ContainerSpec;
    /** Whether it is for tools. */
    readonly isJson: boolean;
    /** The path of a program of `--compile`, if it may be one. */
    readonly file?: string;
  }
  | { readonly kind: "kill"; readonly spec: ContainerSpec }
  | {
    readonly kind: "reset";
    readonly spec: ContainerSpec;
    /** Whether the instance is to be stopped before. */
    readonly stops: boolean;
    /** Whether there is nothing to be asked. */
    readonly isSure: boolean;
  }
  | {
    readonly kind: "list";
    /** Whether it is for tools. */
    readonly isJson: boolean;
  }
  | {
    readonly kind: "diff";
    readonly spec: ContainerSpec;
    /** The paths that are asked for, and how they are told. */
    readonly wish: DiffWish;
  }
  | {
    readonly kind: "apply";
    readonly spec: ContainerSpec;
    /** Which changes are carried over, and where to. */
    readonly wish: ApplyWish;
  }
  | {
    readonly kind: "export";
    readonly spec: ContainerSpec;
    /** What is written, and where to. */
    readonly wish: ExportWish;
  }
  | { readonly kind: "run"; readonly spec: ContainerSpec };

/**
 * Reads a command line.
 *
 * @param argv The arguments, without the name of the program.
 * @returns What is asked for. The spec holds only what was given.
 * @throws {UsageError} If an option is unknown, malformed, given twice or
 * against another one.
 *
 * @example A command in a named instance
 * ```ts
 * import { parseFlags } from "cage/src/flags.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseFlags(["-n", "web", "-eA=1", "ls", "-l"]), {
 *   kind: "run",
 *   spec: { name: "web", env: ["A=1"], command: ["ls", "-l"] },
 * });
 * ```
 */
export function parseFlags(argv: readonly string[]): Invocation {
  const words = splitWords(argv);
  const given = collect(words.options);
  if (given.help) return { kind: "help" };
  if (given.usage) return { kind: "usage" };
  if (given.version) return { kind: "version" };
  if (given.check) return { kind: "check" };
  refuseRepeats(given);
  const verb = verbOf(given);
  checkVerb(verb, given, words.command);
  if (given.ephemeral) refuseWithEphemeral(given);
  const paths = takesPaths(verb) ? words.command : [];
  const spec = toSpec(given, takesPaths(verb) ? [] : words.command);
  switch (verb) {
    case undefined:
      return runOf(given, spec, argv);
    case "kill":
      return { kind: verb, spec };
    case "list":
      return { kind: verb, isJson: given.json === true };
    case "reset": {
      const [stops, isSure] = [given.kill === true, given.yes === true];
      return { kind: verb, spec, stops, isSure };
    }
    case "diff":
      return { kind: verb, spec, wish: diffWish(given, paths) };
    case "apply":
      return { kind: verb, spec, wish: applyWish(given, paths) };
    case "export":
      return { kind: verb, spec, wish: exportWish(given) };
  }
}

function refuseRepeats(given: Given): void {
  for (const option of OPTIONS.filter(({ once }) => once !== undefined)) {
    const [first, ...rest] = valuesOf(given, option.long);
    const other = rest.find((value) => value !== first);
    if (other === undefined) continue;
    throw new UsageError(
      `Option ${optionName(option)} is given twice, as ${quote(first)} and ` +
        `${quote(other)}: ${option.once}`,
    );
  }
}

/** A command that runs, or what is made or told of it instead. */
function runOf(
  given: Given,
  spec: ContainerSpec,
  argv: readonly string[],
): Invocation {
  const [file] = valuesOf(given, "compile");
  if (file !== undefined) {
    refuseToCompile(given);
    return { kind: "compile", spec, file };
  }
  if (!given.explain) return { kind: "run", spec };
  const { command: [program, ...more] = [], ...others } = spec;
  const isAlone = more.length === 0 && Object.keys(others).length === 0;
  return {
    ...{ kind: "explain", spec, isJson: given.json === true },
    ...(program === undefined || !isAlone || argv.at(-2) === "--"
      ? {}
      : { file: program }),
  };
}

/** A program starts an instance, and is tied to whoever runs it. */
function refuseToCompile(given: Given): void {
  const [long, why] = NOT_COMPILED.find(([long]) => isGiven(given, long)) ?? [];
  if (long === undefined) return;
  const name = optionName(OPTIONS.find((option) => option.long === long)!);
  throw new UsageError(`Cannot use --compile with ${name}: ${why}`);
}

const NOT_COMPILED = [
  [
    "graphics",
    "what graphical programs get is looked up at each launch: leave -G out, " +
    "or run cage",
  ],
  ["detach", "a program waits for its command: leave -d out, or run cage"],
  ["debug", "a program tells nothing: see what --explain tells of it"],
  ["explain", "it is one or the other: explain the program then"],
] as const;

function refuseWithEphemeral(given: Given): void {
  const option = OPTIONS.find((option) =>
    ["upper", "work-dir", "app-dir"].includes(option.long) &&
    isGiven(given, option.long)
  );
  if (option === undefined) return;
  throw new UsageError(
    `Cannot use --ephemeral with ${optionName(option)}: the upper directory ` +
      "of an ephemeral instance is in memory: leave one of them out",
  );
}

function toSpec(given: Given, command: readonly string[]): ContainerSpec {
  const one = (long: string) => valuesOf(given, long).at(0);
  const many = (long: string) => someOf(valuesOf(given, long));
  const spec: ContainerSpec = {
    name: one("name"),
    appDir: one("app-dir"),
    lower: many("lower")?.flatMap(splitLayers),
    upper: one("upper"),
    work: one("work-dir"),
    pidFile: one("pid-file"),
    user: one("user"),
    group: one("group"),
    directory: one("directory"),
    env: many("env"),
    volumes: many("volume")?.map(parseVolume),
    graphics: given.graphics ? true : undefined,
    dbus: given.dbus ? true : undefined,
    initScript: one("init-script"),
    detached: given.detach ? true : undefined,
    ephemeral: given.ephemeral ? true : undefined,
    init: given["no-init"] ? false : undefined,
    noNewPrivs: given["no-new-privs"] ? true : undefined,
    privileged: given.privileged ? true : undefined,
    debug: given.debug ? true : undefined,
    command: someOf(command),
  };
  checkSpec(spec);
  return Object.fromEntries(
    Object.entries(spec).filter(([, value]) => value !== undefined),
  );
}

function someOf<T>(values: readonly T[]): readonly T[] | undefined {
  return values.length > 0 ? values : undefined;
}
