/**
 * Lists directories that need not be there.
 *
 * @module
 */

/**
 * Lists what is in a directory.
 *
 * @param directory Its path.
 * @returns The names; none if it cannot be read.
 *
 * @example A directory that is not there
 * ```ts
 * import { namesIn } from "cage/src/names_in.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(namesIn("/nowhere"), []);
 * ```
 */
export function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch {
    return [];
  }
}
