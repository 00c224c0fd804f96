/**
 * How the cost of a launch grows.
 *
 * @module
 */

import { PAYLOAD } from "./commands.ts";
import { ON_BUSYBOX, PEER } from "./contenders.ts";
import type { CrowdEntry, GrowthEntry, Point } from "./measurements.ts";
import { withoutPaths } from "./place.ts";
import { type Amount, measureRounds, type Part } from "./rounds.ts";
import { Crowd } from "./running.ts";
import { LIBRARY, SERIES, type Series } from "./series.ts";
import type { Site, Within } from "./site.ts";
import { makeLayers } from "./stage.ts";
import { median } from "./statistics.ts";

/** How many launches `deno bench` makes in a row. */
const LAUNCHES = 8;

/** How many rows it makes in each round. */
const ROWS = 4;

/** What was measured of growth. */
export interface Growth {
  /** The series. */
  readonly growth: readonly GrowthEntry[];
  /** The containers that ran meanwhile. */
  readonly crowds: readonly CrowdEntry[];
}

/**
 * Measures all series.
 *
 * @param site Where.
 * @param amount How much.
 * @param isPresent Whether a program can be measured here.
 * @param tell Told what is done.
 * @returns What was measured.
 */
export async function measureGrowth(
  site: Site,
  amount: Amount,
  isPresent: (name: string) => boolean,
  tell: (text: string) => void,
): Promise<Growth> {
  await makeLayers(site.root.place);
  const growth: GrowthEntry[] = [];
  const crowds: CrowdEntry[] = [];
  for (const series of SERIES) {
    tell(`Measuring with ${series.axis}: ${series.levels.join(", ")}`);
    if (series.name === "running") {
      const { crowd, points } = await besideCrowd(
        series,
        site.root,
        amount,
        isPresent,
      );
      crowds.push(crowd);
      growth.push(entryOf(series, points, site.root, isPresent));
      continue;
    }
    const places = await Promise.all(
      series.levels.map(async (level): Promise<[number, Within]> => [
        level,
        series.name === "mounts" ? await site.withMounts(level) : site.root,
      ]),
    );
    const points = await measureLevels(series, places, amount, isPresent);
    growth.push(entryOf(series, points, site.root, isPresent));
  }
  if (isPresent(PEER)) crowds.push(await crowdOfPeer(site.root, tell));
  return { growth, crowds };
}

/** All levels in each round. */
async function measureLevels(
  series: Series,
  places: readonly (readonly [number, Within])[],
  amount: Amount,
  isPresent: (name: string) => boolean,
): Promise<Point[]> {
  const parts = places.map(([level, { place, within }]): Part => ({
    batch: {
      commands: present(series.commands(place, level), isPresent),
      within,
      file: `${place.state}/hyperfine.json`,
    },
    inside: {
      tasks: [{
        name: LIBRARY,
        spec: series.spec(place, level),
        together: 1,
        times: LAUNCHES,
        rows: ROWS,
      }],
      place,
      within,
    },
  }));
  const measured = await measureRounds(parts, amount, places[0][1].goOn);
  return measured.flatMap(({ cases, commands }, index) => {
    const level = places[index][0];
    return [
      ...[...commands].map(([name, rounds]) => ({
        name,
        level,
        rounds: rounds.map(median),
      })),
      ...[...cases].map(([name, rounds]) => ({
        name,
        level,
        rounds: rounds.map((rows) => median(rows.map(({ mean }) => mean))),
      })),
    ];
  });
}

/** All levels in each round, with new containers for each. */
async function besideCrowd(
  series: Series,
  where: Within,
  { rounds, runs }: Amount,
  isPresent: (name: string) => boolean,
): Promise<{ crowd: CrowdEntry; points: Point[] }> {
  const { name, root } = where.place;
  const spec = {
    name: `${name}-crowd`,
    lower: [root],
    ephemeral: true,
    command: PAYLOAD,
  };
  const points: Point[] = [];
  for (let round = 1;; round++) {
    await using crowd = new Crowd(LIBRARY, { spec }, where);
    for (const level of series.levels) {
      await crowd.growTo(level);
      if (round === rounds) await crowd.look();
      const places = [[level, where] as const];
      const once = { rounds: 1, runs };
      points.push(...await measureLevels(series, places, once, isPresent));
    }
    if (round === rounds) return { crowd: crowd.entry, points: joined(points) };
  }
}

/** Points of single rounds as points of all. */
function joined(points: readonly Point[]): Point[] {
  const isSame = (one: Point, other: Point) =>
    one.name === other.name && one.level === other.level;
  return points
    .filter((point, at) => points.findIndex((one) => isSame(one, point)) === at)
    .map((point) => ({
      ...point,
      rounds: points.filter((other) => isSame(point, other))
        .flatMap(({ rounds }) => rounds),
    }));
}

async function crowdOfPeer(
  where: Within,
  tell: (text: string) => void,
): Promise<CrowdEntry> {
  const { levels } = SERIES.find(({ name }) => name === "running")!;
  tell(`Measuring memory of ${levels.join(", ")} containers of ${PEER}`);
  const words = ON_BUSYBOX.find(({ name }) => name === PEER)!
    .words(where.place, PAYLOAD);
  await using crowd = new Crowd(PEER, { words }, where);
  for (const level of levels) {
    where.goOn();
    await crowd.growTo(level);
    await crowd.look();
  }
  return crowd.entry;
}

/** Commands of programs that are no contenders are always there. */
function present(
  commands: Map<string, string[]>,
  isPresent: (name: string) => boolean,
): Map<string, string[]> {
  return new Map([...commands].filter(([name]) => isPresent(name)));
}

/** The commands at the first level, which are short enough to read. */
function entryOf(
  { commands, levels, name }: Series,
  points: readonly Point[],
  { place }: Within,
  isPresent: (name: string) => boolean,
): GrowthEntry {
  const shown = present(commands(place, levels[0]), isPresent);
  return {
    series: name,
    points,
    commands: [...shown].map(([program, words]) =>
      `${program}: ${withoutPaths(words.join(" "), place)}`
    ),
  };
}
