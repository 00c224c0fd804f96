/**
 * What a launch costs within a program.
 *
 * @module
 */

import { output } from "../e2e/support/process.ts";
import { CHECKOUT } from "../e2e/support/words.ts";
import type { Place } from "./contenders.ts";
import type { Launches } from "./launches.ts";
import { median } from "./statistics.ts";

/** What was measured; times are in milliseconds. */
export interface LibraryTimes {
  /** How many launches there were, in a row and again together. */
  readonly count: number;
  /** How many were under way at a time. */
  readonly together: number;
  /** The first one, when nothing is compiled yet. */
  readonly first: number;
  /** The shortest one. */
  readonly least: number;
  /** The one in the middle. */
  readonly middle: number;
  /** How many per second in a row. */
  readonly perSecond: number;
  /** How many per second together. */
  readonly perSecondTogether: number;
}

const COUNT = 400;
const TOGETHER = 8;

/**
 * Measures launches of `true` in a program of their own.
 *
 * @param place What they run on.
 * @param within Words before the program.
 * @returns The times.
 */
export async function measureLibrary(
  { denoFlags, name, root }: Place,
  within: readonly string[],
): Promise<LibraryTimes> {
  const text = await output([
    ...[Deno.execPath(), "run", "-A", ...denoFlags],
    `${CHECKOUT}/tests/bench/launches.ts`,
    ...[root, name, String(COUNT), String(TOGETHER)],
  ], { within });
  const { inARow, together }: Launches = JSON.parse(text);
  return {
    count: COUNT,
    together: TOGETHER,
    first: inARow[0],
    least: Math.min(...inARow),
    middle: median(inARow),
    perSecond: COUNT / inARow.reduce((sum, time) => sum + time, 0) * 1000,
    perSecondTogether: COUNT / together * 1000,
  };
}
