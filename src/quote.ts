/**
 * Values in error sentences.
 *
 * @module
 */

/**
 * Puts a value into double quotes for an error sentence. Control characters are
 * written as `\xNN`, those which end lines or change the direction of writing
 * as `\u{NNNN}`: a sentence stays on one line, reads as it is, and a terminal
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
  return `"${value.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escapeCharacter)}"`;
}

function escapeCharacter(character: string): string {
  const number = character.codePointAt(0)!;
  const digits = number.toString(16);
  return number < 0x100 ? `\\x${digits.padStart(2, "0")}` : `\\u{${digits}}`;
}
