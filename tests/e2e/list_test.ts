import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  afterMounting,
  cage,
  cageOnTerminal,
  cageWords,
  type Context,
  exists,
  hasRanges,
  isRootless,
  output,
  RUN_DIRECTORY,
  spawn,
  spawnCage,
  STATE_DIRECTORY,
  test,
  until,
  waiting,
  whyNoFileSystem,
  whyNoProgram,
  whyNoTerminal,
  whyNotRootless,
} from "./support/mod.ts";

const MEBIBYTE = 1 << 20;

/** What `--list --json` says of an instance, as the documents have it. */
interface Listed {
  readonly name: string | null;
  readonly state: string;
  readonly uid: number;
  readonly pid: number | null;
  readonly pidFile: string | null;
  readonly since: string | null;
  readonly age: number | null;
  readonly size: number | null;
  readonly changes: string | null;
  readonly root: readonly string[] | null;
  readonly command: readonly string[] | null;
}

async function listed(within: readonly string[] = []): Promise<Listed[]> {
  const { status, stdout, stderr } = await cage(["--list", "--json"], {
    within,
  });
  assertEquals([status, stderr], [0, ""]);
  return JSON.parse(stdout);
}

/** Those of a name: nobody else's have it. */
async function listedAs(name: string): Promise<Listed[]> {
  return (await listed()).filter((one) => one.name === name);
}

async function table(): Promise<string[]> {
  const { status, stdout, stderr } = await cage(["--list"]);
  assertEquals([status, stderr], [0, ""]);
  return stdout.trimEnd().split("\n");
}

/** A table's line as words; those of these tests have no space in a column. */
function wordsOf(lines: readonly string[], name: string): string[] {
  const line = lines.find((line) => line.startsWith(`${name} `));
  assert(line !== undefined, lines.join("\n"));
  return line.split(/ {2,}/);
}

function upper(t: Context): string {
  return `${t.appDir}/upper`;
}

test("cage --list tells all of an instance that runs", async (t) => {
  const began = Date.now();
  const words = waiting("dd if=/dev/zero of=/x bs=1M count=3; echo ready");
  await using child = spawnCage([...await t.options(), ...words]);
  await child.seen("ready");
  const [{ age, since, size, ...rest }, ...others] = await listedAs(t.name);
  assertEquals(others, []);
  assertEquals(rest, {
    ...{ name: t.name, state: "running", uid: Deno.uid()! },
    pid: parseInt(Deno.readTextFileSync(t.pidFile)),
    ...{ pidFile: t.pidFile, changes: upper(t), root: [await t.root()] },
    command: words.slice(1),
  });
  // The kernel counts in hundredths of a second.
  assert(Date.parse(since!) >= began - 1000, since!);
  assert(Date.parse(since!) <= Date.now(), since!);
  assert(age! >= 0 && Number.isInteger(age), `${age}`);
  assert(size! >= 3 * MEBIBYTE && size! < 4 * MEBIBYTE, `${size}`);
  await child.end();
});

test("cage --list has a table with a heading, aligned", async (t) => {
  await using child = spawnCage([
    ...await t.options("--ephemeral"),
    ...waiting(),
  ]);
  await child.seen("ready");
  const lines = await table();
  const isRoot = !isRootless;
  const head = ["NAME", "STATE", "PID", "AGE", "SIZE", "USER", "ROOT"];
  assertEquals(lines[0].split(/ {2,}/), [
    ...head.filter((word) => isRoot || word !== "USER"),
    "COMMAND",
  ]);
  const [name, state, pid, age, size, ...more] = wordsOf(lines, t.name);
  assertEquals([name, state, pid], [
    ...[t.name, "running", Deno.readTextFileSync(t.pidFile).trim()],
  ]);
  assertMatch(age, /^[0-9]+[smhd]$/);
  assertMatch(size, /^[0-9.]+[KM]?$/);
  assertEquals(more, [
    ...(isRoot ? ["root"] : []),
    await t.root(),
    '/bin/sh -c "echo ready\\x0acat >/dev/null"',
  ]);
  const line = lines.find((line) => line.startsWith(`${t.name} `))!;
  assertEquals(line.indexOf("running"), lines[0].indexOf("STATE"));
  assertEquals(line.indexOf("/bin/sh -c"), lines[0].indexOf("COMMAND"));
  await child.end();
});

