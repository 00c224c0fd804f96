/**
 * Random command lines, from the grammar of the options.
 *
 * @module
 */

import { type Option, OPTIONS } from "../../src/options.ts";
import type { Random } from "../unit/seeded.ts";
import { mutated, oddWord } from "./values.ts";

/** Where the parts of a command line are from. */
export interface Pools {
  /** Makes a value of an option. */
  readonly value: (option: Option) => string;
  /** Makes a command; an empty one is a command line without any. */
  readonly command: () => readonly string[];
  /** Most options: the more there are, the likelier is one that is refused. */
  readonly most: number;
}

/**
 * Makes a command line: options in every spelling, often wrong ones, and then
 * perhaps a command.
 *
 * @param random What chooses.
 * @param pools Where the parts are from.
 * @returns The words.
 */
export function randomArguments(random: Random, pools: Pools): string[] {
  const options = random.list(pools.most, () => spelled(random, pools));
  const end = random.pick([["--"], ["--"], ["--"], [], [], ["-"]]);
  return [...options.flat(), ...end, ...pools.command()];
}

/**
 * Spells an option in one of the ways that getopt(3) reads.
 *
 * @param random What chooses.
 * @param option The option.
 * @param value Its value, for one that takes one.
 * @returns One word or two.
 */
export function spell(
  random: Random,
  { long, short }: Pick<Option, "long" | "short">,
  value?: string,
): string[] {
  if (value === undefined) {
    return [
      short === undefined || random.below(2) === 0 ? `--${long}` : `-${short}`,
    ];
  }
  const ways = [[`--${long}`, value], [`--${long}=${value}`]];
  if (short !== undefined) {
    ways.push([`-${short}`, value], [`-${short}${value}`]);
    ways.push([`-${short}=${value}`], [`-${cluster(random)}${short}`, value]);
  }
  return random.pick(ways);
}

/**
 * Breaks a command line: a word is lost, doubled, moved, or another one.
 *
 * @param random What chooses.
 * @param words The words.
 * @returns Other words.
 */
export function broken(random: Random, words: readonly string[]): string[] {
  const at = random.below(words.length + 1);
  const word = words.at(at) ?? "";
  switch (random.below(5)) {
    case 0:
      return words.toSpliced(at, 1);
    case 1:
      return words.toSpliced(at, 0, word);
    case 2:
      return words.toSpliced(at, 0, oddWord(random));
    case 3:
      return words.toSpliced(at, 1).toSpliced(
        random.below(words.length),
        0,
        word,
      );
    default:
      return words.toSpliced(at, 1, mutated(random, word));
  }
}

function spelled(random: Random, pools: Pools): string[] {
  const option = random.pick(OPTIONS);
  // Help and version end everything else: few of them.
  if (option.group === "about" && random.below(4) > 0) return [];
  switch (random.below(12)) {
    case 0:
      // Without a value, or with one that it does not take.
      return option.value === undefined
        ? [`--${option.long}=${oddWord(random)}`]
        : spell(random, option);
    case 1:
      return [mutated(random, `--${option.long}`)];
    default:
      return spell(
        random,
        option,
        option.value === undefined ? undefined : pools.value(option),
      );
  }
}

/** Letters of flags before the letter of an option with a value. */
function cluster(random: Random): string {
  const letters = OPTIONS
    .filter(({ group, short, value }) =>
      group !== "about" && short !== undefined && value === undefined
    )
    .map(({ short }) => short!);
  return random.below(4) === 0 ? random.pick(letters) : "";
}
