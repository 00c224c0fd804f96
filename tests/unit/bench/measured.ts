/**
 * Measurements that nobody made, for tests of what is told of them.
 *
 * @module
 */

import type { Entry, Measurements, Point } from "../../bench/measurements.ts";

/** Times of a program, the same in two rounds. */
function entry(name: string, ...times: number[]): Entry {
  return { name, command: `${name} /bin/true`, rounds: [times, times] };
}

function point(name: string, level: number, ...rounds: number[]): Point {
  return { name, level, rounds };
}

/** Something of each kind. */
export const MEASURED: Measurements = {
  circumstances: ["Kernel: Linux 6.0"],
  source: { kernel: "Linux 6.0", processor: "abacus", version: "cage 1.0" },
  amount: { rounds: 2, runs: 3 },
  growthAmount: { rounds: 1, runs: 3 },
  groups: {
    busybox: [entry("cage", 20, 22, 30), entry("bwrap", 2, 2, 2)],
    machine: [entry("cage", 30, 30, 30), entry("bwrap", 3, 3, 3)],
    rootless: [],
    runtime: [entry("empty program, guarded", 11, 11, 11)],
  },
  staying: [
    { name: "cage", group: "busybox", processes: 2, pss: 28 },
    { name: "bwrap", group: "busybox", processes: 2, pss: 1120 },
    { name: "bwrap", group: "rootless", processes: 1, pss: 7 },
  ],
  inside: [{
    name: "8 at a time",
    together: 8,
    cases: [{ mean: 40, least: 16, p75: 48 }],
  }],
  growth: [{
    series: "layers",
    points: [
      point("cage", 1, 10, 20),
      point("cage", 16, 15, 25),
      point("cage", 100, 20, 60),
    ],
    commands: ["cage: cage /bin/true", "by hand: mount; chroot"],
  }],
  crowds: [{
    name: "cage, from a program",
    launches: [50, 5, 6],
    states: [{
      running: 100,
      processes: 100,
      pss: 1400,
      descriptors: 327,
      launcher: 40_000,
      machine: 50_000,
    }],
  }],
  skipped: ["podman: there is no podman"],
};