test("cage --list tells what is kept of an instance that ended", async (t) => {
  assertEquals(await listedAs(t.name), []);
  await t.sh("dd if=/dev/zero of=/x bs=1M count=3 2>/dev/null");
  const [{ age, since, size, ...rest }, ...others] = await listedAs(t.name);
  assertEquals(others, []);
  const nothing = { pid: null, pidFile: null, command: null };
  const root = [await t.root()];
  assertEquals(rest, {
    ...{ name: t.name, state: "stored", uid: Deno.uid()!, ...nothing },
    ...{ changes: upper(t), root },
  });
  assert(Math.abs(Date.parse(since!) - Date.now()) < 3_600_000, since!);
  assert(age! >= 0, `${age}`);
  assert(size! >= 3 * MEBIBYTE && size! < 4 * MEBIBYTE, `${size}`);
  const words = wordsOf(await table(), t.name);
  assertEquals([words[1], words[2]], ["stored", "-"]);
  assertEquals(words.slice(-2), [...root, "-"]);
  assertEquals((await cage(["--reset", "-n", t.name])).status, 0);
  assertEquals(await listedAs(t.name), []);
});

test("cage --list tells when a stored instance was last used", async (t) => {
  await t.sh("true");
  const old = new Date("2001-02-03T04:05:06Z");
  await Deno.utime(upper(t), old, old);
  await Deno.utime(`${t.appDir}/work`, old, old);
  assertEquals((await listedAs(t.name))[0].since, "2001-02-03T04:05:06.000Z");
  await t.sh("true");
  const [{ since }] = await listedAs(t.name);
  assert(Date.parse(since!) > old.getTime() + 1e10, since!);
});

test("cage --list counts what an ephemeral instance has in memory", async (t) => {
  const words = waiting("dd if=/dev/zero of=/x bs=1M count=3; echo ready");
  await using child = spawnCage([
    ...await t.options("--ephemeral"),
    ...words,
  ]);
  await child.seen("ready");
  const [{ changes, size, state }] = await listedAs(t.name);
  assertEquals([state, changes], ["running", null]);
  // A user sees of the root of a process only what they may trace.
  if (size !== null || !isRootless) {
    assert(size! >= 3 * MEBIBYTE && size! < 4 * MEBIBYTE, `${size}`);
  }
  await child.end();
  assertEquals(await listedAs(t.name), []);
});

test("cage --list has an instance that a shell put into the background", async (t) => {
  const words = [...cageWords(), ...await t.options(), "--", "sleep", "1000"];
  await using shell = spawn([
    ...["sh", "-c", '"$@" >/dev/null 2>&1 & echo $!', "sh", ...words],
  ]);
  await until(() => exists(t.pidFile), "the pid file");
  await until(
    () => Deno.readTextFileSync(t.pidFile).endsWith("\n"),
    "the id in it",
  );
  await until(
    async () => (await listedAs(t.name))[0]?.state === "running",
    "the instance",
  );
  const [{ command }] = await listedAs(t.name);
  assertEquals(command, ["sleep", "1000"]);
  assertEquals((await cage(["-k", "-n", t.name])).status, 0);
  await shell.end();
  assertEquals((await listedAs(t.name))[0].state, "stored");
});

/** Nobody may have waited for it yet. */
function hasEnded(pid: string): boolean {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return /^State:\t[ZX]/m.test(status);
  } catch {
    return true;
  }
}

test("cage --list is not misled by what a killed supervisor leaves", async (t) => {
  for (const more of [["--ephemeral"], []]) {
    await using child = spawnCage([...await t.options(...more), ...waiting()]);
    await child.seen("ready");
    const pid = Deno.readTextFileSync(t.pidFile).trim();
    child.kill("SIGKILL");
    await child.result;
    await until(() => hasEnded(pid), "the end of the container");
    const left = [t.pidFile, `${RUN_DIRECTORY}/record/${pid}`];
    assertEquals(left.map(exists), [true, true]);
    const states = (await listedAs(t.name)).map(({ state }) => state);
    assertEquals(states, more.length > 0 ? [] : ["stored"]);
    // It only looks.
    assertEquals(left.map(exists), [true, true]);
    assertEquals((await cage(["-k", "-n", t.name])).status, 0);
  }
});

test("cage --list is not misled by an id that was given to another process", async (t) => {
  await t.sh("true");
  Deno.writeTextFileSync(t.pidFile, `${Deno.pid}\n`);
  const record = `${RUN_DIRECTORY}/record/${Deno.pid}`;
  const origin = { pidFile: t.pidFile, root: ["/"], isNamed: false };
  const uid = Deno.uid();
  const text = { uid, privileged: false, noNewPrivs: false, origin };
  Deno.writeTextFileSync(record, JSON.stringify(text));
  try {
    const states = (await listedAs(t.name)).map(({ state }) => state);
    assertEquals(states, ["stored"]);
  } finally {
    Deno.removeSync(record);
    Deno.removeSync(t.pidFile);
  }
});

