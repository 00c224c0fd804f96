/**
 * What must not be left behind.
 *
 * @module
 */

import { descendants } from "./descendants.ts";
import { RUN_DIRECTORY } from "./mode.ts";
import { exists } from "./words.ts";

/** How long an end may take to be seen, in milliseconds. */
const PATIENCE_MS = 8_000;

/** What of this kind there is on the machine now, in sentences. */
export function leftovers(): Set<string> {
  return new Set([
    ...hostMounts().map((line) => `mount ${line}`),
    ...loopDevices().map((line) => `loop device ${line}`),
    ...descendants().map(({ pid, state, command }) =>
      `process ${pid} ${state} ${command}`
    ),
    ...pidFiles().map((path) => `pid file ${path}`),
  ].filter((line) => !isOfOthers(line)));
}

/** Whether it carries the number of other tests, which may run as well. */
function isOfOthers(line: string): boolean {
  const owner = line.match(/\be2e-([0-9]+)-/)?.[1];
  return owner !== undefined && Number(owner) !== Deno.pid;
}

/**
 * Compares with an earlier look, giving what is about to end its time.
 *
 * @param before The earlier look.
 * @returns What is there now and was not.
 */
export async function newLeftovers(
  before: ReadonlySet<string>,
): Promise<string[]> {
  const end = performance.now() + PATIENCE_MS;
  while (true) {
    const left = [...leftovers()].filter((line) => !before.has(line));
    if (left.length === 0 || performance.now() > end) return left;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Kills whatever comes from the tests and still runs. */
export function killDescendants(): void {
  for (const { pid } of descendants()) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It has just ended by itself.
    }
  }
}

/** Removes what launches leave that are killed: records of no process. */
export function removeStaleRecords(): void {
  const directory = `${RUN_DIRECTORY}/record`;
  for (const { name } of [...Deno.readDirSync(directory)]) {
    if (!exists(`/proc/${name}`)) Deno.removeSync(`${directory}/${name}`);
  }
}

/** The mounts of the host, see proc_pid_mountinfo(5). */
export function hostMounts(pid: number | "self" = "self"): string[] {
  return Deno.readTextFileSync(`/proc/${pid}/mountinfo`).trim().split("\n");
}

/** Loop devices in use, with their files. */
export function loopDevices(): string[] {
  return [...Deno.readDirSync("/sys/block")]
    .filter(({ name }) => name.startsWith("loop"))
    .flatMap(({ name }) => {
      try {
        const path = `/sys/block/${name}/loop/backing_file`;
        return [`${name} ${Deno.readTextFileSync(path).trim()}`];
      } catch {
        return [];
      }
    });
}

/** Every file below the directory of pid files but those that count. */
function pidFiles(directory: string = RUN_DIRECTORY): string[] {
  if (!exists(directory) || directory.endsWith("/slots")) return [];
  return [...Deno.readDirSync(directory)].flatMap(({ isDirectory, name }) =>
    isDirectory ? pidFiles(`${directory}/${name}`) : `${directory}/${name}`
  );
}
