import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import {
  type Attack,
  attack,
  cage,
  type Child,
  descendants,
  directoriesOf,
  exists,
  launchArgs,
  type Person,
  readProcess,
  recordsOf,
  type Result,
  RUN_DIRECTORY,
  sh,
  until,
  waiting,
} from "./support/mod.ts";

/** Starts an instance that stays. */
async function start(t: Attack, person: Person, name: string): Promise<Child> {
  const child = t.spawnCage(person, [
    ...["--ephemeral", "-n", name, "-l", await t.root(), ...waiting()],
  ]);
  await child.seen("ready");
  return child;
}

/** The id of pid 1 in a pid file. */
function pidIn(path: string): number {
  return Number(Deno.readTextFileSync(path));
}

function pidFileOf(person: Person, name: string): string {
  return `${directoriesOf(person.uid)[0]}/${name}.pid`;
}

/** It was not entered, and it lives. */
function assertAlone(result: Result, pid: number): void {
  assertEquals(result.stdout.includes("entered"), false, result.stdout);
  assert(exists(`/proc/${pid}`), "It was killed");
}

const ENTER = sh("echo entered; hostname");

/** Every file that may tell an instance: written, linked, a pipe. */
async function pidFiles(t: Attack, victim: string): Promise<string[]> {
  const { home } = t.plain;
  const pid = pidIn(victim);
  const script = `
    cat '${victim}' >copied 2>/dev/null || echo ${pid} >copied
    printf '%s' ${pid} >bare
    printf '%s\\n' ${pid} >newline; touch -r '${victim}' copied newline bare
    ln -s '${victim}' soft
    ln '${victim}' hard
    ln -s soft twice
    mkfifo fifo
    ln -s /proc/self/fd/0 stdin
    ln -s /dev/stdin device
    ln -s /proc/${pid}/root/pid proc
    mkdir directory
    : >empty
    head -c 1000000 /dev/zero >huge
    printf -- '-1' >minus; printf 0 >zero; printf 1 >one
    printf '%s' "$PPID" >parent`;
  await t.run(t.plain, ["/bin/sh", "-c", script]);
  // Whoever can read the file can give it the same time.
  const { mtime } = await Deno.stat(victim);
  for (const name of ["copied", "bare", "newline"]) {
    await Deno.utime(`${home}/${name}`, mtime!, mtime!);
  }
  return [...Deno.readDirSync(home)].map(({ name }) => `${home}/${name}`);
}

attack("CVE-2022-31214: no pid file leads to another's instance", async (t) => {
  await using child = await start(t, t.mallory, "victim");
  const victim = pidFileOf(t.mallory, "victim");
  const pid = pidIn(victim);
  for (const file of [victim, ...await pidFiles(t, victim)]) {
    const root = await t.root();
    const enter = ["-p", file, "--ephemeral", "-l", root, ...ENTER];
    // Whoever starts one of their own there has not entered that one.
    const entered = await t.cage(t.plain, ["-p", file, "-k"], {
      stdin: `${pid}\n`,
    });
    assertAlone(entered, pid);
    const attached = await t.cage(t.plain, enter, { stdin: `${pid}\n` });
    const isNew = attached.status === 0;
    assertEquals(isNew || /^cage: /.test(attached.stderr), true, file);
    assert(exists(`/proc/${pid}`), file);
  }
  // It is as it was: its owner can still enter it.
  const again = await t.cage(t.mallory, [
    ...["-n", "victim", "-l", await t.root(), ...ENTER],
  ]);
  assertMatch(again.stdout, /^entered$/m);
  await child.end();
});

attack("No pid file leads to root's instance, or to any process", async (t) => {
  const name = `security-${Deno.pid}`;
  const child = t.spawnRoot(["--ephemeral", "-n", name, "-l", await t.root()]);
  await child.seen("ready");
  const victim = `${RUN_DIRECTORY}/${name}.pid`;
  const pid = pidIn(victim);
  for (const file of [victim, ...await pidFiles(t, victim)]) {
    assertAlone(
      await t.cage(t.plain, ["-p", file, "-k"], { stdin: `${pid}\n` }),
      pid,
    );
  }
  await child.end();
});

