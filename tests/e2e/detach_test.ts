/**
 * Commands in the background.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  afterMounting,
  cage,
  cageOnTerminal,
  CHECKOUT,
  type Context,
  denoWords,
  descendants,
  exists,
  loopDevices,
  onFreshState,
  output,
  readProcess,
  removeStaleRecords,
  type Result,
  run,
  sh,
  spawnCage,
  test,
  until,
  waiting,
  whyNoFileSystem,
  whyNoProgram,
  whyNoTerminal,
} from "./support/mod.ts";

/** What the command has as its standard descriptors, if nothing goes wrong. */
const NOTHING = "/dev/null\n".repeat(3);

/** By another process, while the shell has its own and no others. */
const FIND_DESCRIPTORS =
  "{ for fd in /proc/$$/fd/[0-9]; do readlink $fd; done " +
  ">/tmp/found; } & wait";

/** A command that ends when it is told to by `cage -k`. */
const STAY = sh("trap 'exit 0' TERM; sleep 1000 & wait");

/** Nobody at the other end of a pipe comes later than that. */
const SOON = { patience: 15_000 };

/** Named pipes, to hear of a command that has no other way to tell. */
class Pipes {
  readonly #directory: string;

  constructor(t: Context) {
    this.#directory = `${t.scratch}/pipes`;
    Deno.mkdirSync(this.#directory);
    for (const name of ["told", "go"]) this.#make(name);
  }

  /** Options by which they are in `/pipes`. */
  get options(): string[] {
    return ["-v", `${this.#directory}:/pipes`];
  }

  /** Waits for what is written to `told`. */
  told(): Promise<string> {
    return output(["cat", `${this.#directory}/told`], SOON);
  }

  /** Lets whoever reads `go` go on. */
  go(): Promise<string> {
    return output(["sh", "-c", 'echo >"$0"', `${this.#directory}/go`], SOON);
  }

  #make(name: string): void {
    const path = `${this.#directory}/${name}`;
    const { success } = new Deno.Command("mkfifo", {
      args: ["-m", "666", path],
    }).outputSync();
    assert(success, path);
  }
}

/** What tells on a pipe and waits on another. */
function telling(script: string): string[] {
  return sh(`{ ${script}; } >/pipes/told 2>&1; read -r line </pipes/go`);
}

/** Files for what is written, so that nobody waits who has it open. */
const TO_FILES = 'to=$1; shift; exec "$@" >"$to/out" 2>"$to/err" 7>"$to/more"';

let count = 0;

/** Starts something in the background, with a descriptor more than usual. */
async function start(
  t: Context,
  args: readonly string[],
  within: readonly string[] = [],
): Promise<Result> {
  const directory = `${t.scratch}/start-${++count}`;
  Deno.mkdirSync(directory);
  const { status } = await cage(["-d", ...args], {
    within: [...within, "sh", "-c", TO_FILES, "sh", directory],
  });
  const text = (name: string) => Deno.readTextFileSync(`${directory}/${name}`);
  return { status, stdout: text("out"), stderr: text("err") };
}

/** Starts a command in the background of the instance. */
async function detach(t: Context, args: readonly string[]): Promise<void> {
  assertEquals(
    await start(t, [...await t.options(), ...args]),
    { status: 0, stdout: `${t.name}\n`, stderr: "" },
  );
}

/** Stops the instance, which leaves nothing. */
async function stop(t: Context): Promise<void> {
  const stopped = await cage(["-k", "-n", t.name]);
  assertEquals(stopped, { status: 0, stdout: "", stderr: "" });
  assert(!exists(t.pidFile), "There is a pid file");
}

/** The id of pid 1, which the pid file has. */
function firstProcess(t: Context): number {
  return Number(Deno.readTextFileSync(t.pidFile));
}

/** The parent of a process. */
function parentOf(pid: number): number {
  return readProcess(pid)[0].parent;
}

function supervisorOf(t: Context): number {
  const supervisor = parentOf(firstProcess(t));
  assertEquals(readProcess(supervisor)[0].command, "cage");
  return supervisor;
}

/** Session, group and terminal of a process, see proc_pid_stat(5). */
function sessionOf(pid: number | "self") {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  const [, , group, session, terminal] = fields;
  return { group, session, terminal };
}

