/**
 * A program that launches containers and prints the times as JSON:
 * `launches.ts ROOT NAME COUNT TOGETHER`.
 *
 * @module
 */

import { launch } from "../../mod.ts";

/** What it prints; times are in milliseconds. */
export interface Launches {
  /** Each launch until the container has ended, one after the other. */
  readonly inARow: readonly number[];
  /** All launches, some at a time. */
  readonly together: number;
}

const [lower, name, count, together] = Deno.args;

async function run(name: string): Promise<void> {
  const command = ["/bin/true"];
  const container = await launch({ name, lower: [lower], command });
  const { code } = await container.status;
  if (code !== 0) throw new Error(`A command ended with ${code}`);
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function repeat(name: string, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let launched = 0; launched < count; launched++) {
    times.push(await timeOf(() => run(name)));
  }
  return times;
}

const lanes = Array.from({ length: +together }, (_, lane) => `${name}-${lane}`);
const inARow = await repeat(name, +count);
const launches: Launches = {
  inARow,
  together: await timeOf(() =>
    Promise.all(lanes.map((lane) => repeat(lane, +count / lanes.length)))
  ),
};
console.log(JSON.stringify(launches));
