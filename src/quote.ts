/**
 * Values in error sentences.
 *
 * @module
 */

/**
 * Puts a value into double quotes for an error sentence. Control characters
 * are written as `\xNN`, so that a sentence stays on one line and a terminal
 * obeys nothing in it.
 *
 * @param value The value as it was given.
 * @returns The value in quotes.
 *
 * @example A newline in a name
 * ```ts
 * import { quote } from "cage/src/quote.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(quote("web"), '"web"');
 * assertEquals(quote("a\nb"), '"a\\x0ab"');
 * ```
 */
export function quote(value: string): string {
  return `"${value.replace(/\p{Cc}/gu, escapeControl)}"`;
}

function escapeControl(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
