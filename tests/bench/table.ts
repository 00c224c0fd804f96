/**
 * Tables that are read in a terminal as well as in Markdown.
 *
 * @module
 */

/**
 * Writes a table whose first column is text and whose others are numbers.
 *
 * @param head The names of the columns.
 * @param rows The cells.
 * @returns Markdown as `deno fmt` has it.
 */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...rows].map((cells) => cells[column].length))
  );
  const line = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, column) =>
        column === 0
          ? cell.padEnd(widths[column])
          : cell.padStart(widths[column])
      ).join(" | ")
    } |`;
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : "-".repeat(width - 1) + ":"
  );
  return [head, rule, ...rows].map(line).join("\n");
}

/**
 * Writes a list.
 *
 * @param items The items.
 * @returns Markdown.
 */
export function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join("\n");
}

/**
 * Writes a number with so many digits that three count.
 *
 * @param value The number, from 0.
 * @returns Its digits.
 */
export function shown(value: number): string {
  if (value >= 99.95) return Math.round(value).toLocaleString("en");
  return value.toFixed(value < 9.995 ? 2 : 1);
}
