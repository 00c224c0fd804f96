/**
 * What failed in a plan, as a sentence.
 *
 * @module
 */

import { ERRNO, errnoName, errnoText } from "../ffi/errno.ts";
import { CommandError, LaunchError } from "./errors.ts";
import { ATTRIBUTES, OVERLAY } from "./overlay.ts";
import { EXECUTE } from "./process.ts";
import type { PlanStep } from "./step.ts";

/** A step that ended a plan. */
export interface PlanFailure {
  /** The step. */
  readonly step: PlanStep;
  /** The number of its error. */
  readonly errno: number;
  /** The kernel's own words about it, if there are any. */
  readonly message?: string;
  /** The errors of all the files that were tried to execute, in order. */
  readonly attempts?: readonly number[];
}

/** Exit status of a command that was found but cannot be executed, sh(1). */
const STATUS_NOT_EXECUTABLE = 126;

/** Exit status of a command that was not found, sh(1). */
const STATUS_NOT_FOUND = 127;

/** Errors that mean that a file is not there, for execve(2). */
const NOT_THERE: readonly number[] = [ERRNO.ENOENT, ERRNO.ENOTDIR];

/** Errors with which overlayfs says that it cannot use an upper directory. */
const NO_UPPER_HERE: readonly number[] = [
  ERRNO.EINVAL,
  ERRNO.ELOOP,
  ERRNO.EOPNOTSUPP,
  ERRNO.ENOSYS,
];

/**
 * Makes the error that a user reads.
 *
 * @param failure What failed.
 * @returns The error: what failed, why, and what to do.
 *
 * @example A directory that is not there
 * ```ts
 * import { errorOf } from "cage/src/failure.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const error = errorOf({
 *   step: {
 *     call: "openat",
 *     args: [],
 *     why: 'Cannot use lower directory "/x"',
 *     hints: { ENOENT: "create it" },
 *   },
 *   errno: 2,
 * });
 * assertEquals(
 *   error.message,
 *   'Cannot use lower directory "/x": no such file or directory: create it',
 * );
 * ```
 */
export function errorOf(failure: PlanFailure): LaunchError | CommandError {
  const { errno, message, step } = failure;
  if (step.name?.startsWith(EXECUTE)) return commandError(failure);
  const name = errnoName(errno);
  const hint = (name && step.hints?.[name]) ?? step.hints?.[""];
  const sentence = [
    step.why ?? `Cannot do ${step.call}`,
    message || reasonOf(errno),
    ...(hint === undefined ? [] : [hint]),
  ].join(": ");
  return new LaunchError(sentence, step.call, errno);
}

/**
 * Tells whether a file system cannot hold an upper directory, so that an image
 * has to take its place.
 *
 * @param failure What failed.
 * @returns Whether it cannot.
 *
 * @example No extended attributes
 * ```ts
 * import { needsImage } from "cage/src/failure.ts";
 * import { ATTRIBUTES } from "cage/src/overlay.ts";
 * import { assert } from "@std/assert";
 *
 * const step = { name: ATTRIBUTES, call: "setxattr", args: [] } as const;
 * assert(needsImage({ step, errno: 95 }));
 * ```
 */
export function needsImage({ errno, message, step }: PlanFailure): boolean {
  // Two directories that do not fit together are the caller's to sort out.
  if (message !== undefined && /\bworkdir\b/.test(message)) return false;
  const isAboutUpper = step.name === ATTRIBUTES ||
    step.name?.startsWith(OVERLAY);
  return Boolean(isAboutUpper) && NO_UPPER_HERE.includes(errno);
}

/**
 * Reads what the kernel said in the context of a mount, see fsopen(2).
 *
 * @param bytes The buffer that it was read into.
 * @returns The words, without the letter that tells their weight.
 *
 * @example An error
 * ```ts
 * import { contextMessage } from "cage/src/failure.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode("e overlay: no upper\n\0\0");
 * assertEquals(contextMessage(bytes), "no upper");
 * ```
 */
export function contextMessage(bytes: Uint8Array): string {
  const [text] = new TextDecoder().decode(bytes).split("\0");
  return text.trim().replace(/^[ewi] /, "").replace(/^overlay: /, "");
}

/**
 * Says why a call failed, as the middle of a sentence.
 *
 * @param errno The number of the error.
 * @returns The reason.
 *
 * @example No such file
 * ```ts
 * import { reasonOf } from "cage/src/failure.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(reasonOf(2), "no such file or directory");
 * assertEquals(reasonOf(5), "input/output error");
 * ```
 */
export function reasonOf(errno: number): string {
  const text = errnoText(errno);
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/**
 * Makes the error that a user reads of a call outside of a plan.
 *
 * @param what What failed.
 * @param error The error of the call.
 * @param hint What to do, if there is something.
 * @returns The error.
 *
 * @example A directory that is not there
 * ```ts
 * import { refusalOf } from "cage/src/failure.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const error = { call: "openat", errno: 2 };
 * assertEquals(
 *   refusalOf('Cannot use "/x"', error, "create it").message,
 *   'Cannot use "/x": no such file or directory: create it',
 * );
 * ```
 */
export function refusalOf(
  what: string,
  { call, errno }: Pick<LaunchError, "call" | "errno">,
  hint?: string,
): LaunchError {
  const end = hint === undefined ? "" : `: ${hint}`;
  return new LaunchError(`${what}: ${reasonOf(errno)}${end}`, call, errno);
}

/** As a shell tells it: what was found decides, else it was not found. */
function commandError({ attempts = [], errno, step }: PlanFailure) {
  const what = step.why ?? "Cannot run the command";
  const found = attempts.find((errno) => !NOT_THERE.includes(errno));
  if (found === undefined) {
    const hint = attempts.length > 1
      ? "it is in no directory of PATH inside"
      : "name a program of the root file system";
    const sentence = `${what}: ${reasonOf(errno)}: ${hint}`;
    return new CommandError(sentence, STATUS_NOT_FOUND);
  }
  const hint = found === ERRNO.ENOEXEC
    ? ': begin a script with "#!/bin/sh", and take programs of this machine'
    : "";
  const sentence = `${what}: ${reasonOf(found)}${hint}`;
  return new CommandError(sentence, STATUS_NOT_EXECUTABLE);
}
