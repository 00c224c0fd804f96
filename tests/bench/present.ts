/**
 * Which contenders can be measured on this machine.
 *
 * @module
 */

import { run } from "../e2e/support/process.ts";
import { whyNoProgram } from "../e2e/support/test.ts";
import type { Contender, Place } from "./contenders.ts";

/**
 * Keeps the contenders that work here, and says why others do not.
 *
 * @param contenders The contenders.
 * @param place What they run on.
 * @param command The command that they run.
 * @param within Words before theirs.
 * @param skip Told why one is left out.
 * @returns Those that work.
 */
export async function workingOf(
  contenders: readonly Contender[],
  place: Place,
  command: readonly string[],
  within: readonly string[],
  skip: (reason: string) => void,
): Promise<Contender[]> {
  const working: Contender[] = [];
  for (const contender of contenders) {
    const why = await whyNot(contender, place, command, within);
    if (why === undefined) working.push(contender);
    else skip(`${contender.name}: ${why}`);
  }
  return working;
}

async function whyNot(
  { prepare, words }: Contender,
  place: Place,
  command: readonly string[],
  within: readonly string[],
): Promise<string | undefined> {
  const [program, ...args] = words(place, command);
  const missing = program.includes("/") ? undefined : whyNoProgram(program);
  if (missing !== undefined) return missing;
  const trials = [prepare?.(place), [program, ...args]];
  for (const trial of trials) {
    if (trial === undefined) continue;
    const { status, stderr } = await run(trial, { within });
    if (status === 0) continue;
    const reason = stderr.trim().split("\n")[0];
    return reason || `it ended with status ${status}`;
  }
}
