import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { build } from "../../.ci/build.ts";
import { packElf } from "../../ffi/elf.ts";
import {
  addGuard,
  CALLER_DIRECTORY,
  GUARD_SIGNALS,
  SIGNALS_VARIABLE,
} from "../../ffi/guard.ts";
import {
  CHECKOUT,
  type Context,
  exists,
  layTraps,
  type Result,
  run,
  type RunOptions,
  test,
  whyNoProgram,
} from "./support/mod.ts";
import type { Report } from "./support/probe.ts";

/** Nobody's files, or whoever else's: any number but 0 will do. */
const USER = 64321;
const AS_USER = [
  "setpriv",
  `--reuid=${USER}`,
  `--regid=${USER}`,
  "--clear-groups",
];
const PROBE_STATUS = 3;
const MASK = GUARD_SIGNALS.toString(16);

const skip = whyNoProgram("setpriv");
const withoutCage = { withoutCage: true, skip };
const traced = {
  withoutCage: true,
  skip: whyNoProgram("setpriv", "strace"),
};

let built: Promise<Uint8Array> | undefined;

async function buildProbe(): Promise<Uint8Array> {
  const directory = await Deno.makeTempDir({ dir: "/var/tmp" });
  try {
    const output = `${directory}/probe`;
    const { kind, reason } = await build({
      entry: `${CHECKOUT}/tests/e2e/support/probe.ts`,
      output,
    });
    console.log(`The probe is of the kind "${kind}"${reason ?? ""}`);
    return await Deno.readFile(output);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Installs the probe setuid root, beside a directory of the user's. */
async function install(context: Context) {
  await Deno.chmod(context.scratch, 0o755);
  const probe = `${context.scratch}/probe`;
  await Deno.writeFile(probe, await (built ??= buildProbe()));
  await Deno.chmod(probe, 0o4755);
  const home = `${context.scratch}/home`;
  await Deno.mkdir(home);
  await Deno.chown(home, USER, USER);
  return { probe, home, report: `${context.scratch}/report` };
}

/**
 * Makes a program that executes another one with any words and environment,
 * and without obeying that environment itself, as setpriv(1) would.
 */
async function launcher(
  { scratch }: Context,
  program: string,
  words: string[],
  env: Record<string, string> = {},
): Promise<string> {
  const variables = Object.entries(env).map((entry) => entry.join("="));
  const { bytes } = packElf(
    { steps: [{ call: "execve", args: [program, words, variables] }] },
    Deno.build.arch,
  );
  const path = `${scratch}/launcher`;
  await Deno.writeFile(path, bytes);
  await Deno.chmod(path, 0o755);
  return path;
}

function asUser(words: string[], options: RunOptions = {}): Promise<Result> {
  return run([...AS_USER, ...words], { clearEnv: true, ...options });
}

function reportOf({ status, stdout, stderr }: Result): Report {
  assertEquals([status, stderr], [PROBE_STATUS, ""]);
  return JSON.parse(stdout);
}

/** Checks what must be so however the program was started. */
function assertGuarded(report: Report): void {
  assertEquals(report.users, [USER, 0]);
  assertEquals(report.cwd, "/");
  assertEquals(report.signals.SigBlk, MASK);
  assertEquals(Object.keys(report.env).sort(), [
    SIGNALS_VARIABLE,
    "DENO_DIR",
    "DENO_LOG",
    "DENO_NODE_SHIM_ACTIVE",
    "DENO_NO_UPDATE_CHECK",
    "HOME",
    "PATH",
  ]);
  assertEquals(report.env.HOME, "/");
  // The last descriptor is that of ls(1) itself.
  assertEquals(report.child, `SigBlk:\t${"0".repeat(16)}\n0\n1\n2\n3\n`);
}

function filesIn(home: string): string[] {
  return [home, `${home}/writable`, `${home}/.cache/deno`]
    .flatMap((path) => [...Deno.readDirSync(path)].map(({ name }) => name));
}

test(
  "a hostile environment and directory reach nothing but /proc",
  async (context) => {
    const { probe, home } = await install(context);
    const env = await layTraps(home);
    const files = filesIn(home);
    const words = [probe, "eval", "--allow-all", "-c", "--", "1", ""];
    const launch = await launcher(context, probe, words, env);
    const report = reportOf(await asUser([launch], { cwd: home }));
    assertGuarded(report);
    assertEquals(report.args, words.slice(1));
    assert(report.callerEnv.includes(`NODE_OPTIONS=${env.NODE_OPTIONS}`));
    assertEquals(report.descriptors[CALLER_DIRECTORY], home);
    assertEquals(filesIn(home), files);
  },
  withoutCage,
);

test(
  "nothing of the caller's is opened, and nothing written",
  async (context) => {
    const { probe, home } = await install(context);
    const env = await layTraps(home);
    const trace = `${context.scratch}/trace`;
    // Root's strace keeps the setuid bit in force. It runs its program as the
    // user, in an environment that must not be its own.
    const variables = Object.entries(env).map(([name, value]) =>
      `--env=${name}=${value}`
    );
    const user = (await passwd()).name;
    const { status } = await run([
      ...["strace", "-f", "-u", user, "-o", trace, "-e", "trace=%file,mkdir"],
      ...[...variables, probe],
    ], { cwd: home });
    assertEquals(status, PROBE_STATUS);
    const lines = (await Deno.readTextFile(trace)).split("\n").slice(1);
    // The probe looks at its own descriptors, and at a child.
    const own = lines.findIndex((line) => line.includes('"/proc/self/fd"'));
    assert(own > 20, "The probe did nothing");
    const named = lines.slice(0, own).flatMap((line) => {
      const [, call, path] = /^\d+ +(\w+)\((?:[\w-]+, )?"([^"]*)"/.exec(line) ??
        [];
      return call === undefined ? [] : [{ call, path, line }];
    });
    const known =
      /^(\/(lib|lib64|usr\/lib|proc|sys|dev)\/.*|\/etc\/(ld\.so\..*|suid-debug|localtime|ssl\/.*)|\/dev|\/\.npmrc|\/|\.|)$/;
    assertEquals(named.filter(({ path }) => !known.test(path)), []);
    const writing = named.filter(({ path, line }) =>
      /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/.test(line) && path !== "/dev/null"
    );
    assertEquals(writing, []);
    assertEquals(named.filter(({ call }) => call === "execve"), []);
  },
  traced,
);

/** A user of the machine, since strace takes no number. */
async function passwd(): Promise<{ name: string }> {
  const lines = (await Deno.readTextFile("/etc/passwd")).split("\n");
  const line = lines.find((line) => line.startsWith("nobody:")) ??
    lines.find((line) => line !== "" && !/^[^:]*:[^:]*:0:/.test(line));
  return { name: line!.split(":")[0] };
}

test(
  "closed standard descriptors are there, and cannot be used",
  async (context) => {
    const { probe, home, report: to } = await install(context);
    const { status } = await asUser([
      ...["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"],
      ...[probe, `--to=${to}`],
    ], { cwd: home });
    assertEquals(status, PROBE_STATUS);
    const report: Report = JSON.parse(await Deno.readTextFile(to));
    assertGuarded(report);
    for (const number of ["0", "1", "2"]) {
      assertEquals(report.descriptors[number], "/dev/null");
    }
  },
  withoutCage,
);

test(
  "descriptors of the caller stay open, but for no other program",
  async (context) => {
    const { probe, home } = await install(context);
    const report = reportOf(
      await asUser([
        ...["/bin/sh", "-c", 'exec "$1" 7</etc/passwd 9>out', "sh", probe],
      ], { cwd: home }),
    );
    assertGuarded(report);
    assertEquals(report.descriptors["7"], "/etc/passwd");
    assertEquals(report.descriptors["9"], `${home}/out`);
  },
  withoutCage,
);

test("a program without arguments starts", async (context) => {
  const { probe } = await install(context);
  const path = await launcher(context, probe, [], { A: "1", "": "" });
  const report = reportOf(await asUser([path]));
  assertGuarded(report);
  assertEquals(report.args, []);
}, withoutCage);

test("the name under which it is called changes nothing", async (context) => {
  const { probe, home } = await install(context);
  for (const name of ["dx", "denox", "deno", "", "-", "/bin/dx"]) {
    const path = await launcher(context, probe, [name, "--version"]);
    const report = reportOf(await asUser([path], { cwd: home }));
    assertGuarded(report);
    assertEquals(report.args, ["--version"]);
  }
}, withoutCage);

test(
  "signals in a loop from the first instant are not obeyed",
  async (context) => {
    const { probe, home } = await install(context);
    // A signal that is ignored when a program starts stays so until the program
    // asks for it, so the loop can begin before that.
    const script = `
    trap "" USR1 USR2 HUP INT TERM PIPE ALRM CHLD WINCH PROF RTMIN
    "$1" >report 2>errors & pid=$!
    while read -r _ _ state _ <"/proc/$pid/stat" && [ "$state" != Z ]; do
      for signal in USR1 USR2 HUP INT TERM ALRM CHLD WINCH PROF RTMIN; do
        kill "-$signal" "$pid"
      done
    done 2>/dev/null
    wait "$pid"; echo "status $?"; cat errors report`;
    for (let round = 0; round < 5; round++) {
      const { stdout } = await asUser(
        ["/bin/bash", "-c", script, "sh", probe],
        {
          cwd: home,
        },
      );
      const [status, text, ...rest] = stdout.split("\n");
      assertEquals([status, rest], [`status ${PROBE_STATUS}`, [""]]);
      const report: Report = JSON.parse(text);
      assertGuarded(report);
      const pending = BigInt(`0x${report.signals.ShdPnd}`);
      assert((pending >> 9n & 1n) === 1n, "SIGUSR1 was not sent");
    }
  },
  {
    ...withoutCage,
    skip: skip ?? whyNoProgram("bash"),
  },
);

test(
  "an ignored SIGCHLD and a blocked signal are put right",
  async (context) => {
    const { probe, home } = await install(context);
    const words = ["env", "--ignore-signal=CHLD", "--block-signal=USR2", probe];
    const report = reportOf(
      await asUser(words, { cwd: home, env: { PATH: "/usr/bin:/bin" } }),
    );
    assertGuarded(report);
    assertEquals(BigInt(`0x${report.signals.SigIgn}`) >> 16n & 1n, 0n);
    assertEquals(report.env[SIGNALS_VARIABLE], "0000000000000800");
  },
  withoutCage,
);

test(
  "a working directory that is gone or closed to the user is no obstacle",
  async (context) => {
    const { probe, home } = await install(context);
    const gone = await asUser([
      ...[
        "/bin/sh",
        "-c",
        'mkdir gone; cd gone; rmdir ../gone; exec "$1"',
        "sh",
      ],
      probe,
    ], { cwd: home });
    const report = reportOf(gone);
    assertGuarded(report);
    assertEquals(
      report.descriptors[CALLER_DIRECTORY],
      `${home}/gone (deleted)`,
    );
    await Deno.mkdir(`${context.scratch}/closed`, { mode: 0o700 });
    const closed = reportOf(
      await asUser([probe], { cwd: `${context.scratch}/closed` }),
    );
    assertGuarded(closed);
    assertEquals(
      closed.descriptors[CALLER_DIRECTORY],
      `${context.scratch}/closed`,
    );
  },
  withoutCage,
);

test("many arguments and much environment are taken", async (context) => {
  const { probe, home } = await install(context);
  const args = Array.from({ length: 20_000 }, (_, index) => `${index}`);
  const env = Object.fromEntries(
    args.slice(0, 5000).map((word) => ["E" + word, word]),
  );
  const report = reportOf(await asUser([probe, ...args], { cwd: home, env }));
  assertGuarded(report);
  assertEquals(report.args, args);
  assertEquals(report.callerEnv.length, 5001);
}, withoutCage);

test(
  "where a limit is too low it ends, without doing anything",
  async (context) => {
    const { probe, home, report } = await install(context);
    const limits = [
      ...["-n 0", "-n 1", "-n 3", "-n 6", "-n 20", "-n 250", "-v 1000"],
      ...[
        "-v 100000",
        "-v 200000",
        "-s 100",
        "-s 8",
        "-d 1000",
        "-l 0",
        "-f 0",
      ],
    ];
    for (const limit of limits) {
      const { status } = await asUser([
        ...["/bin/sh", "-c", `ulimit ${limit}; exec "$@"`, "sh"],
        ...[probe, `--to=${report}`],
      ], { cwd: home });
      if (status === PROBE_STATUS) {
        assertGuarded(JSON.parse(await Deno.readTextFile(report)));
        await Deno.remove(report);
      } else {
        assert(status !== 0, limit);
      }
    }
  },
  withoutCage,
);

test(
  "too few descriptors for the guard are told in a sentence",
  async (context) => {
    const { probe, home } = await install(context);
    const { status, stderr } = await asUser([
      ...["/bin/sh", "-c", 'ulimit -n 100; exec "$1"', "sh", probe],
    ], { cwd: home });
    assertEquals(status, 125);
    assertEquals(
      stderr,
      "cage: Cannot start the runtime: /dev/null or the dynamic loader is " +
        "missing, or a limit is too low (see ulimit -a)\n",
    );
  },
  withoutCage,
);

test(
  "the user can neither trace the program nor read its memory",
  async (context) => {
    const { probe, home } = await install(context);
    // A FIFO that nobody reads keeps the program at its end.
    const script = `
    mkfifo "$2"; "$1" "--to=$2" & pid=$!
    until [ -e "/proc/$pid/fd/${CALLER_DIRECTORY}" ] || ! [ -r "/proc/$pid/environ" ]
    do :; done
    for file in environ mem maps auxv; do
      cat "/proc/$pid/$file" >/dev/null 2>&1 && echo "read $file"
    done
    ls "/proc/$pid/fd" >/dev/null 2>&1 && echo "listed fd"
    cat "$2" >/dev/null; wait "$pid"; echo "status $?"`;
    const { stdout } = await asUser([
      ...["/bin/sh", "-c", script, "sh", probe, `${home}/fifo`],
    ], { cwd: home });
    assertEquals(stdout, `status ${PROBE_STATUS}\n`);
  },
  withoutCage,
);

test(
  "two builds give the same bytes, which tell no path of this checkout",
  async (context) => {
    const entry = `${CHECKOUT}/tests/e2e/support/probe.ts`;
    const files: Uint8Array[] = [];
    for (const name of ["one", "two"]) {
      const output = `${context.scratch}/${name}`;
      await build({ entry, output });
      files.push(await Deno.readFile(output));
      assertEquals((await Deno.stat(output)).mode! & 0o7777, 0o755);
    }
    assertEquals(files[0].length, files[1].length);
    assert(Buffer.compare(files[0], files[1]) === 0, "They differ");
    assertEquals(Buffer.from(files[0]).indexOf(CHECKOUT), -1);
  },
  withoutCage,
);

test(
  "a program that deno compile has written to is guarded too, and not before",
  async (context) => {
    const { scratch } = context;
    const compile = (base: string) =>
      run([
        ...[Deno.execPath(), "compile", "--quiet", "--no-config", "--no-check"],
        ...["--no-code-cache", "--output", `${scratch}/compiled`, "main.js"],
      ], { cwd: scratch, env: { DENORT_BIN: base } });
    await Deno.writeTextFile(`${scratch}/main.js`, "");
    // With the full deno as its base it takes its arguments as deno does.
    assertEquals((await compile(Deno.execPath())).status, 0);
    const guarded = addGuard(await Deno.readFile(`${scratch}/compiled`), {
      arguments: ["deno"],
      environment: { DENO_DIR: "/dev/null", HOME: "/", ONE: "1" },
    });
    await Deno.writeFile(`${scratch}/guarded`, guarded);
    await Deno.chmod(`${scratch}/guarded`, 0o755);
    assertEquals(
      await run([
        `${scratch}/guarded`,
        "eval",
        "console.log(Deno.env.get('ONE'))",
      ]),
      { status: 0, stdout: "1\n", stderr: "" },
    );
    const headers = await run(["readelf", "-lW", `${scratch}/guarded`]);
    assertEquals([headers.status, headers.stderr], [0, ""]);
    assertEquals((await compile(`${scratch}/guarded`)).status, 0);
    const compiled = await Deno.readFile(`${scratch}/compiled`);
    assertThrows(
      () => addGuard(compiled, { arguments: ["deno"], environment: {} }),
      TypeError,
      "Cannot add a guard: the program has one, which must be added last",
    );
  },
  { ...withoutCage, skip: whyNoProgram("readelf") },
);

test("the full deno is refused as a runtime base", async (context) => {
  const output = `${context.scratch}/cage`;
  const { status, stderr } = await run([
    ...[Deno.execPath(), "run", "-A", "--quiet", "--no-config"],
    ...[`${CHECKOUT}/.ci/build.ts`, "-o", output],
    `--entry=${CHECKOUT}/tests/e2e/support/probe.ts`,
  ], { env: { DENORT_BIN: Deno.execPath(), NO_COLOR: "1" } });
  assertEquals(status, 1);
  assertMatch(
    stderr,
    /Cannot build: the runtime base is the full deno, which would take orders from its arguments: unset DENORT_BIN/,
  );
  assertEquals(exists(output), false);
}, withoutCage);
