import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { F_SEAL_ALL, O_RDONLY } from "../../ffi/constants.ts";
import { close, open, syscall } from "../../ffi/libc.ts";
import {
  cage,
  type Context,
  exists,
  hasRanges,
  isRootless,
  output,
  type Result,
  run,
  RUN_DIRECTORY,
  type RunOptions,
  runOverKilled,
  sh,
  spawn,
  spawnCage,
  test,
  until,
  waiting,
  whyNoProgram,
} from "./support/mod.ts";

/** `F_GET_SEALS` of linux/fcntl.h, Linux 3.17. */
const F_GET_SEALS = 1034;

/** Most bytes of a program. */
const MOST = 32_000;

/** Why a container of `cage` is another one. */
const whyOther = isRootless && hasRanges
  ? "a user with ranges has more ids inside than a program: see e2e-one-id"
  : undefined;

/** Compiles a container, and gives the path of the program. */
async function compiled(
  t: Context,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const file = `${t.scratch}/program`;
  const { status, stderr, stdout } = await cage(
    ["--compile", file, ...await t.options(), ...args],
    options,
  );
  assertEquals([status, stderr, stdout], [0, "", ""]);
  return file;
}

/** What both containers say, without what differs from launch to launch. */
function comparable({ status, stderr, stdout }: Result): Result {
  const plain = stdout
    .replace(/^\d+ \d+ \d+:\d+ /gm, "")
    .replace(/(lowerdir|upperdir|workdir)[^,\s]*/g, "$1")
    // The second mount of an upper directory has it.
    .replace(",uuid=on", "")
    .replace(/\/proc\/[0-9]+\//g, "/proc/N/");
  // The order of mounts is that of their making.
  const lines = plain.split("\n");
  const mounts = lines.filter((line) => line.includes(" - ")).sort();
  const rest = lines.filter((line) => !line.includes(" - "));
  return { status, stderr, stdout: [...mounts, ...rest].join("\n") };
}

/** Runs the same with `cage` and as a program. */
async function both(
  t: Context,
  args: readonly string[],
  options: RunOptions = {},
): Promise<[ordinary: Result, program: Result]> {
  const ordinary = await cage([...await t.options(), ...args], options);
  const file = await compiled(t, args);
  const program = await run([file], options);
  return [comparable(ordinary), comparable(program)];
}

const SHOW = [
  "cat /proc/self/mountinfo",
  "grep -E '^(Cap|Seccomp|NoNewPrivs|Uid|Gid|Groups|Sig[BIC])' /proc/self/status",
  "ulimit -a; umask; pwd; id",
  "env | sort",
  "ls /proc/$$/fd /dev /run /tmp; stat -c '%A %u %g %n' / /root /tmp /run /dev/shm",
  "cat /etc/hosts /etc/resolv.conf",
  "cat /proc/sys/kernel/hostname; ls /proc/keys /sys/firmware 2>&1",
].join("; ");

const OPTIONS: readonly (readonly string[])[] = [
  [],
  ["--ephemeral"],
  ["--no-init"],
  ["--no-new-privs"],
  ["-e", "A=1", "-e", "TERM=mine", "-c", "/etc"],
  ...(isRootless ? [] : [["--privileged"], ["-u", "alice", "-g", "audio:50"]]),
];

for (const options of OPTIONS) {
  test(
    `cage --compile makes the same container: ${options.join(" ")}`,
    async (t) => {
      const [ordinary, program] = await both(t, [...options, ...sh(SHOW)]);
      assertEquals(program, ordinary);
      assertEquals(program.status, 0);
    },
    { skip: whyOther },
  );
}

test("a compiled container has volumes, which are made if they are missing", async (t) => {
  const host = `${t.scratch}/volume`;
  Deno.mkdirSync(host);
  Deno.writeTextFileSync(`${host}/file`, "of the host\n");
  const [ordinary, program] = await both(t, [
    ...["-v", `${host}:/a`, "-v", `${host}/file:/b:ro`],
    ...sh("cat /a/file /b; echo x >/b; grep -E ' /[ab] ' /proc/self/mountinfo"),
  ]);
  assertEquals(program, ordinary);
});

test("a compiled container has as many volumes as any", async (t) => {
  const volumes = Array.from({ length: 60 }, (_, index) => index)
    .flatMap((index) => ["-v", `/etc:/tmp/volume${index}:ro`]);
  const file = await compiled(t, [...volumes, ...sh("ls -d /tmp/v* | wc -l")]);
  const { status, stderr, stdout } = await run([file]);
  assertEquals([status, stderr, stdout], [0, "", "60\n"]);
});

test("a compiled container keeps what is changed, as any does", async (t) => {
  const file = await compiled(t, sh("cat /kept; echo x >>/kept"));
  await run([file]);
  assertEquals((await t.cage(sh("cat /kept"))).stdout, "x\n");
  assertEquals((await run([file])).stdout, "x\n");
});

test(
  "a program of --compile is small, and starts nothing of the runtime",
  async (t) => {
    const file = await compiled(t, sh("true"));
    const { mode, size } = Deno.statSync(file);
    assert(size < MOST, `${size} bytes`);
    assertEquals(mode! & 0o7777, 0o755 & ~Deno.umask());
    const log = `${t.scratch}/strace`;
    const { status } = await run(["strace", "-f", "-o", log, file]);
    assertEquals(status, 0);
    const opened = (await Deno.readTextFile(log)).match(/open\w*\([^)]*/g)!;
    const runtime = opened.filter((call) =>
      /deno|cage\.js|\.so|bin\/cage/.test(call)
    );
    assertEquals(runtime, []);
  },
  { skip: whyNoProgram("strace") },
);

test("arguments of a program are appended to its command", async (t) => {
  const echo = await compiled(t, ["--", "/bin/echo", "one", "two"]);
  const { stdout } = await run([echo, "three", "", "four five"]);
  assertEquals(stdout, "one two three  four five\n");
  const shell = await compiled(t, []);
  assertEquals((await run([shell, "-c", "echo $0"])).stdout, "-sh\n");
});

test("a program takes TERM and LANG of its caller, if a terminal can show them", async (t) => {
  const file = await compiled(t, sh("echo $TERM $LANG $X"));
  const cases = [
    [{}, "vt100 C"],
    [{ TERM: "xterm", LANG: "C.UTF-8", X: "x" }, "xterm C.UTF-8"],
    [{ TERM: "", LANG: "a\x1b[2J" }, "vt100 C"],
    [{ XTERM: "no", TERM: "dumb" }, "dumb C"],
  ] as const;
  for (const [env, expected] of cases) {
    const { stdout } = await run([file], { env, clearEnv: true });
    assertEquals(stdout, `${expected}\n`);
  }
});

test("a program ends as its command ends", async (t) => {
  for (
    const [script, expected] of [["exit 7", 7], ["kill -9 $$", 137]] as const
  ) {
    const { status, stderr } = await run([await compiled(t, sh(script))]);
    assertEquals([status, stderr], [expected, ""], script);
  }
});

test("a program says why its command cannot be run, as cage does", async (t) => {
  for (
    const command of [["nowhere"], ["/etc/passwd"], ["/nowhere"], ["/etc"]]
  ) {
    const [ordinary, program] = await both(t, ["--", ...command]);
    assertEquals(program, ordinary, command.join(" "));
    assertMatch(program.stderr, /^cage: Cannot run /);
  }
  const [ordinary, program] = await both(t, ["-c", "/gone", "true"]);
  assertEquals(program, ordinary);
});

test("a program says what of its parts is missing", async (t) => {
  const root = `${t.scratch}/other`;
  await Deno.mkdir(root);
  const file = await compiled(t, ["-l", root, "--", "/bin/true"]);
  await Deno.remove(root);
  const { status, stderr } = await run([file]);
  assertEquals(status, 125);
  assertMatch(
    stderr,
    /^cage: Cannot use [^\n]*: no such file or directory[^\n]*\n$/,
  );
  assert(!exists(t.pidFile));
});

test("a compiled container has a pid file and a record as long as it runs", async (t) => {
  const file = await compiled(t, waiting());
  await using program = spawn([file]);
  await program.seen("ready");
  const pid = Deno.readTextFileSync(t.pidFile).trim();
  // Both become what they are while the command runs already.
  const comm = (pid: number | string) =>
    Deno.readTextFileSync(`/proc/${pid}/comm`);
  await until(() => comm(pid) === "cage-init\n", "cage-init");
  await until(() => comm(program.pid) === "cage\n", "cage");
  assert(exists(`${RUN_DIRECTORY}/record/${pid}`));
  assertEquals((await program.end()).status, 0);
  assert(!exists(t.pidFile));
  assert(!exists(`${RUN_DIRECTORY}/record/${pid}`));
});

test(
  "a compiled container uses no device as a pid file, and leaves it",
  async (t) => {
    const node = `${t.scratch}/null`;
    await output(["mknod", "-m", "666", node, "c", "1", "3"]);
    const program = await compiled(t, ["-p", node, "--", "true"]);
    const { status, stderr } = await run([program]);
    assertEquals(status, 125);
    assertMatch(stderr, /^cage: Cannot use pid file ".*": it holds /);
    assertEquals(Deno.statSync(node).mode! & 0o777, 0o666);
  },
  { takesRoot: "makes a device" },
);

test("nothing stays beside a compiled container but its supervisor and pid 1", async (t) => {
  const file = await compiled(t, waiting());
  await using program = spawn([file]);
  await program.seen("ready");
  const children = (pid: number | string) =>
    Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim()
      .split(" ").filter((word) => word !== "");
  const [init, ...others] = children(program.pid);
  assertEquals(others, []);
  assertEquals(children(init).length, 1);
  const exe = (pid: number | string) => Deno.readLinkSync(`/proc/${pid}/exe`);
  if (!isRootless) {
    assertEquals(
      [exe(program.pid), exe(init)],
      ["/memfd:cage (deleted)", "/memfd:cage (deleted)"],
    );
    const file = open(`/proc/${init}/exe`, O_RDONLY);
    assertEquals(syscall("fcntl", file, F_GET_SEALS, 0), F_SEAL_ALL);
    close(file);
  }
  await program.end();
});

test("a second start of a program joins the first, and so does cage", async (t) => {
  const file = await compiled(t, ["--", "/bin/sh", "-c"]);
  await using first = spawn([
    file,
    "echo x >/tmp/shared; echo ready; cat >/dev/null",
  ]);
  await first.seen("ready");
  const show = `cat /tmp/shared; ${SHOW}`;
  const [second, third] = [await run([file, show]), await t.cage(sh(show))];
  assertEquals(comparable(second), comparable(third));
  assertMatch(second.stdout, /^x\n/);
  assertEquals(second.status, 0);
  assertEquals((await run([file, "exit 9"])).status, 9);
  assertEquals((await first.end()).status, 0);
});

test("a program joins what cage has started", async (t) => {
  const file = await compiled(t, ["--", "/bin/sh", "-c"]);
  await using first = spawnCage([
    ...await t.options(),
    ...waiting("echo x >/tmp/shared; echo ready"),
  ]);
  await first.seen("ready");
  assertEquals((await run([file, "cat /tmp/shared"])).stdout, "x\n");
  await first.end();
});

test("a program does not join a container that has other rights", async (t) => {
  const file = await compiled(t, sh("true"));
  await using first = spawnCage([
    ...await t.options("--no-new-privs"),
    ...waiting(),
  ]);
  await first.seen("ready");
  const { status, stderr } = await run([file]);
  assertEquals(status, 125);
  assertMatch(
    stderr,
    /^cage: Cannot run the command in the instance that runs: /,
  );
  await first.end();
});

test("a program removes no file that is no pid file", async (t) => {
  const pidFile = `${t.scratch}/notes`;
  const file = await compiled(t, ["-p", pidFile, ...sh("echo run")]);
  for (
    const text of ["2024 notes\n", "7\n8\n", "1".repeat(40), "17x", "17 ", "0"]
  ) {
    Deno.writeTextFileSync(pidFile, text);
    Deno.chmodSync(pidFile, 0o640);
    const { status, stderr } = await run([file]);
    assertEquals(status, 125, text);
    assertMatch(stderr, /^cage: Cannot use pid file "[^\n]+ something else: /);
    assertEquals(Deno.readTextFileSync(pidFile), text);
    assertEquals(Deno.statSync(pidFile).mode! & 0o777, 0o640);
  }
  for (const stale of ["4194305\n", "4194305", ""]) {
    Deno.writeTextFileSync(pidFile, stale);
    assertEquals((await run([file])).stdout, "run\n", stale);
    assert(!exists(pidFile));
  }
});

test("a program says when it cannot be copied as a whole", async (t) => {
  const file = await compiled(t, sh("true"));
  for (const blocks of [0, 1, 8]) {
    const limited = `ulimit -f ${blocks}; exec "$0"`;
    assertEquals(await run(["/bin/sh", "-c", limited, file]), {
      status: 125,
      stdout: "",
      stderr: "cage: Cannot copy the program into memory\n",
    });
  }
});

test(
  "a program says when /proc is not that of its pid namespace",
  async (t) => {
    const file = await compiled(t, sh("true"));
    const { status, stderr } = await run([
      ...["unshare", "--pid", "--fork", "--kill-child", "--", file],
    ]);
    assertEquals(status, 125);
    assertMatch(stderr, /^cage: Cannot record the instance: [^\n]+\n$/);
    assert(!exists(t.pidFile));
  },
  { takesRoot: "makes a pid namespace" },
);

test("cage -k stops a compiled container", async (t) => {
  const file = await compiled(t, waiting());
  await using program = spawn([file]);
  await program.seen("ready");
  const { status, stderr } = await t.cage(["-k"]);
  assertEquals([status, stderr], [0, ""]);
  assertEquals((await program.result).status, 143);
  assert(!exists(t.pidFile));
});

test("signals reach the command of a program", async (t) => {
  const file = await compiled(
    t,
    sh(
      "trap 'echo told; exit 3' USR1; echo ready; while :; do sleep 0.1; done",
    ),
  );
  await using program = spawn([file]);
  await program.seen("ready");
  program.kill("SIGUSR1");
  const { status, stdout } = await program.result;
  assertEquals([status, stdout], [3, "ready\ntold\n"]);
});

test("a compiled container ends when its supervisor is killed", async (t) => {
  const file = await compiled(t, waiting());
  await using program = spawn([file]);
  await program.seen("ready");
  const pid = Deno.readTextFileSync(t.pidFile).trim();
  program.kill("SIGKILL");
  await program.result;
  assertEquals((await run([file], { stdin: "" })).status, 0);
  assert(!exists(`/proc/${pid}/root/bin`));
});

test(
  "a program does not join a container whose supervisor was killed",
  async (t) => {
    const file = await compiled(
      t,
      sh("readlink /proc/self/ns/pid; cat >/dev/null"),
    );
    const { first, joined, second } = await runOverKilled(t, [file]);
    assertEquals([second.status, second.stderr], [0, ""]);
    assertNotEquals(second.stdout, first);
    assert(!joined);
  },
  { skip: whyNoProgram("python3", "strace"), takesRoot: "traces pid 1" },
);

test("a program starts with nothing to read from and nothing to write to", async (t) => {
  const file = await compiled(
    t,
    sh("for fd in 0 1 2; do readlink /proc/self/fd/$fd >/x$fd; done"),
  );
  const { status } = await run(["sh", "-c", `exec ${file} <&- >&- 2>&-`]);
  assertEquals(status, 0);
  const { stdout } = await t.cage(sh("cat /x0 /x2"));
  assertEquals(stdout, "/dev/null\n/dev/null\n");
});

test("an init script is part of the program", async (t) => {
  const script = `${t.scratch}/init.sh`;
  Deno.writeTextFileSync(script, "echo init $HOME; mkdir -p /made\n");
  const file = await compiled(t, ["-i", script, ...sh("ls -d /made")]);
  Deno.removeSync(script);
  assertEquals((await run([file])).stdout, "init /root\n/made\n");
  Deno.writeTextFileSync(script, "exit 5\n");
  const failing = await compiled(t, ["-i", script, ...sh("echo no")]);
  assertEquals(await run([failing]), {
    status: 5,
    stdout: "",
    stderr: "cage: The init script failed: the command was not run\n",
  });
});

test("users and groups are those at the time of --compile", async (t) => {
  const options = await t.options();
  const { status, stderr } = await cage([
    ...[
      "--compile",
      `${t.scratch}/x`,
      ...options,
      "-u",
      "nobody-there",
      "true",
    ],
  ]);
  assertEquals(status, 125);
  assertMatch(stderr, /^cage: Unknown user "nobody-there": /);
  assert(!exists(`${t.scratch}/x`));
});

test("the directories of a program are used by one instance alone", async (t) => {
  const file = await compiled(t, waiting());
  await using program = spawn([file]);
  await program.seen("ready");
  const args = [
    ...["-n", t.newName(), "-l", await t.root(), "-a", t.appDir, "true"],
  ];
  const other = `${t.scratch}/other`;
  assertEquals((await cage(["--compile", other, ...args])).status, 0);
  for (const result of [await run([other]), await cage(args)]) {
    assertEquals(result.status, 125);
    assertMatch(result.stderr, /another instance uses it/);
  }
  await program.end();
});

test("a program gives up the rights that its file carries", async (t) => {
  const file = await compiled(t, sh("id -u"));
  await Deno.chmod(file, 0o6755);
  await Deno.chmod(t.scratch, 0o755);
  const user = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups"];
  const { status, stderr } = await run([...user, "--", file]);
  assertEquals(status, 125);
  assertMatch(
    stderr,
    /^cage: Cannot start the container: it was compiled by root/,
  );
  // Nor is it somebody else than who runs it.
  await Deno.chown(file, 4242, 4242);
  await Deno.chmod(file, 0o6755);
  assertEquals(await run([file]), { status: 0, stdout: "0\n", stderr: "" });
}, { takesRoot: "makes a set-user-ID file of root's" });

test("nobody inside can write to the file of a program", async (t) => {
  const root = await t.root();
  Deno.symlinkSync("/proc/self/exe", `${root}/bin/self`);
  const file = await compiled(t, ["--privileged", "--", "/bin/sh", "-c"]);
  const before = await Deno.readFile(file);
  const attack = "for exe in /proc/[0-9]*/exe; do " +
    "readlink $exe; (echo x >>$exe); (echo x >$exe); done; true";
  const { stdout } = await run([file, attack]);
  assert(!stdout.includes(file), stdout);
  const self = await compiled(t, ["--", "self"]);
  assertEquals((await run([self])).status, 126);
  await compiled(t, ["--privileged", "--", "/bin/sh", "-c"]);
  assertEquals(await Deno.readFile(file), before);
}, { takesRoot: "has --privileged" });

test("a program runs nothing of the host by a link to a descriptor", async (t) => {
  const root = await t.root();
  Deno.mkdirSync(`${t.scratch}/host`);
  await output(["cp", "/bin/busybox", `${t.scratch}/host/echo`]);
  const file = await compiled(t, ["--", "echo", "of the host"]);
  for (const number of [...Array(64).keys()].slice(3)) {
    for (const way of ["", "/..", "/../..", "/../../.."]) {
      const path = `${root}/bin/echo`;
      Deno.removeSync(path);
      const to = `/proc/self/fd/${number}${way}${t.scratch}/host/echo`;
      Deno.symlinkSync(to, path);
      const { status, stdout } = await run([file]);
      assertEquals([status, stdout], [127, ""], to);
    }
  }
});

test("cage --compile replaces the file as a whole, and follows no link", async (t) => {
  const victim = `${t.scratch}/victim`;
  Deno.writeTextFileSync(victim, "as it was");
  Deno.symlinkSync(victim, `${t.scratch}/program`);
  await compiled(t, sh("true"));
  assertEquals(Deno.readTextFileSync(victim), "as it was");
  assert(Deno.lstatSync(`${t.scratch}/program`).isFile);
  const { status, stderr } = await cage(
    ["--compile", t.scratch, ...await t.options(), "true"],
  );
  assertEquals(status, 125);
  assertMatch(stderr, /^cage: Cannot write [^\n]*\n$/);
  const left = [...Deno.readDirSync(t.scratch)].map(({ name }) => name).sort();
  assertEquals(left, ["program", "root", "victim"]);
});

test("cage --explain prints a line for each step", async (t) => {
  const file = await compiled(t, sh("true"));
  const { status, stdout } = await cage(["--explain", file]);
  assertEquals(status, 0);
  for (
    const line of [
      /^ *\d+ setresuid\(/m,
      /^ *\d+ clone\([^\n]*CLONE_NEWPID/m,
      /^ *\d+ pivot_root\("\.", "\."\) \| "Cannot make the overlay the root"/m,
      /^ *\d+ execve\("\/bin\/sh", /m,
    ]
  ) {
    assertMatch(stdout, line);
  }
  // Anything else is a command.
  const other = await cage(["--explain", "/bin/sh"]);
  assertMatch(other.stdout, /^command: "\/bin\/sh"$/m);
});