/** Waits until the supervisor has removed what tells of the instance. */
function untilGone(t: Context): Promise<boolean> {
  return until(() => !exists(t.pidFile), "the end of the instance");
}

test("cage -d prints the name, and the command goes on", async (t) => {
  const pipes = new Pipes(t);
  for (const more of [[], ["--detach"], ["--no-init"]]) {
    await detach(t, [...more, ...pipes.options, ...telling("echo ready")]);
    assertEquals(await pipes.told(), "ready\n");
    assert(exists(`/proc/${supervisorOf(t)}`));
    await pipes.go();
    await untilGone(t);
  }
});

test("cage -d prints the path of the pid file if there is no name", async (t) => {
  const pidFile = `${t.scratch}/pid`;
  const args = ["-l", await t.root(), "-a", `${t.scratch}/app`, "-p", pidFile];
  const started = await start(t, [...args, ...STAY]);
  assertEquals(started, { status: 0, stdout: `${pidFile}\n`, stderr: "" });
  const stopped = await cage(["-k", "-p", started.stdout.trim()]);
  assertEquals([stopped.status, exists(pidFile)], [0, false]);
});

test("cage -d prints the path of the pid file of the default instance", async (t) => {
  const state = `${t.scratch}/state`;
  const { status, stdout, stderr } = await start(
    t,
    ["-l", await t.root(), "true"],
    onFreshState(state),
  );
  assertEquals([status, stderr], [0, ""]);
  assertMatch(stdout, /^\/.*\/pid\n$/);
});

test("cage -d lets others join and stop what runs", async (t) => {
  await detach(t, sh("echo x >/tmp/x; trap 'exit 0' TERM; sleep 1000 & wait"));
  const joined = await t.cage(sh("until cat /tmp/x 2>/dev/null; do :; done"));
  assertEquals(joined, { status: 0, stdout: "x\n", stderr: "" });
  await stop(t);
  assertEquals(descendants(), []);
});

test("cage -d fails as it does in the foreground", async (t) => {
  const script = `${t.scratch}/script`;
  Deno.writeTextFileSync(script, "exit 9\n");
  const cases: [string[], number][] = [
    [["nowhere"], 127],
    [["--", "/etc"], 126],
    [["-u", "nobody-here", "true"], 125],
    [["-c", "/nowhere", "true"], 125],
    [["-l", `${t.scratch}/missing`, "true"], 125],
    [["-i", script, "true"], 9],
    [["--no-init", "nowhere"], 127],
  ];
  for (const [args, status] of cases) {
    const all = await t.options(...args);
    const expected = await cage(all);
    assertEquals(expected.status, status, expected.stderr);
    assertEquals(await cage(["-d", ...all]), expected);
    assertEquals([exists(t.pidFile), descendants()], [false, []]);
  }
});

test("cage -d fails as it does in the foreground when it attaches", async (t) => {
  // As many processes from the first moment on.
  await detach(t, sh("exec sleep 1000"));
  for (const args of [["nowhere"], ["/etc"], ["-u", "nobody-here", "true"]]) {
    const all = await t.options(...args);
    const before = descendants().length;
    const expected = await cage(all);
    assert(expected.status >= 125);
    assertEquals(await cage(["-d", ...all]), expected);
    assertEquals(descendants().length, before);
  }
  await stop(t);
});

test("cage -d gives a command /dev/null, and no descriptor of its caller", async (t) => {
  const pipes = new Pipes(t);
  for (const user of [[], ["-u", "alice"]]) {
    const script = `${FIND_DESCRIPTORS}; cat /tmp/found >/pipes/told`;
    const words = sh(`${script}; read -r line </pipes/go`);
    await detach(t, [...user, ...pipes.options, ...words]);
    assertEquals(await pipes.told(), NOTHING);
    // Those of the supervisor are its own, and none leads to the caller.
    const supervisor = supervisorOf(t);
    const files = [...Deno.readDirSync(`/proc/${supervisor}/fd`)]
      .map(({ name }) => Deno.readLinkSync(`/proc/${supervisor}/fd/${name}`));
    assertEquals(files.slice(0, 3), Array(3).fill("/dev/null"));
    const others = files.slice(3).filter((path) =>
      ![t.pidFile, t.pidFile.replace(/\/[^/]+$/, "")].includes(path) &&
      !path.startsWith(t.appDir)
    );
    assertEquals(others, []);
    assertEquals(Deno.readLinkSync(`/proc/${supervisor}/cwd`), "/");
    await pipes.go();
    await untilGone(t);
  }
});

