/**
 * The session bus, with `--dbus`.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import {
  asSelf,
  BUS,
  cage,
  desktopOf,
  hasRanges,
  knowing,
  sh,
  show,
  spawnCage,
  test,
  waiting,
} from "./support/mod.ts";

const AS_SELF = await asSelf();

/** Shows that the session bus answers. */
const ASK = "dbus-send --session --print-reply --dest=org.freedesktop.DBus " +
  "/ org.freedesktop.DBus.GetId | grep -c string";

/** Shows that it does, and counts what was mounted for it. */
const ASK_AND_COUNT = sh(`${ASK}; grep -c /run/user /proc/self/mountinfo`);

test("cage --dbus passes the session bus on, until the end", async (t) => {
  await using desktop = await desktopOf(t);
  await desktop.startBus();
  const without = await show(desktop, sh(`echo $DBUS_SESSION_BUS_ADDRESS`));
  assertEquals(without.stdout, "\n");
  const { stdout, stderr } = await show(desktop, [
    ...["--dbus", ...AS_SELF, ...sh(ASK)],
  ]);
  assertEquals(stdout, "1\n", stderr);
  const left = [...Deno.readDirSync(desktop.runtime)].map(({ name }) => name);
  assertEquals(left.filter((name) => name.startsWith("cage")), []);
  if (!hasRanges) return;
  // It goes by the number that a program says it has.
  const other = await show(desktop, ["--dbus", "-u", "7:7", ...sh("echo ran")]);
  assertEquals(other.stdout, "ran\n");
  assertMatch(other.stderr, /may not answer -u 7: .*: use -u [0-9]+$/m);
}, BUS);

test("cage --dbus adds the session bus to a running instance", async (t) => {
  await using desktop = await desktopOf(t);
  await desktop.startBus();
  const options = { within: knowing(desktop.env) };
  const graphics = ["--ephemeral", "-G", "--dbus", ...AS_SELF];
  await using first = spawnCage(
    ["-n", t.name, "--ephemeral", ...AS_SELF, ...waiting()],
    options,
  );
  await first.seen("ready");
  const added = await cage(
    ["-n", t.name, ...graphics, ...ASK_AND_COUNT],
    options,
  );
  assertEquals(added.stdout, "1\n1\n", added.stderr);
  await first.end();
  // An instance that has one shares it.
  const name = ["-n", t.newName()];
  await using second = spawnCage([...name, ...graphics, ...waiting()], options);
  await second.seen("ready");
  const shared = await cage([...name, ...graphics, ...ASK_AND_COUNT], options);
  assertEquals(shared.stdout, "1\n1\n", shared.stderr);
  await second.end();
}, BUS);

test(
  "cage -d --dbus passes the session bus on when cage has ended",
  async (t) => {
    await using desktop = await desktopOf(t);
    await desktop.startBus();
    const options = { within: knowing(desktop.env) };
    const call = ["-n", t.name, "--ephemeral", "-G", "--dbus", ...AS_SELF];
    const stay = sh("trap 'exit 0' TERM; sleep 1000 & wait");
    const begun = await cage(["-d", ...call, ...stay], options);
    assertEquals(begun.status, 0, begun.stderr);
    const shared = await cage([...call, ...ASK_AND_COUNT], options);
    assertEquals(shared.stdout, "1\n1\n", shared.stderr);
    assertEquals((await cage(["-n", t.name, "-k"], options)).status, 0);
    const left = [...Deno.readDirSync(desktop.runtime)].map(({ name }) => name);
    assertEquals(left.filter((name) => name.startsWith("cage")), []);
  },
  BUS,
);

test("cage --dbus says what is missing", async (t) => {
  const runtime = t.newScratch("/tmp");
  const env = { XDG_RUNTIME_DIR: runtime };
  const none = await show({ env }, ["--dbus", ...sh("echo ran")]);
  assertEquals(none.stdout, "ran\n");
  assertMatch(none.stderr, /^cage: No session bus for --dbus: DBUS_SESSION/m);
  const alone = await cage(["--ephemeral", "--dbus", ...sh("echo ran")]);
  assertEquals([alone.status, alone.stdout], [125, ""]);
  assertMatch(alone.stderr, /^cage: Cannot use --dbus without -G: /);
});

test("cage --dbus leaves nothing of a proxy that fails", async (t) => {
  const runtime = t.newScratch("/tmp");
  const proxy = "#!/bin/sh\necho no bus >&2\nexit 1\n";
  Deno.writeTextFileSync(`${runtime}/xdg-dbus-proxy`, proxy, { mode: 0o755 });
  const env = {
    XDG_RUNTIME_DIR: runtime,
    DBUS_SESSION_BUS_ADDRESS: "unix:path=/nowhere",
    PATH: `${runtime}:${Deno.env.get("PATH")}`,
  };
  const { stderr } = await show({ env }, ["--dbus", ...sh("true")]);
  assertMatch(stderr, /xdg-dbus-proxy failed: no bus: /);
  const left = [...Deno.readDirSync(runtime)].map(({ name }) => name);
  assertEquals(left.filter((name) => name.startsWith("cage-bus")), []);
});
