import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  cage,
  cageWords,
  exists,
  output,
  run,
  RUN_DIRECTORY,
  sh,
  spawnCage,
  spawnOnTerminal,
  test,
  waiting,
  whyNoTerminal,
} from "./support/mod.ts";

test("cage -k lets a command end in its own way", async (t) => {
  const script = "trap 'echo got TERM; exit 7' TERM; echo ready; " +
    "sleep 1000 & wait";
  await using child = spawnCage([...await t.options(), ...sh(script)]);
  await child.seen("ready");
  const killed = await cage(["-k", "-n", t.name]);
  assertEquals(killed, { status: 0, stdout: "", stderr: "" });
  assert(!exists(t.pidFile));
  const { status, stdout } = await child.result;
  assertEquals([status, stdout], [7, "ready\ngot TERM\n"]);
});

test("cage -k ends a command without a handler", async (t) => {
  for (const more of [[], ["--no-init"]]) {
    await using child = spawnCage([
      ...await t.options(...more),
      ...sh("trap 'exit 143' TERM; echo ready; sleep 1000 & wait"),
    ]);
    await child.seen("ready");
    const pid = parseInt(Deno.readTextFileSync(t.pidFile));
    assertEquals((await cage(["--kill", "--name", t.name])).status, 0);
    assert(!exists(`/proc/${pid}`), "It returned before the end");
    assert(!exists(t.pidFile));
    assertEquals((await child.result).status, 143);
  }
});

test("cage -k kills a command that does not want to end", async (t) => {
  const script = 'trap "" TERM; echo ready; exec sleep 1000';
  await using child = spawnCage([...await t.options(), ...sh(script)]);
  await child.seen("ready");
  const pid = parseInt(Deno.readTextFileSync(t.pidFile));
  assertEquals((await cage(["-k", "-n", t.name])).status, 0);
  assert(!exists(`/proc/${pid}`) && !exists(t.pidFile));
  assertEquals((await child.result).status, 137);
});

test(
  "cage -k lets a command end that is stopped as a job of a shell",
  async (t) => {
    const script = "trap 'echo told >/told; exit' TERM; echo ready; " +
      "sleep 1000 & wait";
    const words = [...cageWords(), ...await t.options(), ...sh(script)];
    await using shell = spawnOnTerminal(["sh", "-i", "-s", "--", ...words]);
    await shell.write('"$@"\n');
    await shell.seen(/ready/);
    await shell.write("\x1a");
    await shell.seen(/Stopped/);
    assertEquals((await t.cage(["-k"])).status, 0);
    assertEquals(await t.sh("cat /told"), "told\n");
  },
  { skip: whyNoTerminal() },
);

test("cage -k ends commands that attached", async (t) => {
  await using first = spawnCage([
    ...await t.options(),
    ...sh("trap 'exit 0' TERM; echo ready; sleep 1000 & wait"),
  ]);
  await first.seen("ready");
  await using second = spawnCage([
    ...await t.options(),
    ...sh("echo here; exec sleep 1000"),
  ]);
  await second.seen("here");
  assertEquals((await cage(["-k", "-n", t.name])).status, 0);
  assertEquals((await first.result).status, 0);
  assertEquals((await second.result).status > 128, true);
});

test("cage -k succeeds where nothing runs", async (t) => {
  const nothing = { status: 0, stdout: "", stderr: "" };
  assertEquals(await cage(["-k", "-n", t.name]), nothing);
  assertEquals(await cage(["-k", "-p", `${t.scratch}/pid`]), nothing);
  assertEquals(exists(t.appDir), false);
  await t.sh("echo x >/kept");
  assertEquals(await cage(["-k", "-n", t.name]), nothing);
  assertEquals(await t.sh("cat /kept"), "x\n");
});

test("cage -k removes a stale pid file", async (t) => {
  Deno.mkdirSync(RUN_DIRECTORY, { recursive: true, mode: 0o755 });
  for (const text of ["", "4194304\n", `${Deno.pid}\n`]) {
    Deno.writeTextFileSync(t.pidFile, text);
    assertEquals((await cage(["-k", "-n", t.name])).status, 0);
    assertEquals(exists(t.pidFile), false);
  }
});

test("cage leaves a file that is no pid file as it is", async (t) => {
  const path = `${t.scratch}/notes`;
  Deno.writeTextFileSync(path, "2024 notes\n", { mode: 0o640 });
  for (const args of [["-k"], ["--reset", "--yes"], sh("true")]) {
    const refused = await cage(["-p", path, "-n", t.name, ...args]);
    assertEquals(refused.status, 125);
  }
  assertEquals(Deno.readTextFileSync(path), "2024 notes\n");
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o640);
});

test("cage uses nothing but a file as a pid file, and leaves it", async (t) => {
  const fifo = `${t.scratch}/fifo`;
  await output(["mkfifo", "-m", "644", fifo]);
  const node = `${t.scratch}/null`;
  const isMade = (await run(["mknod", "-m", "666", node, "c", "1", "3"]))
    .status === 0;
  for (const path of [fifo, ...(isMade ? [node] : [])]) {
    const before = Deno.statSync(path);
    for (const args of [["-k"], ["--reset", "--yes"], sh("true")]) {
      const refused = await cage(["-p", path, "-n", t.name, ...args]);
      assertEquals([refused.status, refused.stdout], [125, ""]);
      assertMatch(refused.stderr, /^cage: Cannot use pid file ".*": it holds /);
      assertEquals(Deno.statSync(path).mode, before.mode);
    }
  }
});

test("cage -k takes the pid file", async (t) => {
  const pidFile = `${t.scratch}/pid`;
  await using child = spawnCage([
    ...["-l", await t.root(), "-a", `${t.scratch}/app`, "-p", pidFile],
    ...sh("trap 'exit 0' TERM; echo ready; sleep 1000 & wait"),
  ]);
  await child.seen("ready");
  assertEquals((await cage(["-kp", pidFile])).status, 0);
  assertEquals(exists(pidFile), false);
  assertEquals((await child.result).status, 0);
});

test("cage -k stops one instance and no other", async (t) => {
  const other = t.newName();
  await using kept = spawnCage([...await t.options(), ...waiting()]);
  await using child = spawnCage([
    ...["-l", await t.root(), "-n", other],
    ...sh("trap 'exit 0' TERM; echo ready; sleep 1000 & wait"),
  ]);
  await Promise.all([kept.seen("ready"), child.seen("ready")]);
  assertEquals((await cage(["-k", "-n", other])).status, 0);
  assert(exists(t.pidFile));
  assertEquals((await kept.end()).status, 0);
});

test("cage -k twice at once is no error", async (t) => {
  await using child = spawnCage([
    ...await t.options(),
    ...sh("trap 'exit 0' TERM; echo ready; sleep 1000 & wait"),
  ]);
  await child.seen("ready");
  const kills = [1, 2, 3].map(() => cage(["-k", "-n", t.name]));
  const ends = await Promise.all(kills);
  assertEquals(ends.map(({ status, stderr }) => [status, stderr]), [
    ...Array(3).fill([0, ""]),
  ]);
  assertEquals((await child.result).status, 0);
});
