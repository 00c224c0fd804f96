/**
 * What a call would do, as text for people and as JSON for tools.
 *
 * @module
 */

import { isSystemCall } from "../ffi/calls.ts";
import { callText, plainText } from "../ffi/listing.ts";
import type { Argument } from "../ffi/step.ts";
import { argumentText } from "./explain_values.ts";
import { quote } from "./quote.ts";
import type { PlanStep } from "./step.ts";

/** A part of what a call would do, by one process. */
export interface ExplainedPart {
  /** What it is for, unless its steps tell. */
  readonly phase: string;
  /** Who does it. */
  readonly as: string;
  /** The steps, in order. */
  readonly steps: readonly PlanStep[];
}

/** What a call would do. */
export interface Explained {
  /** Who calls, and what the caller may do. */
  readonly caller: string;
  /** The instance, by its name or the path of its pid file. */
  readonly instance: string;
  /** What would become of it. */
  readonly action: "attach" | "create";
  /** The command. */
  readonly command: readonly string[];
  /** Who the command would run as, inside. */
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    /** Those that it has if absent. */
    readonly groups?: readonly number[];
  };
  /** Numbers that stand for descriptors, and what these are. */
  readonly descriptors: ReadonlyMap<number, string>;
  /** All that would be done, in order. */
  readonly parts: readonly ExplainedPart[];
}

/** What a call would do, for tools. */
export type ExplainedValue =
  & Pick<Explained, "action" | "caller" | "command" | "instance" | "user">
  & {
    /** All that would be done, in order. */
    readonly phases: readonly {
      /** What its steps are for. */
      readonly phase: string;
      /** Who does it. */
      readonly as: string;
      /** The steps. */
      readonly steps: readonly {
        /** The name of the system call. */
        readonly call: string;
        /** Its arguments, as in a program in C. */
        readonly args: readonly string[];
        /** What it is for. */
        readonly why?: string;
        /** Whether all goes on if it fails. */
        readonly mayFail?: boolean;
      }[];
    }[];
  };

/** Steps with one purpose. */
interface Phase {
  readonly phase: string;
  readonly as: string;
  readonly steps: PlanStep[];
}

/**
 * Writes down what a call would do.
 *
 * @param explained What it would do.
 * @returns The lines: who and what, and then for each phase its steps, each with
 * what it is for.
 *
 * @example A step
 * ```ts
 * import { explainedLines } from "cage/src/explained.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = explainedLines({
 *   caller: "root",
 *   instance: "web",
 *   action: "create",
 *   command: ["ls"],
 *   user: { uid: 0, gid: 0 },
 *   descriptors: new Map([[1000, 'lower directory "/"']]),
 *   parts: [{
 *     phase: "mount the root",
 *     as: "root",
 *     steps: [{
 *       call: "fchdir",
 *       args: [1000],
 *       why: "Cannot enter the root",
 *     }],
 *   }],
 * });
 * assertEquals(lines.slice(-3), [
 *   "",
 *   "mount the root (as root):",
 *   '  fchdir(<lower directory "/">)  # enter the root',
 * ]);
 * ```
 */
export function explainedLines(explained: Explained): string[] {
  const { action, caller, command, descriptors, instance, user } = explained;
  return [
    `caller: ${caller}`,
    `instance: ${quote(instance)}: ` +
    (action === "create" ? "would be created" : "runs, would be joined"),
    `command: ${command.map(quote).join(" ")}`,
    `user inside: ${userText(user)}`,
    ...phasesOf(explained).flatMap(({ as, phase, steps }) => [
      "",
      `${phase} (as ${as}):`,
      ...steps.map((step) => `  ${lineOf(step, descriptors)}`),
    ]),
  ];
}

/**
 * Writes down what a call would do, for tools.
 *
 * @param explained What it would do.
 * @returns The value to be written as JSON. Arguments are texts.
 *
 * @example A step
 * ```ts
 * import { explainedValue } from "cage/src/explained.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { phases } = explainedValue({
 *   caller: "root",
 *   instance: "web",
 *   action: "create",
 *   command: ["ls"],
 *   user: { uid: 0, gid: 0 },
 *   descriptors: new Map(),
 *   parts: [{
 *     phase: "begin",
 *     as: "root",
 *     steps: [{ call: "umask", args: [0o22] }],
 *   }],
 * });
 * assertEquals(phases, [{
 *   phase: "begin",
 *   as: "root",
 *   steps: [{ call: "umask", args: ["0o22"] }],
 * }]);
 * ```
 */
export function explainedValue(explained: Explained): ExplainedValue {
  const { action, caller, command, descriptors, instance, user } = explained;
  const textOf = argumentTextWith(descriptors);
  return {
    ...{ caller, instance, action, command },
    user: {
      ...{ uid: user.uid, gid: user.gid },
      ...(user.groups === undefined ? {} : { groups: user.groups }),
    },
    phases: phasesOf(explained).map(({ as, phase, steps }) => ({
      ...{ phase, as },
      steps: steps.map((step) => {
        const purpose = purposeOf(step, descriptors);
        return {
          call: step.call,
          args: step.args.map((arg, index) => textOf(step.call, index, arg)),
          ...(purpose === undefined ? {} : { why: purpose }),
          ...(isAllowedToFail(step) ? { mayFail: true } : {}),
        };
      }),
    })),
  };
}

/** Jumps are nothing that the kernel sees. */
function phasesOf({ parts }: Explained): Phase[] {
  const phases: Phase[] = [];
  for (const { as, phase, steps } of parts) {
    let current: Phase | undefined;
    for (const step of steps) {
      if (current === undefined || step.phase !== undefined) {
        current = { phase: step.phase ?? phase, as, steps: [] };
        phases.push(current);
      }
      if (isSystemCall(step.call)) current.steps.push(step);
    }
  }
  return phases.filter(({ steps }) => steps.length > 0);
}

function lineOf(
  step: PlanStep,
  descriptors: ReadonlyMap<number, string>,
): string {
  const text = callText(step, argumentTextWith(descriptors));
  const notes = [
    purposeOf(step, descriptors) ?? [],
    isAllowedToFail(step) ? "may fail" : [],
  ].flat();
  return notes.length === 0 ? text : `${text}  # ${notes.join("; ")}`;
}

/** Sentences of failures say what cannot be done. */
function purposeOf(
  { why }: PlanStep,
  descriptors: ReadonlyMap<number, string>,
): string | undefined {
  return why && named(why.replace(/^Cannot /, ""), descriptors);
}

/** Whatever the error is. */
function isAllowedToFail({ onError }: PlanStep): boolean {
  return onError !== undefined && onError.errno === undefined;
}

function argumentTextWith(descriptors: ReadonlyMap<number, string>) {
  return (call: string, index: number, value: Argument): string => {
    if (typeof value === "number" && descriptors.has(value)) {
      return `<${descriptors.get(value)}>`;
    }
    const text = argumentText(call, index, value) ?? plainText(value);
    return typeof value === "string" ? named(text, descriptors) : text;
  };
}

/** A text that was made of the number of a descriptor. */
function named(
  text: string,
  descriptors: ReadonlyMap<number, string>,
): string {
  return text.replaceAll(/\d{10,}/g, (number) => {
    const name = descriptors.get(Number(number));
    return name === undefined ? number : `<${name}>`;
  });
}

function userText({ gid, groups, uid }: Explained["user"]): string {
  const more = groups === undefined || groups.length === 0
    ? ""
    : `, groups ${groups.join(", ")}`;
  return `uid ${uid}, gid ${gid}${more}`;
}
