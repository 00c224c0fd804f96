import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Attack,
  attack as test,
  type Child,
  exists,
  type Person,
  run,
  RUN_DIRECTORY,
  sh,
  until,
  waiting,
  whyNoProgram,
  wordsAs,
} from "./support/mod.ts";

const NOTHING = { status: 0, stdout: "", stderr: "" };

function pidFileOf({ uid }: Person, name: string): string {
  return `${RUN_DIRECTORY}/user/${uid}/${name}.pid`;
}

/** Statuses that a launch tells from those of the command. */
const STATUSES: readonly (readonly [words: string[], status: number])[] = [
  [["true"], 0],
  [["false"], 1],
  [sh("exit 7"), 7],
  [sh("exit 255"), 255],
  [["/nonexistent"], 127],
  [["nonexistent"], 127],
  [["/etc/passwd"], 126],
  [["/etc"], 126],
  [sh("kill -KILL $$"), 137],
  [sh("kill -SEGV $$"), 139],
  [sh("kill -TERM $$"), 143],
];

test("A user gets the statuses and sentences that root gets", async (t) => {
  const root = await t.root();
  const name = `${Deno.pid}-statuses`;
  for (const more of [[], ["--no-init"]]) {
    for (const [words, status] of STATUSES) {
      // Signals of its own do not end pid 1.
      if (more.length > 0 && status > 127) continue;
      const args = ["--ephemeral", "-n", name, "-l", root, ...more, "--"];
      const all = [...args, ...words.filter((word) => word !== "--")];
      const roots = await run([t.cageFile, ...all]);
      assertEquals(roots.status, status, words.join(" "));
      for (const person of [t.mallory, t.plain]) {
        assertEquals(await t.cage(person, all), roots, words.join(" "));
      }
    }
  }
  const usage = [
    ...[["-l", "/nonexistent", "true"], ["-n", "../x", "true"], ["--what"]],
    ...[["-v", "relative", "true"], ["-e", "=x", "true"]],
  ];
  for (const args of usage) {
    const { status, stderr } = await t.cage(t.mallory, args);
    assertEquals(status, 125, stderr);
    assertMatch(stderr, /^cage: [^\n]+\n/);
  }
});

test("A user sends signals to their command as root does", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    for (const more of [[], ["--no-init"]]) {
      const child = t.spawnCage(person, [
        ...["-n", "signals", ...more],
        ...sh(
          'for s in HUP INT TERM USR1 WINCH; do trap "echo got $s" $s; ' +
            "done; trap 'exit 9' USR2; echo ready; " +
            "while :; do sleep 1000 & wait $!; done",
        ),
      ]);
      await child.seen("ready");
      for (const signal of ["HUP", "INT", "TERM", "USR1", "WINCH"]) {
        const words = ["kill", `-${signal}`, `${child.pid}`];
        assertEquals(await t.run(person, words), NOTHING, signal);
        await child.seen(`got ${signal}`);
      }
      await t.run(person, ["kill", "-USR2", `${child.pid}`]);
      assertEquals((await child.end()).status, 9);
    }
  }
});

test("A user stops their instance with -k, and nobody else's", async (t) => {
  const trap = "trap 'echo ending; exit 5' TERM; echo ready; " +
    "while :; do sleep 1000 & wait $!; done";
  for (const [person, other] of [[t.mallory, t.plain], [t.plain, t.mallory]]) {
    const child = t.spawnCage(person, ["-n", "k", ...sh(trap)]);
    await child.seen("ready");
    const attached = t.spawnCage(person, ["-n", "k", ...waiting("echo in")]);
    await attached.seen("in");
    assertEquals(await t.cage(other, ["-k", "-n", "k"]), NOTHING);
    assert(exists(pidFileOf(person, "k")), "It was not theirs");
    assertEquals(await t.cage(person, ["-k", "-n", "k"]), NOTHING);
    assertEquals(exists(pidFileOf(person, "k")), false);
    const { status, stdout } = await child.result;
    assertEquals([status, stdout], [5, "ready\nending\n"]);
    assertEquals((await attached.result).status, 137);
    // There is nothing to be stopped any more, which is no error.
    assertEquals(await t.cage(person, ["-k", "-n", "k"]), NOTHING);
    const deaf = t.spawnCage(person, [
      ...["-n", "k", ...sh("trap '' TERM; echo ready; exec sleep 1000")],
    ]);
    await deaf.seen("ready");
    assertEquals(await t.cage(person, ["-k", "-n", "k"]), NOTHING);
    assertEquals((await deaf.result).status, 137);
  }
});

