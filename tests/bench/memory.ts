/**
 * What stays in memory while a container runs.
 *
 * @module
 */

import { descendants, readProcess } from "../e2e/support/descendants.ts";
import { spawn, until } from "../e2e/support/process.ts";

/** What a program keeps beside the command. */
export interface Staying {
  /** How many processes. */
  readonly processes: number;
  /** Their proportional set size (Pss), see proc_pid_smaps(5), in kB. */
  readonly pss: number;
}

/** The command, which ends when it is killed. */
export const PAYLOAD: readonly string[] = ["/bin/sleep", "1000"];

/** Between two looks that must be equal, in milliseconds. */
const SETTLING = 250;

/**
 * Starts a command and looks at all other processes that are there then.
 *
 * @param words What runs {@linkcode PAYLOAD}.
 * @param within Words before.
 * @returns What stays.
 */
export async function measureMemory(
  words: readonly string[],
  within: readonly string[],
): Promise<Staying> {
  await using child = spawn(words, { within });
  let hasEnded = false;
  child.result.finally(() => hasEnded = true).catch(() => {});
  await until(() => hasEnded || payloads().length === 1, words.join(" "));
  if (hasEnded) throw new Error((await child.result).stderr);
  const staying = await settled();
  // From outside: pid 1 of a container takes no other signal.
  for (const pid of payloads()) Deno.kill(pid, "SIGKILL");
  await child.result;
  return staying;
}

/** The launchers have gone when nothing changes any more. */
async function settled(): Promise<Staying> {
  let last = "";
  for (;;) {
    const sizes = descendants().filter(({ command }) => !isPayload(command))
      .map(({ pid }) => [pid, pssOf(pid)]);
    const now = JSON.stringify(sizes);
    if (now === last) {
      const pss = sizes.reduce((sum, [, size]) => sum + size, 0);
      return { processes: sizes.length, pss };
    }
    last = now;
    await new Promise((resolve) => setTimeout(resolve, SETTLING));
  }
}

function payloads(): number[] {
  return descendants().filter(({ command, pid }) =>
    isPayload(command) && readProcess(pid).length === 1
  ).map(({ pid }) => pid);
}

function isPayload(command: string): boolean {
  return command === PAYLOAD.join(" ");
}

function pssOf(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  return Number(text.match(/^Pss:\s+([0-9]+) kB$/m)?.[1] ?? 0);
}
