/**
 * Commands in the background, of users of the setuid program.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Attack,
  attack,
  descendants,
  directoriesOf,
  exists,
  type Person,
  readProcess,
  sh,
  uidsOf,
  until,
  waiting,
} from "./support/mod.ts";
import { withPolicy } from "./support/policies.ts";

/** It does not end because nobody writes to it. */
const STAY = sh("exec tail -f /dev/null");

/** Starts an instance in the background. */
async function detach(
  t: Attack,
  person: Person,
  name: string,
  ...more: string[]
): Promise<void> {
  const result = await t.cage(person, [
    ...["-d", "--ephemeral", "-n", name, "-l", await t.root()],
    ...[...more, ...STAY],
  ]);
  assertEquals(result, { status: 0, stdout: `${name}\n`, stderr: "" });
}

/** The id of pid 1. */
function pidOf(person: Person, name: string): number {
  const [directory] = directoriesOf(person.uid);
  return Number(Deno.readTextFileSync(`${directory}/${name}.pid`));
}

function parentOf(pid: number): number {
  return readProcess(pid)[0].parent;
}

function isAlive(pid: number): boolean {
  return readProcess(pid).some(({ state }) => state !== "Z");
}

attack(
  "Who kills the supervisor of a detached container kills it",
  async (t) => {
    for (const person of [t.mallory, t.plain]) {
      for (const more of [[], ["--no-init"]]) {
        await detach(t, person, "orphan", ...more);
        const pid = pidOf(person, "orphan");
        const supervisor = parentOf(pid);
        // It is a process of the user's own.
        await t.sh(person, `kill -9 ${supervisor}`);
        await until(() => !isAlive(pid), "the end of pid 1");
        await t.cage(person, ["-n", "orphan", "-k"]);
      }
    }
  },
);

attack("The limit on instances counts those that are detached", async (t) => {
  const policy = withPolicy(t, { limits: { instances: 1 } });
  const args = ["-d", "--ephemeral", "-l", await t.root()];
  const start = (name: string) =>
    t.cage(t.mallory, [...args, "-n", name, ...STAY], policy);
  assertEquals((await start("one")).status, 0);
  const pid = pidOf(t.mallory, "one");
  for (const attempt of [1, 2]) {
    const { status, stderr } = await start("two");
    assertEquals(status, 125, `${attempt}`);
    assertMatch(stderr, /^cage: Cannot .*policy\.json allows no more/);
  }
  // The slot is given back with the container, and not without.
  await t.sh(t.mallory, `kill -9 ${parentOf(pid)}`);
  await until(() => !isAlive(pid), "the end of pid 1");
  assertEquals((await start("two")).status, 0);
  for (const name of ["one", "two"]) {
    await t.cage(t.mallory, ["-n", name, "-k"], policy);
  }
});

attack(
  "An instance of which nothing can be told is counted all the same",
  async (t) => {
    const policy = withPolicy(t, { limits: { instances: 1 } });
    const words = ["-d", "--debug", "--ephemeral", "-l", await t.root()];
    const script = 'exec "$0" "$@" 2>/dev/full';
    const start = (name: string) =>
      t.run(t.mallory, [
        ...["/bin/sh", "-c", script, t.cageFile, ...words],
        ...["-n", name, ...STAY],
      ], policy);
    assertEquals(await start("one"), {
      ...{ status: 0, stdout: "one\n", stderr: "" },
    });
    const pid = pidOf(t.mallory, "one");
    assert(isAlive(pid));
    assertEquals((await start("two")).status, 125);
    assertEquals((await t.cage(t.mallory, ["-n", "one", "-k"])).status, 0);
    assert(!isAlive(pid));
  },
);

attack("A detached command ends with its supervisor too", async (t) => {
  const child = t.spawnCage(t.mallory, [
    ...["--ephemeral", "-n", "first", "-l", await t.root(), ...waiting()],
  ]);
  await child.seen("ready");
  const before = descendants().map(({ pid }) => pid);
  const { status } = await t.cage(t.mallory, [
    ...["-d", "-n", "first", ...STAY],
  ]);
  assertEquals(status, 0);
  const added = descendants().filter(({ pid }) => !before.includes(pid));
  const supervisor = added.find(({ command }) => command === "cage")!;
  await t.sh(t.mallory, `kill -9 ${supervisor.pid}`);
  const isLeft = () =>
    descendants().some(({ pid }) => added.some((one) => one.pid === pid));
  await until(() => !isLeft(), "the end of the command");
  await child.end();
});

