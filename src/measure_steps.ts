/**
 * Counts what a directory takes as steps.
 *
 * @module
 */

import { CLOSE_RANGE_CLOEXEC } from "../ffi/constants.ts";
import type { LaterNamespace } from "./facts.ts";
import { endWithParent, unblockSignals } from "./process.ts";
import type { PlanStep } from "./step.ts";
import { enterUserNamespace, keepGroups } from "./user_namespace_steps.ts";

/** Where du(1) is. */
const COUNTERS = ["/usr/bin/du", "/bin/du"];

/** What is counted, and where the answer goes. */
export interface MeasureWish {
  /** A descriptor of the directory. */
  readonly directory: number;
  /** A descriptor to write the answer to. */
  readonly answer: number;
  /** A descriptor of `/dev/null`. */
  readonly nothing: number;
  /** The user namespace whose ids the files have; root if absent. */
  readonly namespace?: LaterNamespace;
  /** Groups to be kept, as the host counts; as they are if absent. */
  readonly groups?: readonly number[];
}

/**
 * Becomes du(1), with no more rights over files than the ids of a user have. No
 * name is given to it, links are not followed, and file systems that are
 * mounted below are not entered.
 *
 * @param wish What is counted.
 * @returns The steps; the answer is read by {@linkcode parseMeasure}.
 *
 * @example The last step
 * ```ts
 * import { measureSteps } from "cage/src/measure_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = measureSteps({ directory: 9, answer: 8, nothing: 7 });
 * assertEquals(steps.at(-1)?.args[0], "/bin/du");
 * ```
 */
export function measureSteps(
  { answer, directory, groups, namespace, nothing }: MeasureWish,
): PlanStep[] {
  const why = "Cannot count what was changed";
  const argv = ["du", "-s", "-k", "-x", "."];
  // What it says of files that it cannot read is nothing for a terminal.
  const standard = [nothing, answer, nothing];
  return [
    { call: "close_range", args: [3, 0xffffffff, CLOSE_RANGE_CLOEXEC], why },
    ...standard.map((descriptor, number): PlanStep => ({
      call: "dup3",
      args: [descriptor, number, 0],
      why,
    })),
    { call: "fchdir", args: [directory], why },
    ...(groups === undefined ? [] : [keepGroups(groups)]),
    ...(namespace === undefined ? [] : enterUserNamespace(namespace)),
    endWithParent(),
    unblockSignals(),
    ...COUNTERS.map((file, index): PlanStep => ({
      call: "execve",
      args: [file, argv, []],
      ...(index < COUNTERS.length - 1 ? { onError: {} } : {}),
      why,
    })),
  ];
}

/**
 * Reads the answer.
 *
 * @param text What du(1) has written.
 * @returns The size in bytes; nothing if it was stopped before.
 *
 * @example Three kibibytes
 * ```ts
 * import { parseMeasure } from "cage/src/measure_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseMeasure("3\t.\n"), 3072);
 * assertEquals(parseMeasure(""), undefined);
 * ```
 */
export function parseMeasure(text: string): number | undefined {
  const [, number] = /^([0-9]{1,15})\t\.\n$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * KIBIBYTE;
}

const KIBIBYTE = 1024;
