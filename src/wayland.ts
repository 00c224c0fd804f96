/**
 * Wayland: where its socket is, and what makes toolkits use it.
 *
 * @module
 */

import type { Desktop } from "./desktop.ts";

/**
 * Lists where the socket of the compositor may be: wl_display_connect(3). What
 * sudo(8) has dropped is guessed: some compositors leave the first name free.
 *
 * @param desktop Whose it is.
 * @returns The paths; the first one that is there counts.
 *
 * @example By name and by path
 * ```ts
 * import { waylandSockets } from "cage/src/wayland.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const desktop = { uid: 7, gid: 7, runtime: "/run/user/7", isOther: false };
 * const at = (value: string) =>
 *   waylandSockets({ ...desktop, env: new Map([["WAYLAND_DISPLAY", value]]) });
 * assertEquals(at("wayland-1"), ["/run/user/7/wayland-1"]);
 * assertEquals(at("/srv/wayland"), ["/srv/wayland"]);
 * assertEquals(at(""), ["/run/user/7/wayland-0"]);
 * ```
 */
export function waylandSockets(
  { env, isOther, runtime }: Desktop,
): string[] {
  const name = env.get("WAYLAND_DISPLAY");
  const usual = isOther ? ["wayland-0", "wayland-1"] : ["wayland-0"];
  return (name ? [name] : usual).map((name) =>
    name.startsWith("/") ? name : `${runtime}/${name}`
  );
}

/**
 * Variables that make toolkits use Wayland where they can, and X11 where not:
 * GDK and Clutter, Qt, Firefox, SDL, and what asks for the kind of session.
 */
export const TOOLKIT_VARIABLES: readonly [key: string, value: string][] = [
  ["XDG_SESSION_TYPE", "wayland"],
  ["GDK_BACKEND", "wayland,x11"],
  ["CLUTTER_BACKEND", "wayland"],
  ["QT_QPA_PLATFORM", "wayland;xcb"],
  ["MOZ_ENABLE_WAYLAND", "1"],
  ["SDL_VIDEODRIVER", "wayland,x11"],
];
