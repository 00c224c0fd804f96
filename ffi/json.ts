/**
 * JSON for terminals.
 *
 * @module
 */

/** What a terminal obeys; a newline is between the values of JSON. */
const UNSAFE = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Writes a value as JSON. JSON has more characters as they are than a terminal
 * takes for text: control characters of ISO 8859, and those which change the
 * direction of writing. They are escaped, which gives the same value.
 *
 * @param value The value.
 * @param space How many spaces each level is indented; all on a line if absent.
 * @returns The text.
 *
 * @example What begins an order to a terminal
 * ```ts
 * import { safeJson } from "cage/ffi/json.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(safeJson("a\u009b2J"), '"a\\u009b2J"');
 * ```
 */
export function safeJson(value: unknown, space?: number): string {
  return JSON.stringify(value, null, space).replace(UNSAFE, escapeUnits);
}

function escapeUnits(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) =>
      `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`,
  ).join("");
}