attack("A process of the user's own is no container of theirs", async (t) => {
  const sleeper = t.spawn(t.plain, ["/bin/sh", "-c", "echo ready; cat"]);
  await sleeper.seen("ready");
  const file = `${t.plain.home}/fake`;
  await Deno.writeTextFile(file, `${sleeper.pid}\n`);
  await Deno.chown(file, t.plain.uid, t.plain.uid);
  // Its start, as cage itself would write it.
  const stat = await Deno.readTextFile(`/proc/${sleeper.pid}/stat`);
  const ticks = Number(stat.slice(stat.lastIndexOf(")")).split(" ")[20]);
  await Deno.utime(file, ticks / 100, ticks / 100);
  const killed = await t.cage(t.plain, ["-p", file, "-k"]);
  assertEquals(exists(`/proc/${sleeper.pid}`), true, killed.stderr);
  await sleeper.end();
});

attack("A fake container in a user's namespace is not entered", async (t) => {
  // There the user is root, and everything looks as in a container.
  const fake = t.spawn(t.plain, [
    ...["unshare", "-U", "-r", "-m", "-p", "-f", "--mount-proc"],
    ...["/bin/sh", "-c", "echo ready; cat"],
  ]);
  await fake.seen("ready");
  const inside = descendants(fake.pid)
    .find(({ parent }) => parent === fake.pid);
  const pid = `${inside!.pid}\n`;
  const file = `${t.plain.home}/fake`;
  await Deno.writeTextFile(file, pid);
  await Deno.chown(file, t.plain.uid, t.plain.uid);
  const stat = await Deno.readTextFile(`/proc/${pid.trim()}/stat`);
  const ticks = Number(stat.slice(stat.lastIndexOf(")")).split(" ")[20]);
  await Deno.utime(file, ticks / 100, ticks / 100);
  const { stdout } = await t.cage(t.plain, [
    ...["-p", file, "--ephemeral", "-l", await t.root()],
    ...sh("[ -e /etc/shadow ] && echo entered; cat /proc/1/comm"),
  ]);
  assertEquals(/^(entered|cat|sh)$/m.test(stdout), false, stdout);
  await t.cage(t.plain, ["-p", file, "-k"]);
  assert(exists(`/proc/${pid.trim()}`), "It was killed");
  await fake.end();
});

attack("Names of one user lead to nothing of another's", async (t) => {
  await using child = await start(t, t.mallory, "same");
  const pid = pidIn(pidFileOf(t.mallory, "same"));
  const result = await t.cage(t.plain, [
    ...["--ephemeral", "-n", "same", "-l", await t.root(), ...sh("echo own")],
  ]);
  assertEquals(result, { status: 0, stdout: "own\n", stderr: "" });
  assertAlone(await t.cage(t.plain, ["-n", "same", "-k"]), pid);
  for (const name of ["../22/same", "../../x", "a/b", "..", "."]) {
    const { status, stderr } = await t.cage(t.plain, [
      ...["-n", name, "-k"],
    ]);
    assertNotEquals(status, 0, stderr);
  }
  await child.end();
});

attack(
  "Nothing of a user's state is for another to read or write",
  async (t) => {
    await using child = await start(t, t.mallory, "mine");
    const file = pidFileOf(t.mallory, "mine");
    const [record] = recordsOf([t.mallory]);
    const script =
      `for file in '${file}' '${record}' "$(dirname '${file}')/x"; do
      echo 1 >"$file" && echo "wrote $file"
      rm -f "$file" && [ ! -e "$file" ] && [ -n "\${file%%*x}" ] &&
        echo "removed $file"
      mv "$file" "$file.moved" && echo "moved $file"
      flock -n "$file" true && echo "locked $file"
      cat '${record}' && echo "read record"
    done 2>/dev/null; exit 0`;
    const { stdout } = await t.run(t.plain, ["/bin/sh", "-c", script]);
    assertEquals(stdout, "");
    assert(exists(file) && exists(record), "They are gone");
    // Whose instance it is says root alone, also to the user.
    const { stdout: own } = await t.run(t.mallory, ["/bin/sh", "-c", script]);
    assertEquals(/record$|record\/\d+$/m.test(own), false, own);
    await child.end();
  },
);

attack("A pid file that its owner opened to all lends nothing", async (t) => {
  const { mallory, plain, scratch } = t;
  await Deno.mkdir(`${scratch}/open`);
  await Deno.chmod(`${scratch}/open`, 0o777);
  const file = `${scratch}/open/pid`;
  const child = t.spawnCage(mallory, [
    ...["--ephemeral", "-p", file, "-l", await t.root(), ...waiting()],
  ]);
  await child.seen("ready");
  const pid = pidIn(file);
  await Deno.chmod(file, 0o666);
  const args = ["-p", file, "--ephemeral", "-l", await t.root()];
  for (const words of [[...args, ...ENTER], ["-p", file, "-k"]]) {
    const result = await t.cage(plain, words);
    assertAlone(result, pid);
    assertEquals(result.status, 125, result.stderr);
    assertMatch(result.stderr, /^cage: Cannot .*belongs to user/);
  }
  await child.end();
});

