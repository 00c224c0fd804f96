/**
 * What many times of the same thing come down to.
 *
 * @module
 */

/** Times of one command in milliseconds, round by round. */
export type Rounds = readonly (readonly number[])[];

/**
 * Gives the value in the middle, which a few disturbed runs do not move.
 *
 * @param values The values, at least one.
 * @returns The median.
 */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Compares two commands round by round: what slows the machine down for some
 * seconds falls on both.
 *
 * @param rounds The times of one.
 * @param other The times of the other, in the same rounds.
 * @returns How many times as long the first one takes.
 */
export function ratio(rounds: Rounds, other: Rounds): number {
  return median(
    rounds.map((times, round) => median(times) / median(other[round])),
  );
}

/**
 * Gives the time that nothing disturbed.
 *
 * @param rounds The times.
 * @returns The least of all.
 */
export function least(rounds: Rounds): number {
  return Math.min(...rounds.flat());
}
