/**
 * The launch that is attacked.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Result } from "../../e2e/support/mod.ts";
import type { Attack } from "./attack.ts";
import type { Person } from "./people.ts";

/** What the command of {@linkcode launchArgs} prints. */
export const INSIDE = "inside\n";

/**
 * Gives arguments of a launch that leaves nothing behind.
 *
 * @param attack The attack.
 * @param script What the command does.
 * @returns The arguments.
 */
export async function launchArgs(
  attack: Attack,
  script: string = "echo inside",
): Promise<string[]> {
  const options = ["--ephemeral", "-n", "target", "-l", await attack.root()];
  return [...options, "--", "/bin/sh", "-c", script];
}

/**
 * Launches as nobody would complain about, to compare attacks with.
 *
 * @param attack The attack.
 * @param person The user.
 * @returns How it ended.
 */
export async function plainLaunch(
  attack: Attack,
  person: Person,
): Promise<Result> {
  const result = await attack.cage(person, await launchArgs(attack));
  assertWhole(result);
  return result;
}

/**
 * Checks that a launch went well.
 *
 * @param result How it ended.
 */
export function assertWhole(result: Result): void {
  assertEquals(result, { status: 0, stdout: INSIDE, stderr: "" });
}