test("cage --list tells of an instance by its pid file and directory", async (t) => {
  const pidFile = `${t.scratch}/pid`;
  const appDir = `${t.scratch}/app`;
  const place = ["-l", await t.root(), "-a", appDir, "-p", pidFile];
  await using child = spawnCage([...place, ...waiting()]);
  await child.seen("ready");
  const found = (await listed()).filter((one) => one.pidFile === pidFile);
  assertEquals(
    found.map(({ changes, name, state }) => [name, state, changes]),
    [[null, "running", `${appDir}/upper`]],
  );
  assert(found[0].size !== null);
  assertEquals(wordsOf(await table(), pidFile)[1], "running");
  await child.end();
});

test("cage --list does not take what is kept for what runs elsewhere", async (t) => {
  await t.sh("true");
  const appDir = `${t.scratch}/app`;
  await using child = spawnCage([
    ...await t.options("-a", appDir),
    ...waiting(),
  ]);
  await child.seen("ready");
  const found = await listedAs(t.name);
  assertEquals(found.map(({ changes, state }) => [state, changes]), [
    ["running", `${appDir}/upper`],
    ["stored", upper(t)],
  ]);
  await child.end();
});

test("cage --list finds what is used under another name", async (t) => {
  await t.sh("true");
  // The same directory, by a path that is written in another way.
  const path = `${STATE_DIRECTORY}/../${STATE_DIRECTORY.split("/").at(-1)}`;
  const other = t.newName();
  await using child = spawnCage([
    ...["-l", await t.root(), "-n", other, "-a", `${path}/app-${t.name}`],
    ...waiting(),
  ]);
  await child.seen("ready");
  assertEquals(await listedAs(t.name), []);
  assertEquals((await listedAs(other)).map(({ state }) => state), ["running"]);
  await child.end();
});

test("cage --list names the process where no command was given", async (t) => {
  const options = await t.options("--ephemeral");
  await using child = spawnCage(options);
  await child.write("echo ready; exec cat >/dev/null\n");
  await child.seen("ready");
  await until(
    async () => (await listedAs(t.name))[0]?.command?.[0] === "cat",
    "the name of what it executes",
  );
  await child.end();
});

test("cage --list leaves a command out that is too long for a record", async (t) => {
  const long = "x".repeat(20_000);
  await using child = spawnCage([
    ...await t.options("--ephemeral"),
    ...waiting(`: ${long}; echo ready`),
  ]);
  await child.seen("ready");
  const [{ command, root }] = await listedAs(t.name);
  assertEquals(root, [await t.root()]);
  // The shell becomes the last command that it runs.
  assertMatch(command!.join(" "), /^(sh|cat)$/);
  await child.end();
});

test("cage --list has every lower layer, the first on top", async (t) => {
  const top = `${t.scratch}/a:b`;
  Deno.mkdirSync(top);
  await using child = spawnCage([
    ...["-n", t.name, "--ephemeral", "-l", top.replace(":", "\\:")],
    ...["-l", await t.root(), ...waiting()],
  ]);
  await child.seen("ready");
  const [{ root }] = await listedAs(t.name);
  assertEquals(root, [top, await t.root()]);
  await child.end();
});

test("cage --list writes a name that drives a terminal in quotes", async (t) => {
  const name = `${t.name}\n\x1b[2J\x9b`;
  const appDir = `${STATE_DIRECTORY}/app-${name}`;
  Deno.mkdirSync(`${appDir}/upper`, { recursive: true });
  const { stdout } = await cage(["--list"]);
  assertMatch(stdout, /^[\n\x20-\uffff]*$/);
  assertEquals(stdout.includes("\x9b"), false);
  assert(stdout.includes(`\n"${t.name}\\x0a\\x1b[2J\\x9b"  stored  `), stdout);
  const json = (await cage(["--list", "--json"])).stdout;
  assertMatch(json, /^[\n\x20-\x7e\xa0-\uffff]*$/);
  const found = JSON.parse(json) as Listed[];
  assertEquals(found.filter((one) => one.name === name).length, 1);
});

test("cage --list takes only what cage keeps for an instance", async (t) => {
  const at = (name: string) => `${STATE_DIRECTORY}/app-${t.name}${name}`;
  await t.sh("true");
  Deno.writeTextFileSync(at("-file"), "");
  Deno.mkdirSync(at("-empty"));
  Deno.symlinkSync(t.appDir, at("-link"));
  await output(["mkfifo", at("-fifo"), at("-fifo.ext4")]);
  Deno.mkdirSync(at("-image.ext4/upper"), { recursive: true });
  const found = (await listed()).filter(({ name }) => name?.includes(t.name));
  assertEquals(
    found.map(({ name }) => name),
    [t.name, `${t.name}-image.ext4`],
  );
});

