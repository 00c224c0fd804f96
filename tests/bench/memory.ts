/**
 * What stays in memory while a container runs.
 *
 * @module
 */

import type { Process } from "../e2e/support/descendants.ts";
import { spawn, until } from "../e2e/support/process.ts";
import type { Staying } from "./measurements.ts";
import { kill, payloadsOf, settled } from "./processes.ts";
import type { Within } from "./site.ts";

/** For what cleans up after a container, in milliseconds. */
const CLEANING = 2000;

/**
 * Starts a command and looks at all other processes that are there then.
 *
 * @param words What runs the command of {@linkcode payloadsOf}.
 * @param where Where.
 * @returns What stays.
 * @throws {Error} If it ends, with what it said.
 */
export async function measureMemory(
  words: readonly string[],
  { family, within }: Within,
): Promise<Staying> {
  // Of earlier runs too something may have stayed: podman keeps a process for
  // the namespaces of a user.
  await endOf(family);
  await using child = spawn(words, { within });
  let hasEnded = false;
  child.result.finally(() => hasEnded = true).catch(() => {});
  const one = () => payloadsOf(family()).length === 1;
  await until(() => hasEnded || one(), words.join(" "));
  if (hasEnded) throw new Error((await child.result).stderr);
  const staying = await settled(family);
  // From outside: pid 1 of a container takes no other signal.
  for (const { pid } of payloadsOf(family())) kill(pid);
  await child.result;
  await until(() => family().length === 0, `the end of ${words[0]}`, CLEANING)
    .catch(() => endOf(family));
  return staying;
}

async function endOf(family: () => Process[]): Promise<void> {
  await until(() => {
    const left = family();
    for (const { pid } of left) kill(pid);
    return left.length === 0;
  }, "the end of what ran before");
}
