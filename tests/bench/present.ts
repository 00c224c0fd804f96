/**
 * Which contenders can be measured on this machine.
 *
 * @module
 */

import { run } from "../e2e/support/process.ts";
import { whyNoProgram } from "../e2e/support/test.ts";
import type { Contender } from "./contenders.ts";
import type { Place } from "./place.ts";
import { reasonOf } from "./reason.ts";

/** What takes longer waits for something that never comes, in seconds. */
const LONGEST = 5;

/** Where contenders are tried. */
export interface Trial {
  /** What they run on. */
  readonly place: Place;
  /** The commands that they must be able to run. */
  readonly commands: readonly (readonly string[])[];
  /** Words before theirs. */
  readonly within: readonly string[];
  /** Told why one is left out. */
  readonly skip: (reason: string) => void;
}

/**
 * Keeps the contenders that work here, and says why others do not.
 *
 * @param contenders The contenders.
 * @param trial Where and with what.
 * @returns Those that work, with all that they need prepared.
 */
export async function workingOf(
  contenders: readonly Contender[],
  trial: Trial,
): Promise<Contender[]> {
  const working: Contender[] = [];
  for (const contender of contenders) {
    const why = await whyNot(contender, trial);
    if (why === undefined) working.push(contender);
    else trial.skip(`${contender.name}: ${why}`);
  }
  return working;
}

async function whyNot(
  { prepare, words }: Contender,
  { commands, place, within }: Trial,
): Promise<string | undefined> {
  const [program] = words(place, commands[0]);
  const missing = program.includes("/") ? undefined : whyNoProgram(program);
  if (missing !== undefined) return missing;
  const trials = [
    ...commands.map((command) => prepare?.(place, command)),
    // The other commands do not end.
    words(place, commands[0]),
  ];
  for (const trial of trials) {
    if (trial === undefined) continue;
    const { status, stderr } = await run(trial, { within });
    if (status !== 0) return reasonOf(stderr, status);
  }
  const begin = performance.now();
  await run(words(place, commands[0]), { within });
  const seconds = (performance.now() - begin) / 1000;
  if (seconds > LONGEST) return `one launch takes ${seconds.toFixed(0)} s`;
}