test("cage --list counts what the disk has: holes, links and mounts are nothing", async (t) => {
  await t.sh(`
    truncate -s 1G /hole
    dd if=/dev/zero of=/one bs=1M count=2 2>/dev/null
    ln /one /two; ln -s / /root-link
    mkdir -m 700 /closed; dd if=/dev/zero of=/closed/x bs=1M count=2 2>/dev/null
    ${hasRanges ? "chown -R 5:5 /closed" : ":"}`);
  Deno.mkdirSync(`${t.scratch}/other`);
  const [{ size }] = await listedAs(t.name);
  assert(size! >= 4 * MEBIBYTE && size! < 5 * MEBIBYTE, `${size}`);
  const within = afterMounting(
    `mkdir -p '${upper(t)}/mounted'
    mount -t tmpfs none '${upper(t)}/mounted'
    dd if=/dev/zero of='${upper(t)}/mounted/x' bs=1M count=9 2>/dev/null`,
  );
  if (isRootless) return;
  const again = (await listed(within)).find(({ name }) => name === t.name);
  assert(again!.size! < 5 * MEBIBYTE, `${again!.size}`);
});

test(
  "cage --list makes nothing, and has nothing where there is nothing",
  async (t) => {
    const places = ["a", "b"].map((name) => `${t.scratch}/${name}`);
    const [data, runtime] = places;
    const within = [
      ...["env", `XDG_DATA_HOME=${data}`, `XDG_RUNTIME_DIR=${runtime}`],
    ];
    assertEquals(await listed(within), []);
    const { stdout } = await cage(["--list"], { within });
    assertEquals(stdout, "NAME  STATE  PID  AGE  SIZE  ROOT  COMMAND\n");
    assertEquals(places.map(exists), [false, false]);
  },
  { skip: whyNotRootless() },
);

test(
  "cage --list tells what is in an image",
  async (t) => {
    for (const name of ["upper", "work"]) {
      Deno.mkdirSync(`${t.scratch}/${name}`);
    }
    const within = afterMounting(
      `mount -t overlay overlay ${STATE_DIRECTORY} -o \\
        lowerdir=${STATE_DIRECTORY},upperdir=${t.scratch}/upper,workdir=${t.scratch}/work`,
    );
    const script = `
      mkfifo "$0"
      "$@" >/dev/null <"$0" &
      exec 3>"$0"
      while [ ! -s '${t.pidFile}' ]; do sleep 0.05; done
      ${cageWords().map((word) => `'${word}'`).join(" ")} --list --json
      exec 3>&-
      wait`;
    const words = [
      ...["sh", "-c", script, `${t.scratch}/fifo`, ...cageWords()],
      ...[...await t.options(), "--", "cat"],
    ];
    const image = `${t.appDir}.ext4`;
    const running: Listed[] = JSON.parse(await output(words, { within }));
    const stored = await listed(within);
    for (const [state, found] of Object.entries({ running, stored })) {
      const all = found.filter(({ name }) => name === t.name);
      assertEquals(all.map(({ changes, state }) => [state, changes]), [
        [state, image],
      ]);
      // It is sparse.
      assert(all[0].size! > 0 && all[0].size! < 100 * MEBIBYTE);
    }
  },
  {
    skip: whyNoProgram("mke2fs") ?? whyNoFileSystem("overlay"),
    takesRoot: "mounts an image by a loop device",
  },
);

test("cage --list fits the terminal", async (t) => {
  const long = "x".repeat(500);
  await using child = spawnCage([
    ...await t.options("--ephemeral"),
    ...waiting(`echo ready; : ${long}`),
  ]);
  await child.seen("ready");
  const columns = 150;
  const list = cageOnTerminal(["--list"], { size: [24, columns] });
  const { status, stdout } = await list.result;
  assertEquals(status, 0);
  const line = stdout.split("\r\n").find((line) => line.startsWith(t.name))!;
  assert([...line].length <= columns, line);
  assertMatch(line, /ready.*…$/);
  assert((await table()).some((line) => line.includes(long)));
  await child.end();
}, { skip: whyNoTerminal() });

test("cage --list goes with nothing but --json", async (t) => {
  const said = async (...args: string[]) => (await cage(args)).stderr;
  assertEquals(
    await said("--list", "-n", t.name),
    "cage: Cannot use --list with -n: --list only tells of instances, of all\n",
  );
  assertEquals(
    await said("--json"),
    "cage: Cannot use --json alone: it goes with --explain, --list or --diff\n",
  );
});

test("cage says what it cannot write, and its status tells", async () => {
  const to = (words: string) => ({ within: ["sh", "-c", words, "sh"] });
  assertEquals(await cage(["--list"], to('"$@" >/dev/full')), {
    ...{ status: 125, stdout: "" },
    stderr: "cage: Cannot write to the standard output: no space left on " +
      "device: write it somewhere else\n",
  });
  assertEquals(
    (await cage(["--list", "-k"], to('"$@" 2>/dev/full'))).status,
    125,
  );
});
