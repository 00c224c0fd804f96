/**
 * What `-G` does whatever the desktop is.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  cage,
  desktopOf,
  exists,
  knowing,
  sh,
  show,
  test,
  X11,
} from "./support/mod.ts";

test("cage -G says what it did not find, and where it looked", async (t) => {
  const runtime = `${t.newScratch("/tmp")}/none`;
  const env = { XDG_RUNTIME_DIR: runtime, DISPLAY: ":59" };
  const result = await show({ env }, sh("echo $DISPLAY $WAYLAND_DISPLAY ran"));
  assertEquals(result, {
    ...{ status: 0, stdout: "ran\n" },
    stderr: 'cage: No X11 for -G: there is no socket at "/tmp/.X11-unix/X59" ' +
      'for DISPLAY ":59", and no abstract one\n' +
      `cage: No Wayland for -G: there is no socket at "${runtime}/wayland-0"\n` +
      "cage: No sound for -G: there is no socket at " +
      `"${runtime}/pulse/native" or "${runtime}/pipewire-0"\n`,
  });
  const nothing = await show({ env: {} }, sh("echo ran"));
  assertEquals(nothing.stdout, "ran\n");
  assertMatch(nothing.stderr, /^cage: No X11 for -G: DISPLAY is not set$/m);
});

test("cage without -G passes nothing on", async (t) => {
  await using desktop = await desktopOf(t);
  await desktop.startX("-nolisten", "local");
  const { stdout, stderr } = await cage([
    ...["--ephemeral", ...sh("env; ls /tmp -A; ls /run/user")],
  ], { within: knowing(desktop.env) });
  assert(!/DISPLAY|XDG|XAUTH|X11/.test(stdout), stdout);
  assertEquals(stderr, "");
}, X11);

test("cage -G takes fonts of the host where the root has none", async (t) => {
  const script =
    "ls /usr/share/fonts | wc -l; touch /usr/share/fonts/x 2>&1 | " +
    "grep -c Read-only; mkdir -p /usr/share/icons; echo $?";
  const args = ["-G", ...await t.options(), ...sh(script)];
  const names = [...Deno.readDirSync("/usr/share/fonts")].length;
  // Twice: the first time leaves an empty directory in the upper layer.
  for (const _ of [1, 2]) {
    const { stdout, stderr } = await cage(args, { within: knowing({}) });
    assertEquals(stdout, `${names}\n1\n0\n`, stderr);
  }
  const { stdout } = await cage([
    ...["-G", ...await t.options("-k")].filter((word) => word !== "-G"),
  ]);
  assertEquals(stdout, "");
}, {
  skip: exists("/usr/share/fonts") && exists("/usr/share/icons")
    ? undefined
    : "this machine has no fonts",
});

test("cage -G keeps the fonts of a root that has some", async (t) => {
  const root = await t.root();
  await Deno.mkdir(`${root}/usr/share/fonts`, { recursive: true });
  await Deno.writeTextFile(`${root}/usr/share/fonts/own`, "");
  await Deno.mkdir(`${root}/etc`, { recursive: true });
  await Deno.symlink("/nowhere", `${root}/etc/fonts`);
  await Deno.writeTextFile(`${root}/usr/share/icons`, "");
  const { stdout, stderr } = await cage([
    ...["-G", ...await t.options("--ephemeral"), ...sh("ls /usr/share/fonts")],
  ], { within: knowing({}) });
  assertEquals(stdout, "own\n", stderr);
});
