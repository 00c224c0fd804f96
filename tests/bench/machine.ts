/**
 * What a measurement was made on.
 *
 * @module
 */

import { output, run } from "../e2e/support/process.ts";
import { CAGE } from "./contenders.ts";

/**
 * Tells the kernel, the processor, and what else it does now.
 *
 * @returns Sentences without a verb.
 */
export async function machineLines(): Promise<string[]> {
  const kernel = (await output(["uname", "-srm"])).trim();
  const model = Deno.readTextFileSync("/proc/cpuinfo")
    .match(/^model name\s*: (.*)$/m)?.[1] ?? "unknown";
  const memory = Deno.systemMemoryInfo().total / 2 ** 30;
  return [
    `Kernel: ${kernel}`,
    `Processor: ${model}, ${navigator.hardwareConcurrency} threads; ` +
    `${memory.toFixed(0)} GiB of memory`,
    `Load before: ${Deno.loadavg()[0].toFixed(1)}`,
  ];
}

/**
 * Tells the versions of programs as they tell it themselves.
 *
 * @param programs The names of programs.
 * @returns A version for each.
 */
export async function versionsOf(
  programs: readonly string[],
): Promise<string[]> {
  const lines: string[] = [];
  for (const program of programs) {
    const path = program === "deno"
      ? Deno.execPath()
      : program === "cage"
      ? CAGE
      : program;
    const { stdout } = await run([path, "--version"]);
    lines.push(`${program} ${stdout.match(/\d[\w.+~-]*/)?.[0] ?? "unknown"}`);
  }
  return lines;
}
