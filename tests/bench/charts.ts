/**
 * Pictures of measurements, as specifications for Vega-Lite.
 *
 * @module
 */

import { PEER } from "./contenders.ts";
import type {
  CrowdEntry,
  Entry,
  GroupName,
  GrowthEntry,
  Measurements,
  SeriesName,
  Source,
  StayingEntry,
} from "./measurements.ts";
import { BY_HAND, LIBRARY, SERIES } from "./series.ts";
import { bins, median, ratio, spread } from "./statistics.ts";
import { COLOURS } from "./theme.ts";

/** What Vega-Lite is told. */
export type Chart = Readonly<Record<string, unknown>>;

/** The names of pictures. */
export type PictureName = "growth" | "launch" | "memory" | "thousand";

/** What groups are called. */
export const GROUP_TITLES: Readonly<Record<GroupName, string>> = {
  busybox: "As root, in a root of busybox",
  machine: "As root, in this machine's own root",
  rootless: "Without privileges, in a root of busybox",
  runtime: "Empty programs",
};

/** How many launches in a row are taken together. */
export const BIN = 25;

/**
 * Gives all pictures.
 *
 * @param measurements What they show.
 * @returns Their specifications by name.
 */
export function chartsOf(
  measurements: Measurements,
): Record<PictureName, Chart> {
  const { crowds, groups, growth, source, staying } = measurements;
  return {
    launch: launchChart(groups, source),
    memory: memoryChart(staying, source),
    growth: growthChart(growth, source),
    thousand: thousandChart(crowds, source),
  };
}

const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";

const CONFIG = {
  background: COLOURS.paper.light,
  font: FONT,
  view: { stroke: null },
  axis: {
    domainColor: COLOURS.grid.light,
    gridColor: COLOURS.grid.light,
    tickColor: COLOURS.grid.light,
    labelColor: COLOURS.ink.light,
    titleColor: COLOURS.muted.light,
    titleFontWeight: "normal",
    labelFontSize: 12,
    titleFontSize: 12,
    labelLimit: 260,
  },
  title: {
    anchor: "start",
    color: COLOURS.ink.light,
    subtitleColor: COLOURS.muted.light,
    fontSize: 13,
    subtitleFontSize: 12,
    fontWeight: "bold",
  },
  legend: {
    labelColor: COLOURS.ink.light,
    labelFontSize: 12,
    labelLimit: 260,
    symbolSize: 90,
    title: null,
  },
};

/** What is written on logarithmic axes. */
const POWERS = [0, 1, 2, 3, 4, 5].map((power) => 10 ** power);

/** The same, where there is room for more. */
const ROUND = POWERS.flatMap((power) => [power, 2 * power, 5 * power]);

/** A whole picture. The source is written below it. */
function picture(
  title: string,
  subtitle: readonly string[],
  source: Source,
  chart: Chart,
): Chart {
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    padding: 16,
    title: {
      text: title,
      subtitle: [
        ...subtitle,
        `${source.kernel} · ${source.processor}`,
        `${source.version}, measured by make bench`,
      ],
      fontSize: 16,
      offset: 16,
      subtitlePadding: 6,
    },
    config: CONFIG,
    ...chart,
  };
}

/** A dot, its spread and its label. */
interface Dot {
  readonly name: string;
  readonly low: number;
  readonly middle: number;
  readonly high: number;
  readonly label: string;
  readonly isCage: boolean;
}

function launchChart(
  groups: Measurements["groups"],
  source: Source,
): Chart {
  const panels = (["busybox", "machine", "rootless"] as const)
    .map((name) => [name, ratioDots(groups[name])] as const)
    .filter(([, dots]) => dots.length > 0);
  const all = panels.flatMap(([, dots]) => dots);
  const domain = [
    Math.min(0.5, ...all.map(({ low }) => low)) * 0.8,
    // Room for labels.
    Math.max(2, ...all.map(({ high }) => high)) * 4,
  ];
  return picture(
    `Launch of true, compared with ${PEER}`,
    [
      `How many times as long as ${PEER} in the same rounds,`,
      "median and quartiles (a line); beside it the median time",
    ],
    source,
    {
      vconcat: panels.map(([name, dots]) =>
        dotPanel(GROUP_TITLES[name], dots, {
          title: `times as long as ${PEER} (logarithmic scale)`,
          domain,
          mark: 1,
        })
      ),
    },
  );
}

