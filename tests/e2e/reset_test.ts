import { assert, assertEquals } from "@std/assert";
import {
  cage,
  cageOnTerminal,
  cageWords,
  type Child,
  type Context,
  exists,
  sh,
  spawnCage,
  spawnOnTerminal,
  test,
  until,
  waiting,
  whyNoTerminal,
} from "./support/mod.ts";

const SKIP = { skip: whyNoTerminal() };

function resetOnTerminal(t: Context, ...more: string[]): Child {
  return cageOnTerminal(["--reset", "-n", t.name, ...more]);
}

function question(t: Context): RegExp {
  const upper = RegExp.escape(`"${t.appDir}/upper"`);
  return new RegExp(`what was changed in ${upper}\\? \\[y/N\\] `);
}

function isKept(t: Context): boolean {
  return exists(`${t.appDir}/upper/kept`);
}

test("cage --reset asks on a terminal, and yes throws away", async (t) => {
  for (const answer of ["y", "yes", "Y"]) {
    await t.sh("touch /kept");
    await using child = resetOnTerminal(t);
    await child.seen(question(t));
    assert(isKept(t), "It did not wait");
    await child.write(`${answer}\n`);
    assertEquals((await child.result).status, 0);
    assertEquals(exists(t.appDir), false);
  }
}, SKIP);

test("cage --reset leaves all as it is after any other answer", async (t) => {
  await t.sh("touch /kept");
  // The last is the end of input.
  for (const answer of ["n\n", "\n", "yes no\n", "\x04"]) {
    await using child = resetOnTerminal(t);
    await child.seen(question(t));
    await child.write(answer);
    const { status, stdout } = await child.result;
    assertEquals(status, 125);
    assert(
      stdout.endsWith("cage: Cannot use --reset: the answer was not yes\r\n"),
      stdout,
    );
    assert(isKept(t), JSON.stringify(answer));
  }
}, SKIP);

test("cage --reset leaves all as it is when Ctrl-C is pressed", async (t) => {
  await t.sh("touch /kept");
  await using child = resetOnTerminal(t);
  await child.seen(question(t));
  await child.write("\x03");
  assertEquals((await child.result).status, 130);
  assert(isKept(t));
}, SKIP);

test("cage --reset asks when it is in the foreground", async (t) => {
  await t.sh("touch /kept");
  const words = [...cageWords(), "--reset", "-n", t.name];
  await using shell = spawnOnTerminal(["sh", "-i", "-s", "--", ...words]);
  await shell.write('"$@" &\n');
  // The shell tells of its jobs when it has read a line.
  await until(() => {
    void shell.write("\n");
    return /Stopped/.test(shell.output);
  }, "a job that is stopped");
  assert(!question(t).test(shell.output));
  await shell.write("fg\n");
  await shell.seen(question(t));
  await shell.write("y\n");
  await until(() => !isKept(t), "the reset");
  await shell.write("exit\n");
  await shell.result;
}, SKIP);

test("cage --reset --yes asks nothing", async (t) => {
  await t.sh("touch /kept");
  const { status, stdout } = await resetOnTerminal(t, "--yes").result;
  assertEquals([status, stdout], [0, ""]);
  assertEquals(exists(t.appDir), false);
}, SKIP);

test("cage --reset asks nothing where there is no terminal", async (t) => {
  await t.sh("touch /kept");
  const result = await cage(["--reset", "-n", t.name]);
  assertEquals(result, { status: 0, stdout: "", stderr: "" });
  assertEquals(exists(t.appDir), false);
});

test(
  "cage --reset refuses while the instance runs, without a question",
  async (t) => {
    await using running = spawnCage([
      ...await t.options(),
      ...waiting("touch /kept; echo ready"),
    ]);
    await running.seen("ready");
    const sentence =
      "cage: Cannot use --reset: the instance runs: stop it first, or use -k too";
    const { status, stdout } = await resetOnTerminal(t).result;
    assertEquals([status, stdout], [125, `${sentence}\r\n`]);
    const result = await cage(["--reset", "--yes", "-n", t.name]);
    assertEquals(result, { status: 125, stdout: "", stderr: `${sentence}\n` });
    assert(isKept(t));
    assertEquals((await running.end()).status, 0);
  },
  SKIP,
);

test("cage -k --reset asks before it stops the instance", async (t) => {
  await using running = spawnCage([
    ...await t.options(),
    ...sh("trap 'exit 0' TERM; touch /kept; echo ready; sleep 1000 & wait"),
  ]);
  await running.seen("ready");
  for (const answer of ["n", "y"]) {
    await using child = resetOnTerminal(t, "-k");
    await child.seen(/^Stop the instance, and throw away /m);
    await child.write(`${answer}\n`);
    assertEquals((await child.result).status, answer === "y" ? 0 : 125);
    assertEquals([isKept(t), exists(t.pidFile)], [
      ...(answer === "y" ? [false, false] : [true, true]),
    ]);
  }
  await running.result;
}, SKIP);

test("cage --reset leaves a file where an image would be", async (t) => {
  const app = `${t.scratch}/disk`;
  await Deno.writeTextFile(`${app}.ext4`, "not of cage\n");
  const args = ["-a", app, "-p", `${t.scratch}/pid`];
  const { status, stderr } = await cage(["--reset", "--yes", ...args]);
  assertEquals([status, stderr], [0, ""]);
  assertEquals(await Deno.readTextFile(`${app}.ext4`), "not of cage\n");
});
