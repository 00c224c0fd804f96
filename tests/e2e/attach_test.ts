import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import {
  cage,
  cageWords,
  exists,
  modeOf,
  output,
  RUN_DIRECTORY,
  runOverKilled,
  sh,
  spawn,
  spawnCage,
  test,
  until,
  waiting,
  whyNoProgram,
} from "./support/mod.ts";

/** How often two calls begin at the same moment. */
const RACES = 25;

const NAMESPACES = [
  ...["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"],
].map((kind) => `/proc/self/ns/${kind}`).join(" ");

const SHOW_NAMESPACES = `for path in ${NAMESPACES}; do readlink $path; done`;

/** What of a process says what it may do. */
const SHOW_LIMITS = "grep -E '^(Cap|Seccomp|NoNewPrivs|Uid|Gid|Groups|" +
  "Sig[BIC])' /proc/self/status; ulimit -a; umask";

test("cage runs a second command inside what runs already", async (t) => {
  const options = await t.options();
  const script = `${SHOW_NAMESPACES}; echo x >/tmp/shared; echo ready`;
  await using first = spawnCage([...options, ...waiting(script)]);
  await first.seen("ready");
  const second = await cage([
    ...options,
    ...sh(`${SHOW_NAMESPACES}; cat /tmp/shared; readlink /proc/self/root`),
  ]);
  assertEquals([second.status, second.stderr], [0, ""]);
  const namespaces = first.output.replace("ready\n", "");
  assertEquals(second.stdout, `${namespaces}x\n/\n`);
  assertEquals((await first.end()).status, 0);
});

test("cage holds a second command as tightly as the first", async (t) => {
  for (const user of [[], ["-u", "alice"], ["-u", "4242:17"]]) {
    const options = await t.options(...user);
    await using first = spawnCage([
      ...options,
      ...waiting(`${SHOW_LIMITS}; echo ready`),
    ]);
    await first.seen("ready");
    const { status, stdout } = await cage([...options, ...sh(SHOW_LIMITS)]);
    assertEquals(status, 0);
    assertEquals(stdout, first.output.replace("ready\n", ""));
    await first.end();
  }
});

test("cage gives a second command its own user, directory and variables", async (t) => {
  await using first = spawnCage([
    ...await t.options("-u", "alice", "-e", "A=1"),
    ...waiting(),
  ]);
  await first.seen("ready");
  const script = sh("id -u; pwd; echo $A.$B.$HOME; ls /proc/$$/fd; true");
  const { stdout, stderr } = await cage([
    ...await t.options("-u", "4242", "-c", "/etc", "-e", "B=2"),
    ...script,
  ]);
  assertEquals([stdout, stderr], ["4242\n/etc\n.2./tmp/.home\n0\n1\n2\n", ""]);
  await first.end();
});

test("cage ends as the second command ends, and the first goes on", async (t) => {
  await using first = spawnCage([...await t.options(), ...waiting()]);
  await first.seen("ready");
  for (const [script, expected] of [["exit 5", 5], ["kill -9 $$", 137]]) {
    const { status, stderr } = await t.cage(sh(`${script}`));
    assertEquals([status, stderr], [expected, ""]);
  }
  assertEquals((await t.cage(["nowhere"])).status, 127);
  assertEquals((await t.cage(["/etc"])).status, 126);
  const { stdout } = await t.cage(["cat"], { stdin: "through" });
  assertEquals(stdout, "through");
  assert(exists(t.pidFile));
  assertEquals((await first.end()).status, 0);
  assert(!exists(t.pidFile));
});

test("cage without a command attaches a login shell", async (t) => {
  await using first = spawnCage([...await t.options(), ...waiting()]);
  await first.seen("ready");
  const { status, stdout } = await t.cage([], {
    stdin: "echo $0; echo x >/tmp/x; exit 3\n",
  });
  assertEquals([status, stdout], [3, "-sh\n"]);
  await first.end();
});

test("cage attaches by the pid file alone", async (t) => {
  const pidFile = `${t.scratch}/pid`;
  await using first = spawnCage([
    ...["-l", await t.root(), "-a", `${t.scratch}/app`, "-p", pidFile],
    ...waiting("echo x >/tmp/shared; echo ready"),
  ]);
  await first.seen("ready");
  const { status, stdout } = await cage(["-p", pidFile, "cat", "/tmp/shared"]);
  assertEquals([status, stdout], [0, "x\n"]);
  await first.end();
});

test("cage passes signals to a command that attached", async (t) => {
  await using first = spawnCage([...await t.options(), ...waiting()]);
  await first.seen("ready");
  const script = "trap 'echo caught; kill $!; exit 8' TERM; echo here; " +
    "sleep 1000 & wait";
  await using second = spawnCage([...await t.options(), ...sh(script)]);
  await second.seen("here");
  second.kill("SIGTERM");
  const { status, stdout } = await second.result;
  assertEquals([status, stdout], [8, "here\ncaught\n"]);
  assertEquals((await first.end()).status, 0);
});