attack(
  "A supervisor in the background has nothing of the caller",
  async (t) => {
    const { mallory, scratch } = t;
    const words = [
      ...["-d", "--ephemeral", "-n", "bare", "-l", await t.root(), ...STAY],
    ];
    const script = 'exec 8<"$HOME" 9>&1; exec "$0" "$@"';
    const { status, stdout } = await t.run(mallory, [
      ...["/bin/sh", "-c", script, t.cageFile, ...words],
    ], { env: { HOSTILE: "yes" } });
    assertEquals([status, stdout], [0, "bare\n"]);
    const pid = pidOf(mallory, "bare");
    const supervisor = parentOf(pid);
    const at = `/proc/${supervisor}`;
    const own = directoriesOf(mallory.uid)[0];
    const files = [...Deno.readDirSync(`${at}/fd`)]
      .map(({ name }) => Deno.readLinkSync(`${at}/fd/${name}`));
    assertEquals(files.slice(0, 3), Array(3).fill("/dev/null"));
    const others = files.slice(3).filter((path) => !path.startsWith(own));
    assertEquals(others, []);
    assertEquals(Deno.readTextFileSync(`${at}/environ`), "");
    assertEquals(Deno.readTextFileSync(`${at}/cmdline`), "cage\0");
    assertEquals(Deno.readLinkSync(`${at}/cwd`), "/");
    assert(!exists(`${scratch}/bare`));
    // Nor does the user see into it.
    const look = `for file in maps fd/3 root/etc/shadow; do
      cat /proc/${supervisor}/$file >/dev/null 2>&1 && echo $file
    done; exit 0`;
    assertEquals(await t.sh(mallory, look), "");
    await t.cage(mallory, ["-n", "bare", "-k"]);
  },
);

attack(
  "A granted user's detached container is root's, and goes on",
  async (t) => {
    const policy = withPolicy(t, { granted: { users: [t.mallory.name] } });
    const args = ["-d", "--ephemeral", "-p", `${t.mallory.home}/pid`];
    const { status, stdout } = await t.cage(t.mallory, [
      ...[...args, "-l", await t.root(), ...STAY],
    ], policy);
    assertEquals([status, stdout], [0, `${t.mallory.home}/pid\n`]);
    const pid = Number(Deno.readTextFileSync(`${t.mallory.home}/pid`));
    const supervisor = parentOf(pid);
    assertEquals(uidsOf(pid), [0, 0, 0, 0]);
    await t.sh(t.mallory, `kill -9 ${supervisor}`);
    await until(() => parentOf(pid) !== supervisor, "another parent");
    const again = ["-p", `${t.mallory.home}/pid`];
    const joined = await t.cage(
      t.mallory,
      [...again, ...sh("echo joined")],
      policy,
    );
    assertEquals(joined, { status: 0, stdout: "joined\n", stderr: "" });
    // It was not another one, started anew.
    assert(isAlive(pid), "It has ended");
    assertEquals((await t.cage(t.mallory, [...again, "-k"], policy)).status, 0);
    assertEquals(isAlive(pid), false);
  },
);

attack("A granted user's container ends with its supervisor", async (t) => {
  const policy = withPolicy(t, { granted: { users: [t.mallory.name] } });
  const pidFile = `${t.mallory.home}/pid`;
  for (const more of [[], ["--no-init"], ["-u", "alice"]]) {
    const child = t.spawnCage(t.mallory, [
      ...["--ephemeral", "-p", pidFile, "-l", await t.root(), ...more],
      ...sh("echo ready; exec tail -f /dev/null"),
    ], policy);
    await child.seen("ready");
    const pid = Number(Deno.readTextFileSync(pidFile));
    await t.sh(t.mallory, `kill -9 ${parentOf(pid)}`);
    await until(() => !isAlive(pid), "the end of pid 1");
    await child.result;
    await t.cage(t.mallory, ["-p", pidFile, "-k"], policy);
  }
});
