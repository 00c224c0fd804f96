/**
 * All measurements, in one run.
 *
 * @module
 */

import {
  type Contender,
  ON_BUSYBOX,
  ON_MACHINE,
  RUNTIME,
} from "./contenders.ts";
import { type LibraryTimes, measureLibrary } from "./library.ts";
import { measureMemory, PAYLOAD, type Staying } from "./memory.ts";
import { workingOf } from "./present.ts";
import { type Amount, measure } from "./rounds.ts";
import type { Site } from "./site.ts";
import type { Rounds } from "./statistics.ts";

/** The command whose launch is measured. */
export const COMMAND: readonly string[] = ["/bin/true"];

/** Something that was measured. */
export interface Entry {
  /** Its name. */
  readonly name: string;
  /** The words that were run. */
  readonly words: readonly string[];
  /** The times. */
  readonly rounds: Rounds;
}

/** What was measured. */
export interface Measurements {
  /** Empty programs. */
  readonly runtime: readonly Entry[];
  /** Launches on the root of busybox. */
  readonly busybox: readonly Entry[];
  /** Launches on the root of this machine. */
  readonly machine: readonly Entry[];
  /** What stays in memory, by name. */
  readonly memory: ReadonlyMap<string, Staying>;
  /** Launches from within a program. */
  readonly library: LibraryTimes;
  /** Who was left out, and why. */
  readonly skipped: readonly string[];
}

/**
 * Measures everything.
 *
 * @param site Where.
 * @param amount How much.
 * @param tell Told what is done.
 * @returns What was measured.
 */
export async function measureAll(
  { place, within }: Site,
  amount: Amount,
  tell: (text: string) => void,
): Promise<Measurements> {
  const skipped: string[] = [];
  const working = async (contenders: readonly Contender[]) =>
    await workingOf(contenders, place, COMMAND, within, (reason) => {
      tell(`Skipped: ${reason}`);
      skipped.push(reason);
    });
  const groups = {
    runtime: await working(RUNTIME),
    busybox: await working(ON_BUSYBOX),
    machine: await working(ON_MACHINE),
  };
  const commands = new Map(
    Object.entries(groups).flatMap(([group, contenders]) =>
      contenders.map(({ name, words }) =>
        [`${group} ${name}`, words(place, COMMAND)] as const
      )
    ),
  );
  tell(
    `Measuring ${commands.size} commands, ` +
      `${amount.rounds} rounds of ${amount.runs} runs`,
  );
  const file = `${place.state}/hyperfine.json`;
  const times = await measure(commands, amount, within, file);
  const entries = (group: keyof typeof groups): Entry[] =>
    groups[group].map(({ name }) => ({
      name,
      words: commands.get(`${group} ${name}`)!,
      rounds: times.get(`${group} ${name}`)!,
    }));
  tell("Measuring memory");
  const memory = new Map<string, Staying>();
  for (const { name, words } of staying(groups.busybox, groups.machine)) {
    memory.set(name, await measureMemory(words(place, PAYLOAD), within));
  }
  tell("Measuring launches from a program");
  return {
    runtime: entries("runtime"),
    busybox: entries("busybox"),
    machine: entries("machine"),
    memory,
    library: await measureLibrary(place, within),
    skipped,
  };
}

/** Each once: what stays is the same whatever the root is. */
function staying(...groups: Contender[][]): Contender[] {
  const all = groups.flat();
  return all.filter(({ name }, index) =>
    all.findIndex((other) => other.name === name) === index
  );
}
