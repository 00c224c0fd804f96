/**
 * Times of whole commands, taken by hyperfine(1).
 *
 * @module
 */

import { run } from "../e2e/support/process.ts";
import type { Rounds } from "./statistics.ts";

/** How much is measured. */
export interface Amount {
  /** How many times the whole list is gone through. */
  readonly rounds: number;
  /** How often a command is run in each round. */
  readonly runs: number;
}

/** Bounds a round that hangs, in milliseconds. */
const PATIENCE = 600_000;

/**
 * Measures commands in rounds, each of which runs all of them, so that what
 * else the machine does falls on all alike. Every other round goes backwards.
 *
 * @param commands The commands by name, each as words.
 * @param amount How much.
 * @param within Words before hyperfine.
 * @param file A file for hyperfine to write to.
 * @returns The times by name.
 */
export async function measure(
  commands: ReadonlyMap<string, readonly string[]>,
  { rounds, runs }: Amount,
  within: readonly string[],
  file: string,
): Promise<Map<string, Rounds>> {
  const times = new Map(
    [...commands].map(([name]) => [name, [] as number[][]]),
  );
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? [...commands] : [...commands].reverse();
    const { status, stderr } = await run([
      ...["hyperfine", "--shell=none", "--style=none", "--warmup=1"],
      ...[`--runs=${runs}`, `--export-json=${file}`],
      ...order.map(([, words]) => words.map(quote).join(" ")),
    ], { within, patience: PATIENCE });
    if (status !== 0) {
      const [reason] = stderr.match(/^Error: .*$/m) ?? [`status ${status}`];
      throw new Error(`Cannot measure with hyperfine: ${reason}`);
    }
    const { results } = JSON.parse(await Deno.readTextFile(file));
    order.forEach(([name], index) => {
      const seconds: number[] = results[index].times;
      times.get(name)?.push(seconds.map((time) => time * 1000));
    });
  }
  return times;
}

/** As hyperfine reads words, which is as a shell does. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
