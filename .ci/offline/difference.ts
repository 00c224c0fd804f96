/**
 * A picture of how two values differ.
 *
 * @module
 */

/**
 * Shows two values line by line.
 *
 * @param actual What is; its lines have a minus.
 * @param expected What should be; its lines have a plus.
 * @returns The lines that differ, among the two that are next to them.
 */
export function difference(actual: unknown, expected: unknown): string {
  const have = linesOf(actual);
  const want = linesOf(expected);
  const head = sameAtStart(have, want);
  const tail = sameAtStart(
    have.slice(head).reverse(),
    want.slice(head).reverse(),
  );
  const middle = (lines: string[]) => lines.slice(head, lines.length - tail);
  const marked = (mark: string, lines: string[]) =>
    lines.map((line) => `${mark}   ${line}`);
  return [
    "",
    "    [Diff] Actual / Expected",
    "",
    ...marked(" ", have.slice(Math.max(0, head - 2), head)),
    ...marked("-", middle(have)),
    ...marked("+", middle(want)),
    ...marked(" ", have.slice(have.length - tail).slice(0, 2)),
    "",
  ].join("\n");
}

function linesOf(value: unknown): string[] {
  return Deno.inspect(value, {
    compact: false,
    depth: Infinity,
    iterableLimit: Infinity,
    sorted: true,
    strAbbreviateSize: Infinity,
    trailingComma: true,
  }).split("\n");
}

function sameAtStart(a: string[], b: string[]): number {
  const index = a.findIndex((line, index) => line !== b[index]);
  return index < 0 ? a.length : index;
}
