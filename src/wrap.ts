/**
 * Text in lines.
 *
 * @module
 */

/**
 * Breaks text at its spaces.
 *
 * @param text The text.
 * @param columns How long a line may be; a longer word is a line of its own.
 * @returns The lines.
 *
 * @example Three words
 * ```ts
 * import { wrap } from "cage/src/wrap.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(wrap("one two three", 8), ["one two", "three"]);
 * ```
 */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= columns) {
      lines[lines.length - 1] = longer;
    } else {
      lines.push(word);
    }
  }
  return lines;
}