test("cage -d gives an init script /dev/null too", async (t) => {
  const pipes = new Pipes(t);
  const script = `${t.scratch}/script`;
  const daemon = "sleep 1000 &";
  Deno.writeTextFileSync(script, `${FIND_DESCRIPTORS}\n${daemon}\n`);
  const show = telling("head -n 3 /tmp/found");
  await detach(t, ["-i", script, ...pipes.options, ...show]);
  assertEquals(await pipes.told(), NOTHING);
  await pipes.go();
  await untilGone(t);
});

test("cage -d ends for whoever reads what it prints", async (t) => {
  const words = 'printf "<%s>" "$("$@" 2>&1 | cat)"';
  const started = await cage(["-d", ...await t.options(), ...STAY], {
    within: ["timeout", "20", "sh", "-c", words, "sh"],
  });
  assertEquals(started, { status: 0, stdout: `<${t.name}>`, stderr: "" });
  await stop(t);
});

test("cage -d succeeds though nobody reads what it prints", async (t) => {
  const args = ["-d", ...await t.options(), ...STAY];
  for (
    const words of ['"$@" >/dev/full', '"$@" >&-', '{ "$@"; echo $? >&2; } | :']
  ) {
    const { status, stderr } = await cage(args, {
      within: ["sh", "-c", words, "sh"],
    });
    assertEquals([status, stderr], [0, /echo/.test(words) ? "0\n" : ""]);
    await stop(t);
  }
});

test("cage -d has no terminal and no session of its caller", async (t) => {
  const pipes = new Pipes(t);
  const options = await t.options("-d", ...pipes.options);
  const trap = "trap 'echo got HUP >/pipes/told; exit' HUP INT";
  const child = cageOnTerminal([
    ...options,
    ...sh(`${trap}; ls -l /dev/console >/pipes/told; read -r line </pipes/go`),
  ]);
  const console = await pipes.told();
  await child.seen(t.name);
  // The terminal is closed by that.
  assertEquals((await child.result).status, 0);
  const own = sessionOf("self");
  const [first, supervisor] = [firstProcess(t), supervisorOf(t)];
  for (const pid of [first, supervisor]) {
    const { group, session, terminal } = sessionOf(pid);
    assertEquals([group, session, terminal], [pid, pid, 0]);
    assert(session !== own.session);
  }
  // The numbers of /dev/null.
  assertMatch(console, /^c.* 1, +3 /);
  await pipes.go();
  await untilGone(t);
}, { skip: whyNoTerminal() });

test("cage -d keeps its supervisor out of reach of what runs inside", async (t) => {
  const pipes = new Pipes(t);
  for (const more of [[], ["--no-init"]]) {
    const script = "read -r line </pipes/go; kill -9 0; kill -9 -1; exit 3";
    await detach(t, [...more, ...pipes.options, ...sh(script)]);
    await pipes.go();
    // It is there to remove what tells of the instance.
    await untilGone(t);
  }
});

test("cage -d goes on when its supervisor is killed", async (t) => {
  for (const more of [[], ["--no-init"], ["-u", "alice"]]) {
    await detach(t, [...more, ...STAY]);
    const pid = firstProcess(t);
    const supervisor = supervisorOf(t);
    Deno.kill(supervisor, "SIGKILL");
    await until(() => parentOf(pid) !== supervisor, "another parent");
    const joined = await t.cage(sh("echo joined"));
    assertEquals(joined, { status: 0, stdout: "joined\n", stderr: "" });
    assertEquals(firstProcess(t), pid);
    await stop(t);
    assert(readProcess(pid).every(({ state }) => state === "Z"));
  }
});

test("cage -d goes on when the supervisor of a second command is killed", async (t) => {
  const pipes = new Pipes(t);
  await using first = spawnCage([
    ...await t.options(...pipes.options),
    ...waiting(),
  ]);
  await first.seen("ready");
  const before = descendants().map(({ pid }) => pid);
  await detach(t, telling("echo ready"));
  assertEquals(await pipes.told(), "ready\n");
  const supervisor = descendants().find(({ command, pid }) =>
    command === "cage" && !before.includes(pid)
  )!;
  Deno.kill(supervisor.pid, "SIGKILL");
  const command = descendants().filter(({ pid }) =>
    !before.includes(pid) && pid !== supervisor.pid
  );
  assertEquals(command.length, 1);
  await until(
    () => parentOf(command[0].pid) !== supervisor.pid,
    "another parent",
  );
  await pipes.go();
  const isThere = () => descendants().some(({ pid }) => pid === command[0].pid);
  await until(() => !isThere(), "its end");
  assertEquals((await first.end()).status, 0);
});

