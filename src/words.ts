/**
 * The words of a command line, told apart as getopt(3) does.
 *
 * `parseArgs` of `@std/cli` knows neither `-nname` nor `-eKEY=value`, turns
 * words after `--no-` around, and looks for `--` in the command too. It gets
 * words in which none of that can occur: `--long` and `--long=value`.
 *
 * @module
 */

import { UsageError } from "./errors.ts";
import { nearest } from "./nearest.ts";
import { type Option, OPTIONS } from "./options.ts";
import { quote } from "./quote.ts";

/** A command line taken apart. */
export interface Words {
  /** The options, each as `--long` or `--long=value`, in order. */
  readonly options: readonly string[];
  /** The command and its arguments, untouched. */
  readonly command: readonly string[];
}

/**
 * Finds where the options end, and spells each one in full.
 *
 * The first word that is not an option begins the command; `--` ends the
 * options; a single `-` is a word of the command.
 *
 * @param argv The arguments, without the name of the program.
 * @returns The options in one spelling, and the command.
 * @throws {UsageError} If an option is unknown, lacks its value, has an empty
 * one, or has one that it does not take.
 *
 * @example Letters in a cluster
 * ```ts
 * import { splitWords } from "cage/src/words.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(splitWords(["-kn", "web", "--", "ls", "-l"]), {
 *   options: ["--kill", "--name=web"],
 *   command: ["ls", "-l"],
 * });
 * ```
 */
export function splitWords(argv: readonly string[]): Words {
  const options: string[] = [];
  let at = 0;
  while (at < argv.length) {
    const word = argv[at];
    if (word === "--") return { options, command: argv.slice(at + 1) };
    if (word === "-" || !word.startsWith("-")) break;
    const read = word.startsWith("--") ? readLong : readCluster;
    const { spelled, used } = read(word, argv[at + 1]);
    options.push(...spelled);
    at += used;
  }
  return { options, command: argv.slice(at) };
}

/** What one word gave, and how many words of the command line it took. */
interface Reading {
  readonly spelled: string[];
  readonly used: number;
}

function readLong(word: string, next: string | undefined): Reading {
  const equals = word.indexOf("=");
  const label = equals > 2 ? word.slice(0, equals) : word;
  const option = OPTIONS.find(({ long }) => `--${long}` === label);
  if (option === undefined) throw unknown(label);
  const attached = label === word ? undefined : word.slice(equals + 1);
  if (option.value !== undefined) {
    return readValue(option, label, attached, next);
  }
  if (attached === undefined) return { spelled: [label], used: 1 };
  if (!option.with?.includes(attached)) throw unwantedValue(option, label);
  return { spelled: [label, `--${attached}`], used: 1 };
}

function readCluster(word: string, next: string | undefined): Reading {
  const spelled: string[] = [];
  let rest = word.slice(1);
  while (rest !== "") {
    const [letter] = rest;
    rest = rest.slice(letter.length);
    const label = `-${letter}`;
    const option = OPTIONS.find(({ short }) => short === letter);
    if (option === undefined) throw unknown(label);
    if (option.value !== undefined) {
      const attached = rest === "" ? undefined : rest.replace(/^=/, "");
      const value = readValue(option, label, attached, next);
      return { spelled: [...spelled, ...value.spelled], used: value.used };
    }
    if (rest.startsWith("=")) throw unwantedValue(option, label);
    spelled.push(`--${option.long}`);
  }
  return { spelled, used: 1 };
}

function readValue(
  option: Option,
  label: string,
  attached: string | undefined,
  next: string | undefined,
): Reading {
  const value = attached ?? next;
  const example = `${label} ${option.value}`;
  if (value === undefined) {
    throw new UsageError(`Option ${label} needs a value: ${example}`);
  }
  if (value === "") {
    throw new UsageError(`Option ${label} has an empty value: ${example}`);
  }
  // As in `parseArgs`: a forgotten value must not swallow the option after it.
  if (attached === undefined && value.length > 1 && value.startsWith("-")) {
    throw new UsageError(
      `Option ${label} needs a value: ${quote(value)} looks like an option: ` +
        `write ${quote(`${label}=${value}`)} if it is the value`,
    );
  }
  const used = attached === undefined ? 2 : 1;
  return { spelled: [`--${option.long}=${value}`], used };
}

function unknown(label: string): UsageError {
  const names = OPTIONS.map(({ long }) => long);
  const meant = label.startsWith("--")
    ? nearest(label.slice(2), names)
    : undefined;
  const hint = meant === undefined ? "" : `did you mean --${meant}? `;
  return new UsageError(
    `Unknown option ${quote(label)}: ${hint}cage -h lists the options`,
  );
}

function unwantedValue(
  { with: flags = [] }: Option,
  label: string,
): UsageError {
  const others = flags.map((flag) => ` or ${label}=${flag}`).join("");
  return new UsageError(
    `Option ${label} takes no ${others === "" ? "" : "such "}value: write ` +
      `${label} alone${others}`,
  );
}
