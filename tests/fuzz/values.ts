/**
 * Words that nobody would write.
 *
 * @module
 */

import type { Random } from "../unit/seeded.ts";
import { byteMark, bytesOf } from "./marks.ts";

/** What means something to somebody: kernel, shell, terminal, parser, us. */
const CHARACTERS = [
  ..."\x01\x07\b\t\n\v\f\r\x1b\x7f\x80\x85\x9b\x9f\xa0\xad",
  ..."\u200b\u200f\u2028\u2029\u202e\u2066\ufeff\ufffd\uffff",
  ..."éßıİſ\u0301漢😀𝒳",
  ..."--==::\\\\//..,,%%{}$`'\"*?~!#&|;<>()[]^@+ ",
  ..."aZ019_",
].join("");

/** Words that parsers of all kinds have stumbled over. */
const WORDS = [
  ...["-", "--", "---", "--=", "-=", "=", "==", ":", "::", "\\", "\\:", "\\\\"],
  ...["", " ", ".", "..", "/", "//", "/.", "/..", "../..", "./-", "~", "*"],
  ...["0", "-0", "00", "1", "-1", "65534", "65536", "2147483648", "4294967294"],
  ...["4294967295", "4294967296", "18446744073709551616", "1e3", "0x10"],
  ...["NaN", "Infinity", "null", "true", "false", "[]", "{}"],
  ...["__proto__", "constructor", "prototype", "hasOwnProperty", "toString"],
  ...["--__proto__", "--__proto__=x", "--constructor=1", "--toString", "-_"],
  ...["--no-kill", "--no-name", "--no-init=x", "--kill=", "--init", "-no"],
  ...["--name", "--name=", "-n=", "-n", "-knx", "-kn", "-hk", "-vk", "-lnx"],
  ...["-e", "-e=", "-e=A=1", "-eA", "--env==", "A", "A=", "=A", "A=B=C"],
  ...["a:b", ":a", "a:", "a::b", "0:0:0", "root:root", "alice", "nosuch"],
  ...["/a:/b:ro", "/a:/b:rw:", "/a:b", "/a:/b/../..", "/a:/:ro", "/a:/b:RO"],
  ...["%s%n%x", "$(id)", "`id`", "${HOME}", "$HOME", "a b", "a\nb", "a\tb"],
  ...["\x1b[2J", "\x1b]0;x\x07", "\r\ncage: all is well", "\u202egnp.exe"],
  ...["eval", "--eval", "--v8-options", "--inspect", "--allow-all", "-A", "@"],
];

/** Longest word for execve(2) with its NUL: `MAX_ARG_STRLEN`, Linux 2.6.23. */
const LONGEST_WORD = 131072 - 1;

/** Lengths at which something ends: a name, a path, a page, a word. */
const LENGTHS = [199, 200, 201, 255, 256, 4095, 4096, 65536, LONGEST_WORD];

/**
 * Makes a word that is odd in some way.
 *
 * @param random What chooses.
 * @returns The word, without a NUL, at most as long as execve(2) takes.
 */
export function oddWord(random: Random): string {
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return random.pick(WORDS);
    case 3:
      return mutated(random, random.pick(WORDS));
    case 4:
      return bytes(random);
    case 5:
      // Long words cost time: few of them.
      return random.below(4) === 0 ? longWord(random) : random.pick(WORDS);
    default:
      return random.text(CHARACTERS, 12);
  }
}

/**
 * Makes a word of one character that is as long as something holds, or a bit
 * longer.
 *
 * @param random What chooses.
 * @returns The word.
 */
export function longWord(random: Random): string {
  const length = random.pick(LENGTHS);
  const character = random.pick(["a", "/", ":", ".", "\\", "-", "=", "1"]);
  return character.repeat(length);
}

/**
 * Cuts a word where execve(2) would refuse it.
 *
 * @param word The word.
 * @returns The word, or as much of it as is taken.
 */
export function shortened(word: string): string {
  // No character has more than four bytes.
  if (word.length * 4 <= LONGEST_WORD) return word;
  const bytes = bytesOf(word);
  return bytes.length <= LONGEST_WORD
    ? word
    : new TextDecoder().decode(bytes.subarray(0, LONGEST_WORD - 2));
}

/**
 * Changes a word a little.
 *
 * @param random What chooses.
 * @param word The word.
 * @returns Another word, most of the time.
 */
export function mutated(random: Random, word: string): string {
  const letters = [...word];
  const at = random.below(letters.length + 1);
  const odd = random.pick([...CHARACTERS]);
  switch (random.below(6)) {
    case 0:
      return letters.toSpliced(at, 1).join("");
    case 1:
      return letters.toSpliced(at, 0, odd).join("");
    case 2:
      return letters.toSpliced(at, 1, odd).join("");
    case 3:
      return word.length < 4096 ? word + word : word;
    case 4:
      return letters.slice(0, at).join("");
    default:
      return letters.toReversed().join("");
  }
}

/** Bytes that are no UTF-8: cut off, too long, a surrogate, out of range. */
function bytes(random: Random): string {
  const sequence = random.pick([
    ...[[0xff], [0xfe, 0xff], [0xc3], [0xe2, 0x80], [0xf0, 0x9f, 0x98]],
    ...[[0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x9b]],
  ]);
  const around = random.pick(["", "a", "/", "-", "A="]);
  return around + sequence.map(byteMark).join("") + random.pick(["", "b"]);
}
