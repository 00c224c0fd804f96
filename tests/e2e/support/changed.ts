/**
 * Instances that keep what is changed in the scratch directory of a test.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { cage } from "./cage.ts";
import { makeLower } from "./edits.ts";
import type { Layers } from "./merged.ts";
import { until } from "./process.ts";
import type { Context } from "./test.ts";

/** An instance that is not there yet. */
export interface ChangedInstance {
  /** The options that name it. */
  readonly options: string[];
  /** Its layers. */
  readonly layers: Layers;
}

/**
 * Names an instance.
 *
 * @param t The test.
 * @param lower Its lower directory.
 * @returns The instance.
 */
export function optionsOn(t: Context, lower: string): ChangedInstance {
  const app = `${t.scratch}/app`;
  const options = ["-l", lower, "-a", app, "-p", `${t.scratch}/pid`];
  return { options, layers: { lower, upper: `${app}/upper` } };
}

/**
 * Makes a small tree, and names an instance on it.
 *
 * @param t The test.
 * @returns The instance.
 */
export async function makeTree(t: Context): Promise<ChangedInstance> {
  await makeLower(`${t.scratch}/lower`);
  return optionsOn(t, `${t.scratch}/lower`);
}

/**
 * Runs `cage`, which must succeed and say nothing on standard error.
 *
 * @param args Its arguments.
 * @returns What it printed.
 */
export async function ok(args: readonly string[]): Promise<string> {
  const { stdout, ...rest } = await cage(args);
  assertEquals(rest, { status: 0, stderr: "" }, args.join(" "));
  return stdout;
}

/**
 * Waits until what is changed from now on has a later time than what was
 * changed before: files have the time of the last tick of the kernel, which can
 * be ten milliseconds ago.
 *
 * @param t The test.
 */
export async function nextTick(t: Context): Promise<void> {
  const file = `${t.scratch}/tick`;
  const timeNow = () => {
    Deno.writeTextFileSync(file, "");
    return Deno.statSync(file).mtime!.getTime();
  };
  const first = timeNow();
  await until(() => timeNow() > first, "the next tick");
}
