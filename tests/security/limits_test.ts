import { assert, assertEquals } from "@std/assert";
import {
  type Attack,
  attack,
  launchArgs,
  newTraces,
  pack,
  plainLaunch,
  type Result,
  tracesOf,
} from "./support/mod.ts";

/** `RLIMIT_…` of asm-generic/resource.h, Linux 6.1, and values worth a try. */
const LIMITS: Readonly<Record<string, [number, readonly number[]]>> = {
  CPU: [0, [0, 1]],
  FSIZE: [1, [0, 1, 7, 100, 4096, 1e5, 1e6]],
  DATA: [2, upTo(36, 12)],
  STACK: [3, upTo(23)],
  CORE: [4, [0, 1, 1e9]],
  RSS: [5, [0, 1, 1e6]],
  NPROC: [6, [0, 1, 2, 3, 5, 8, 12, 16, 24, 32]],
  NOFILE: [7, [...range(40), 50, 64, 100, ...range(260).slice(245), 300]],
  MEMLOCK: [8, [0, 1, 4096, 65536]],
  AS: [9, upTo(40, 12)],
  LOCKS: [10, [0, 1]],
  SIGPENDING: [11, [0, 1, 2, 5]],
  MSGQUEUE: [12, [0]],
  NICE: [13, [0]],
  RTPRIO: [14, [0]],
  RTTIME: [15, [0, 1, 1000]],
};

/** Powers of two, and 0. */
function upTo(last: number, first = 0): number[] {
  const powers = range(last + 1).slice(first).map((exponent) => 2 ** exponent);
  return [0, ...powers];
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

/** A program that executes `cage` under a limit. */
function limited(t: Attack, limit: number, value: number, args: string[]) {
  const pair = new BigUint64Array([BigInt(value), BigInt(value)]);
  const bytes = new Uint8Array(pair.buffer);
  return pack(t, [
    { call: "prlimit64", args: [0, limit, bytes, 0] },
    { call: "execve", args: [t.cageFile, ["cage", ...args], []] },
  ]);
}

/** It works as ever, or not at all: by a sentence, or by a signal. */
function assertWholeOrNothing(result: Result, plain: Result, what: string) {
  const { status, stdout, stderr } = result;
  if (JSON.stringify(result) === JSON.stringify(plain)) return;
  assert(status !== 0, `${what}: ${JSON.stringify(result)}`);
  assertEquals(stdout, "", what);
  // 127 is told by the launcher, when the kernel refuses the execution; the
  // last sentence is the runtime's, which got too few threads.
  const isPlain = status >= 128 || status === 127 && stderr === "" ||
    /^cage: Cannot [^\n]+\n$/.test(stderr) ||
    /^\n=+\nDeno could not start: unable to create/.test(stderr);
  assert(isPlain, `${what}: ${JSON.stringify(result)}`);
  const tells = /\bat (?:[\w.]+ )?\(?(?:file:|ext:|<anonymous>|\/)/;
  assert(!tells.test(stderr), `${what} shows a stack: ${stderr}`);
}

for (const [name, [limit, values]] of Object.entries(LIMITS)) {
  attack(`A limit on ${name} stops all of it or nothing`, async (t) => {
    const plain = await plainLaunch(t, t.mallory);
    const args = await launchArgs(t);
    const before = tracesOf([t.mallory]);
    for (const value of values) {
      const what = `RLIMIT_${name} ${value}`;
      const launcher = limited(t, limit, value, args);
      const result = await t.run(t.mallory, [launcher]);
      assertWholeOrNothing(result, plain, what);
      assertEquals(await newTraces(before, [t.mallory]), [], what);
    }
    // Whatever was tried, nobody has to clean up.
    assertEquals(await plainLaunch(t, t.mallory), plain);
  });
}
