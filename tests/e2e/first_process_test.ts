import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  descendants,
  exists,
  sh,
  spawnCage,
  test,
  until,
} from "./support/mod.ts";

const ORPHANS = 50;

test("cage runs a command below a first process of its own", async (t) => {
  const script = "echo $$ $PPID; grep -E '^(Pid|PPid):' /proc/1/status";
  assertMatch(await t.sh(script), /^[2-9] 1\nPid:\t1\nPPid:\t0\n$/);
});

test("cage --no-init runs the command as the first process", async (t) => {
  const script = "echo $$; tr '\\0' ' ' </proc/1/cmdline; true";
  const { status, stdout } = await t.cage(["--no-init", ...sh(script)]);
  assertEquals(status, 0);
  assertMatch(stdout, /^1\n\/bin\/sh -c echo /);
});

test("cage collects orphans", async (t) => {
  const script = [
    `i=0; while [ $i -lt ${ORPHANS} ]; do`,
    "  (sh -c 'exit 3' &); i=$((i + 1))",
    "done",
    "zombies() {",
    "  grep -l '^State:.*Z' /proc/[0-9]*/status 2>/dev/null | wc -l",
    "}",
    "i=0; while [ $(zombies) != 0 ] && [ $i -lt 1000 ]; do",
    "  i=$((i + 1))",
    "done",
    "zombies; ls /proc | grep -c '^[0-9]'",
  ].join("\n");
  const { stdout } = await t.cage(sh(script));
  const [zombies, processes] = stdout.trim().split("\n").map(Number);
  assertEquals(zombies, 0);
  assert(processes < 10, stdout);
});

test("cage makes orphans children of the first process", async (t) => {
  const script = [
    "mkfifo /tmp/fifo",
    `sh -c '(sh -c "read go </tmp/fifo; cat /proc/\\$\\$/status >/tmp/a; ` +
    `mv /tmp/a /tmp/b" &)'`,
    "echo go >/tmp/fifo",
    "while [ ! -e /tmp/b ]; do :; done; grep ^PPid: /tmp/b",
  ].join("\n");
  assertEquals(await t.sh(script), "PPid:\t1\n");
});

for (const more of [[], ["--no-init"]]) {
  const how = ["cage", ...more].join(" ");
  test(`${how} passes signals to the command`, async (t) => {
    for (const signal of ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2"]) {
      const script = `trap 'echo caught ${signal}; exit 9' ${signal}; ` +
        "echo ready; sleep 1000 & wait";
      await using child = spawnCage([
        ...await t.options(...more),
        ...sh(script),
      ]);
      await child.seen("ready");
      child.kill(`SIG${signal}` as Deno.Signal);
      const { status, stdout } = await child.result;
      assertEquals([status, stdout], [9, `ready\ncaught ${signal}\n`]);
    }
  });
}

test("cage ends with 143 when SIGTERM ends the command", async (t) => {
  await using child = spawnCage([
    ...await t.options(),
    ...sh("echo ready; exec sleep 1000"),
  ]);
  await child.seen("ready");
  child.kill("SIGTERM");
  assertEquals((await child.result).status, 143);
  assertEquals(exists(t.pidFile), false);
});

for (const more of [[], ["--no-init"]]) {
  const how = ["cage", ...more].join(" ");
  test(`${how} ends with the first command, whatever still runs`, async (t) => {
    const script = "(exec sleep 1000 >/dev/null 2>&1 </dev/null) & " +
      "setsid sh -c 'exec sleep 1000' >/dev/null 2>&1 </dev/null & exit 5";
    const { status } = await t.cage([...more, ...sh(script)]);
    assertEquals(status, 5);
    assertEquals(descendants().filter(isSleep), []);
    assertEquals(exists(t.pidFile), false);
  });
}

function isSleep({ command }: { command: string }): boolean {
  return command === "sleep 1000";
}

test("cage takes the container along when it is killed", async (t) => {
  await using child = spawnCage([
    ...await t.options(),
    ...sh("echo ready; exec sleep 1000"),
  ]);
  await child.seen("ready");
  child.kill("SIGKILL");
  assertEquals((await child.result).status, 137);
  await until(
    () => descendants().filter(isSleep).length === 0,
    "the end of the container",
  );
  assertEquals((await t.cage(["true"])).status, 0);
  assertEquals(exists(t.pidFile), false);
});

test("cage takes many signals at once", async (t) => {
  const script = "n=0; trap 'n=$((n + 1))' USR1; trap 'exit 3' TERM; " +
    "echo ready; while :; do sleep 1000 & wait; done";
  await using child = spawnCage([...await t.options(), ...sh(script)]);
  await child.seen("ready");
  for (let at = 0; at < 200; at++) child.kill("SIGUSR1");
  child.kill("SIGTERM");
  assertEquals((await child.result).status, 3);
});
