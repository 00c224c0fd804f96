/**
 * The tables of the report.
 *
 * @module
 */

import { EMPTY, PEER } from "./contenders.ts";
import type {
  CrowdEntry,
  Entry,
  GrowthEntry,
  InsideEntry,
  Measurements,
  StayingEntry,
} from "./measurements.ts";
import { SERIES } from "./series.ts";
import { least, median, ratio, type Spread } from "./statistics.ts";
import { shown, table } from "./table.ts";

/**
 * Compares launches with those of {@linkcode PEER} and of {@linkcode EMPTY}.
 *
 * @param entries The launches of a group.
 * @param groups All groups.
 * @returns Markdown.
 */
export function timesTable(
  entries: readonly Entry[],
  { runtime }: Measurements["groups"],
): string {
  const peer = entries.find(({ name }) => name === PEER);
  const empty = runtime.find(({ name }) => name === EMPTY);
  return table(
    [
      "",
      ...[`of ${PEER}`, "quartiles", "of the empty program"],
      ...[`least of ${PEER}`, "median ms", "least ms"],
    ],
    entries.map(({ name, rounds }) => {
      const ofPeer = peer && ratio(rounds, peer.rounds);
      const ofEmpty = empty && ratio(rounds, empty.rounds);
      const ofLeast = peer && least(rounds) / least(peer.rounds);
      return [
        name,
        ofPeer === undefined ? "" : shown(ofPeer.middle),
        ofPeer === undefined ? "" : range(ofPeer),
        ofEmpty === undefined ? "" : shown(ofEmpty.middle),
        ofLeast === undefined ? "" : shown(ofLeast),
        shown(median(rounds.flat())),
        shown(least(rounds)),
      ];
    }),
  );
}

/**
 * Tells what stays in memory.
 *
 * @param entries What stays, of one group.
 * @returns Markdown.
 */
export function stayingTable(entries: readonly StayingEntry[]): string {
  const peer = entries.find(({ name }) => name === PEER);
  return table(
    ["", `of ${PEER}`, "Pss kB", "processes"],
    entries.map(({ name, processes, pss }) => [
      name,
      peer === undefined ? "" : shown(pss / peer.pss),
      pss.toLocaleString("en"),
      String(processes),
    ]),
  );
}

/**
 * Tells what launches within a program take.
 *
 * @param entries The launches.
 * @returns Markdown.
 */
export function insideTable(entries: readonly InsideEntry[]): string {
  return table(
    ["", "launches a second", "ms a launch", "least ms", "p75 ms"],
    entries.map(({ cases, name, together }) => {
      const each = (key: "least" | "mean" | "p75") =>
        cases.map((found) => found[key] / together);
      const mean = median(each("mean"));
      return [
        name,
        (1000 / mean).toFixed(0),
        shown(mean),
        shown(Math.min(...each("least"))),
        shown(median(each("p75"))),
      ];
    }),
  );
}

/**
 * Tells how launches grow in a series.
 *
 * @param entry The series.
 * @returns Markdown.
 */
export function growthTable({ points, series }: GrowthEntry): string {
  const { axis, levels } = SERIES.find(({ name }) => name === series)!;
  const names = [...new Set(points.map(({ name }) => name))];
  const roundsOf = (name: string, level: number) =>
    points.find((point) => point.name === name && point.level === level)
      ?.rounds ?? [];
  const last = levels.at(-1)!;
  return table(
    [
      axis,
      `${count(last)} of ${count(levels[0])}`,
      "quartiles",
      ...levels.map((level) => `ms at ${count(level)}`),
    ],
    names.map((name) => {
      const growth = ratio(
        roundsOf(name, last).map((time) => [time]),
        roundsOf(name, levels[0]).map((time) => [time]),
      );
      return [
        name,
        shown(growth.middle),
        range(growth),
        ...levels.map((level) => shown(median(roundsOf(name, level)))),
      ];
    }),
  );
}

/**
 * Tells what many containers take.
 *
 * @param crowds The containers.
 * @returns Markdown.
 */
export function crowdTable(crowds: readonly CrowdEntry[]): string {
  return table(
    [
      "",
      ...["containers", "processes", "Pss kB of them", "a container"],
      ...["Pss kB of the launcher", "its descriptors"],
      "kB of the machine, a container",
    ],
    crowds.flatMap(({ name, states }) =>
      states.map((state) => {
        const each = (kB: number) =>
          state.running === 0 ? "" : shown(kB / state.running);
        return [
          name,
          count(state.running),
          count(state.processes),
          count(state.pss),
          each(state.pss),
          count(state.launcher),
          count(state.descriptors),
          // Others gave more back than these took.
          state.machine < 0 ? "" : each(state.machine),
        ];
      })
    ),
  );
}

function range({ high, low }: Spread): string {
  return `${shown(low)}–${shown(high)}`;
}

function count(value: number): string {
  return value.toLocaleString("en");
}
