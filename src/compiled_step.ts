/**
 * What the steps of a compiled container have beside those of a plan.
 *
 * @module
 */

import type { Argument, Program } from "../ffi/step.ts";
import type { PlanStep } from "./step.ts";

/** A step of a compiled container. */
export interface CompiledStep extends PlanStep {
  /** The exit status where it ends the program; that of a failure if absent. */
  readonly status?: number;
  /** Whether its sentence is told without the kernel's reason. */
  readonly isWhole?: boolean;
}

/**
 * Ends the program with a sentence.
 *
 * @param why The sentence.
 * @param rest The name of the step, the exit status, and so on.
 * @returns The step, which always fails.
 *
 * @example A sentence
 * ```ts
 * import { refuse } from "cage/src/compiled_step.ts";
 * import { assert } from "@std/assert";
 *
 * assert(refuse("Cannot do it: it is too late").isWhole);
 * ```
 */
export function refuse(
  why: string,
  rest: Partial<CompiledStep> = {},
): CompiledStep {
  return { call: "close", args: [-1], why, isWhole: true, ...rest };
}

/**
 * Closes descriptors of the launcher in a process that is about to execute a
 * program of the root file system: a link inside could lead to what they are
 * (CVE-2024-21626).
 *
 * @param first The first of them.
 * @param last The last of them; there is none after them if absent.
 * @returns The step.
 *
 * @example All but the standard ones
 * ```ts
 * import { closeRange } from "cage/src/compiled_step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(closeRange(3).args, [3, 0xffffffff, 0]);
 * ```
 */
export function closeRange(first: number, last = 0xffffffff): CompiledStep {
  return {
    call: "close_range",
    args: [first, last, 0],
    why: "Cannot close the descriptors of the launcher",
    hints: { ENOSYS: "use Linux 5.9 or later" },
  };
}

/**
 * Goes on where one number differs from another.
 *
 * @param one A number.
 * @param other A number.
 * @param same The step to go to if they are the same.
 * @returns The step.
 *
 * @example A result and a constant
 * ```ts
 * import { ifSame } from "cage/src/compiled_step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ifSame({ result: "pid" }, 1, "first").ifZero, "first");
 * ```
 */
export function ifSame(
  one: Argument,
  other: Argument,
  same: string,
): CompiledStep {
  return { call: "subtract", args: [one, other, 0], ifZero: same };
}

/**
 * Gives the names of a program a prefix, so that it can be part of another one.
 *
 * @param program The program.
 * @param prefix The prefix.
 * @returns The same program with other names.
 *
 * @example A loop
 * ```ts
 * import { prefixed } from "cage/src/compiled_step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { steps } = prefixed({
 *   steps: [{ name: "again", call: "getpid", args: [], ifZero: "again" }],
 * }, "init-");
 * assertEquals(steps[0].ifZero, "init-again");
 * ```
 */
export function prefixed(program: Program, prefix: string): Program {
  const own = new Set(program.steps.map(({ name }) => name));
  const buffers = program.buffers ?? {};
  const label = (name: string) => own.has(name) ? prefix + name : name;
  const argument = (arg: Argument): Argument => {
    if (typeof arg !== "object" || arg instanceof Uint8Array) return arg;
    if ("result" in arg) return { result: label(arg.result) };
    if (!("buffer" in arg) || !Object.hasOwn(buffers, arg.buffer)) return arg;
    return { ...arg, buffer: prefix + arg.buffer };
  };
  return {
    buffers: Object.fromEntries(
      Object.entries(buffers).map(([name, size]) => [prefix + name, size]),
    ),
    steps: program.steps.map(({ ifZero, name, onError, ...step }) => ({
      ...step,
      args: step.args.map(argument),
      ...(name === undefined ? {} : { name: prefix + name }),
      ...(ifZero === undefined ? {} : { ifZero: label(ifZero) }),
      ...(onError === undefined ? {} : {
        onError: onError.goto === undefined
          ? onError
          : { ...onError, goto: label(onError.goto) },
      }),
    })),
  };
}
