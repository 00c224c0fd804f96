/**
 * Cases: each is known by a seed and a number, and can be made again from them
 * alone.
 *
 * @module
 */

import { type Random, seeded } from "../unit/seeded.ts";

/**
 * What a case is: arguments that are only read, a run with random arguments,
 * or a run on a hostile root.
 */
export type Kind = "pure" | "arguments" | "root";

/** How often the kinds come round: of twenty cases three are runs. */
const ROUND = 20;

/**
 * Tells what a case is.
 *
 * @param number The number of the case.
 * @returns Its kind, which is the same for every seed.
 */
export function kindOf(number: number): Kind {
  const place = number % ROUND;
  if (place === 7) return "arguments";
  return place === 0 || place === 13 ? "root" : "pure";
}

/**
 * Lists the first cases of a kind.
 *
 * @param kind The kind.
 * @param count How many.
 * @returns Their numbers.
 */
export function numbersOf(kind: Kind, count: number): number[] {
  return Array.from({ length: count * ROUND }, (_, index) => index + 1)
    .filter((number) => kindOf(number) === kind)
    .slice(0, count);
}

/**
 * Makes the source of everything that is random in a case.
 *
 * @param seed The seed of all cases.
 * @param number The number of the case.
 * @returns The source.
 */
export function randomOf(seed: number, number: number): Random {
  // Neighbours must not begin alike: two odd factors, and one step between.
  const mixed = Math.imul(seed ^ 0x5bd1e995, 0x9e3779b1) ^
    Math.imul(number, 0x85ebca6b);
  const random = seeded(mixed);
  random.below(2);
  return random;
}
