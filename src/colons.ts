/**
 * Values that are lists of paths.
 *
 * @module
 */

/**
 * Splits a text at its colons. `\:` stands for a colon and `\\` for a
 * backslash; a backslash before anything else stands for itself, so that a
 * path with one rarely needs escaping.
 *
 * @param text The text as it was given.
 * @returns The parts, at least one, any of which may be empty.
 *
 * @example An escaped colon
 * ```ts
 * import { splitAtColons } from "cage/src/colons.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(splitAtColons("/a\\:b:/c"), ["/a:b", "/c"]);
 * ```
 */
export function splitAtColons(text: string): string[] {
  const parts = [""];
  for (const [token] of text.matchAll(/\\[:\\]|[^]/g)) {
    if (token === ":") parts.push("");
    else parts[parts.length - 1] += token.length === 2 ? token[1] : token;
  }
  return parts;
}
