/**
 * What `-h`, `--help` and `-V` print.
 *
 * @module
 */

import { EXAMPLES } from "./examples.ts";
import {
  GROUPS,
  type Option,
  optionName,
  OPTIONS,
  spellings,
} from "./options.ts";
import { wrap } from "./wrap.ts";

/** How the program is called. */
export const USAGE = "cage [options...] [--] [command...]";

/** Columns of a terminal that the text of an option keeps within. */
const COLUMNS = 80;

const OPTION_INDENT = " ".repeat(4);
const TEXT_INDENT = " ".repeat(8);

/**
 * Writes the help of one screen: a line for each option, on which those are
 * that go only with it.
 *
 * @returns The text, without a newline at its end.
 *
 * @example A line
 * ```ts
 * import { usageText } from "cage/src/help.ts";
 * import { assertStringIncludes } from "@std/assert";
 *
 * assertStringIncludes(usageText(), "-k, --kill ");
 * ```
 */
export function usageText(): string {
  const rows = OPTIONS.filter(({ of }) => of === undefined)
    .map((option) => [headOf(option), briefOf(option)]);
  const width = Math.max(...rows.map(([head]) => head.length)) + 2;
  return [
    `Usage: ${USAGE}`,
    "",
    ...rows.map(([head, text]) => `  ${head.padEnd(width)}${text}`),
    "",
    "cage --help and man cage tell more.",
  ].join("\n");
}

/**
 * Writes all help: usage, each option of the table in its group, examples.
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
  const groups = GROUPS.flatMap(({ group, title }) => [
    `${title}:`,
    ...OPTIONS.filter((option) => option.group === group).map(optionHelp),
  ]);
  const examples = EXAMPLES.map(({ command, text }) =>
    `${OPTION_INDENT}${text}:\n${TEXT_INDENT}${command}`
  );
  return [`Usage: ${USAGE}`, ...groups, "Examples:", ...examples].join("\n\n");
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

function optionHelp(option: Option): string {
  const lines = wrap(option.help, COLUMNS - TEXT_INDENT.length).map((line) =>
    TEXT_INDENT + line
  );
  return [OPTION_INDENT + spellings(option).join(", "), ...lines].join("\n");
}

/** With the value once, and the long names below one another. */
function headOf({ long, short, value }: Option): string {
  const letter = short === undefined ? "    " : `-${short}, `;
  return `${letter}--${long}${value === undefined ? "" : ` ${value}`}`;
}

function briefOf({ brief, long }: Option): string {
  const others = OPTIONS.filter(({ of }) => of?.includes(long))
    .map((option) => optionName(option));
  return others.length === 0 ? brief : `${brief}; ${others.join(", ")}`;
}
