/**
 * How `cage -G` is shown with real programs.
 *
 * @module
 */

import { cage } from "./cage.ts";
import { Desktop } from "./desktop.ts";
import { output, type Result, spawn } from "./process.ts";
import { type Context, whyNoProgram } from "./test.ts";

/** What X11 takes. */
export const X11 = { skip: whyNoProgram("Xvfb", "xauth", "xdpyinfo") };

/** What Wayland takes. */
export const WAYLAND = { skip: whyNoProgram("weston", "wayland-info") };

/** What sound takes. */
export const SOUND = { skip: whyNoProgram("pulseaudio", "pactl", "pacat") };

/** What the session bus takes. */
export const BUS = {
  skip: whyNoProgram("dbus-daemon", "dbus-send", "xdg-dbus-proxy"),
};

/** The seed's options: the user's own number, and all groups. */
export async function asSelf(): Promise<string[]> {
  const [uid, gid, groups] = await Promise.all(
    ["-u", "-g", "-G"].map((what) => output(["id", what])),
  );
  const list = `${gid}:${groups}`.replaceAll("\n", "").replaceAll(" ", ":");
  return ["-u", uid.trim(), "-g", list];
}

/** Variables that tell of the desktop on which the tests run. */
const OF_DESKTOP = [
  ...["DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"],
  ...["PULSE_SERVER", "PULSE_COOKIE", "DBUS_SESSION_BUS_ADDRESS", "SUDO_UID"],
];

/**
 * Words before a program that is to know one desktop alone.
 *
 * @param env The variables that tell of it.
 * @returns The words.
 */
export function knowing(env: Readonly<Record<string, string>>): string[] {
  return [
    ...["env", ...OF_DESKTOP.flatMap((name) => ["-u", name])],
    ...Object.entries(env).map((entry) => entry.join("=")),
  ];
}

/**
 * Prepares a desktop of whoever runs the tests.
 *
 * @param t The test.
 * @returns The desktop, with nothing started.
 */
export function desktopOf(t: Context): Promise<Desktop> {
  const directory = t.newScratch("/tmp");
  return new Desktop(
    directory,
    (words, env) => spawn(words, { within: knowing(env), cwd: directory }),
  ).prepare();
}

/**
 * Runs `cage -G` on a view of this machine that nothing is left of.
 *
 * @param desktop What is known of a desktop.
 * @param args More arguments.
 * @returns How it ended.
 */
export function show(
  { env }: Pick<Desktop, "env">,
  args: readonly string[],
): Promise<Result> {
  return cage(["-G", "--ephemeral", ...args], { within: knowing(env) });
}
