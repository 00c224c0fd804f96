/**
 * Steps of a launch, told with `--debug`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  cage,
  type Result,
  sh,
  spawnCage,
  test,
  waiting,
} from "./support/mod.ts";

/** Seconds, what it is a part of, a call, its result, and how long it took. */
const LINE =
  /^cage: (\d+\.\d{6}) (\w+): \w+\(.*\) = (?:\?|-?\d+.*?)(?: <-?\d+\.\d{6}>)?$/;

/** What each line is a part of. */
function phasesOf({ stderr }: Result): string[] {
  return stderr.trimEnd().split("\n").map((line) => {
    const [, , phase] = LINE.exec(line) ?? [];
    assert(phase !== undefined, line);
    return phase;
  });
}

test("cage --debug tells the steps of a launch, in their order", async () => {
  const told = await cage(["--ephemeral", "--debug", ...sh("echo ran")]);
  assertEquals([told.status, told.stdout], [0, "ran\n"], told.stderr);
  const phases = phasesOf(told);
  assertEquals(
    new Set(phases),
    new Set(["create", "start", "enter", "command"]),
  );
  assertEquals(phases[0], "create");
  assertMatch(told.stderr, /create: pivot_root\("\.", "\."\) = 0 /);
  assertMatch(told.stderr, /command: execve\("[^"]*\/sh", .*\]\) = 0/);
  const quiet = await cage(["--ephemeral", ...sh("echo ran")]);
  assertEquals([quiet.stdout, quiet.stderr], ["ran\n", ""]);
});

test("cage --debug makes the same container", async () => {
  const show = sh(
    "cut -d' ' -f 4-6 /proc/self/mountinfo; grep -E 'Cap|NoNew|Sec|Groups' " +
      "/proc/self/status; ls /proc/self/fd; pwd; umask; env | sort",
  );
  const debugged = await cage(["--ephemeral", "--debug", ...show]);
  const plain = await cage(["--ephemeral", ...show]);
  assertEquals(debugged.stdout, plain.stdout);
});

test("cage --debug tells the errors of steps, before what failed", async () => {
  const told = await cage(["--ephemeral", "--debug", "no-such-command"]);
  assertEquals(told.status, 127);
  assertMatch(
    told.stderr,
    /command: execve\(".*\/no-such-command", .* = -1 ENOENT \(no such file or directory\)/,
  );
  assertMatch(told.stderr.trimEnd().split("\n").at(-1)!, /^cage: Cannot run /);
});

test("cage --debug tells the steps of a command that attaches", async (t) => {
  const name = ["-n", t.name, "--ephemeral"];
  await using first = spawnCage([...name, ...waiting()]);
  await first.seen("ready");
  const told = await cage([...name, "--debug", ...sh("echo ran")]);
  assertEquals([told.status, told.stdout], [0, "ran\n"], told.stderr);
  assert(phasesOf(told).includes("attach"));
  assertMatch(told.stderr, /attach: setns\(\d+, CLONE_.* = 0 /);
  await first.end();
});

test("cage --debug tells what a detached command did", async (t) => {
  const name = ["-n", t.name, "--ephemeral"];
  const told = await cage([...name, "--debug", "-d", "sleep", "1000"]);
  assertEquals([told.status, told.stdout], [0, `${t.name}\n`], told.stderr);
  assert(phasesOf(told).includes("command"));
  assertMatch(told.stderr, /create: setsid\(\) = \d+ /);
  assertEquals((await cage([...name, "-k"])).status, 0);
});

test("cage --debug is refused where nothing is launched", async () => {
  const refused = await cage(["-k", "--debug"]);
  assertEquals(refused.status, 125);
  assertMatch(refused.stderr, /^cage: Cannot use -k with --debug: /);
});
