/**
 * What many times of the same thing come down to.
 *
 * @module
 */

/** Times of one command in milliseconds, round by round. */
export type Rounds = readonly (readonly number[])[];

/** A value and how far others are from it: three quartiles. */
export interface Spread {
  /** A quarter of the values is below. */
  readonly low: number;
  /** The value in the middle, which a few disturbed runs do not move. */
  readonly middle: number;
  /** A quarter of the values is above. */
  readonly high: number;
}

/**
 * Gives the value below which a part of all values is, between two values if
 * need be.
 *
 * @param values The values, at least one.
 * @param part The part, from 0 to 1.
 * @returns The quantile.
 */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const below = Math.floor(place);
  const above = Math.ceil(place);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

/**
 * Gives the value in the middle.
 *
 * @param values The values, at least one.
 * @returns The median.
 */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * Gives the value in the middle and the quartiles around it.
 *
 * @param values The values, at least one.
 * @returns The quartiles.
 */
export function spread(values: readonly number[]): Spread {
  return {
    low: quantile(values, 0.25),
    middle: median(values),
    high: quantile(values, 0.75),
  };
}

/**
 * Compares two commands round by round: what slows the machine down for some
 * seconds falls on both.
 *
 * @param rounds The times of one.
 * @param other The times of the other, in the same rounds.
 * @returns How many times as long the first one takes, and how that differs
 * between rounds.
 * @throws {RangeError} If one of them has a round more.
 */
export function ratio(rounds: Rounds, other: Rounds): Spread {
  if (rounds.length !== other.length) {
    throw new RangeError(
      `Cannot compare ${rounds.length} rounds with ${other.length}: ` +
        "they are compared in pairs",
    );
  }
  return spread(
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

/** What some values in a row come down to. */
export interface Bin extends Spread {
  /** Which value is in the middle of them, from 1. */
  readonly at: number;
  /** One of twenty values is below. */
  readonly lowest: number;
  /** One of twenty values is above. */
  readonly highest: number;
}

/**
 * Takes values together, so many in a row.
 *
 * @param values The values in order.
 * @param size How many are taken together; fewer at the end.
 * @returns What each of these come down to.
 */
export function bins(values: readonly number[], size: number): Bin[] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) => {
    const first = index * size;
    const part = values.slice(first, first + size);
    return {
      at: first + (part.length + 1) / 2,
      ...spread(part),
      lowest: quantile(part, 0.05),
      highest: quantile(part, 0.95),
    };
  });
}
