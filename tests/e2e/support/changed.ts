/**
 * Instances that keep what is changed in the scratch directory of a test.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { cage } from "./cage.ts";
import { makeLower } from "./edits.ts";
import type { Layers } from "./merged.ts";
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