function ratioDots(entries: readonly Entry[]): Dot[] {
  const peer = entries.find(({ name }) => name === PEER);
  if (peer === undefined) return [];
  return entries.map(({ name, rounds }) => {
    const times = ratio(rounds, peer.rounds);
    return {
      name,
      ...times,
      label: `${times.middle.toFixed(times.middle < 10 ? 2 : 1)}× · ${
        median(rounds.flat()).toFixed(1)
      } ms`,
      isCage: isCage(name),
    };
  });
}

function memoryChart(staying: readonly StayingEntry[], source: Source): Chart {
  const dots = staying.filter(({ group }) => group === "busybox").map((
    { name, processes, pss },
  ): Dot => ({
    name,
    ...{ low: pss, middle: pss, high: pss },
    label: `${pss.toLocaleString("en")} kB · ${processes} process${
      processes === 1 ? "" : "es"
    }`,
    isCage: isCage(name),
  }));
  const sizes = dots.map(({ middle }) => middle);
  return picture(
    "What stays in memory while a container runs",
    ["Proportional set size (Pss) of all processes but the command itself"],
    source,
    dotPanel("", dots, {
      title: "kB (logarithmic scale)",
      domain: [Math.min(10, ...sizes), Math.max(100, ...sizes) * 15],
    }),
  );
}

function dotPanel(
  title: string,
  dots: readonly Dot[],
  { domain, mark, title: axis }: {
    title: string;
    domain: readonly number[];
    mark?: number;
  },
): Chart {
  const x = {
    type: "quantitative",
    scale: { type: "log", domain, nice: false },
    axis: {
      title: axis,
      // Of a wide axis there are too many others.
      values: domain[1] / domain[0] > 1000 ? POWERS : ROUND,
      format: ",~r",
      grid: false,
      labelOverlap: false,
      labelFlush: false,
    },
  };
  const y = {
    field: "name",
    type: "nominal",
    sort: dots.toSorted((a, b) => a.middle - b.middle).map(({ name }) => name),
    axis: {
      title: null,
      domain: false,
      ticks: false,
      grid: true,
      // Titles of panels are aligned then.
      minExtent: 150,
    },
  };
  const color = {
    condition: { test: "datum.isCage", value: COLOURS.cage.light },
    value: COLOURS.peer.light,
  };
  const label = (mark: Chart) => ({
    mark: { type: "text", align: "left", dx: 9, fontSize: 12, ...mark },
    encoding: { x: { ...x, field: "high" }, y, text: { field: "label" } },
  });
  return {
    ...title === "" ? {} : { title },
    width: 520,
    height: { step: 22 },
    data: { values: dots },
    layer: [
      ...mark === undefined ? [] : [{
        data: { values: [{}] },
        mark: {
          type: "rule",
          color: COLOURS.muted.light,
          strokeDash: [4, 3],
        },
        encoding: { x: { ...x, datum: mark } },
      }],
      {
        mark: { type: "rule", strokeWidth: 2 },
        encoding: {
          x: { ...x, field: "low" },
          x2: { field: "high" },
          y,
          color,
        },
      },
      {
        mark: { type: "point", filled: true, opacity: 1, size: 70 },
        encoding: { x: { ...x, field: "middle" }, y, color },
      },
      // The line behind a label would run through it.
      label({
        color: COLOURS.paper.light,
        stroke: COLOURS.paper.light,
        strokeWidth: 4,
      }),
      label({ color: COLOURS.ink.light }),
    ],
  };
}

/** Which programs grow, and how they are drawn. */
const DRAWN: readonly (readonly [string, string, string])[] = [
  ["cage", COLOURS.cage.light, "circle"],
  ["cage, this machine's root", COLOURS.machine.light, "diamond"],
  [LIBRARY, COLOURS.library.light, "square"],
  [PEER, COLOURS.peer.light, "triangle-up"],
  ["crun", COLOURS.other.light, "cross"],
  [BY_HAND, COLOURS.hand.light, "triangle-down"],
];

