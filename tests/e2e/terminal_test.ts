import { assertEquals } from "@std/assert";
import {
  cageOnTerminal,
  exists,
  sh,
  spawnCage,
  test,
  until,
  waiting,
  whyNoTerminal,
} from "./support/mod.ts";

const SKIP = { skip: whyNoTerminal() };

/** Typed so that the echo of what is typed is not taken for the output. */
const READY = "echo re''ady\n";

/** A job that tells when it is in the foreground, the first time and again. */
const JOB = `sh -c 'trap "echo contin""ued" CONT; echo fore""ground; ` +
  "sleep 1000 & while :; do wait; done'\n";

test("cage writes nothing of its own to a terminal", async (t) => {
  await using child = cageOnTerminal([...await t.options(), ...sh("echo x")]);
  const { status, stdout } = await child.result;
  assertEquals([status, stdout], [0, "x\r\n"]);
}, SKIP);

test("cage ends when its terminal is gone, whatever runs inside", async (t) => {
  // In a session of its own, the command hears nothing from the terminal.
  const script = "echo ready; exec setsid sleep 1000";
  await using child = cageOnTerminal([...await t.options(), ...sh(script)]);
  await child.seen("ready");
  const process = `/proc/${Deno.readTextFileSync(t.pidFile).trim()}`;
  child.kill("SIGKILL");
  const isGone = () => !exists(process) && !exists(t.pidFile);
  await until(isGone, "the container has ended");
}, SKIP);

test("cage lets a command see the size of the terminal", async (t) => {
  const script = "stty size; trap 'stty size' WINCH; echo ready; " +
    'while :; do read -r line; [ "$line" = end ] && exit; done';
  await using child = cageOnTerminal([...await t.options(), ...sh(script)], {
    size: [33, 77],
    nextSize: [44, 99],
  });
  await child.seen("33 77");
  await child.seen("ready");
  child.kill("SIGUSR1");
  await child.write("\n");
  await child.seen("44 99");
  await child.write("end\n");
  assertEquals((await child.result).status, 0);
}, SKIP);

test("cage lets a command read and write the terminal", async (t) => {
  const script = "test -t 0 && test -t 1 && test -t 2 && echo all; " +
    "read -r line </dev/tty; echo got $line >/dev/tty";
  await using child = cageOnTerminal([...await t.options(), ...sh(script)]);
  await child.seen("all");
  await child.write("typed\n");
  await child.seen("got typed");
  assertEquals((await child.result).status, 0);
}, SKIP);

test("cage lets Ctrl-C end a command", async (t) => {
  await using child = cageOnTerminal([
    ...await t.options(),
    ...sh("echo ready; exec sleep 1000"),
  ]);
  await child.seen("ready");
  await child.write("\x03");
  assertEquals((await child.result).status, 130);
}, SKIP);

test("cage lets a command handle Ctrl-C", async (t) => {
  // A trap waits for the end of a program, but ends what a shell itself does.
  const script = "trap 'echo caught' INT; echo ready; " +
    "until read -r line; do :; done; echo end; exit 6";
  await using child = cageOnTerminal([...await t.options(), ...sh(script)]);
  await child.seen("ready");
  await child.write("\x03");
  await child.seen(/caught\r?\n/);
  await child.write("\n");
  await child.seen("end");
  assertEquals((await child.result).status, 6);
}, SKIP);

for (const more of [[], ["--no-init"], ["-u", "alice"]]) {
  const how = ["a shell", ...more].join(" ");
  test(`cage lets ${how} control jobs`, async (t) => {
    await using child = cageOnTerminal(await t.options(...more));
    await child.write(READY);
    await child.seen("ready");
    await child.write(JOB);
    await child.seen("foreground");
    await child.write("\x1a");
    await child.seen(/Stopped/);
    await child.write("jobs -l; fg\n");
    await child.seen(/Stopped[^]*Stopped/);
    await child.seen("continued");
    await child.write("\x03");
    await child.write("echo status $?\n");
    await child.seen("status 130");
    await child.write("exit 4\n");
    assertEquals((await child.result).status, 4);
    assertEquals(/can't access tty|job control/.test(child.output), false);
  }, SKIP);
}

test("cage that attaches lets a shell control jobs", async (t) => {
  await using first = spawnCage([...await t.options(), ...waiting()]);
  await first.seen("ready");
  await using child = cageOnTerminal(await t.options(), { size: [22, 66] });
  await child.write("stty size\n");
  await child.seen("22 66");
  await child.write(JOB);
  await child.seen("foreground");
  await child.write("\x1a");
  await child.seen(/Stopped/);
  await child.write("kill -9 %1; echo re''ady\n");
  await child.seen("ready");
  // The first is refused as long as the shell has not heard of the job's end.
  await child.write("exit 0\nexit 0\n");
  await child.result;
  await first.end();
}, SKIP);