test("cage in the foreground ends with its supervisor", async (t) => {
  await using first = spawnCage([
    ...await t.options(),
    ...sh("echo ready; exec tail -f /dev/null"),
  ]);
  await first.seen("ready");
  first.kill("SIGKILL");
  await first.result;
  await until(() => descendants().length === 0, "the end of the container");
  await stop(t);
});

test("cage -d runs a second command beside the first", async (t) => {
  const pipes = new Pipes(t);
  await using first = spawnCage([
    ...await t.options(...pipes.options),
    ...waiting("echo x >/tmp/shared; echo ready"),
  ]);
  await first.seen("ready");
  const script = `${FIND_DESCRIPTORS}; cat /tmp/shared /tmp/found >/pipes/told`;
  await detach(t, sh(`${script}; read -r line </pipes/go`));
  assertEquals(await pipes.told(), `x\n${NOTHING}`);
  // Nobody who helped is there, or waits to be collected.
  assertEquals(descendants().filter(({ state }) => state === "Z"), []);
  // The command ends alone.
  const count = descendants().length;
  await pipes.go();
  await until(() => descendants().length < count, "the end of the command");
  assertEquals(first.output, "ready\n");
  // Or with the instance.
  await detach(t, ["--", "sleep", "1000"]);
  assertEquals((await first.end()).status, 0);
  await until(() => descendants().length === 0, "the end of the instance");
});

test("cage -d passes the signals of its supervisor on", async (t) => {
  const pipes = new Pipes(t);
  const trap = "trap 'echo caught >/pipes/told; exit 5' TERM";
  await detach(t, [
    ...pipes.options,
    ...sh(`${trap}; echo ready >/pipes/told; sleep 1000 & wait`),
  ]);
  assertEquals(await pipes.told(), "ready\n");
  Deno.kill(supervisorOf(t), "SIGTERM");
  assertEquals(await pipes.told(), "caught\n");
  await untilGone(t);
});

test("cage -d holds its directories", async (t) => {
  await detach(t, STAY);
  const other = t.newName();
  const args = ["-l", await t.root(), "-n", other, "-a", t.appDir, "true"];
  const { status, stderr } = await cage(args);
  assertEquals(status, 125);
  assertMatch(stderr, /another instance uses it/);
  await stop(t);
  assertEquals((await cage(args)).status, 0);
});

test("cage -d ends at once if its command does", async (t) => {
  for (let round = 0; round < 20; round++) {
    await detach(t, ["true"]);
    await untilGone(t);
  }
});

test("cage -d creates one instance when many begin at once", async (t) => {
  const pipes = new Pipes(t);
  const args = await t.options(...pipes.options);
  const all = await Promise.all(Array.from({ length: 6 }, () =>
    start(t, [
      ...args,
      ...sh("readlink /proc/self/ns/pid >>/seen; exec sleep 1000"),
    ])));
  assertEquals(
    all,
    Array(6).fill({ status: 0, stdout: `${t.name}\n`, stderr: "" }),
  );
  const lines = "until [ $(wc -l </seen) = 6 ]; do :; done; uniq /seen | wc -l";
  assertEquals(await t.sh(lines), "1\n");
  await stop(t);
  await until(() => descendants().length === 0, "the end of all");
});

/** A launch that has begun and waits for its init script. */
async function beginning(t: Context, pipes: Pipes): Promise<string[]> {
  const script = `${t.scratch}/script`;
  Deno.writeTextFileSync(
    script,
    "echo begun >/pipes/told; read -r line </pipes/go",
  );
  const options = await t.options("-d", "-i", script, ...pipes.options);
  return [...options, "sleep", "1000"];
}

test("cage -d is taken back by a signal before the command runs", async (t) => {
  const pipes = new Pipes(t);
  await using child = spawnCage(await beginning(t, pipes));
  assertEquals(await pipes.told(), "begun\n");
  child.kill("SIGTERM");
  assertEquals(await child.result, { status: 143, stdout: "", stderr: "" });
  assertEquals([exists(t.pidFile), descendants()], [false, []]);
});

