/**
 * Times of whole commands, taken by hyperfine(1).
 *
 * @module
 */

import { run } from "../e2e/support/process.ts";

/** Commands that are measured one after the other. */
export interface Batch {
  /** The words of each by its name. */
  readonly commands: ReadonlyMap<string, readonly string[]>;
  /** Words before hyperfine. */
  readonly within: readonly string[];
  /** A file for hyperfine to write to. */
  readonly file: string;
}

/** Bounds a batch that hangs, in milliseconds. */
const PATIENCE = 600_000;

/**
 * Runs every command so many times, after a first time that does not count.
 *
 * @param batch The commands.
 * @param runs How many times.
 * @returns The times in milliseconds by name.
 * @throws {Error} If a command fails.
 */
export async function hyperfine(
  { commands, file, within }: Batch,
  runs: number,
): Promise<Map<string, number[]>> {
  const { status, stderr } = await run([
    ...["hyperfine", "--shell=none", "--style=none", "--warmup=1"],
    ...[`--runs=${runs}`, `--export-json=${file}`],
    ...[...commands.values()].map((words) => words.map(quote).join(" ")),
  ], { within, patience: PATIENCE });
  if (status !== 0) {
    const [reason] = stderr.match(/^Error: .*$/m) ?? [`status ${status}`];
    throw new Error(`Cannot measure with hyperfine: ${reason}`);
  }
  const { results } = JSON.parse(await Deno.readTextFile(file));
  return new Map(
    [...commands.keys()].map((name, index) => {
      const seconds: number[] = results[index].times;
      return [name, seconds.map((time) => time * 1000)];
    }),
  );
}

/** As hyperfine reads words, which is as a shell does. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
