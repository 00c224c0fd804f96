/**
 * Measuring in rounds, each of which runs all there is, so that what else the
 * machine does falls on all alike. Every other round goes backwards.
 *
 * @module
 */

import { type Batch, hyperfine } from "./hyperfine.ts";
import { type Case, denoBench, type Inside } from "./inside.ts";
import type { Within } from "./site.ts";

/** How much is measured. */
export interface Amount {
  /** How many times everything is gone through. */
  readonly rounds: number;
  /** How often a command is run in each round. */
  readonly runs: number;
}

/** What a round has of one kind: commands, launches within a program, or both. */
export interface Part {
  /** Commands, for hyperfine. */
  readonly batch?: Batch;
  /** Launches within a program, for `deno bench`. */
  readonly inside?: Inside;
}

/** What was measured, round by round, by the names in a part. */
export interface Measured {
  /** Times of commands in milliseconds. */
  readonly commands: Map<string, number[][]>;
  /** Times of launches within a program, some rows in each round. */
  readonly cases: Map<string, Case[][]>;
}

/**
 * Measures in rounds.
 *
 * @param parts What each round has.
 * @param amount How much.
 * @param goOn Throws when everything is to end.
 * @returns What was measured for each part.
 */
export async function measureRounds(
  parts: readonly Part[],
  { rounds, runs }: Amount,
  goOn: Within["goOn"],
): Promise<Measured[]> {
  const all = parts.map((part): [Part, Measured] => [
    part,
    { commands: new Map(), cases: new Map() },
  ]);
  for (let round = 0; round < rounds; round++) {
    const isBackwards = round % 2 === 1;
    for (const [part, measured] of turned(all, isBackwards)) {
      goOn();
      await measureRound(part, runs, isBackwards, measured);
    }
  }
  goOn();
  return all.map(([, measured]) => measured);
}

async function measureRound(
  { batch, inside }: Part,
  runs: number,
  isBackwards: boolean,
  { cases, commands }: Measured,
): Promise<void> {
  if (batch !== undefined && batch.commands.size > 0) {
    const order = new Map(turned([...batch.commands], isBackwards));
    const times = await hyperfine({ ...batch, commands: order }, runs);
    for (const [name, list] of times) add(commands, name, list);
  }
  if (inside === undefined) return;
  for (const [name, found] of await denoBench(inside)) add(cases, name, found);
}

function turned<T>(list: readonly T[], isBackwards: boolean): readonly T[] {
  return isBackwards ? list.toReversed() : list;
}

function add<T>(lists: Map<string, T[]>, name: string, value: T): void {
  const list = lists.get(name) ?? [];
  list.push(value);
  lists.set(name, list);
}
