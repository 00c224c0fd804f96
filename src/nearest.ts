/**
 * What was probably meant.
 *
 * @module
 */

/** Two letters that changed places are two edits. */
const MOST_EDITS = 2;

/**
 * Finds the name that a word was probably meant to be.
 *
 * @param word The word.
 * @param names What it could have been.
 * @returns The name that the word begins, or that few edits make of it.
 *
 * @example A misspelt name
 * ```ts
 * import { nearest } from "cage/src/nearest.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nearest("nmae", ["lower", "name"]), "name");
 * assertEquals(nearest("frobnicate", ["lower", "name"]), undefined);
 * ```
 */
export function nearest(
  word: string,
  names: readonly string[],
): string | undefined {
  const begun = names.filter((name) => word !== "" && name.startsWith(word));
  if (begun.length === 1) return begun[0];
  const [best] = names.map((name) => ({ name, edits: editsOf(word, name) }))
    .sort((a, b) => a.edits - b.edits);
  // A short word is near to everything.
  const most = Math.min(MOST_EDITS, Math.floor(word.length / 2));
  return best !== undefined && best.edits <= most ? best.name : undefined;
}

/** The distance of Levenshtein, row by row. */
function editsOf(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + same));
    }
    row = next;
  }
  return row[to.length];
}
