/**
 * Where sound servers are: their sockets, and what opens them.
 *
 * @module
 */

import type { Desktop } from "./desktop.ts";

/**
 * Lists where the socket of PulseAudio may be, see pulse-client.conf(5).
 *
 * @param desktop Whose it is.
 * @returns The paths; the first one that is there counts.
 *
 * @example The usual place
 * ```ts
 * import { pulseSockets } from "cage/src/sound.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const env = new Map([["PULSE_SERVER", "{x}unix:/tmp/pulse tcp:box"]]);
 * const desktop = { uid: 7, gid: 7, runtime: "/run/user/7", isOther: false };
 * assertEquals(pulseSockets({ ...desktop, env }), ["/tmp/pulse"]);
 * assertEquals(pulseSockets({ ...desktop, env: new Map() }), [
 *   "/run/user/7/pulse/native",
 * ]);
 * ```
 */
export function pulseSockets({ env, runtime }: Desktop): string[] {
  const servers = serversOf(env);
  if (servers.length > 0) {
    return servers.map(pathIn).filter((path) => path !== undefined);
  }
  const own = env.get("PULSE_RUNTIME_PATH");
  return [
    ...(own?.startsWith("/") ? [`${own}/native`] : []),
    `${runtime}/pulse/native`,
  ];
}

/**
 * Tells which server is reached by the network.
 *
 * @param desktop Whose it is.
 * @returns The server as it was named, if none of those named is a socket.
 *
 * @example Another machine
 * ```ts
 * import { pulseRemote } from "cage/src/sound.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const at = (value: string) =>
 *   pulseRemote({ env: new Map([["PULSE_SERVER", value]]) });
 * assertEquals(at("tcp:box:4713"), "tcp:box:4713");
 * assertEquals(at("unix:/tmp/pulse"), undefined);
 * ```
 */
export function pulseRemote({ env }: Pick<Desktop, "env">): string | undefined {
  const servers = serversOf(env);
  if (servers.length === 0 || servers.some(pathIn)) return undefined;
  return servers.join(" ");
}

/** Those that are named, without control characters. */
function serversOf(env: Desktop["env"]): string[] {
  return (env.get("PULSE_SERVER") ?? "").split(/\s+/)
    .filter((server) => server !== "" && !/\p{Cc}/u.test(server));
}

/** The path of a socket; one of another machine or user may be named too. */
function pathIn(server: string): string | undefined {
  return /^(?:\{[^}]*\})?(?:unix:)?(\/.*)$/.exec(server)?.[1];
}

/**
 * Lists where the secret of PulseAudio may be: pulse-client.conf(5), and
 * pa_client_conf_load() of PulseAudio 16 for the two places at home.
 *
 * @param desktop Whose it is.
 * @returns The paths; the first one that is there counts.
 *
 * @example At home
 * ```ts
 * import { pulseCookies } from "cage/src/sound.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const desktop = { uid: 7, gid: 7, runtime: "/run/user/7", isOther: false };
 * const env = new Map();
 * assertEquals(pulseCookies({ ...desktop, env, home: "/home/u" }), [
 *   "/home/u/.config/pulse/cookie",
 *   "/home/u/.pulse-cookie",
 * ]);
 * ```
 */
export function pulseCookies({ env, home, isOther }: Desktop): string[] {
  const named = env.get("PULSE_COOKIE");
  const config = isOther ? undefined : env.get("XDG_CONFIG_HOME");
  const atHome = home === undefined ? [] : [
    `${config?.startsWith("/") ? config : `${home}/.config`}/pulse/cookie`,
    `${home}/.pulse-cookie`,
  ];
  return [...(named?.startsWith("/") ? [named] : []), ...atHome];
}

/**
 * Tells where the socket of PipeWire is: get_remote() and get_runtime_dir() of
 * module-protocol-native, PipeWire 0.3.
 *
 * @param desktop Whose it is.
 * @returns The path.
 *
 * @example The usual place
 * ```ts
 * import { pipewireSocket } from "cage/src/sound.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const desktop = { uid: 7, gid: 7, runtime: "/run/user/7", isOther: false };
 * const env = new Map();
 * assertEquals(
 *   pipewireSocket({ ...desktop, env }),
 *   "/run/user/7/pipewire-0",
 * );
 * ```
 */
export function pipewireSocket({ env, runtime }: Desktop): string {
  const name = env.get("PIPEWIRE_REMOTE") || "pipewire-0";
  const directory = env.get("PIPEWIRE_RUNTIME_DIR");
  if (name.startsWith("/")) return name;
  return `${directory?.startsWith("/") ? directory : runtime}/${name}`;
}
