/**
 * Commands as they can be pasted into a shell.
 *
 * @module
 */

import { bytesOf, hasBytes } from "./marks.ts";

/**
 * Quotes a word for bash(1), which alone can be told of any byte.
 *
 * @param word The word; marks of bytes become those bytes.
 * @returns What the shell reads as that word.
 */
export function shellQuote(word: string): string {
  if (/\p{Cc}|\p{Cf}/u.test(word) || hasBytes(word)) {
    return `$'${[...bytesOf(word)].map(escaped).join("")}'`;
  }
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * Quotes the words of a command.
 *
 * @param words The words.
 * @returns A line for a shell.
 */
export function shellLine(words: readonly string[]): string {
  return words.map(shellQuote).join(" ");
}

/** What means something within such quotes is written in octal. */
function escaped(byte: number): string {
  const character = String.fromCharCode(byte);
  return /^[ -&(-\[\]-~]$/.test(character)
    ? character
    : `\\${byte.toString(8).padStart(3, "0")}`;
}