test("cage ends attached commands when the first one ends", async (t) => {
  await using first = spawnCage([...await t.options(), ...waiting()]);
  await first.seen("ready");
  await using second = spawnCage([
    ...await t.options(),
    ...sh("echo here; exec sleep 1000"),
  ]);
  await second.seen("here");
  assertEquals((await first.end()).status, 0);
  assertEquals((await second.result).status, 137);
});

test("cage writes a pid file that tells the first process", async (t) => {
  await using child = spawnCage([
    ...await t.options(),
    ...waiting("readlink /proc/self/ns/pid; echo ready"),
  ]);
  await child.seen("ready");
  const pid = parseInt(Deno.readTextFileSync(t.pidFile));
  const [namespace] = child.output.split("\n");
  assertEquals(Deno.readLinkSync(`/proc/${pid}/ns/pid`), namespace);
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  assertEquals(status.match(/^NSpid:\t[0-9]+\t1$/m)?.length, 1);
  // Whoever could open it could lock it.
  assertEquals(modeOf(t.pidFile), "0600");
  await child.end();
});

test("cage replaces a pid file of nothing that runs", async (t) => {
  Deno.mkdirSync(RUN_DIRECTORY, { recursive: true, mode: 0o755 });
  const dead = spawn(["true"]);
  await dead.end();
  for (const text of ["", "1\n", `${Deno.pid}\n`, `${dead.pid}\n`]) {
    Deno.writeTextFileSync(t.pidFile, text);
    const { status, stdout, stderr } = await t.cage(["echo", "ran"]);
    assertEquals([status, stdout, stderr], [0, "ran\n", ""], text);
    assertEquals(exists(t.pidFile), false, text);
  }
});

test("cage neither replaces nor removes what is no pid file", async (t) => {
  const file = `${t.scratch}/notes`;
  const options = ["-l", await t.root(), "-a", `${t.scratch}/app`, "-p", file];
  for (const text of ["my notes\n", "-1\n", "1 x\n", "\0".repeat(5000)]) {
    Deno.writeTextFileSync(file, text);
    for (const args of [[...options, "echo", "ran"], ["-k", "-p", file]]) {
      const { status, stdout } = await cage(args);
      assertEquals([status, stdout], [125, ""]);
      assertEquals(Deno.readTextFileSync(file), text);
    }
  }
});

test("cage replaces a pid file whose number is another process's", async (t) => {
  await using first = spawnCage([...await t.options(), ...waiting()]);
  await first.seen("ready");
  const text = Deno.readTextFileSync(t.pidFile);
  await first.end();
  // Its number as if it had been given again: what else it says is wrong now.
  await using other = spawn(["sleep", "1000"]);
  const forged = text.replace(/^[0-9]+/, `${other.pid}`);
  Deno.writeTextFileSync(t.pidFile, forged);
  const { status, stdout } = await t.cage(["echo", "ran"]);
  assertEquals([status, stdout], [0, "ran\n"]);
  assert(exists(`/proc/${other.pid}`), "The other process was hurt");
});

test("cage -k hurts no other process of a stale pid file", async (t) => {
  await using first = spawnCage([...await t.options(), ...waiting()]);
  await first.seen("ready");
  const text = Deno.readTextFileSync(t.pidFile);
  await first.end();
  await using other = spawn(["sh", "-c", "echo ready; cat"]);
  await other.seen("ready");
  for (const forged of [text.replace(/^[0-9]+/, `${other.pid}`), other.pid]) {
    Deno.writeTextFileSync(t.pidFile, `${forged}`);
    assertEquals((await cage(["-k", "-n", t.name])).status, 0);
  }
  assertEquals((await other.end()).status, 0);
});

test("cage starts again after its instance was killed", async (t) => {
  await using first = spawnCage([
    ...await t.options(),
    ...sh("echo kept >/kept; sync; echo ready; exec sleep 1000"),
  ]);
  await first.seen("ready");
  const pid = parseInt(Deno.readTextFileSync(t.pidFile));
  Deno.kill(pid, "SIGKILL");
  assertEquals((await first.result).status, 137);
  assertEquals(await t.sh("cat /kept"), "kept\n");
});

test("cage creates one instance when two begin at once", async (t) => {
  const script = `${t.scratch}/init`;
  Deno.writeTextFileSync(script, "echo created >>/count\n");
  const options = await t.options("-i", script);
  const show = waiting("readlink /proc/self/ns/pid; cat /count; echo ready");
  for (let race = 1; race <= RACES; race++) {
    await using one = spawnCage([...options, ...show]);
    await using other = spawnCage([...options, ...show]);
    await Promise.all([one.seen("ready"), other.seen("ready")]);
    assertEquals(one.output, other.output);
    assertEquals(one.output.match(/created/g)?.length, race);
    await Promise.all([one.end(), other.end()]);
    assert(!exists(t.pidFile));
  }
});

