/**
 * Processes of what is measured: which they are, how much memory they have, and
 * their end.
 *
 * @module
 */

import {
  type Process,
  processes,
  readProcess,
} from "../e2e/support/descendants.ts";
import { PAYLOAD } from "./commands.ts";
import type { Staying } from "./measurements.ts";

/** What tells that a process comes from here, whoever its parent is now. */
export interface Marks {
  /** The mount namespaces that were made for it, as links of /proc. */
  readonly namespaces: ReadonlySet<string>;
  /** The user that was made for it. */
  readonly uid?: number;
}

/** Between two looks that must be equal, in milliseconds. */
const SETTLING = 250;

/**
 * Lists the processes that come from here and run still.
 *
 * This process adopts no orphans, since it would not collect them while it
 * waits for what measures; the first process of the machine does so at once.
 *
 * @param marks What tells that they do.
 * @returns The processes and all that come from them.
 */
export function familyOf(marks: Marks): Process[] {
  const all = processes().filter(({ pid }) => pid !== Deno.pid);
  const family = new Set([Deno.pid]);
  for (const { pid } of all) if (isMarked(pid, marks)) family.add(pid);
  let size = 0;
  while (size !== family.size) {
    size = family.size;
    for (const { parent, pid } of all) if (family.has(parent)) family.add(pid);
  }
  return all.filter(({ pid, state }) => family.has(pid) && state !== "Z");
}

/**
 * Picks the commands that run beside what is measured.
 *
 * @param family The processes.
 * @returns Those that are commands.
 */
export function payloadsOf(family: readonly Process[]): Process[] {
  return family.filter((process) =>
    isPayload(process) && readProcess(process.pid).length === 1
  );
}

/**
 * Adds up what there is beside the commands, when nothing changes any more.
 *
 * @param look Gives the processes.
 * @returns What stays.
 */
export async function settled(
  look: () => Process[],
): Promise<Staying> {
  let last = "";
  for (;;) {
    const sizes = look()
      .filter((process) => !isPayload(process) && process.state !== "Z")
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

/**
 * Reads the proportional set size of a process.
 *
 * @param pid The id.
 * @returns Its size in kB; 0 if it has ended.
 */
export function pssOf(pid: number): number {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
    return Number(text.match(/^Pss:\s+([0-9]+) kB$/m)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/**
 * Tells in which mount namespace a process is.
 *
 * @param pid The id.
 * @returns The link of /proc; nothing if the process has ended.
 */
export function namespaceOf(pid: number): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

/**
 * Kills a process, if it has not ended by itself.
 *
 * @param pid The id.
 */
export function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}

function isMarked(pid: number, { namespaces, uid }: Marks): boolean {
  const namespace = namespaceOf(pid);
  if (namespace !== undefined && namespaces.has(namespace)) return true;
  return uid !== undefined && uidOf(pid) === uid;
}

function uidOf(pid: number): number | undefined {
  try {
    return Deno.statSync(`/proc/${pid}`).uid ?? undefined;
  } catch {
    return undefined;
  }
}

function isPayload({ command }: Process): boolean {
  return command === PAYLOAD.join(" ");
}
