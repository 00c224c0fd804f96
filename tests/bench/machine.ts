/**
 * What a measurement was made on.
 *
 * @module
 */

import { output, run } from "../e2e/support/process.ts";

/** A machine, as a reader wants to know it. */
export interface Machine {
  /** The kernel. */
  readonly kernel: string;
  /** The processor and how many threads it has. */
  readonly processor: string;
  /** Memory in GiB. */
  readonly memory: number;
  /** What else it did before, as a load average. */
  readonly load: number;
}

/**
 * Looks at this machine.
 *
 * @returns What it is, and what else it does now.
 */
export async function thisMachine(): Promise<Machine> {
  const model = Deno.readTextFileSync("/proc/cpuinfo")
    .match(/^model name\s*: (.*)$/m)?.[1] ?? "unknown";
  return {
    kernel: (await output(["uname", "-srm"])).trim(),
    processor: `${model}, ${navigator.hardwareConcurrency} threads`,
    memory: Deno.systemMemoryInfo().total / 2 ** 30,
    load: Deno.loadavg()[0],
  };
}

/**
 * Asks programs for their versions.
 *
 * @param programs The paths of programs by their names.
 * @returns A version for each, as the program tells it.
 */
export async function versionsOf(
  programs: ReadonlyMap<string, string>,
): Promise<string[]> {
  const lines: string[] = [];
  for (const [name, path] of programs) {
    // Whatever it is asked, firejail mounts something first.
    const within = ["unshare", "--mount"];
    const { stdout } = await run([path, "--version"], { within });
    lines.push(`${name} ${stdout.match(/\d[\w.+~-]*/)?.[0] ?? "unknown"}`);
  }
  return lines;
}
