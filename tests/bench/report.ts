/**
 * Measurements as a page.
 *
 * @module
 */

import { BIN, GROUP_TITLES, type PictureName } from "./charts.ts";
import { EMPTY, PEER, PEER_MOUNTS } from "./contenders.ts";
import type { GroupName, Measurements } from "./measurements.ts";
import type { Pictures } from "./pictures.ts";
import { BY_HAND, LIBRARY } from "./series.ts";
import { list } from "./table.ts";
import {
  crowdTable,
  growthTable,
  insideTable,
  stayingTable,
  timesTable,
} from "./tables.ts";

/**
 * Writes the report.
 *
 * @param measurements What was measured.
 * @param pictures What was drawn of it.
 * @returns Markdown, without the width of lines that `deno fmt` gives.
 */
export function report(
  measurements: Measurements,
  pictures: Pictures,
): string {
  const image = (name: PictureName, text: string): string[] =>
    "names" in pictures && pictures.names.includes(name)
      ? [`![${text}](${pictures.directory}/${name}.svg)`]
      : [];
  return [
    ...head(measurements, pictures),
    ...launches(measurements, image),
    ...memory(measurements, image),
    ...library(measurements),
    ...growth(measurements, image),
    ...thousand(measurements, image),
    ...commands(measurements),
  ].join("\n\n") + "\n";
}

/** Gives the lines that show a picture, if there is one. */
type Image = (name: PictureName, text: string) => string[];

function head(
  { amount, circumstances, growthAmount }: Measurements,
  pictures: Pictures,
): string[] {
  return [
    "# Benchmarks",
    "Written by `make bench`, in one run on one machine. The ratios are what " +
    "counts: they are taken round by round, of medians, so that what else " +
    "the machine did fell on all alike, and the quartiles of these ratios " +
    "tell how far rounds differ. Those of the least times tell what remains " +
    "when nothing disturbs.",
    list([
      ...circumstances,
      `${times(amount.rounds, "round")} of all launches, ` +
      `${growthAmount.rounds} of what grows; every other round goes backwards`,
      `hyperfine measured whole commands, from the start of the program to ` +
      `its end: ${times(amount.runs, "time")} in each round, after a first ` +
      "one that does not count",
      "`deno bench` measured launches within a program, some in a row: a " +
      "median is one of the means of rows",
      "Memory is what `/proc/PID/smaps_rollup` tells as Pss, where a page of " +
      "several processes counts in parts",
      "All in a mount namespace with a `/run` of its own and control groups " +
      "of version 2 alone, in the same root, with new namespaces of " +
      "processes, mounts, IPC and the host name",
      ..."reason" in pictures ? [`No pictures: ${pictures.reason}`] : [],
    ]),
  ];
}

function launches({ groups }: Measurements, image: Image): string[] {
  return [
    "## Launch of `true`",
    ...image(
      "launch",
      `Launches as multiples of ${PEER}, on a logarithmic scale`,
    ),
    `\`cage\` has a copy-on-write root, \`/dev\`, \`/sys\`, \`/tmp\` and the ` +
    "like in addition, and a namespace of control groups; most others see " +
    `the root itself. "${PEER_MOUNTS}" makes as many mounts, without a ` +
    `copy-on-write root and without a filter of system calls. "${EMPTY}" is ` +
    "what the runtime alone takes, as `bin/cage` is built.",
    `### ${GROUP_TITLES.busybox}`,
    "The command is static.",
    timesTable([...groups.busybox, ...groups.runtime], groups),
    `### ${GROUP_TITLES.machine}`,
    "The command is linked with the C library of this machine.",
    timesTable(groups.machine, groups),
    `### ${GROUP_TITLES.rootless}`,
    `Each with a user namespace, as a user that was made for this.`,
    timesTable(groups.rootless, groups),
  ];
}

function memory({ staying }: Measurements, image: Image): string[] {
  const of = (group: GroupName) =>
    stayingTable(staying.filter((entry) => entry.group === group));
  return [
    "## What stays in memory while a container runs",
    ...image("memory", "Pss while a container runs, on a logarithmic scale"),
    "Every process but the command itself, while that sleeps. A daemon that " +
    "was there before is not in it.",
    `### ${GROUP_TITLES.busybox}`,
    of("busybox"),
    `### ${GROUP_TITLES.rootless}`,
    of("rootless"),
  ];
}

function library({ crowds, inside }: Measurements): string[] {
  const first = crowds.find(({ name }) => name === LIBRARY)?.launches[0];
  return [
    "## From a program",
    "The library's `launch()` of the static `true` in the root of busybox, " +
    "until its status is there." +
    (first === undefined ? "" : ` The first launch of a program takes ` +
      `${first.toFixed(1)} ms until the command is executed.`),
    insideTable(inside),
  ];
}

function growth({ growth }: Measurements, image: Image): string[] {
  return [
    "## How the time of a launch grows",
    ...image("growth", "Launch times at three counts of four things"),
    `"${LIBRARY}" is \`launch()\` until the status is there. ` +
    `"${BY_HAND}" mounts an overlay as a shell script does. The first ` +
    "column of numbers compares the last count with the first one.",
    ...growth.map(growthTable),
    "Files of an upper layer have one byte each. What runs already is what " +
    "one program launched with the library; each round launches it anew.",
  ];
}

function thousand({ crowds }: Measurements, image: Image): string[] {
  return [
    "## A thousand containers",
    ...image(
      "thousand",
      "The time of each launch, from the first container to the thousandth",
    ),
    `All of one launcher and alive at once, each with a sleeping command; ` +
    `times are those of the library's \`launch()\`, ${BIN} taken together. ` +
    "Pss is that of every process but the commands. The last column is what " +
    "became less available on the whole machine, with what the kernel keeps " +
    "for the namespaces and the command: a coarse number.",
    crowdTable(crowds),
  ];
}

function commands({ groups, growth, skipped }: Measurements): string[] {
  const groupList = (name: GroupName) =>
    list(groups[name].map(({ command, name }) => `${name}: \`${command}\``));
  const grown = growth.flatMap(({ commands }) => commands)
    .filter((text, at, all) => all.indexOf(text) === at)
    .filter((text) => !isOf(text, groups))
    .map((text) => text.replace(/^(.*?): ([^]*)$/, "$1: `$2`"));
  return [
    "## Commands",
    `${GROUP_TITLES.runtime}:`,
    groupList("runtime"),
    `${GROUP_TITLES.busybox}:`,
    groupList("busybox"),
    `${GROUP_TITLES.machine}:`,
    groupList("machine"),
    `${GROUP_TITLES.rootless}:`,
    groupList("rootless"),
    ...grown.length === 0 ? [] : ["At the first count of what grows:"],
    ...grown.length === 0 ? [] : [list(grown)],
    ...skipped.length === 0 ? [] : ["## Not measured", list(skipped)],
  ];
}

function isOf(text: string, groups: Measurements["groups"]): boolean {
  return Object.values(groups).flat().some(({ command }) =>
    text.endsWith(`: ${command}`)
  );
}

function times(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
