/**
 * Root's records of instances.
 *
 * @module
 */

import { exists, RUN_DIRECTORY } from "../../e2e/support/mod.ts";

const RECORDS = `${RUN_DIRECTORY}/record`;

/**
 * Lists the records of instances.
 *
 * @param people The users whose instances they are.
 * @returns The paths.
 */
export function recordsOf(people: readonly { uid: number }[]): string[] {
  return namesIn(RECORDS).map((name) => `${RECORDS}/${name}`)
    .filter((path) => people.some(({ uid }) => uid === ownerOf(path)));
}

function ownerOf(record: string): number | undefined {
  try {
    return JSON.parse(Deno.readTextFileSync(record)).uid;
  } catch {
    // It has just been removed, or is being written.
    return undefined;
  }
}

/**
 * Lists a directory.
 *
 * @param path The directory, which may be missing.
 * @returns The names in it.
 */
export function namesIn(path: string): string[] {
  if (!exists(path)) return [];
  return [...Deno.readDirSync(path)].map(({ name }) => name);
}
