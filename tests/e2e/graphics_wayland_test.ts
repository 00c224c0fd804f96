/**
 * Wayland programs with `-G`.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import {
  asSelf,
  desktopOf,
  isRootless,
  sh,
  show,
  test,
  WAYLAND,
  whyNoRanges,
} from "./support/mod.ts";

const AS_SELF = await asSelf();

const UID = Deno.uid()!;

test("cage -G shows Wayland programs", async (t) => {
  await using desktop = await desktopOf(t);
  await desktop.startWayland();
  const script =
    "wayland-info | grep -c wl_compositor; echo $WAYLAND_DISPLAY; " +
    "echo $XDG_SESSION_TYPE $MOZ_ENABLE_WAYLAND; echo $GDK_BACKEND; " +
    'stat -c "%a %u" $XDG_RUNTIME_DIR; echo $XDG_RUNTIME_DIR; ls $XDG_RUNTIME_DIR';
  for (const options of [[], AS_SELF]) {
    const uid = options.length > 0 ? UID : 0;
    const { stdout, stderr } = await show(desktop, [
      ...options,
      ...["-e", "GDK_BACKEND=mine", ...sh(script)],
    ]);
    assertEquals(
      stdout,
      `1\nwayland-5\nwayland 1\nmine\n700 ${uid}\n/run/user/${uid}\nwayland-5\n`,
      stderr,
    );
  }
  const env = {
    ...desktop.env,
    WAYLAND_DISPLAY: `${desktop.runtime}/wayland-5`,
    XDG_RUNTIME_DIR: t.newScratch("/tmp"),
  };
  const { stdout, stderr } = await show(
    { env },
    sh("wayland-info | grep -c _"),
  );
  assertMatch(stdout, /^[1-9]/, stderr);
}, WAYLAND);

test(
  "cage -G calls the directory of sockets as the user is called",
  async (t) => {
    await using desktop = await desktopOf(t);
    await desktop.startWayland();
    const script =
      "wayland-info | grep -c wl_compositor; echo $XDG_RUNTIME_DIR";
    const { stdout, stderr } = await show(desktop, [
      "-u",
      "root",
      ...sh(script),
    ]);
    assertEquals(stdout, "1\n/run/user/root\n", stderr);
  },
  WAYLAND,
);

test("cage -G says which socket another user cannot open", async (t) => {
  await using desktop = await desktopOf(t);
  await desktop.startWayland();
  const { stdout, stderr } = await show(desktop, [
    ...["-u", "7:7", ...sh("wayland-info | grep -c wl_compositor")],
  ]);
  if (!isRootless) {
    // Root shows the socket as that user's.
    return assertEquals(stdout, "1\n", stderr);
  }
  assertMatch(stderr, /wayland-5" is closed to -u 7, .*: use another -u$/m);
}, { skip: WAYLAND.skip ?? whyNoRanges() });
