import { assert, assertEquals } from "@std/assert";
import {
  type Attack,
  attack,
  descendants,
  launchArgs,
  pack,
  type Person,
  plainLaunch,
  waiting,
} from "./support/mod.ts";
import type {
  Found,
  PeekReport,
  PeekRequest,
} from "./support/attackers/peek.ts";

/** Runs the attacker, and gives the ways in that it found. */
async function peek(
  t: Attack,
  request: PeekRequest,
  person: Person = t.mallory,
): Promise<{ found: Found[]; report: PeekReport }> {
  const attacker = await t.attacker("peek.ts", JSON.stringify(request));
  const { status, stdout, stderr } = await t.run(person, attacker);
  assertEquals([status, stderr], [0, ""]);
  const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
  return { found: lines.slice(0, -1), report: lines.at(-1) };
}

/** What the owner may do to any process, by the modes of the files. */
const OWNERS = ["read fd", "write oom_score_adj", "write coredump_filter"];

/** The ways, each once, with the ids that the process had. */
function waysOf(t: Attack, found: readonly Found[]): string[] {
  const own = Array(4).fill(t.mallory.uid).join(" ");
  const ways = found
    .filter(({ way, uids }) => uids !== own || !OWNERS.includes(way))
    .map(({ way, uids }) => `${way} (${uids})`);
  return [...new Set(ways)].sort();
}

/** Without these, an attack that finds nothing would tell nothing. */
const WAYS_OF_OWN = [
  ...["ptrace", "seize", "kcmp", "pidfd_getfd", "process_vm_readv"],
  ...["get_robust_list", "write mem", "read mem"],
  ...["read environ", "read maps", "read fd", "read syscall", "read io"],
  ...["follow root", "follow cwd", "follow ns/mnt", "readlink exe"],
  ...["enter root", "write oom_score_adj"],
];

attack("Nobody looks into a launch at any time", async (t) => {
  await plainLaunch(t, t.mallory);
  const words = [t.cageFile, ...await launchArgs(t)];
  const { found, report } = await peek(t, { words, rounds: 200 });
  assertEquals(waysOf(t, found), []);
  assert(report.processes >= 200, JSON.stringify(report));
  assert(report.attempts >= 10_000, JSON.stringify(report));
});

attack("Nobody looks into a launch in the background", async (t) => {
  const words = [t.cageFile, "-d", ...await launchArgs(t)];
  const { found, report } = await peek(t, { words, rounds: 100 });
  assertEquals(waysOf(t, found), []);
  assert(report.processes >= 100, JSON.stringify(report));
});

/** See proc_sys_fs(5). */
const SUID_DUMPABLE = "/proc/sys/fs/suid_dumpable";

attack("Nobody looks in where setuid programs may be dumped", async (t) => {
  const before = await Deno.readTextFile(SUID_DUMPABLE);
  const words = [t.cageFile, ...await launchArgs(t)];
  try {
    await Deno.writeTextFile(SUID_DUMPABLE, "1");
    const { found } = await peek(t, { words, rounds: 60 });
    assertEquals(waysOf(t, found), []);
  } finally {
    await Deno.writeTextFile(SUID_DUMPABLE, before);
  }
}, { skip: whyNotDumpable() });

function whyNotDumpable(): string | undefined {
  try {
    Deno.openSync(SUID_DUMPABLE, { write: true }).close();
    return undefined;
  } catch {
    return `${SUID_DUMPABLE} cannot be set here`;
  }
}

attack("Nobody looks into an instance that runs", async (t) => {
  const args = ["--ephemeral", "-n", "target", "-l", await t.root()];
  const child = t.spawnCage(t.mallory, [...args, ...waiting()]);
  await child.seen("ready");
  const all = descendants(child.pid).map(({ pid }) => pid);
  // The supervisor, pid 1 and the command.
  assert(all.length >= 2, `${all}`);
  const pids = [child.pid, ...all];
  const { found } = await peek(t, { words: [], rounds: 3, pids });
  assertEquals(waysOf(t, found), []);
  const byOther = await peek(t, { words: [], rounds: 3, pids }, t.plain);
  assertEquals(byOther.found, []);
  await child.end();
});

attack("A user does look into a process of their own", async (t) => {
  const buffer = { buffer: "byte" };
  const program = pack(t, [
    { call: "write", args: [1, "ready\n", 6] },
    { call: "read", args: [0, buffer, 1] },
  ], { byte: 8 });
  const sleeper = t.spawn(t.mallory, [program]);
  await sleeper.seen("ready");
  const request = { words: [], rounds: 1, pids: [sleeper.pid] };
  const { found } = await peek(t, request);
  const ways = new Set(found.map(({ way }) => way));
  assertEquals(WAYS_OF_OWN.filter((way) => !ways.has(way)), []);
  await sleeper.end();
});
