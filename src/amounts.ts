/**
 * Amounts in a few characters, each in the largest unit that it has one of.
 *
 * @module
 */

/**
 * Writes an age in its largest unit.
 *
 * @param seconds The age in seconds.
 * @returns The text.
 *
 * @example Under two hours
 * ```ts
 * import { ageText } from "cage/src/amounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ageText(7199), "1h");
 * ```
 */
export function ageText(seconds: number): string {
  const [unit, length] = AGES.find(([, length]) => seconds >= length) ??
    AGES[AGES.length - 1];
  return `${Math.floor(seconds / length)}${unit}`;
}

/** Seconds in the units of ages. */
const AGES: readonly [string, number][] = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
];

/**
 * Writes a size in powers of 1024, as `ls -h` does.
 *
 * @param bytes The size in bytes.
 * @returns The text.
 *
 * @example A bit more than a mebibyte
 * ```ts
 * import { sizeText } from "cage/src/amounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(sizeText(1_150_000), "1.1M");
 * assertEquals(sizeText(12), "12");
 * ```
 */
export function sizeText(bytes: number): string {
  const units = ["", "K", "M", "G", "T", "P", "E"];
  let size = bytes;
  let unit = 0;
  // What would be rounded to four digits is one of the next unit.
  while (
    size >= 999.5 && unit < units.length - 1 && (unit > 0 || size >= 1024)
  ) {
    size /= 1024;
    unit++;
  }
  if (unit === 0) return `${size}`;
  return `${size < 9.95 ? size.toFixed(1) : Math.round(size)}${units[unit]}`;
}
