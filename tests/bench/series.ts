/**
 * With what the cost of a launch may grow, and what is launched to see it.
 *
 * @module
 */

import type { ContainerSpec } from "../../mod.ts";
import { ON_BUSYBOX, ON_MACHINE, UNSHARE_NAMESPACES } from "./contenders.ts";
import type { SeriesName } from "./measurements.ts";
import type { Place } from "./place.ts";

/** The library, as a program among others. */
export const LIBRARY = "cage, from a program";

/** What is done without any program for containers. */
export const BY_HAND = "unshare, mount, chroot";

/** Something that grows. */
export interface Series {
  /** Its name. */
  readonly name: SeriesName;
  /** What is counted, as the label of an axis. */
  readonly axis: string;
  /** The counts. */
  readonly levels: readonly number[];
  /** Gives the commands at a level, by the names of programs. */
  readonly commands: (place: Place, level: number) => Map<string, string[]>;
  /** Gives what the library launches at a level. */
  readonly spec: (place: Place, level: number) => ContainerSpec;
}

/** A command that takes no time by itself. */
const TRUE = ["/bin/true"];

/** The series, in the order in which they are told. */
export const SERIES: readonly Series[] = [
  {
    name: "mounts",
    axis: "mounts in the host's table",
    levels: [26, 100, 1000],
    commands: (place) =>
      new Map([
        ...named(ON_BUSYBOX, place, "cage", "bwrap", "crun"),
        ["cage, this machine's root", wordsOf(ON_MACHINE, place, "cage")],
      ]),
    spec: plain,
  },
  {
    name: "layers",
    axis: "lower layers",
    levels: [1, 16, 100],
    commands: (place, level) => {
      const options = ["-l", layersOf(place, level).join(":")];
      return new Map([
        ["cage", cage(place, options)],
        [BY_HAND, byHand(place, level, "upper-0")],
      ]);
    },
    spec: (place, level) => ({
      ...plain(place),
      lower: layersOf(place, level),
    }),
  },
  {
    name: "upper",
    axis: "files in the upper layer",
    levels: [0, 1000, 100_000],
    commands: (place, level) => {
      const { upper, work } = upperOf(place, level, "cage");
      const options = ["-l", place.root, "-U", upper, "-w", work];
      return new Map([
        ["cage", cage(place, options)],
        [BY_HAND, byHand(place, 1, `upper-${level}`)],
      ]);
    },
    spec: (place, level) => ({
      ...plain(place),
      ...upperOf(place, level, "cage"),
    }),
  },
  {
    name: "running",
    axis: "containers already running",
    levels: [0, 100, 1000],
    commands: (place) =>
      new Map(named(ON_BUSYBOX, place, "cage", "bwrap", "crun")),
    spec: plain,
  },
];

/**
 * Gives the directories of so many layers, the root below all others.
 *
 * @param place Where they are.
 * @param count How many.
 * @returns Their paths, the first on top.
 */
export function layersOf(place: Place, count: number): string[] {
  const layers = Array.from(
    { length: count - 1 },
    (_, index) => `${layersDirectory(place)}/${index + 1}`,
  );
  return [...layers, place.root];
}

/**
 * Gives the directory that has the layers, a link `root` to the root, and a
 * directory `merged` to mount on.
 *
 * @param place Where it is.
 * @returns Its path.
 */
export function layersDirectory({ state }: Place): string {
  return `${state}/layers`;
}

/**
 * Gives the directories of an upper layer.
 *
 * @param place Where they are.
 * @param files How many files it has.
 * @param user Who has it: overlays share none.
 * @returns Their paths.
 */
export function upperOf(
  { state }: Place,
  files: number,
  user: "by-hand" | "cage",
): { readonly upper: string; readonly work: string } {
  const directory = `${state}/upper-${files}-${user}`;
  return { upper: `${directory}/upper`, work: `${directory}/work` };
}

function plain({ name, root }: Place): ContainerSpec {
  return { name, lower: [root], command: TRUE };
}

function cage({ cage, name }: Place, options: readonly string[]): string[] {
  return [cage, "-n", name, ...options, "--", ...TRUE];
}

function named(
  contenders: typeof ON_BUSYBOX,
  place: Place,
  ...names: string[]
): [string, string[]][] {
  return names.map((name) => [name, wordsOf(contenders, place, name)]);
}

function wordsOf(
  contenders: typeof ON_BUSYBOX,
  place: Place,
  name: string,
): string[] {
  const found = contenders.find((contender) => contender.name === name)!;
  return found.words(place, TRUE);
}

/** Relative paths: mount(8) passes no more than a page of options. */
function byHand(place: Place, layers: number, upper: string): string[] {
  const lower = [
    ...Array.from({ length: layers - 1 }, (_, index) => index + 1),
    "root",
  ].join(":");
  const directory = `../${upper}-by-hand`;
  const script = `cd ${layersDirectory(place)}
mount -t overlay -o lowerdir=${lower},upperdir=${directory}/upper,` +
    `workdir=${directory}/work overlay merged
mount -t proc proc merged/proc
exec chroot merged ${TRUE.join(" ")}`;
  return [
    ...["unshare", ...UNSHARE_NAMESPACES, "--propagation=private"],
    ...["sh", "-ec", script.replaceAll("\n", "; ")],
  ];
}
