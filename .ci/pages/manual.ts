/**
 * The manual page, from the table of options.
 *
 * @module
 */

import { EXAMPLES } from "../../src/examples.ts";
import { USAGE } from "../../src/help.ts";
import { GROUPS, type Option, OPTIONS } from "../../src/options.ts";
import { VERSION, VERSION_DATE } from "../../src/version.ts";
import { wrap } from "../../src/wrap.ts";
import {
  DESCRIPTION,
  ENVIRONMENT,
  EXIT_STATUS,
  FILES,
  type Paragraph,
} from "./manual_text.ts";

/** Longer lines of text are bad style for mandoc(1). */
const COLUMNS = 80;

/**
 * Writes the page in the macros of man(7).
 *
 * @returns The page.
 */
export function manualPage(): string {
  return [
    `.TH CAGE 1 ${VERSION_DATE} "cage ${VERSION}" "User Commands"`,
    ...section("NAME", [String.raw`cage \- run a program in a container`]),
    ...section("SYNOPSIS", [".B cage", text(USAGE.replace("cage ", ""))]),
    ...section("DESCRIPTION", paragraphs(DESCRIPTION)),
    ...section("OPTIONS", GROUPS.flatMap(groupOf)),
    ...section("EXIT STATUS", definitions(EXIT_STATUS)),
    ...section("ENVIRONMENT", definitions(ENVIRONMENT)),
    ...section("FILES", definitions(FILES)),
    ...section("EXAMPLES", EXAMPLES.flatMap(exampleOf)),
    ...section("SEE ALSO", [
      ".BR namespaces (7),",
      ".BR capabilities (7),",
      ".BR subuid (5),",
      ".BR newuidmap (1)",
    ]),
  ].join("\n") + "\n";
}

/** A paragraph is its own only after another one: mandoc warns of a first. */
function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((one, at) =>
    at === 0 ? [text(one)] : [".PP", text(one)]
  );
}

function section(title: string, lines: readonly string[]): string[] {
  return [`.SH ${title}`, ...lines];
}

function groupOf({ group, title }: typeof GROUPS[number]): string[] {
  return [
    `.SS ${title}`,
    ...OPTIONS.filter((option) => option.group === group).flatMap(optionOf),
  ];
}

function optionOf({ help, long, short, value }: Option): string[] {
  const letter = short === undefined ? [] : [spelling(`-${short}`, " ", value)];
  const names = [...letter, spelling(`--${long}`, "=", value)].join(", ");
  return [".TP", names, text(`${help}.`)];
}

function spelling(name: string, between: string, value?: string): string {
  const shown = String.raw`\fB${escaped(name)}\fR`;
  return value === undefined
    ? shown
    : `${shown}${between}${String.raw`\fI${escaped(value)}\fR`}`;
}

function definitions(rows: readonly Paragraph[]): string[] {
  return rows.flatMap(({ body, head }) => [
    ".TP",
    String.raw`\fB${escaped(head)}\fR`,
    text(body),
  ]);
}

function exampleOf(
  { command, text: what }: typeof EXAMPLES[number],
  at: number,
): string[] {
  return [
    ...(at === 0 ? [] : [".PP"]),
    text(`${what}:`),
    ".PP",
    ".RS 4",
    ".EX",
    text(command),
    ".EE",
    ".RE",
  ];
}

/** A line that begins with a dot would be a request. */
function text(words: string): string {
  return wrap(escaped(words), COLUMNS)
    .map((line) => line.replace(/^\./, String.raw`\&.`)).join("\n");
}

/** Hyphens are to be copied as they are; the rest is not to be read. */
function escaped(words: string): string {
  return words.replaceAll("\\", String.raw`\e`)
    .replaceAll("-", String.raw`\-`)
    .replaceAll("'", String.raw`\(aq`)
    .replaceAll("^", String.raw`\(ha`)
    .replaceAll("~", String.raw`\(ti`)
    .replaceAll("`", String.raw`\(ga`);
}
