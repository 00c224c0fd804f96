/**
 * What `-h` and `-V` print.
 *
 * @module
 */

import { type Option, OPTIONS } from "./options.ts";

/** Columns of a terminal that the text of an option keeps within. */
const COLUMNS = 80;

const OPTION_INDENT = " ".repeat(4);
const TEXT_INDENT = " ".repeat(8);

/**
 * Writes the help: usage, then each option of the table.
 *
 * @returns The text, without a newline at its end.
 *
 * @example The first line
 * ```ts
 * import { helpText } from "cage/src/help.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(
 *   helpText().split("\n")[0],
 *   "Usage: cage [options...] [--] [command...]",
 * );
 * ```
 */
export function helpText(): string {
  const usage = "Usage: cage [options...] [--] [command...]";
  return [usage, ...OPTIONS.map(optionHelp)].join("\n\n");
}

/**
 * Writes the line of the version.
 *
 * @param version The number of the version.
 * @returns The line, without a newline at its end.
 *
 * @example A version
 * ```ts
 * import { versionText } from "cage/src/help.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(versionText("0.5.0"), "cage version 0.5.0");
 * ```
 */
export function versionText(version: string): string {
  return `cage version ${version}`;
}

function optionHelp({ short, long, value, help }: Option): string {
  const spellings = value === undefined
    ? [short && `-${short}`, `--${long}`]
    : [short && `-${short} ${value}`, `--${long}=${value}`];
  const head = OPTION_INDENT + spellings.filter(Boolean).join(", ");
  return [head, ...wrap(help).map((line) => TEXT_INDENT + line)].join("\n");
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= COLUMNS - TEXT_INDENT.length) {
      lines[lines.length - 1] = longer;
    } else {
      lines.push(word);
    }
  }
  return lines;
}