test("cage creates one instance when many begin at once", async (t) => {
  const options = await t.options();
  const children = Array.from({ length: 12 }, () =>
    spawnCage([
      ...options,
      ...waiting("readlink /proc/self/ns/pid; echo ready"),
    ]));
  await Promise.all(children.map((child) => child.seen("ready")));
  assertEquals(new Set(children.map((child) => child.output)).size, 1);
  await Promise.all(children.map((child) => child.end()));
});

test("cage creates or attaches while an instance ends", async (t) => {
  const options = await t.options();
  for (let round = 0; round < RACES; round++) {
    await using first = spawnCage([...options, ...waiting()]);
    await first.seen("ready");
    const [, { status, stdout, stderr }] = await Promise.all([
      first.end(),
      cage([...options, "echo", "ran"]),
    ]);
    // It may have got in and been ended with the instance, but it must not
    // fail, nor be in what is no more.
    if (status === 137) continue;
    assertEquals([status, stdout, stderr], [0, "ran\n", ""]);
  }
});

test("cage keeps instances of different names apart", async (t) => {
  const other = t.newName();
  await using one = spawnCage([
    ...await t.options(),
    ...waiting("echo one >/tmp/x; echo ready"),
  ]);
  await using two = spawnCage([
    ...["-l", await t.root(), "-n", other],
    ...waiting("cat /tmp/x 2>/dev/null; echo two >/tmp/x; echo ready"),
  ]);
  await Promise.all([one.seen("ready"), two.seen("ready")]);
  assertEquals(two.output, "ready\n");
  assertEquals(await t.sh("cat /tmp/x"), "one\n");
  await Promise.all([one.end(), two.end()]);
});

test("cage keeps the root of an instance that runs", async (t) => {
  await using first = spawnCage([...await t.options(), ...waiting()]);
  await first.seen("ready");
  const inodes = await output(["stat", "-c", "%i", t.appDir, t.pidFile]);
  await t.cage(["true"]);
  assertEquals(
    await output(["stat", "-c", "%i", t.appDir, t.pidFile]),
    inodes,
  );
  assertNotEquals(inodes, "");
  await first.end();
});

test(
  "cage begins anew if what it is attaching to ends meanwhile",
  async (t) => {
    const options = await t.options("--ephemeral");
    const first = await cage(["-d", ...options, "sleep", "1000"]);
    assertEquals(first.status, 0, first.stderr);
    const pid = Number(Deno.readTextFileSync(t.pidFile));
    const trace = `${t.scratch}/trace`;
    // Whoever attaches is in the namespaces, and does not go on yet.
    const second = cage([...options, ...sh("echo ran")], {
      within: [
        ...["strace", "-f", "-o", trace, "-e", "trace=setns,clone"],
        ...["-e", "inject=setns:delay_exit=1s"],
      ],
    });
    await until(
      () => exists(trace) && /setns\(/.test(Deno.readTextFileSync(trace)),
      "the way into the namespaces",
    );
    Deno.kill(pid, "SIGKILL");
    assertEquals((await second).stdout, "ran\n");
    assertEquals((await second).status, 0);
    assertMatch(Deno.readTextFileSync(trace), /clone\(.* ENOMEM /);
  },
  { skip: whyNoProgram("strace"), takesRoot: "traces newuidmap" },
);

test(
  "cage does not join an instance whose supervisor was killed",
  async (t) => {
    const words = sh("readlink /proc/self/ns/pid; cat >/dev/null");
    const options = await t.options("--ephemeral");
    const { first, joined, second } = await runOverKilled(t, [
      ...cageWords(),
      ...options,
      ...words,
    ]);
    assertEquals([second.status, second.stderr], [0, ""]);
    assertNotEquals(second.stdout, first);
    assert(!joined);
  },
  { skip: whyNoProgram("python3", "strace"), takesRoot: "traces pid 1" },
);

test("cage forgets no instance for want of a descriptor", async (t) => {
  const options = await t.options("--ephemeral");
  const first = await cage(["-d", ...options, "sleep", "1000"]);
  assertEquals(first.status, 0, first.stderr);
  const { status, stderr } = await cage([...options, "true"], {
    within: [
      ...["strace", "-f", "-o", `${t.scratch}/trace`],
      ...["-e", "trace=pidfd_open", "-e", "inject=pidfd_open:error=EMFILE"],
    ],
  });
  assertEquals([status, stderr], [
    125,
    "cage: Cannot look at the instance: too many open files: too much is in " +
    "use: raise the limits (ulimit -n)\n",
  ]);
  const second = await cage([...options, ...sh("echo joined")]);
  assertEquals([second.stdout, second.stderr], ["joined\n", ""]);
  assertEquals((await cage([...options, "-k"])).status, 0);
}, { skip: whyNoProgram("strace"), takesRoot: "traces newuidmap" });
