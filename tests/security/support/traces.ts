/**
 * What launches of users leave behind.
 *
 * @module
 */

import { leftovers } from "../../e2e/support/mod.ts";
import { directoriesOf, type Person } from "./people.ts";
import { namesIn, recordsOf } from "./records.ts";

/** How long an end may take to be seen, in milliseconds. */
const PATIENCE_MS = 8_000;

/**
 * Lists what there is now of mounts, loop devices, processes and files of
 * instances, those of the users too.
 *
 * @param people The users.
 * @returns Sentences.
 */
export function tracesOf(people: readonly Person[]): Set<string> {
  const others = /^pid file \/run\/microcontainer\/(record|user)(\/|$)/;
  return new Set([
    // Users and records are of everybody; only those of ours count.
    ...[...leftovers()].filter((line) => !others.test(line)),
    ...people.flatMap(({ uid }) => stateOf(uid)),
    ...recordsOf(people).map((path) => `record ${path}`),
  ]);
}

/**
 * Compares with an earlier look, giving what is about to end its time.
 *
 * @param before The earlier look.
 * @param people The users.
 * @returns What is there now and was not.
 */
export async function newTraces(
  before: ReadonlySet<string>,
  people: readonly Person[],
): Promise<string[]> {
  const end = performance.now() + PATIENCE_MS;
  while (true) {
    const left = [...tracesOf(people)].filter((line) => !before.has(line));
    if (left.length === 0 || performance.now() > end) return left;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * Lists what tells of a user's instances that are thought to run.
 *
 * @param uid The user.
 * @returns Sentences.
 */
export function stateOf(uid: number): string[] {
  const [run] = directoriesOf(uid);
  // What counts instances is locked, and tells nothing by being there.
  return namesIn(run).filter((name) => name !== "slots")
    .map((name) => `state ${run}/${name}`);
}
