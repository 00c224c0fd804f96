/**
 * X11 programs with `-G`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  asSelf,
  countColors,
  desktopOf,
  exists,
  knowing,
  sh,
  show,
  spawnCage,
  test,
  until,
  whyNoProgram,
  X11,
} from "./support/mod.ts";

const AS_SELF = await asSelf();

const UID = Deno.uid()!;

/** Colours of X11, rgb.txt. */
const [BLACK, NAVY, WHITE] = [0x000000, 0x000080, 0xffffff];

/** What xterm shows. */
const SHOWN = "{ echo '$ cage -G -u $(id -u) xterm'; echo; " +
  "xdpyinfo | head -n 4; echo; env | grep -E 'DISPLAY|XAUTH|XDG_RUN'; }";

test("cage -G shows X11 programs on the user's display", async (t) => {
  await using desktop = await desktopOf(t);
  const number = await desktop.startX();
  const script =
    "echo $DISPLAY; xdpyinfo | head -n 1; xauth -n list | wc -l; " +
    "xauth -n list | cut -d ' ' -f 1; ls /tmp/.X11-unix; " +
    'stat -c "%a %u" "$XAUTHORITY"';
  for (const options of [[], AS_SELF]) {
    const uid = options.length > 0 ? UID : 0;
    const { status, stdout, stderr } = await show(desktop, [
      ...options,
      ...sh(script),
    ]);
    assertEquals(
      stdout,
      `:${number}\nname of display:    :${number}\n1\n#ffff##:${number}\n` +
        `X${number}\n600 ${uid}\n`,
      stderr,
    );
    assertEquals(status, 0);
  }
}, X11);

test("cage -G takes a display in all its forms", async (t) => {
  await using desktop = await desktopOf(t);
  const number = await desktop.startX();
  const forms = [
    [`:${number}.0`, `:${number}.0`],
    [`unix:${number}`, `:${number}`],
    [`box/unix:${number}`, `:${number}`],
  ];
  for (const [given, inside] of forms) {
    const env = { ...desktop.env, DISPLAY: given };
    const { stdout, stderr } = await show({ env }, sh("xdpyinfo | head -n 1"));
    assertEquals(stdout, `name of display:    ${inside}\n`, stderr);
  }
  // Another machine's is left as it is.
  const env = { ...desktop.env, DISPLAY: "host.invalid:0" };
  const { stdout, stderr } = await show({ env }, sh("echo $DISPLAY"));
  assertEquals(stdout, "host.invalid:0\n");
  assert(!stderr.includes("X11"), stderr);
}, X11);

test("cage -G uses the X server of an abstract socket", async (t) => {
  await using desktop = await desktopOf(t);
  const number = await desktop.startX("-nolisten", "unix", "-listen", "local");
  if (exists(`/tmp/.X11-unix/X${number}`)) {
    await Deno.remove(`/tmp/.X11-unix/X${number}`);
  }
  const { stdout, stderr } = await show(
    desktop,
    sh("xdpyinfo | head -n 1; ls -d /tmp/.X11-unix 2>&1 | wc -l"),
  );
  assertEquals(stdout, `name of display:    :${number}\n1\n`, stderr);
  assert(!stderr.includes("X11"), stderr);
}, X11);

test("cage -G lets nobody at another display", async (t) => {
  await using desktop = await desktopOf(t);
  // Without abstract sockets, which have no path that could be kept out.
  const other = await desktop.startX("-nolisten", "local");
  const cookies = desktop.env.XAUTHORITY;
  const own = await desktop.startX("-nolisten", "local");
  assertEquals(desktop.env.XAUTHORITY, cookies);
  const script = `DISPLAY=:${own} xdpyinfo >/dev/null && echo own\n` +
    `DISPLAY=:${other} xdpyinfo >/dev/null 2>&1 || echo not the other\n` +
    `ls /tmp/.X11-unix; xauth -n list | grep -c :${other}; ` +
    `test -e ${cookies} || echo no cookies`;
  const { stdout, stderr } = await show(desktop, sh(script));
  assertEquals(stdout, `own\nnot the other\nX${own}\n0\nno cookies\n`, stderr);
}, X11);

test(
  "cage -G has no way to a display by its abstract socket alone",
  async (t) => {
    await using desktop = await desktopOf(t);
    const other = await desktop.startX();
    await desktop.startX();
    // The socket is in the network namespace, which is the host's.
    const { stdout, stderr } = await show(
      desktop,
      sh(`DISPLAY=:${other} xdpyinfo 2>&1 | grep -ci authoriz`),
    );
    assertMatch(stdout, /^[1-9]/, stderr);
  },
  X11,
);

test("cage -G shows xterm, and what it writes", async (t) => {
  await using desktop = await desktopOf(t);
  await desktop.startX();
  assertEquals([...countColors(desktop.screen()).keys()], [BLACK]);
  const options = ["-geometry", "50x14", "-bg", "navy", "-fg", "white"];
  const command = `echo; ${SHOWN} | sed "s/^/ /"; exec cat`;
  await using child = spawnCage([
    ...["-G", "--ephemeral", ...AS_SELF, "--", "xterm", ...options],
    ...["-e", "/bin/sh", "-c", command],
  ], { within: knowing(desktop.env) });
  await until(() => {
    const counts = countColors(desktop.screen());
    const [paper = 0, ink = 0] = [NAVY, WHITE].map((it) => counts.get(it));
    return paper > 20_000 && ink > 2_400;
  }, "xterm shows text");
  // docs/xterm.png was made of such a file by convert(1).
  const picture = Deno.env.get("XTERM_PICTURE");
  if (picture !== undefined) Deno.writeFileSync(picture, desktop.screen());
  child.kill("SIGTERM");
  await child.result;
}, { skip: X11.skip ?? whyNoProgram("xterm") });
