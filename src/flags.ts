/**
 * From the command line to what is wanted.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { checkSpec } from "./check_spec.ts";
import { UsageError } from "./errors.ts";
import { splitLayers } from "./layers.ts";
import { type Option, optionName, OPTIONS } from "./options.ts";
import { quote } from "./quote.ts";
import type { ContainerSpec } from "./spec.ts";
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
  }
  | { readonly kind: "run"; readonly spec: ContainerSpec };

/** The options that were given, by their long names. */
type Given = Readonly<Record<string, unknown>>;

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
  const kind = kindOf(given);
  if (kind !== "run") refuseCommand(kind, given, words.command);
  if (given.ephemeral) refuseWithEphemeral(given);
  const spec = toSpec(given, words.command);
  const [file] = valuesOf(given, "compile");
  if (file !== undefined) refuseToCompile(kind, spec, given.explain === true);
  if (given.explain) {
    const isEnded = argv.at(-2) === "--";
    return explained(kind, spec, given.json === true, isEnded);
  }
  if (given.json) {
    throw new UsageError(
      "Cannot use --json alone: it says how --explain writes: add --explain",
    );
  }
  if (file !== undefined) return { kind: "compile", spec, file };
  return kind === "reset" ? { kind, spec, stops: given.kill === true } : {
    kind,
    spec,
  };
}

function kindOf(given: Given): "kill" | "reset" | "run" {
  if (given.reset) return "reset";
  return given.kill ? "kill" : "run";
}

function collect(words: readonly string[]): Given {
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

function valuesOf(given: Given, long: string): string[] {
  const values = given[long];
  return Array.isArray(values) ? values : [];
}

function isGiven(given: Given, { long, value }: Option): boolean {
  return value === undefined
    ? given[long] === true
    : valuesOf(given, long).length > 0;
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

const ONLY = {
  kill: "-k only stops an instance",
  reset: "--reset only throws away what was changed",
};

function refuseCommand(
  kind: keyof typeof ONLY,
  given: Given,
  command: readonly string[],
): void {
  const option = OPTIONS.find((option) =>
    option.group === "inside" && isGiven(given, option)
  );
  const other = option ? optionName(option) : "a command";
  if (option === undefined && command.length === 0) return;
  const name = kind === "kill" ? "-k" : "--reset";
  throw new UsageError(`Cannot use ${name} with ${other}: ${ONLY[kind]}`);
}

/** A program starts a container, and does nothing else. */
function refuseToCompile(
  kind: "kill" | "reset" | "run",
  { debug, detached, graphics }: ContainerSpec,
  explains: boolean,
): void {
  if (graphics) {
    throw new UsageError(
      "Cannot use --compile with -G: what graphical programs get is looked " +
        "up at each launch: leave -G out, or run cage",
    );
  }
  const names: Record<string, boolean> = {
    "-k": kind === "kill",
    "--reset": kind === "reset",
    "-d": detached === true,
    "--debug": debug === true,
    "--explain": explains,
  };
  const other = Object.keys(names).find((name) => names[name]);
  if (other === undefined) return;
  throw new UsageError(
    `Cannot use --compile with ${other}: a program only starts an instance`,
  );
}

function explained(
  kind: "kill" | "reset" | "run",
  spec: ContainerSpec,
  isJson: boolean,
  isCommand: boolean,
): Invocation {
  if (kind !== "run") {
    const name = kind === "kill" ? "-k" : "--reset";
    throw new UsageError(
      `Cannot use --explain with ${name}: it explains what runs a command`,
    );
  }
  const { command: [file, ...more] = [], ...others } = spec;
  const isAlone = more.length === 0 && Object.keys(others).length === 0;
  return {
    ...{ kind: "explain", spec, isJson },
    ...(file === undefined || !isAlone || isCommand ? {} : { file }),
  };
}

function refuseWithEphemeral(given: Given): void {
  const option = OPTIONS.find((option) =>
    ["upper", "work-dir", "app-dir"].includes(option.long) &&
    isGiven(given, option)
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
