/**
 * What was measured, as it is kept between measuring and telling.
 *
 * @module
 */

import type { Case } from "./inside.ts";
import type { Amount } from "./rounds.ts";
import type { Rounds } from "./statistics.ts";

/** A command that was measured. */
export interface Entry {
  /** Its name. */
  readonly name: string;
  /** The command, without paths that only one machine has. */
  readonly command: string;
  /** The times in milliseconds. */
  readonly rounds: Rounds;
}

/** Who was measured side by side. */
export type GroupName = "busybox" | "machine" | "rootless" | "runtime";

/** What a program keeps beside the command. */
export interface Staying {
  /** How many processes. */
  readonly processes: number;
  /** Their proportional set size (Pss), see proc_pid_smaps(5), in kB. */
  readonly pss: number;
}

/** What stays, for one program. */
export interface StayingEntry extends Staying {
  /** The name of the program. */
  readonly name: string;
  /** Who ran it. */
  readonly group: GroupName;
}

/** Launches within a program. */
export interface InsideEntry {
  /** Its name. */
  readonly name: string;
  /** How many launches are one time. */
  readonly together: number;
  /** What `deno bench` told of each row. */
  readonly cases: readonly Case[];
}

/** The names of series. */
export type SeriesName = "layers" | "mounts" | "running" | "upper";

/** One program at one level of a series. */
export interface Point {
  /** The name of the program. */
  readonly name: string;
  /** How many there were of what grows. */
  readonly level: number;
  /** What was in the middle of each round, in milliseconds. */
  readonly rounds: readonly number[];
}

/** How cost grows with something. */
export interface GrowthEntry {
  /** With what. */
  readonly series: SeriesName;
  /** The points. */
  readonly points: readonly Point[];
  /** The commands, without paths that only one machine has. */
  readonly commands: readonly string[];
}

/** Many containers of one launcher. */
export interface CrowdState extends Staying {
  /** How many containers run. */
  readonly running: number;
  /** Open descriptors of the launcher. */
  readonly descriptors: number;
  /** The launcher's own Pss, in kB. */
  readonly launcher: number;
  /** What is less available on the whole machine than before, in kB. */
  readonly machine: number;
}

/** Many containers, more and more. */
export interface CrowdEntry {
  /** What launches them. */
  readonly name: string;
  /** How each launch took, in milliseconds; empty if it cannot be told. */
  readonly launches: readonly number[];
  /** What there was at some counts. */
  readonly states: readonly CrowdState[];
}

/** Where pictures are from. */
export interface Source {
  /** The kernel. */
  readonly kernel: string;
  /** The processor. */
  readonly processor: string;
  /** The version of `cage`. */
  readonly version: string;
}

/** Everything that was measured. */
export interface Measurements {
  /** The machine and the versions, each a line of a list. */
  readonly circumstances: readonly string[];
  /** Where pictures say that they are from. */
  readonly source: Source;
  /** How much was measured. */
  readonly amount: Amount;
  /** How much of that for each series. */
  readonly growthAmount: Amount;
  /** Launches, by group. */
  readonly groups: Readonly<Record<GroupName, readonly Entry[]>>;
  /** What stays in memory. */
  readonly staying: readonly StayingEntry[];
  /** Launches within a program. */
  readonly inside: readonly InsideEntry[];
  /** How cost grows. */
  readonly growth: readonly GrowthEntry[];
  /** Many containers. */
  readonly crowds: readonly CrowdEntry[];
  /** Who was left out, and why. */
  readonly skipped: readonly string[];
}
