import { assert, assertEquals, assertMatch } from "@std/assert";
import { SIGNALS } from "../../ffi/constants.ts";
import {
  cage,
  cageWords,
  type Context,
  descendants,
  exists,
  fingerprint,
  loopDevices,
  removeScratch,
  removeStaleRecords,
  run,
  RUN_DIRECTORY,
  sh,
  spawnCage,
  test,
  until,
  whyNoProgram,
} from "./support/mod.ts";

/** How many launches are killed. */
const LAUNCHES = 200;

/** The longest time that one of them has, in milliseconds. */
const LONGEST_MS = 30;

/** Lets time pass, for once: the moment must not be ours to choose. */
async function randomDelay(longest: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, Math.random() * longest));
}

test("cage leaves nothing but a stale pid file and record when it is killed", async (t) => {
  await t.sh("mkdir /kept; for i in 1 2 3; do echo $i >/kept/$i; done");
  const upper = `${t.appDir}/upper/kept`;
  const kept = await fingerprint(upper);
  const mounts = Deno.readTextFileSync("/proc/self/mountinfo");
  const loops = loopDevices();
  const options = await t.options();
  let ran = 0;
  for (let launch = 0; launch < LAUNCHES; launch++) {
    const child = spawnCage([...options, ...sh("echo ran; exec sleep 1000")]);
    // A half of them is left alone until it has got to its own work: before
    // that there is only a runtime that starts.
    if (launch % 2 === 1) await began(t.pidFile, child.pid);
    await randomDelay(LONGEST_MS);
    child.kill("SIGKILL");
    const { status, stdout, stderr } = await child.result;
    assertEquals([status, stderr], [137, ""]);
    if (stdout !== "") ran++;
    await until(
      () => descendants().length === 0,
      `the end of launch ${launch}: ${JSON.stringify(descendants())}`,
    );
    assertEquals(Deno.readTextFileSync("/proc/self/mountinfo"), mounts);
    assertEquals(loopDevices(), loops);
    // The next launch begins with whatever was left; sometimes with nothing.
    if (launch % 5 === 0 && exists(t.pidFile)) Deno.removeSync(t.pidFile);
  }
  console.log(`The command ran already in ${ran} of ${LAUNCHES} launches`);
  assertEquals(await fingerprint(upper), kept);
  assertEquals(await t.sh("cat /kept/*"), "1\n2\n3\n");
  assert(!exists(t.pidFile));
  // Whose pid file was removed above has a record that nobody looks for.
  removeStaleRecords();
});

test(
  "cage leaves no part of a record when it is killed while it writes one",
  async (t) => {
    // The last call but the one that gives the file its name.
    const call = "utimensat";
    const { status } = await run([
      ...["strace", "-f", "-qq", "-o", `${t.scratch}/trace`],
      ...["-e", `trace=${call}`, "-e", `inject=${call}:signal=KILL`],
      ...[...cageWords(), ...await t.options(), ...sh("true")],
    ]);
    assertEquals(status, 137);
    await until(() => descendants().length === 0, "the end of a launch");
    const pid = Deno.readTextFileSync(t.pidFile).trim();
    assertMatch(pid, /^[0-9]+$/);
    assertEquals(exists(`${RUN_DIRECTORY}/record/${pid}`), false);
    assertEquals((await t.cage(["true"])).status, 0);
  },
  { skip: whyNoProgram("strace"), takesRoot: "traces newuidmap" },
);

/** Waits until a launch has written its pid file, or has a child. */
async function began(pidFile: string, pid: number): Promise<void> {
  const before = stamp(pidFile);
  await until(
    () => stamp(pidFile) !== before || descendants(pid).length > 0,
    "the beginning of a launch",
  );
}

function stamp(path: string): string | undefined {
  try {
    const { ino, mtime } = Deno.lstatSync(path);
    return `${ino} ${mtime?.getTime()}`;
  } catch {
    return undefined;
  }
}

test("cage starts after a first launch was killed", async (t) => {
  const options = await t.options();
  for (let launch = 0; launch < 20; launch++) {
    const child = spawnCage([...options, ...sh("exec sleep 1000")]);
    await until(() => exists(t.appDir), "the application directory");
    await randomDelay(LONGEST_MS / 3);
    child.kill("SIGKILL");
    await child.result;
    await until(() => descendants().length === 0, "the end of a launch");
    const { status, stdout, stderr } = await t.cage(["echo", "ran"]);
    assertEquals([status, stdout, stderr], [0, "ran\n", ""]);
    await removeScratch(t.appDir);
  }
});

test("cage leaves nothing when SIGTERM ends a launch", async (t) => {
  const options = await t.options();
  for (let launch = 0; launch < 40; launch++) {
    const child = spawnCage([...options, ...sh("exec sleep 1000")]);
    await randomDelay(LONGEST_MS * 2);
    child.kill("SIGTERM");
    assertEquals((await child.result).status, 143);
    await until(() => descendants().length === 0, "the end of a launch");
  }
  assertEquals((await t.cage(["true"])).status, 0);
  assert(!exists(t.pidFile));
});

test("cage leaves nothing when SIGTERM came before it began", async (t) => {
  const { status, stdout } = await cage(
    [...await t.options(), ...sh("echo ran")],
    {
      within: [
        ...["env", "--block-signal=TERM", "sh", "-c"],
        ...['kill -TERM $$; exec "$@"', "sh"],
      ],
    },
  );
  assertEquals([status, stdout], [143, ""]);
  assert(!exists(t.pidFile));
}, {
  skip: cageWords().length === 1
    ? undefined
    : "with deno run what the caller blocks stays blocked",
});

test("cage keeps a signal that comes while it starts for the command", async (t) => {
  const { child, go } = await held(t);
  child.kill("SIGUSR1");
  await until(() => isKept(child.pid, "SIGUSR1"), "the signal");
  go();
  // It does to the command what it does to one that handles none.
  assertEquals((await child.result).status, 138);
});

test("cage takes a start back when SIGINT comes before the command runs", async (t) => {
  const { child } = await held(t);
  child.kill("SIGINT");
  assertEquals((await child.result).status, 130);
  assert(!exists(t.pidFile));
});

/** A start whose init script waits until it may go on. */
async function held(t: Context) {
  const script = `${t.scratch}/script`;
  Deno.writeTextFileSync(script, "echo begun >/gate/begun; read go </gate/go");
  const gate = `${t.scratch}/gate`;
  Deno.mkdirSync(gate);
  await run(["mkfifo", `${gate}/begun`, `${gate}/go`]);
  const options = [...await t.options(), "-i", script, "-v", `${gate}:/gate`];
  const child = spawnCage([...options, ...sh("exec sleep 1000")]);
  assertEquals(await Deno.readTextFile(`${gate}/begun`), "begun\n");
  return { child, go: () => Deno.writeTextFileSync(`${gate}/go`, "go\n") };
}

/** Blocked and pending, or written down: then it has interrupted the wait. */
function isKept(pid: number, signal: "SIGUSR1"): boolean {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const bit = 1n << BigInt(SIGNALS[signal] - 1);
  const has = (key: string) =>
    (BigInt(`0x${new RegExp(`^${key}:\t(.*)$`, "m").exec(status)?.[1]}`) &
      bit) !== 0n;
  return has("ShdPnd") || has("SigCgt");
}
