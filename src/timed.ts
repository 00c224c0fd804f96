/**
 * Programs that tell when each of their steps began, for `--debug`.
 *
 * @module
 */

import { isSystemCall } from "../ffi/calls.ts";
import { CLOCK_MONOTONIC } from "../ffi/constants.ts";
import { errnoName } from "../ffi/errno.ts";
import { callText } from "../ffi/listing.ts";
import type { Program, Step } from "../ffi/step.ts";
import { argumentText } from "./explain_values.ts";
import { reasonOf } from "./failure.ts";

/** Bytes of `struct timespec` of linux/time.h: seconds and nanoseconds. */
const TIMESPEC_SIZE = 16;

/** Errors are results from here to -1, see syscall(2). */
const LEAST_ERROR = -4095n;

/** A step that has begun. */
export interface Begun {
  /** What it is a part of. */
  readonly phase: string;
  /** The step. */
  readonly step: Step;
  /** When it began, in nanoseconds; 0 if it has not. */
  readonly at: bigint;
  /** Its result; 0 if it has not ended. */
  readonly result: bigint;
}

/**
 * Puts a look at the clock before each step of a program.
 *
 * @param program The program.
 * @param phase What it is a part of, a name of this program alone.
 * @returns The program. All its steps have names, as {@linkcode stepName} says.
 *
 * @example Where a jump goes
 * ```ts
 * import { timed } from "cage/src/timed.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { steps } = timed({
 *   steps: [
 *     { name: "id", call: "getpid", args: [], ifZero: "end" },
 *     { name: "end", call: "exit_group", args: [{ result: "id" }] },
 *   ],
 * }, "create");
 * assertEquals(steps.map(({ name }) => name), ["@id", "id", "@end", "end"]);
 * assertEquals(steps[1].ifZero, "@end");
 * assertEquals(steps[3].args, [{ result: "id" }]);
 * ```
 */
export function timed({ buffers, steps }: Program, phase: string): Program {
  return {
    buffers: { ...buffers, [timesOf(phase)]: TIMESPEC_SIZE * steps.length },
    steps: steps.flatMap((step, index) => {
      const name = stepName(step, index, phase);
      return [lookAtClock(name, index, phase), {
        ...step,
        ...goesOf(step),
        name,
      }];
    }),
  };
}

/**
 * The name of a step of a timed program.
 *
 * @param step The step.
 * @param index Which it is in its program.
 * @param phase What its program is a part of.
 * @returns The name that it has, or a new one.
 *
 * @example The third step
 * ```ts
 * import { stepName } from "cage/src/timed.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(stepName({ call: "getpid", args: [] }, 2, "create"), "create 2");
 * ```
 */
export function stepName({ name }: Step, index: number, phase: string): string {
  return name ?? `${phase} ${index}`;
}

/**
 * The name of the buffer with the times of a program.
 *
 * @param phase What its program is a part of.
 * @returns The name.
 *
 * @example Of the first phase
 * ```ts
 * import { timesOf } from "cage/src/timed.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(timesOf("create"), "times of create");
 * ```
 */
export function timesOf(phase: string): string {
  return `times of ${phase}`;
}

/**
 * Reads when a step began.
 *
 * @param times The buffer of {@linkcode timesOf}.
 * @param index Which step it is in its program.
 * @returns Nanoseconds; 0 if it has not begun.
 *
 * @example Two seconds and a nanosecond
 * ```ts
 * import { timeAt } from "cage/src/timed.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const times = new Uint8Array(32);
 * new BigUint64Array(times.buffer).set([0n, 0n, 2n, 1n]);
 * assertEquals(timeAt(times, 1), 2_000_000_001n);
 * ```
 */
export function timeAt(times: Uint8Array, index: number): bigint {
  const { buffer, byteLength, byteOffset } = times;
  const view = new DataView(buffer, byteOffset, byteLength);
  const at = TIMESPEC_SIZE * index;
  return view.getBigInt64(at, true) * 1_000_000_000n +
    view.getBigInt64(at + 8, true);
}

/**
 * Writes down what ran, one line for each system call in the order of time:
 * seconds since the first, what it is a part of, the call, its result, and the
 * time to the next one, of whichever process.
 *
 * @param begun The steps.
 * @returns The lines.
 *
 * @example Two steps
 * ```ts
 * import { timedLines } from "cage/src/timed.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const step = { call: "close", args: [7] } as const;
 * assertEquals(
 *   timedLines([
 *     { phase: "create", step, at: 2_000n, result: -9n },
 *     { phase: "create", step, at: 1_000n, result: 0n },
 *   ]),
 *   [
 *     "0.000000 create: close(7) = 0 <0.000001>",
 *     "0.000001 create: close(7) = -1 EBADF (bad file descriptor)",
 *   ],
 * );
 * ```
 */
export function timedLines(begun: readonly Begun[]): string[] {
  const ran = begun.filter(({ at, step }) => at > 0n && isSystemCall(step.call))
    .toSorted((a, b) => Number(a.at - b.at));
  return ran.map(({ at, result, step, phase }, index) => {
    const next = ran.at(index + 1);
    const took = next === undefined ? "" : ` <${seconds(next.at - at)}>`;
    return `${seconds(at - ran[0].at)} ${phase}: ` +
      `${callText(step, argumentText)} = ${resultText(step, result)}${took}`;
  });
}

function lookAtClock(name: string, index: number, phase: string): Step {
  const offset = TIMESPEC_SIZE * index;
  return {
    name: clockOf(name),
    call: "clock_gettime",
    args: [CLOCK_MONOTONIC, { buffer: timesOf(phase), offset }],
    onError: {},
  };
}

/** Whoever goes to a step looks at the clock first. */
function goesOf({ ifZero, onError }: Step): Partial<Step> {
  return {
    ...(ifZero === undefined ? {} : { ifZero: clockOf(ifZero) }),
    ...(onError?.goto === undefined
      ? {}
      : { onError: { ...onError, goto: clockOf(onError.goto) } }),
  };
}

function clockOf(name: string): string {
  return `@${name}`;
}

function seconds(nanoseconds: bigint): string {
  return (Number(nanoseconds) / 1e9).toFixed(6);
}

function resultText({ call }: Step, result: bigint): string {
  if (call === "exit_group") return "?";
  if (result >= 0n || result < LEAST_ERROR) return String(result);
  const errno = -Number(result);
  return `-1 ${errnoName(errno) ?? errno} (${reasonOf(errno)})`;
}