function growthChart(growth: readonly GrowthEntry[], source: Source): Chart {
  const names = new Set(
    growth.flatMap(({ points }) => points.map(({ name }) => name)),
  );
  const drawn = DRAWN.filter(([name]) => names.has(name));
  const times = growth.flatMap(({ points }) =>
    points.flatMap(({ rounds }) => rounds)
  );
  const domain = [Math.min(...times) / 1.2, Math.max(...times) * 1.2];
  return picture(
    "How the time of a launch grows",
    [
      "Median of rounds and quartiles (a line); counts are not to scale,",
      "times are on a logarithmic one",
    ],
    source,
    {
      concat: growth.map((entry) => growthPanel(entry, drawn, domain)),
      columns: 2,
      spacing: 28,
    },
  );
}

function growthPanel(
  { points, series }: GrowthEntry,
  drawn: typeof DRAWN,
  domain: readonly number[],
): Chart {
  const x = {
    field: "level",
    type: "ordinal",
    scale: { type: "point", padding: 0.3 },
    axis: {
      title: axisOf(series),
      labelAngle: 0,
      labelExpr: "format(datum.value, ',')",
      grid: false,
    },
  };
  const y = {
    type: "quantitative",
    scale: { type: "log", domain, nice: false },
    axis: {
      title: "milliseconds (log)",
      values: ROUND,
      format: ",~r",
    },
  };
  const color = {
    field: "name",
    type: "nominal",
    scale: {
      domain: drawn.map(([name]) => name),
      range: drawn.map(([, colour]) => colour),
    },
    legend: { orient: "top", columns: 3 },
  };
  const shape = {
    ...color,
    scale: { ...color.scale, range: drawn.map(([, , shape]) => shape) },
  };
  return {
    width: 300,
    height: 210,
    data: {
      values: points.map(({ level, name, rounds }) => ({
        level,
        name,
        ...spread(rounds),
      })),
    },
    layer: [
      {
        mark: { type: "line", strokeWidth: 2 },
        encoding: { x, y: { ...y, field: "middle" }, color },
      },
      {
        mark: { type: "rule", strokeWidth: 2 },
        encoding: {
          x,
          y: { ...y, field: "low" },
          y2: { field: "high" },
          color,
        },
      },
      {
        mark: { type: "point", filled: true, opacity: 1, size: 70 },
        encoding: { x, y: { ...y, field: "middle" }, color, shape },
      },
    ],
  };
}

/**
 * Gives the label for what grows in a series.
 *
 * @param name The name of the series.
 * @returns What is counted.
 */
export function axisOf(name: SeriesName): string {
  return SERIES.find((series) => series.name === name)!.axis;
}

function thousandChart(crowds: readonly CrowdEntry[], source: Source): Chart {
  const launches = crowds.find(({ name }) => name === LIBRARY)?.launches ?? [];
  const x = {
    field: "at",
    type: "quantitative",
    scale: { domain: [0, launches.length], nice: false },
    axis: {
      title: "containers that the program has running",
      grid: false,
      format: ",.0f",
    },
  };
  const y = {
    type: "quantitative",
    scale: { zero: true },
    axis: { title: "milliseconds" },
  };
  const area = (low: string, high: string, opacity: number) => ({
    mark: { type: "area", color: COLOURS.library.light, opacity },
    encoding: { x, y: { ...y, field: low }, y2: { field: high } },
  });
  return picture(
    "From the first container of a program to the last",
    [
      "Time of each launch() until the command is executed,",
      `${BIN} launches taken together: median, quartiles, and nine tenths of all`,
    ],
    source,
    {
      width: 620,
      height: 220,
      data: { values: bins(launches, BIN) },
      layer: [
        area("lowest", "highest", 0.2),
        area("low", "high", 0.35),
        {
          mark: { type: "line", strokeWidth: 2, color: COLOURS.ink.light },
          encoding: { x, y: { ...y, field: "middle" } },
        },
      ],
    },
  );
}

function isCage(name: string): boolean {
  return name.startsWith("cage");
}