attack("Root is led to nobody's instance by another's pid file", async (t) => {
  const child = await start(t, t.mallory, "theirs");
  const pid = pidIn(pidFileOf(t.mallory, "theirs"));
  const file = `${t.plain.home}/pid`;
  await Deno.writeTextFile(file, `${pid}\n`);
  await Deno.chown(file, t.plain.uid, t.plain.uid);
  for (const words of [[...ENTER], ["-k"]]) {
    const result = await cage(["-p", file, ...words]);
    assertAlone(result, pid);
    assertEquals(result.status, 125, result.stderr);
    assertMatch(result.stderr, /^cage: Cannot .*belongs to user/);
  }
  await child.end();
});

attack("Root enters and kills what is a user's", async (t) => {
  const child = await start(t, t.mallory, "theirs");
  const file = pidFileOf(t.mallory, "theirs");
  const entered = await cage(["-p", file, ...sh("echo entered")]);
  assertEquals(entered.stdout, "entered\n", entered.stderr);
  assertEquals((await cage(["-p", file, "-k"])).status, 0);
  await child.result;
  assertEquals(exists(file), false);
});

/** The ids of pid 1 of each, by the records. */
function instancesOf(person: Person): number[] {
  return recordsOf([person]).map((path) => Number(path.split("/").at(-1)));
}

function isAlive(pid: number): boolean {
  return readProcess(pid).some(({ state }) => state !== "Z");
}

attack(
  "The limit on instances counts those without a supervisor",
  async (t) => {
    const policy = await t.policy({ limits: { instances: 2 } });
    const args = async (name: string) => [
      ...["--ephemeral", "-n", name, "-l", await t.root(), ...waiting()],
    ];
    const children: Child[] = [];
    for (const name of ["one", "two"]) {
      const child = t.spawnCage(t.mallory, await args(name), policy);
      await child.seen("ready");
      children.push(child);
    }
    const third = await t.cage(t.mallory, await args("three"), policy);
    assertEquals(third.status, 125);
    assertMatch(third.stderr, /^cage: Cannot .*policy\.json allows no more/);
    // The user may kill the supervisor, which is a process of theirs.
    const held = instancesOf(t.mallory);
    assertEquals(held.length, 2);
    children.forEach((child) => child.kill("SIGKILL"));
    await Promise.all(children.map(({ result }) => result));
    const fourth = await t.cage(t.mallory, await args("four"), policy);
    // Those that live on count.
    const living = held.filter(isAlive);
    if (living.length === 2) assertEquals(fourth.status, 125, fourth.stderr);
    for (const name of ["one", "two", "three", "four"]) {
      await t.cage(t.mallory, ["-n", name, "-k"], policy);
    }
    await until(() => !held.some(isAlive), "the end of all instances");
  },
);

attack("Who kills the supervisor kills the container", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const child = t.spawnCage(person, [
      ...["--ephemeral", "-n", "orphan", "-l", await t.root()],
      // It does not end because nobody writes to it any more.
      ...sh("echo ready; exec tail -f /dev/null"),
    ]);
    await child.seen("ready");
    const pid = pidIn(pidFileOf(person, "orphan"));
    // It is a process of the user's own.
    await t.sh(person, `kill -9 ${child.pid}`);
    await until(() => !isAlive(pid), "the end of pid 1");
    await child.result;
    // Nobody was left to remove what tells of it.
    await t.cage(person, ["-n", "orphan", "-k"]);
  }
});

attack("Hundreds of launches and kills at once leave nothing", async (t) => {
  const args = await launchArgs(t);
  const script = `for round in 1 2 3 4 5 6 7 8 9 10; do
      for name in a b c d; do
        "$@" & "$1" -n target -k & "$@" &
      done
      wait
    done >/dev/null 2>&1; exit 0`;
  for (const person of [t.mallory, t.plain]) {
    const words = ["/bin/sh", "-c", script, "sh", t.cageFile, ...args];
    assertEquals((await t.run(person, words)).status, 0);
  }
});
