/**
 * Random values that are the same in each run, for tests of properties.
 *
 * @module
 */

/** A source of random choices. */
export interface Random {
  /** A whole number from 0 to `below - 1`. */
  below(below: number): number;
  /** One of the values. */
  pick<T>(values: readonly T[]): T;
  /** A text of 1 to `longest` of the characters. */
  text(characters: string, longest: number): string;
  /** A list of 0 to `longest` values. */
  list<T>(longest: number, make: () => T): T[];
}

/**
 * Makes a source of random choices (mulberry32, 32 bits of state: enough to
 * vary inputs, and small enough to read).
 *
 * @param seed The same seed gives the same choices.
 * @returns The source.
 */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return Math.floor(((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32 * limit);
  };
  const list = <T>(longest: number, make: () => T): T[] =>
    Array.from({ length: below(longest + 1) }, make);
  const pick = <T>(values: readonly T[]): T => values[below(values.length)];
  return {
    below,
    pick,
    list,
    text: (characters, longest) => {
      const letters = [...characters];
      return pick(letters) + list(longest - 1, () => pick(letters)).join("");
    },
  };
}
