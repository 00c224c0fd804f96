/**
 * Launches within a program, measured by `deno bench`.
 *
 * @module
 */

import type { ContainerSpec } from "../../mod.ts";
import { output } from "../e2e/support/process.ts";
import type { Place } from "./place.ts";

/** What `deno bench` runs, as it is told to launch_bench.ts. */
export interface Task {
  /** Its name. */
  readonly name: string;
  /** What is launched; each launch at the same time has a name of its own. */
  readonly spec: ContainerSpec;
  /** How many launches are under way at a time. */
  readonly together: number;
  /** How many times it is done in a row, which `deno bench` sums up. */
  readonly times: number;
  /**
   * How many such rows there are, between those of other tasks: there is no
   * median in what `deno bench` tells, and a mean of few is disturbed less.
   */
  readonly rows: number;
}

/** Tasks for one `deno bench`. */
export interface Inside {
  /** What is done. */
  readonly tasks: readonly Task[];
  /** The place. */
  readonly place: Place;
  /** Words before Deno. */
  readonly within: readonly string[];
}

/** What `deno bench` tells of a task; times are in milliseconds. */
export interface Case {
  /** The mean. */
  readonly mean: number;
  /** The shortest. */
  readonly least: number;
  /** What three of four did not exceed. */
  readonly p75: number;
}

/** What is used of the output of `deno bench --json`. */
interface Output {
  readonly benches: readonly {
    readonly name: string;
    readonly results: readonly [Result];
  }[];
}

/** Times are in nanoseconds. */
interface Result {
  readonly ok?: Readonly<Record<"avg" | "min" | "p75", number>>;
  readonly failed?: unknown;
}

/**
 * Runs `deno bench`.
 *
 * @param inside What is done, and where.
 * @returns What it tells of each row, by the names of the tasks.
 */
export async function denoBench(
  { place, tasks, within }: Inside,
): Promise<Map<string, Case[]>> {
  const text = await output([
    ...[place.deno, "bench", "-A", "--json", "--no-check"],
    ...place.denoFlags,
    `${place.checkout}/tests/bench/launch_bench.ts`,
    ...["--", JSON.stringify(tasks)],
  ], { within, cwd: place.checkout });
  return readCases(text);
}

/**
 * Reads the output of `deno bench --json`.
 *
 * @param text The output.
 * @returns What it tells of each row, by name.
 * @throws {Error} If a task failed.
 */
export function readCases(text: string): Map<string, Case[]> {
  const { benches }: Output = JSON.parse(text);
  const rows = benches.map(({ name, results: [result] }) =>
    [name, caseOf(name, result)] as const
  );
  return new Map(
    rows.map(([name]) => [
      name,
      rows.filter(([other]) => other === name).map(([, found]) => found),
    ]),
  );
}

function caseOf(name: string, { failed, ok }: Result): Case {
  if (ok === undefined) {
    const reason = JSON.stringify(failed);
    throw new Error(`Cannot measure with deno bench: ${name}: ${reason}`);
  }
  return {
    mean: ok.avg / 1e6,
    least: ok.min / 1e6,
    p75: ok.p75 / 1e6,
  };
}