/** Starts `cage` on a terminal that is the user's own. */
function onTerminal(t: Attack, person: Person, args: string[]): Child {
  const words = [t.cageFile, ...args].map((word) =>
    `'${word.replaceAll("'", `'\\''`)}'`
  );
  const script = ["script", "-qec", `exec ${words.join(" ")}`, "/dev/null"];
  return t.spawn(person, script);
}

const NO_TERMINAL = { skip: whyNoProgram("script") };

test("A user ends a command with Ctrl-C", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    for (const more of [[], ["--no-init"]]) {
      const child = onTerminal(t, person, [
        ...["-n", "tty", ...more],
        // A shell that waits would end by the signal, also as pid 1.
        ...sh("echo ready >/tmp/told; exec cat /tmp/told -"),
      ]);
      await child.seen("ready");
      await child.write("\x03");
      // A signal without a handler does not end pid 1: pid_namespaces(7).
      if (more.length > 0) await child.write("\x04");
      const expected = more.length > 0 ? 0 : 130;
      assertEquals((await child.result).status, expected);
    }
  }
}, NO_TERMINAL);

test("A user's shell reads, writes and names its terminal", async (t) => {
  const script = "test -t 0 && test -t 1 && test -t 2 && echo all; tty; " +
    "stat -c %t:%T /dev/console; read -r line </dev/tty; " +
    "echo got $line >/dev/tty";
  const end = "; test -c /dev/console && : >/dev/console && echo console";
  for (const person of [t.mallory, t.plain]) {
    const child = onTerminal(t, person, ["-n", "tty", ...sh(script + end)]);
    await child.seen("all");
    await child.write("typed\n");
    await child.seen("got typed");
    const { status, stdout } = await child.result;
    assertEquals(status, 0, stdout);
    assertMatch(stdout, /^\/dev\/(console|pts\/\d+)\r$/m);
    assertMatch(stdout, /^console\r$/m);
  }
}, NO_TERMINAL);

test("A user's shell controls jobs, attached too", async (t) => {
  const job = `sh -c 'trap "echo contin""ued" CONT; echo fore""ground; ` +
    "sleep 1000 & while :; do wait; done'\n";
  const root = ["-l", await t.root()];
  for (const person of [t.mallory, t.plain]) {
    const first = t.spawnCage(person, ["-n", "first", ...root, ...waiting()]);
    await first.seen("ready");
    for (const name of ["first", "second"]) {
      const child = onTerminal(t, person, ["-n", name, ...root]);
      await child.write("echo re''ady\n");
      await child.seen(/ready\r?$/m);
      await child.write(job);
      await child.seen(/foreground\r?$/m);
      await child.write("\x1a");
      await child.seen(/Stopped/);
      await child.write("fg\n");
      await child.seen(/continued\r?$/m);
      await child.write("\x03");
      await child.write("echo status $?\n");
      await child.seen(/status 130\r?$/m);
      await child.write("exit 4\n");
      const { status, stdout } = await child.result;
      assertEquals(status, 4, stdout);
      assertEquals(/can't access tty|job control/.test(child.output), false);
    }
    await first.end();
  }
}, NO_TERMINAL);

test("A user's container ends with their terminal", async (t) => {
  const child = onTerminal(t, t.mallory, [
    ...["-n", "gone", ...sh("echo ready; exec setsid sleep 1000")],
  ]);
  await child.seen("ready");
  const file = pidFileOf(t.mallory, "gone");
  const process = `/proc/${parseInt(Deno.readTextFileSync(file))}`;
  child.kill("SIGKILL");
  await until(() => !exists(process) && !exists(file), "the container ended");
}, NO_TERMINAL);

test("A user's command gets its input, output and environment", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const script = "cat; echo $A-$B-$HOME-$USER-$LOGNAME-$LANG; echo e >&2; " +
      "ls /proc/self/fd | wc -l";
    const words = [
      ...[...wordsAs(person, { B: "own", LANG: "C.UTF-8" }), t.cageFile],
      ...["--ephemeral", "-e", "A=1", "-e", "B=2", ...sh(script)],
    ];
    const roots = [t.cageFile, ...words.slice(words.indexOf(t.cageFile) + 1)];
    const options = {
      ...{ stdin: "typed\n", cwd: "/", clearEnv: true },
      env: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8", B: "own" },
    };
    const name = ["-n", `${Deno.pid}-io`];
    const root = await run([roots[0], ...name, ...roots.slice(1)], options);
    const result = await run(words, options);
    assertEquals(result, root);
    assertMatch(result.stdout, /^typed\n1-2-\/root-/);
  }
});
