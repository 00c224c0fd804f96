/**
 * Errors of a compiled container: as far as a sentence can be known beforehand
 * it is in the file, and the reasons of the kernel are in a table.
 *
 * A message is four words: the sentence, its length, what follows by the number
 * of the error, the exit status. Its address is the sixth argument of a step,
 * which no system call that can fail in a plan takes.
 *
 * @module
 */

import { ERRNO, type ErrnoName } from "../ffi/errno.ts";
import { HEADER_STOPPED, RESULT_OFFSET } from "../ffi/instruction.ts";
import { isOwnCall } from "../ffi/calls.ts";
import type { Argument, WordsArgument } from "../ffi/step.ts";
import { type CompiledStep, ifSame } from "./compiled_step.ts";
import { STATUS_FAILED } from "./errors.ts";
import { reasonOf } from "./failure.ts";
import { goTo, label, NONE } from "./step.ts";

/** The name of the step to go on with when another one has failed. */
export const FAILED = "failed";

/** Which of the six arguments is the address of the message. */
export const MESSAGE_ARGUMENT = 5;

/** Where the message is in an instruction. */
const MESSAGE_OFFSET = 8 + 8 * MESSAGE_ARGUMENT;

/** Buffers of a program with {@linkcode failSteps}. */
export const MESSAGE_BUFFERS = { hint: 8 } as const;

/**
 * Gives steps the messages of their failures.
 *
 * @param steps The steps.
 * @returns The same steps; those that cannot end a program have none.
 * @throws {TypeError} If a step has six arguments and can end the program.
 *
 * @example One message for two steps
 * ```ts
 * import { withMessages } from "cage/src/compiled_messages.ts";
 * import { assert } from "@std/assert";
 *
 * const step = { call: "chdir", args: ["/"], why: "Cannot go there" } as const;
 * const [one, two] = withMessages([step, step]);
 * assert(one.args[5] === two.args[5]);
 * ```
 */
export function withMessages(steps: readonly CompiledStep[]): CompiledStep[] {
  const messages = new Map<string, WordsArgument>();
  return steps.map((step) => {
    if (!canStop(step)) return step;
    if (step.args.length > MESSAGE_ARGUMENT) {
      throw new TypeError(`Cannot give ${step.call} a message: it is full`);
    }
    const { call, hints, isWhole, status, why } = step;
    const key = JSON.stringify([why ?? call, hints, isWhole, status]);
    const message = messages.get(key) ?? messageOf(step);
    messages.set(key, message);
    const none = Array(MESSAGE_ARGUMENT - step.args.length).fill(NONE);
    return { ...step, args: [...step.args, ...none, message] };
  });
}

/**
 * Tells what failed, and ends the process.
 *
 * @param before Steps to be done first, which never fail.
 * @returns The steps.
 *
 * @example The last step
 * ```ts
 * import { failSteps } from "cage/src/compiled_messages.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(failSteps([]).at(-1)?.call, "exit_group");
 * ```
 */
export function failSteps(before: readonly CompiledStep[]): CompiledStep[] {
  const [step, message, hint] = [FAILED, "fail-message", "fail-hint"]
    .map((result) => ({ result }));
  const cell = { buffer: "hint" };
  const fetch = (name: string, at: Argument, offset: number): CompiledStep => ({
    name,
    call: "fetch",
    args: [at, offset],
  });
  const part = (index: number, from: Argument, offset: number) =>
    [0, 8].flatMap((word): CompiledStep[] => {
      const name = `fail-part${index}-${word}-${offset}`;
      return [
        fetch(name, from, offset + word),
        {
          call: "store",
          args: [PARTS, 16 * index + word, { result: name }],
        },
      ];
    });
  return [
    fetch(step.result, { header: HEADER_STOPPED }, 0),
    ...before,
    fetch(message.result, step, MESSAGE_OFFSET),
    fetch("fail-error", step, RESULT_OFFSET),
    {
      name: "fail-errno",
      call: "subtract",
      args: [0, { result: "fail-error" }, 0],
    },
    ...part(1, message, 0),
    fetch("fail-hints", message, 16),
    { call: "store", args: [cell, 0, { result: "fail-hints" }] },
    fetch(hint.result, cell, 0),
    { ...fetch("fail-key", hint, 0), ifZero: "fail-any" },
    ifSame({ result: "fail-key" }, { result: "fail-errno" }, "fail-tell"),
    { name: "fail-next", call: "subtract", args: [hint, -24, 0] },
    { call: "store", args: [cell, 0, { result: "fail-next" }] },
    goTo(hint.result),
    label("fail-any"),
    {
      name: "fail-reason",
      call: "subtract",
      args: [REASONS, { result: "fail-error" }, 4],
    },
    ...part(2, { result: "fail-reason" }, 0),
    label("fail-tell"),
    ...part(3, hint, 8),
    {
      call: "writev",
      args: [2, PARTS, PARTS.words.length / 2],
      onError: {},
    },
    fetch("fail-status", message, 24),
    { call: "exit_group", args: [{ result: "fail-status" }] },
  ];
}

const ENCODER = new TextEncoder();

/** A text and how long it is. */
function counted(text: string): [string, number] {
  return [text, ENCODER.encode(text).length];
}

/** `struct iovec` of a line: the name, the sentence, the reason, the hint. */
const PARTS: WordsArgument = {
  words: [...counted("cage: "), 0, 0, 0, 0, 0, 0, ...counted("\n")],
};

/** By the number of the error, two words each. */
const REASONS: WordsArgument = {
  words: Array.from(
    { length: Math.max(...Object.values(ERRNO)) + 1 },
    (_, errno) => counted(errno === 0 ? "" : `: ${reasonOf(errno)}`),
  ).flat(),
};

function canStop({ call, onError }: CompiledStep): boolean {
  if (isOwnCall(call) || call === "exit_group") return false;
  return onError === undefined || onError.errno !== undefined;
}

function messageOf(step: CompiledStep): WordsArgument {
  const { call, hints = {}, isWhole, status = STATUS_FAILED, why } = step;
  const { "": other, ...byName } = hints;
  const known = Object.entries(byName).map(([name, hint]) => {
    const errno = ERRNO[name as ErrnoName]!;
    return [errno, ...counted(`: ${reasonOf(errno)}: ${hint}`)];
  });
  const whole = isWhole ? [[ERRNO.EBADF, "", 0] as const] : [];
  const any = [0, ...counted(other === undefined ? "" : `: ${other}`)];
  const table = { words: [...whole, ...known, any].flat() };
  return { words: [...counted(why ?? `Cannot do ${call}`), table, status] };
}
