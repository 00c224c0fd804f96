/**
 * What a graphical program gets of its user's desktop: sockets, variables,
 * files with secrets, devices. Everything here only computes.
 *
 * @module
 */

import { basename } from "@std/path";
import type { Desktop } from "./desktop.ts";
import {
  type Display,
  displaySocket,
  hasAbstract,
  parseDisplay,
} from "./display.ts";
import { quote } from "./quote.ts";
import {
  pipewireSocket,
  pulseCookies,
  pulseRemote,
  pulseSockets,
} from "./sound.ts";
import type { Volume } from "./spec.ts";
import { TOOLKIT_VARIABLES, waylandSockets } from "./wayland.ts";
import { cookieFile, cookiesOf, parseCookies } from "./xauthority.ts";

/** Directories of fonts, themes and icons, and how fonts are found. */
export const LOOKS: readonly string[] = [
  "/usr/share/fonts",
  "/usr/share/icons",
  "/usr/share/themes",
  "/etc/fonts",
];

/** Paths of the host to look at. */
export interface GraphicsWish {
  /** Where sockets may be. */
  readonly sockets: readonly string[];
  /** Where files with secrets may be. */
  readonly files: readonly string[];
}

/** What was found on the host. */
export interface GraphicsFacts {
  /** Whose desktop it is. */
  readonly desktop: Desktop;
  /** The name of the host. */
  readonly hostname: string;
  /** Those sockets of the wish that are there. */
  readonly sockets: ReadonlySet<string>;
  /** Those files of the wish that can be read, and what is in them. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** The text of `/proc/net/unix`. */
  readonly abstract: string;
  /** Devices of graphics cards, and groups that open them. */
  readonly devices: readonly { readonly path: string; readonly gid?: number }[];
  /** Those of {@linkcode LOOKS} that the host has, and the container not. */
  readonly looks: readonly string[];
  /** The session bus, by a proxy. */
  readonly bus?: {
    /** The name of its socket inside. */
    readonly name: string;
    /** Its socket outside; absent if it is inside already. */
    readonly socket?: string;
  };
}

/** Something of the host that is mounted inside. */
export interface Share extends Volume {
  /** Whether it is a device. */
  readonly isDevice?: boolean;
}

