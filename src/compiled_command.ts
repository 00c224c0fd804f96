/**
 * The command of a compiled container: its arguments, to which those of the
 * caller are appended, and its environment, of which TERM and LANG are the
 * caller's.
 *
 * @module
 */

import type { WordsArgument } from "../ffi/step.ts";
import { CALLER_ENVIRONMENT, STACK } from "./compiled_start.ts";
import { type CompiledStep, ifSame } from "./compiled_step.ts";
import { EXECUTE, executeSteps, type Execution } from "./process.ts";
import { label, type PlanStep } from "./step.ts";

/** Variables that are looked up at the launch, unless `-e` gives them. */
export const INHERITED: readonly string[] = ["TERM", "LANG"];

/** An environment for execve(2), and the steps that complete it. */
export interface CompiledEnvironment {
  /** The vector. */
  readonly vector: WordsArgument;
  /** What is to be done before it is used. */
  readonly steps: readonly CompiledStep[];
}

/**
 * Makes the environment of a command.
 *
 * @param env The variables, each `key=value`; those that are the caller's have
 * the value that they get if the caller has none.
 * @param inherited The keys of those.
 * @param prefix What the names of the steps begin with.
 * @returns The environment.
 *
 * @example A terminal
 * ```ts
 * import { compiledEnvironment } from "cage/src/compiled_command.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { steps } = compiledEnvironment(["TERM=vt100"], ["TERM"], "");
 * assertEquals(steps.map(({ call }) => call), ["find", "store"]);
 * ```
 */
export function compiledEnvironment(
  env: readonly string[],
  inherited: readonly string[],
  prefix: string,
): CompiledEnvironment {
  const vector = { words: [...env, 0] };
  const steps = env.flatMap((variable, index): CompiledStep[] => {
    const key = variable.slice(0, variable.indexOf("="));
    if (!inherited.includes(key)) return [];
    const name = `${prefix}variable-${key}`;
    return [
      {
        name,
        call: "find",
        args: [
          { result: CALLER_ENVIRONMENT },
          `${key}=`,
          variable,
        ],
      },
      { call: "store", args: [vector, 8 * index, { result: name }] },
    ];
  });
  return { vector, steps };
}

/**
 * Puts the words of the command before the arguments of the caller, where the
 * kernel has put these: on the stack, which nothing uses.
 *
 * @param words The words.
 * @returns The steps; {@linkcode ARGUMENTS} is the vector.
 *
 * @example Two words
 * ```ts
 * import { argumentSteps } from "cage/src/compiled_command.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(argumentSteps(["ls", "-l"]).length, 3);
 * ```
 */
export function argumentSteps(words: readonly string[]): CompiledStep[] {
  // What is at the stack: their number, the name of the program, the first.
  const distance = 8 * words.length - 16;
  return [
    {
      name: ARGUMENTS.result,
      call: "subtract",
      args: [{ result: STACK }, distance, 0],
    },
    ...words.map((word, index): CompiledStep => ({
      call: "store",
      args: [ARGUMENTS, 8 * index, word],
    })),
  ];
}

/** The arguments of the command. */
const ARGUMENTS = { result: "command-arguments" } as const;

/** Statuses of commands, as of sh(1). */
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/**
 * Becomes the user, and executes the command.
 *
 * @param execution How it runs.
 * @param env Its environment.
 * @returns The steps.
 *
 * @example A command with a path
 * ```ts
 * import { runSteps } from "cage/src/compiled_command.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = runSteps({
 *   user: { uid: 0, gid: 0, groups: [0] },
 *   groups: [0],
 *   directory: "/",
 *   command: { file: "/bin/ls", argv: ["ls"] },
 *   path: "",
 *   env: [],
 *   noNewPrivs: false,
 * }, { vector: { words: [0] }, steps: [] });
 * assertEquals(steps.at(-1)?.status, 127);
 * ```
 */
export function runSteps(
  execution: Execution,
  env: CompiledEnvironment,
): CompiledStep[] {
  const steps = executeSteps(execution).map((step) =>
    step.name?.startsWith(EXECUTE)
      ? { ...step, args: [step.args[0], ARGUMENTS, env.vector] }
      : step
  );
  const attempts = steps.filter(({ name }) => name?.startsWith(EXECUTE));
  return [
    ...env.steps,
    ...steps.map((step) =>
      attempts.includes(step) ? { ...step, onError: {} } : step
    ),
    ...attempts.flatMap(tellUnlessMissing),
    tellMissing(attempts),
  ];
}

/** What was found decides. It is tried again, to fail in the same way. */
function tellUnlessMissing(attempt: PlanStep): CompiledStep[] {
  const { call, name, why } = attempt;
  const next = `${name}-is-missing`;
  const result = { result: name! };
  return [
    ifSame(result, -2, next),
    ifSame(result, -20, next),
    {
      call,
      args: attempt.args,
      why,
      status: NOT_EXECUTABLE,
      hints: {
        ENOEXEC: 'begin a script with "#!/bin/sh", and take programs of this ' +
          "machine",
      },
    },
    label(next),
  ];
}

function tellMissing(attempts: readonly PlanStep[]): CompiledStep {
  const { args, call, why } = attempts.at(-1)!;
  return {
    call,
    args,
    why,
    status: NOT_FOUND,
    hints: {
      "": attempts.length > 1
        ? "it is in no directory of PATH inside"
        : "name a program of the root file system",
    },
  };
}
