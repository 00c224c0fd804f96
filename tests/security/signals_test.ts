import { assert, assertEquals } from "@std/assert";
import {
  type Attack,
  attack,
  INSIDE,
  launchArgs,
  plainLaunch,
  type Result,
  run,
  whyNoProgram,
} from "./support/mod.ts";
import type {
  SignalsReport,
  SignalsRequest,
} from "./support/attackers/signals.ts";

const SIGKILL = 9;
const SIGUSR1 = 10;
const SIGTERM = 15;
const SIGCONT = 18;
const SIGSTOP = 19;

/** Those that stop a process: SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU. */
const STOPS = [SIGSTOP, 20, 21, 22];

/** Every signal there is; what stops is followed by what continues. */
const EACH = Array.from({ length: 64 }, (_, index) => index + 1)
  .map((signal) => STOPS.includes(signal) ? [signal, SIGCONT] : [signal]);

async function sendTo(
  t: Attack,
  request: Omit<SignalsRequest, "words">,
): Promise<SignalsReport[]> {
  const words = [t.cageFile, ...await launchArgs(t)];
  const text = JSON.stringify({ ...request, words });
  const attacker = await t.attacker("signals.ts", text);
  return reportsOf(await t.run(t.mallory, attacker));
}

function reportsOf({ status, stdout, stderr }: Result): SignalsReport[] {
  assertEquals([status, stderr], [0, ""]);
  return stdout.trim().split("\n").map((line) => JSON.parse(line));
}

/** It ends as it would have, or by a signal that it was sent. */
function assertPlainEnd(report: SignalsReport, plain: Result): void {
  const { signals, status, stdout, stderr } = report;
  const what = JSON.stringify(report);
  if (signals.includes(status - 128)) {
    assert(["", INSIDE].includes(stdout), what);
    assertEquals(stderr, "", what);
  } else {
    assertEquals({ status, stdout, stderr }, plain, what);
  }
}

for (const ignore of [true, false]) {
  const state = ignore ? "ignored at first" : "not ignored";
  attack(`Each signal in a loop, ${state}, opens no door`, async (t) => {
    const plain = await plainLaunch(t, t.mallory);
    const reports = await sendTo(t, { rounds: EACH, ignore });
    assertEquals(reports.length, EACH.length);
    for (const report of reports) assertPlainEnd(report, plain);
    // As after a power failure, the next launch is as good as the first.
    assertEquals(await plainLaunch(t, t.mallory), plain);
  });
}

attack("Hundreds of SIGUSR1 and of all at once open no door", async (t) => {
  const plain = await plainLaunch(t, t.mallory);
  const harmless = EACH.flat().filter((signal) => signal !== SIGKILL);
  const rounds = [
    ...Array(100).fill([SIGUSR1]),
    ...Array(20).fill([SIGSTOP, SIGCONT, SIGUSR1, SIGTERM]),
    ...Array(20).fill(harmless),
  ];
  const reports = await sendTo(t, { rounds, ignore: true });
  assertEquals(reports.length, rounds.length);
  for (const report of reports) assertPlainEnd(report, plain);
});

attack("No signal makes it listen, or open any socket", async (t) => {
  await plainLaunch(t, t.mallory);
  const trace = `${t.scratch}/trace`;
  const rounds = [...EACH, ...Array(10).fill([SIGUSR1])];
  const words = [t.cageFile, ...await launchArgs(t)];
  const request: SignalsRequest = { rounds, ignore: true, words };
  const attacker = await t.attacker("signals.ts", JSON.stringify(request));
  // Root's strace keeps the setuid bit in force.
  const result = await run([
    ...["strace", "-f", "-o", trace, "-u", t.mallory.name],
    ...[
      "-e",
      "trace=execve,execveat,socket,bind,listen,accept,accept4,connect",
    ],
    ...["-e", "signal=none", ...attacker],
  ], {
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin", HOME: t.mallory.home },
    cwd: t.mallory.home,
  });
  assertEquals(reportsOf(result).length, rounds.length);
  const lines = (await Deno.readTextFile(trace)).split("\n");
  const starts = lines.filter((line) => line.includes(`"${t.cageFile}"`));
  assert(starts.length >= rounds.length - 5, `${starts.length} starts`);
  const calls = lines.filter((line) => /^\d+ +\w+\(/.test(line))
    .filter((line) => !/^\d+ +execve/.test(line));
  assertEquals(calls, []);
}, { skip: whyNoProgram("strace") });