/** A file that the command's user gets. */
export interface PrivateFile {
  /** The path inside. */
  readonly path: string;
  /** What is in it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a command gets. */
export interface Graphics {
  /** The directory of sockets inside, `XDG_RUNTIME_DIR`. */
  readonly runtime: string;
  /** What is mounted. */
  readonly shares: readonly Share[];
  /** What is made. */
  readonly files: readonly PrivateFile[];
  /** Variables of the environment. */
  readonly variables: readonly [key: string, value: string][];
  /** Groups that devices belong to. */
  readonly groups: readonly number[];
  /** Sentences about what was not found. */
  readonly notes: readonly string[];
}

/**
 * Tells what is to be looked for.
 *
 * @param desktop Whose desktop it is.
 * @returns The paths.
 *
 * @example A display
 * ```ts
 * import { graphicsWish } from "cage/src/graphics.ts";
 * import { assert } from "@std/assert";
 *
 * const desktop = { uid: 7, gid: 7, runtime: "/run/user/7", isOther: false };
 * const env = new Map([["DISPLAY", ":0"]]);
 * const { sockets } = graphicsWish({ ...desktop, env });
 * assert(sockets.includes("/tmp/.X11-unix/X0"));
 * ```
 */
export function graphicsWish(desktop: Desktop): GraphicsWish {
  const display = displayOf(desktop);
  return {
    sockets: [
      ...(display?.kind === "local" ? [displaySocket(display.number)] : []),
      ...waylandSockets(desktop),
      ...pulseSockets(desktop),
      pipewireSocket(desktop),
    ],
    files: [...cookieFiles(desktop), ...pulseCookies(desktop)],
  };
}

/**
 * Works out what a command gets.
 *
 * @param facts What was found.
 * @param user The user's name or number, as it was given.
 * @returns What it gets.
 *
 * @example Nothing is there
 * ```ts
 * import { planGraphics } from "cage/src/graphics.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const env = new Map();
 * const { notes, runtime } = planGraphics({
 *   desktop: { uid: 7, gid: 7, runtime: "/run/user/7", isOther: false, env },
 *   hostname: "box",
 *   sockets: new Set(),
 *   files: new Map(),
 *   abstract: "",
 *   devices: [],
 *   looks: [],
 * }, "1000");
 * assertEquals(runtime, "/run/user/1000");
 * assertEquals(notes[0], "No X11 for -G: DISPLAY is not set");
 * ```
 */
export function planGraphics(facts: GraphicsFacts, user: string): Graphics {
  const runtime = runtimeFor(user);
  const parts = [
    planX11(facts, runtime),
    planWayland(facts, runtime),
    planSound(facts, runtime),
    planBus(facts, runtime, user),
    planHardware(facts),
  ];
  return {
    runtime,
    shares: parts.flatMap(({ shares = [] }) => shares),
    files: parts.flatMap(({ files = [] }) => files),
    variables: [
      ["XDG_RUNTIME_DIR", runtime],
      ...parts.flatMap(({ variables = [] }) => variables),
    ],
    groups: [...new Set(parts.flatMap(({ groups = [] }) => groups))],
    notes: parts.flatMap(({ notes = [] }) => notes),
  };
}

/**
 * Tells the directory of sockets inside. It is known before users are looked
 * up, since it is mounted in, and so has the name that the user was given by.
 *
 * @param user The user's name or number.
 * @returns The path.
 *
 * @example A number and a name
 * ```ts
 * import { runtimeFor } from "cage/src/graphics.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(runtimeFor("1000"), "/run/user/1000");
 * assertEquals(runtimeFor("../x"), "/run/user/%2E%2E%2Fx");
 * ```
 */
export function runtimeFor(user: string): string {
  return `/run/user/${encodeURIComponent(user).replaceAll(".", "%2E")}`;
}

type Part = Partial<Omit<Graphics, "runtime">>;

function displayOf({ env }: Desktop): Display | undefined {
  const name = env.get("DISPLAY");
  return name ? parseDisplay(name) : undefined;
}

/** Xau(3): one or the other, even if it is not there. */
function cookieFiles({ env, home }: Desktop): string[] {
  const named = env.get("XAUTHORITY");
  if (named) return named.startsWith("/") ? [named] : [];
  return home === undefined ? [] : [`${home}/.Xauthority`];
}

function planX11(facts: GraphicsFacts, runtime: string): Part {
  const { abstract, desktop, sockets } = facts;
  const none = (why: string) => ({ notes: [`No X11 for -G: ${why}`] });
  const value = desktop.env.get("DISPLAY");
  if (!value) return none("DISPLAY is not set");
  const display = displayOf(desktop);
  if (display === undefined) return none(`DISPLAY is ${quote(value)}`);
  const part = cookiePart(facts, display, runtime);
  if (display.kind === "remote") return part;
  const path = displaySocket(display.number);
  if (sockets.has(path)) {
    return { ...part, shares: [{ host: path, inside: path, readOnly: false }] };
  }
  // It needs no path: it is the network namespace's, which is the host's.
  if (hasAbstract(path, abstract)) return part;
  return none(
    `there is no socket at ${quote(path)} for DISPLAY ${quote(value)}, and ` +
      "no abstract one",
  );
}

function cookiePart(
  { desktop, files, hostname }: GraphicsFacts,
  display: Display,
  runtime: string,
): Part {
  const bytes = cookieFiles(desktop).map((path) => files.get(path))
    .find((bytes) => bytes !== undefined);
  const own = cookiesOf(
    bytes === undefined ? [] : parseCookies(bytes),
    display,
    hostname,
  );
  const path = `${runtime}/Xauthority`;
  const shown = variable("DISPLAY", display.name);
  if (own.length === 0) return { variables: [shown] };
  return {
    variables: [shown, variable("XAUTHORITY", path)],
    files: [{ path, bytes: cookieFile(own) }],
  };
}

function planWayland(
  { desktop, sockets }: GraphicsFacts,
  runtime: string,
): Part {
  const places = waylandSockets(desktop);
  const path = places.find((path) => sockets.has(path));
  if (path === undefined) {
    const why = `there is no socket at ${places.map(quote).join(" or ")}`;
    return { notes: [`No Wayland for -G: ${why}`] };
  }
  // No name that something else has there.
  const own = basename(path);
  const name = /^wayland-[\w.-]+$/.test(own) ? own : "wayland-0";
  return {
    shares: [{ host: path, inside: `${runtime}/${name}`, readOnly: false }],
    variables: [["WAYLAND_DISPLAY", name], ...TOOLKIT_VARIABLES],
  };
}

function planSound(facts: GraphicsFacts, runtime: string): Part {
  const { desktop, sockets } = facts;
  const places = pulseSockets(desktop);
  const pulse = places.find((path) => sockets.has(path));
  const remote = pulseRemote(desktop);
  const other = pipewireSocket(desktop);
  const hasPipewire = sockets.has(other);
  if (pulse === undefined && remote === undefined && !hasPipewire) {
    const all = [...places, other].map(quote).join(" or ");
    return { notes: [`No sound for -G: there is no socket at ${all}`] };
  }
  const own = `${runtime}/pulse/native`;
  const server = pulse === undefined ? remote : `unix:${own}`;
  const { files = [], variables = [] } = server === undefined
    ? {}
    : soundCookie(facts, runtime);
  const inside = `${runtime}/pipewire-0`;
  return {
    shares: [
      ...(pulse ? [{ host: pulse, inside: own, readOnly: false }] : []),
      ...(hasPipewire ? [{ host: other, inside, readOnly: false }] : []),
    ],
    files,
    variables: [
      ...(server === undefined ? [] : [variable("PULSE_SERVER", server)]),
      ...variables,
    ],
  };
}

function soundCookie(
  { desktop, files }: GraphicsFacts,
  runtime: string,
): Part {
  const bytes = pulseCookies(desktop).map((path) => files.get(path))
    .find((bytes) => bytes !== undefined);
  if (bytes === undefined) return {};
  const path = `${runtime}/pulse-cookie`;
  return {
    files: [{ path, bytes }],
    variables: [variable("PULSE_COOKIE", path)],
  };
}

function variable(key: string, value: string): [key: string, value: string] {
  return [key, value];
}

function planBus(
  { bus, desktop: { uid } }: GraphicsFacts,
  runtime: string,
  user: string,
): Part {
  if (bus === undefined) return {};
  // A client says its number, and the bus compares it with the proxy's.
  const isOther = /^[0-9]+$/.test(user) && Number(user) !== uid;
  const note = `The session bus may not answer -u ${user}: it knows programs ` +
    `by the number of its user, ${uid}: use -u ${uid}`;
  const inside = `${runtime}/${bus.name}`;
  return {
    shares: bus.socket === undefined
      ? []
      : [{ host: bus.socket, inside, readOnly: false }],
    variables: [["DBUS_SESSION_BUS_ADDRESS", `unix:path=${inside}`]],
    notes: isOther ? [note] : [],
  };
}

function planHardware({ devices, looks }: GraphicsFacts): Part {
  return {
    shares: [
      ...devices.map(({ path }) => ({
        ...{ host: path, inside: path },
        ...{ readOnly: false, isDevice: true },
      })),
      ...looks.map((path) => ({ host: path, inside: path, readOnly: true })),
    ],
    groups: devices.flatMap(({ gid }) => gid === undefined ? [] : [gid]),
  };
}
