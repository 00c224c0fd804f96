/**
 * Ranges of ids that a user has beside their own: subuid(5) and subgid(5).
 *
 * @module
 */

import { MAX_ID } from "./users.ts";

/** Ids that follow one another. */
export interface IdRange {
  /** The lowest. */
  readonly start: number;
  /** How many there are. */
  readonly count: number;
}

/**
 * Reads the ranges of a user. A line is left out if it is malformed, if its
 * range has an id that nobody is given (0, and 4294967295, which is no id), the
 * user's own, or one of a range before it: no id is mapped twice.
 *
 * @param text The text of `/etc/subuid` or `/etc/subgid`.
 * @param names The names of the user. One of digits alone does not count, since
 * it would be the number of another user.
 * @param uid The number of the user.
 * @param own The id that no range may have: the user's own in the file, their
 * group for `/etc/subgid`.
 * @returns The ranges, in the order of the file.
 *
 * @example By name and by number
 * ```ts
 * import { parseSubids } from "cage/src/subids.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = "alice:100000:65536\nbob:165536:65536\n1000:300000:10\n";
 * assertEquals(parseSubids(text, ["alice"], 1000), [
 *   { start: 100000, count: 65536 },
 *   { start: 300000, count: 10 },
 * ]);
 * ```
 */
export function parseSubids(
  text: string,
  names: readonly string[],
  uid: number,
  own: number = uid,
): IdRange[] {
  const owners = [...names.filter((name) => !/^[0-9]*$/.test(name)), `${uid}`];
  const taken: IdRange[] = [{ start: own, count: 1 }];
  for (const line of text.split("\n")) {
    const [owner, start, count, ...more] = line.split(":");
    if (more.length > 0 || !owners.includes(owner)) continue;
    const range = { start: numberOf(start), count: numberOf(count) };
    // Never so for NaN.
    if (!(range.start + range.count - 1 <= MAX_ID)) continue;
    if (taken.every((other) => !overlap(range, other))) taken.push(range);
  }
  return taken.slice(1);
}

/**
 * Decimal digits, with no 0 before them: those are octal to the programs that
 * write the file (strtoul(3) with base 0), so that nobody knows what is meant.
 */
function numberOf(text: string | undefined): number {
  return /^[1-9][0-9]*$/.test(text ?? "") ? Number(text) : NaN;
}

function overlap(a: IdRange, b: IdRange): boolean {
  return a.start < b.start + b.count && b.start < a.start + a.count;
}