test("cage -d is nothing yet if it is killed before the command runs", async (t) => {
  const pipes = new Pipes(t);
  await using child = spawnCage(await beginning(t, pipes));
  assertEquals(await pipes.told(), "begun\n");
  child.kill("SIGKILL");
  assertEquals((await child.result).status, 137);
  await until(() => descendants().length === 0, "the end of the launch");
  await stop(t);
});

test("cage -d is nothing or an instance whenever it is killed", async (t) => {
  const options = await t.options("-d");
  for (let launch = 0; launch < 60; launch++) {
    const child = spawnCage([...options, "sleep", "1000"]);
    // The moment must not be ours to choose.
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
    // It may have ended by itself.
    await child[Symbol.asyncDispose]();
    // What goes on is known by its pid file.
    await stop(t);
    await until(() => descendants().length === 0, "the end of all");
  }
  // Of a launch that was killed while it wrote one, in the foreground too.
  removeStaleRecords();
});

test("cage -d gives its loop device back in the end", async (t) => {
  const loops = loopDevices();
  const merged = `${t.scratch}/merged`;
  for (const name of ["lower", "upper", "work", "merged"]) {
    Deno.mkdirSync(`${t.scratch}/${name}`);
  }
  const pidFile = `${t.scratch}/pid`;
  const within = afterMounting(
    `cd ${t.scratch}; mount -t overlay overlay merged \\
      -o lowerdir=lower,upperdir=upper,workdir=work; cd /`,
  );
  const options = ["-l", await t.root(), "-a", `${merged}/app`, "-p", pidFile];
  const started = await start(t, [...options, ...STAY], within);
  assertEquals([started.status, started.stderr], [0, ""]);
  assertEquals(loopDevices().length, loops.length + 1);
  assertEquals((await cage(["-k", "-p", pidFile])).status, 0);
  await until(() => loopDevices().length === loops.length, "the loop device");
}, {
  skip: whyNoProgram("mke2fs") ?? whyNoFileSystem("overlay"),
  takesRoot: "mounts an image by a loop device",
});

/** A program that uses the library. */
function library(t: Context, script: string): Promise<Result> {
  const path = `${t.scratch}/program.ts`;
  Deno.writeTextFileSync(
    path,
    `import * as cage from "${CHECKOUT}/mod.ts";\n${script}`,
  );
  return run([...denoWords(), path]);
}

test("launch() of a detached command outlives its program", async (t) => {
  const spec = {
    name: t.name,
    lower: [await t.root()],
    command: STAY.slice(1),
    detached: true,
  };
  const ended = await library(
    t,
    `const { pid } = await cage.launch(${JSON.stringify(spec)});
    console.log(String(pid));`,
  );
  assertEquals([ended.status, ended.stderr], [0, ""]);
  assertEquals(ended.stdout, `${firstProcess(t)}\n`);
  assertEquals((await t.cage(sh("echo joined"))).stdout, "joined\n");
  await stop(t);
});

test("launch() of a detached command gives its status, streams and kill()", async (t) => {
  const shell = (script: string) => ["/bin/sh", "-c", script];
  const spec = { name: t.name, lower: [await t.root()], detached: true };
  const ended = await library(
    t,
    `const spec = ${JSON.stringify(spec)};
    const run = async (command: string[]) => {
      const one = await cage.launch({ ...spec, command }, { stdout: "piped" });
      console.log((await new Response(one.stdout).text()).trim());
      console.log(String((await one.status).code));
    };
    await run(${JSON.stringify(shell("echo one; exit 3"))});
    await run(${JSON.stringify(shell("echo two; kill -9 $$"))});
    const last = await cage.launch({ ...spec, command: ["sleep", "1000"] });
    const beside = await cage.attach({
      ...spec,
      command: ${JSON.stringify(shell("exit 4"))},
    });
    console.log(String((await beside.status).code));
    last.kill("SIGKILL");
    console.log(String((await last.status).code));
    last.kill();`,
  );
  assertEquals(ended, {
    status: 0,
    stdout: "one\n3\ntwo\n137\n4\n137\n",
    stderr: "",
  });
  assert(!exists(t.pidFile));
});
