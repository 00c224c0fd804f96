/**
 * Measurements as tables.
 *
 * @module
 */

import { CHECKOUT } from "../e2e/support/words.ts";
import { CAGE, EMPTY, PEER, type Place } from "./contenders.ts";
import type { LibraryTimes } from "./library.ts";
import type { Entry, Measurements } from "./measure.ts";
import type { Staying } from "./memory.ts";
import type { Amount } from "./rounds.ts";
import { least, median, ratio } from "./statistics.ts";
import { table } from "./table.ts";

/** What a report tells beside the measurements. */
export interface Circumstances {
  /** The machine and the versions, each a line of a list. */
  readonly lines: readonly string[];
  /** How much was measured. */
  readonly amount: Amount;
  /** Where, to be left out of the commands. */
  readonly place: Place;
  /** Whether control groups had to be mounted anew. */
  readonly isMounted: boolean;
}

/**
 * Writes the report.
 *
 * @param measured What was measured.
 * @param circumstances What else is told.
 * @returns Markdown, without the width of lines that `deno fmt` gives.
 */
export function report(
  measured: Measurements,
  circumstances: Circumstances,
): string {
  const { busybox, library, machine, memory, runtime, skipped } = measured;
  const { amount, isMounted, lines, place } = circumstances;
  const empty = runtime.find(({ name }) => name === EMPTY);
  const times = (entries: readonly Entry[]) => timesTable(entries, empty);
  return [
    "# Benchmarks",
    "Written by `make bench`, in one run on one machine. The ratios are what " +
    "counts: they are taken round by round, of medians, so that what else " +
    "the machine did fell on all alike; those of the least times tell what " +
    "remains when nothing disturbs.",
    list([
      ...lines,
      `${amount.rounds} rounds, in each of which hyperfine ran every command ` +
      `${amount.runs} times after a first time that does not count`,
      ...(isMounted
        ? ["In a mount namespace with control groups of version 2 alone"]
        : []),
    ]),
    "## Launch of `true` in a root of busybox",
    "From the start of the program to its end, with new namespaces of " +
    "processes, mounts, IPC and the host name. The command is static. `cage` " +
    "has a copy-on-write root, `/dev`, `/sys`, `/tmp` and the like in " +
    "addition, and a namespace of control groups; the others see the root " +
    "itself.",
    times([...busybox, ...runtime]),
    "## Launch of `true` in this machine's own root",
    "The command is linked with the C library of this machine.",
    times(machine),
    "## What stays in memory while a container runs",
    "The proportional set size (Pss) of every process but the command " +
    "itself, while that sleeps. A daemon that was there before is not in it.",
    memoryTable(memory),
    "## From a program",
    `The library's \`launch()\` of the static \`true\` in the root of ` +
    `busybox, until its status is there: ${library.count} launches.`,
    libraryTable(library),
    "## Commands",
    list(
      [...runtime, ...busybox, ...machine]
        .map(({ name, words }) => `${name}: \`${shown(words, place)}\``),
    ),
    ...(skipped.length === 0
      ? []
      : ["## Not measured", list(skipped.map((text) => hidden(text, place)))]),
  ].join("\n\n") + "\n";
}

function timesTable(entries: readonly Entry[], empty?: Entry): string {
  const peer = entries.find(({ name }) => name === PEER);
  const others = [peer, empty];
  return table(
    [
      "",
      ...[`of ${PEER}`, "of the empty program"],
      ...[`least: of ${PEER}`, "of the empty program"],
      ...["median ms", "least ms"],
    ],
    entries.map(({ name, rounds }) => [
      name,
      ...others.map((other) =>
        shownRatio(other && ratio(rounds, other.rounds))
      ),
      ...others.map((other) =>
        shownRatio(other && least(rounds) / least(other.rounds))
      ),
      median(rounds.flat()).toFixed(1),
      least(rounds).toFixed(1),
    ]),
  );
}

function shownRatio(ratio: number | undefined): string {
  return ratio?.toFixed(2) ?? "";
}

function memoryTable(memory: ReadonlyMap<string, Staying>): string {
  const peer = memory.get(PEER);
  return table(
    ["", `of ${PEER}`, "Pss kB", "processes"],
    [...memory].map(([name, { processes, pss }]) => [
      name,
      peer === undefined ? "" : (pss / peer.pss).toFixed(2),
      String(pss),
      String(processes),
    ]),
  );
}

function libraryTable(library: LibraryTimes): string {
  return table(["", "value"], [
    ["first launch, ms", library.first.toFixed(1)],
    ["in a row: median ms", library.middle.toFixed(2)],
    ["in a row: least ms", library.least.toFixed(2)],
    ["in a row: launches a second", library.perSecond.toFixed(0)],
    [
      `${library.together} at a time: launches a second`,
      library.perSecondTogether.toFixed(0),
    ],
  ]);
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join("\n");
}

function shown(words: readonly string[], place: Place): string {
  return hidden(words.join(" "), place);
}

/** Names instead of paths that only this machine has. */
function hidden(text: string, { name, root, state }: Place): string {
  const names: [string, string][] = [
    [root, "ROOT"],
    [state, "STATE"],
    [name, "NAME"],
    [CAGE, "bin/cage"],
    [`${CHECKOUT}/`, ""],
    [Deno.execPath(), "deno"],
  ];
  return names.reduce(
    (text, [path, shown]) => text.replaceAll(path, shown),
    text,
  );
}
