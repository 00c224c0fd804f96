/**
 * What differs between two texts, line by line.
 *
 * @module
 */

/** A run of lines that are another one: both may be empty, not both at once. */
export interface Difference {
  /** The first line of the old text, from 0, and the one after the last. */
  readonly before: readonly [start: number, end: number];
  /** The same of the new text. */
  readonly after: readonly [start: number, end: number];
}

/** Most lines that are added and removed before all of it is one difference. */
const MOST = 4_000;

/**
 * Compares two lists of lines: E. W. Myers, An O(ND) Difference Algorithm and
 * Its Variations, Algorithmica 1 (1986).
 *
 * @param before The old lines.
 * @param after The new lines.
 * @returns The differences in order, the fewest lines that there can be, unless
 * there are thousands.
 *
 * @example A line that is another one
 * ```ts
 * import { differences } from "cage/src/line_diff.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(differences(["a", "b", "c"], ["a", "x", "c"]), [
 *   { before: [1, 2], after: [1, 2] },
 * ]);
 * ```
 */
export function differences(
  before: readonly string[],
  after: readonly string[],
): Difference[] {
  let start = 0;
  while (start < before.length && before[start] === after[start]) start++;
  const most = Math.min(before.length, after.length) - start;
  let end = 0;
  while (end < most && before.at(-1 - end) === after.at(-1 - end)) end++;
  const rows = before.slice(start, before.length - end);
  const columns = after.slice(start, after.length - end);
  if (rows.length === 0 && columns.length === 0) return [];
  return edits(rows, columns).map(({ after, before }) => ({
    before: [before[0] + start, before[1] + start],
    after: [after[0] + start, after[1] + start],
  }));
}

function edits(
  rows: readonly string[],
  columns: readonly string[],
): Difference[] {
  const whole = [
    { before: [0, rows.length], after: [0, columns.length] },
  ] as const;
  if (rows.length === 0 || columns.length === 0) return [...whole];
  const trace = search(rows, columns);
  return trace === undefined ? [...whole] : walkBack(rows, columns, trace);
}

/** The furthest row on each diagonal, for each number of edits so far. */
function search(
  rows: readonly string[],
  columns: readonly string[],
): Int32Array[] | undefined {
  const most = Math.min(MOST, rows.length + columns.length);
  const furthest = new Int32Array(2 * most + 3);
  const trace: Int32Array[] = [];
  for (let count = 0; count <= most; count++) {
    // Of the whole array no more than this part can have been written to.
    trace.push(furthest.slice(most - count, most + count + 3));
    for (let k = -count; k <= count; k += 2) {
      const at = k + most + 1;
      let x = isDown(k, count, furthest[at - 1], furthest[at + 1])
        ? furthest[at + 1]
        : furthest[at - 1] + 1;
      while (
        x < rows.length && x - k < columns.length && rows[x] === columns[x - k]
      ) x++;
      furthest[at] = x;
      if (x >= rows.length && x - k >= columns.length) return trace;
    }
  }
}

function isDown(k: number, count: number, left: number, right: number) {
  return k === -count || (k !== count && left < right);
}

function walkBack(
  rows: readonly string[],
  columns: readonly string[],
  trace: readonly Int32Array[],
): Difference[] {
  const found: { before: [number, number]; after: [number, number] }[] = [];
  let [x, y] = [rows.length, columns.length];
  for (let count = trace.length - 1; count > 0; count--) {
    const k = x - y;
    const at = (diagonal: number) => trace[count][diagonal + count + 1];
    const down = isDown(k, count, at(k - 1), at(k + 1));
    const fromX = down ? at(k + 1) : at(k - 1);
    const fromY = fromX - (down ? k + 1 : k - 1);
    const [toX, toY] = down ? [fromX, fromY + 1] : [fromX + 1, fromY];
    const next = found.at(-1);
    if (next?.before[0] === toX && next.after[0] === toY) {
      next.before[0] = fromX;
      next.after[0] = fromY;
    } else found.push({ before: [fromX, toX], after: [fromY, toY] });
    [x, y] = [fromX, fromY];
  }
  return found.reverse();
}
