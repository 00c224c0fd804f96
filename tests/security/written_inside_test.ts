import { assert, assertEquals } from "@std/assert";
import {
  type Attack,
  attack,
  own,
  type Person,
  prepare,
  run,
  sh,
  waiting,
  whyNoProgram,
} from "./support/mod.ts";
import { descriptorOf, readCalls, textOf } from "./support/strace.ts";

const skip = whyNoProgram("strace");

/** What opens, and what changes the root and the process. */
const CALLS = "trace=%process,open,openat,openat2,creat,truncate,pivot_root," +
  "setns,chroot,mount,move_mount";

const WRITES = /\bO_(WRONLY|RDWR|CREAT|TRUNC|APPEND)\b/;

/** What a launch did while the root of the container was its root. */
interface Inside {
  /** How many calls. */
  readonly count: number;
  /** Those that open something to write to it. */
  readonly writing: readonly string[];
}

/**
 * Launches under strace(1), as a user or as root.
 *
 * @param command The command; with it the launch is over.
 */
async function trace(
  t: Attack,
  person: Person | undefined,
  args: readonly string[],
  command: string,
): Promise<Inside> {
  const file = `${t.scratch}/trace`;
  const user = person === undefined ? [] : ["-u", person.name];
  const { status, stderr } = await run([
    ...["strace", "-f", "-y", "--decode-pids=pidns", "-s", "4096", "-o", file],
    ...["-e", CALLS, "-e", "signal=none", ...user, t.cageFile, ...args],
  ], { clearEnv: true, env: { PATH: "/usr/bin:/bin" }, cwd: "/" });
  assertEquals([status, stderr], [0, ""], args.join(" "));
  return insideOf(await Deno.readTextFile(file), command);
}

function insideOf(text: string, command: string): Inside {
  const inside = new Set<number>();
  let count = 0;
  const writing: string[] = [];
  for (const { call } of readCalls(text)) {
    const { args, child, line, name, pid, result } = call;
    if (child !== undefined && inside.has(pid)) inside.add(child);
    if (result.startsWith("-1") && !name.startsWith("open")) continue;
    if (name === "pivot_root") inside.add(pid);
    if (name === "setns" && args[1].includes("CLONE_NEWNS")) inside.add(pid);
    if (!inside.has(pid)) continue;
    count++;
    if (name === "execve" && textOf(args[0]) === command) inside.delete(pid);
    const opens = name === "creat" || name === "truncate" ||
      name.startsWith("open") && WRITES.test(args.join());
    if (!opens) continue;
    const [at, path] = name.startsWith("openat")
      ? [descriptorOf(args[0])?.path ?? "", textOf(args[1]) ?? ""]
      : ["", textOf(args[0]) ?? ""];
    const led = descriptorOf(result)?.path ?? "";
    if ([at, path, led].some((name) => /\bproc\b/.test(name))) {
      writing.push(line);
    }
  }
  return { count, writing };
}

/** Launches of each kind, by what is special about them. */
function launches(
  root: string,
  share: string,
): Readonly<Record<string, readonly string[]>> {
  return {
    "nothing special": [],
    "no init": ["--no-init"],
    "a user": ["-u", "0", "-g", "0"],
    "no new privileges": ["--no-new-privs"],
    "a directory": ["-c", "/tmp"],
    "an init script": ["-i", `${root}/init`],
    "a /proc of the user's": ["-v", `${share}:/proc`],
    "volumes below": ["-v", `${share}:/proc/1`, "-v", `${share}:/mnt`],
  };
}

/** Files that look like those by which a process is given rights. */
async function layProc(root: string, share: string): Promise<void> {
  await Deno.writeTextFile(`${root}/init`, "#!/bin/sh\n:\n", { mode: 0o755 });
  for (const place of [share, `${root}/proc`]) {
    for (const name of ["1", "self", "thread-self"]) {
      await Deno.mkdir(`${place}/${name}/attr/apparmor`, { recursive: true });
      for (
        const file of [
          ...["attr/exec", "attr/current", "attr/apparmor/exec"],
          ...["uid_map", "gid_map", "setgroups", "oom_score_adj"],
          ...["loginuid", "coredump_filter", "timerslack_ns"],
        ]
      ) {
        await Deno.symlink(
          "/proc/sys/kernel/core_pattern",
          `${place}/${name}/${file}`,
        );
      }
    }
  }
}

attack(
  "CVE-2025-52881: nothing below /proc inside is opened for writing",
  async (t) => {
    const { root, share } = await prepare(t, t.mallory);
    await layProc(root, share);
    await own(t.mallory);
    for (const person of [t.mallory, undefined]) {
      for (const [what, options] of Object.entries(launches(root, share))) {
        const args = ["--ephemeral", "-l", root, ...options, ...sh("true")];
        const { count, writing } = await trace(t, person, args, "/bin/sh");
        const who = `${person?.name ?? "root"}, ${what}`;
        assertEquals(writing, [], who);
        assert(count > 30, `${who}: only ${count} calls were seen`);
      }
    }
  },
  { skip },
);

attack(
  "CVE-2025-52881: nor is anything by a command that attaches",
  async (t) => {
    const { root } = await prepare(t, t.mallory);
    for (const person of [t.mallory, undefined]) {
      const name = `known-${Deno.pid}`;
      const args = ["--ephemeral", "-n", name, "-l", root];
      const words = [...args, ...waiting()];
      const child = person === undefined
        ? t.spawnAsRoot([t.cageFile, ...words], "/")
        : t.spawnCage(person, words);
      await child.seen("ready");
      const attach = [...args, ...sh("true")];
      const { count, writing } = await trace(t, person, attach, "/bin/sh");
      assertEquals(writing, [], person?.name ?? "root");
      assert(count > 3, `Only ${count} calls were seen`);
      await child.end();
    }
  },
  { skip },
);
