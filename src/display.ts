/**
 * Names of X displays, as the variable DISPLAY has them: X(7).
 *
 * @module
 */

/** A display of this machine, by a socket. */
export interface LocalDisplay {
  /** Where it is. */
  readonly kind: "local";
  /** Its number, digits without leading zeros. */
  readonly number: string;
  /** The name of the display, in the shortest form. */
  readonly name: string;
}

/** A display that is reached by the network. */
export interface RemoteDisplay {
  /** Where it is. */
  readonly kind: "remote";
  /** The machine. */
  readonly host: string;
  /** Its number, digits without leading zeros. */
  readonly number: string;
  /** The name of the display, as it was given. */
  readonly name: string;
}

/** A display. */
export type Display = LocalDisplay | RemoteDisplay;

/** The directory of the sockets of displays: Xtranssock.c of libxtrans. */
const SOCKETS = "/tmp/.X11-unix";

/**
 * Reads the name of a display: `:0`, `:0.1`, `unix:0` and `box/unix:0` are by a
 * socket, `host:0` and `tcp/host:0` by the network.
 *
 * @param text The value of DISPLAY.
 * @returns The display; nothing if it is no such name.
 *
 * @example Two names
 * ```ts
 * import { parseDisplay } from "cage/src/display.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseDisplay("unix:0.1"), {
 *   kind: "local",
 *   number: "0",
 *   name: ":0.1",
 * });
 * assertEquals(parseDisplay("box:2")?.kind, "remote");
 * ```
 */
export function parseDisplay(text: string): Display | undefined {
  const found = /^([^\p{Cc}\s]*):0*([0-9]{1,5})(\.[0-9]{1,5})?$/u.exec(text);
  if (found === null) return undefined;
  const [, where, number, screen = ""] = found;
  if (where === "" || /^(?:[^/]*\/)?unix$/.test(where)) {
    return { kind: "local", number, name: `:${number}${screen}` };
  }
  const host = where.replace(/^[a-z0-9]+\//, "");
  if (host === "" || host.includes("/")) return undefined;
  return { kind: "remote", host, number, name: text };
}

/**
 * Tells the path of the socket of a display, which is also the name of its
 * abstract socket.
 *
 * @param number The number of the display.
 * @returns The path.
 *
 * @example The first one
 * ```ts
 * import { displaySocket } from "cage/src/display.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(displaySocket("0"), "/tmp/.X11-unix/X0");
 * ```
 */
export function displaySocket(number: string): string {
  return `${SOCKETS}/X${number}`;
}

/**
 * Tells whether an abstract socket is there, see unix(7).
 *
 * @param name Its name.
 * @param table The text of `/proc/net/unix`, see proc_net(5).
 * @returns Whether it is.
 *
 * @example A display
 * ```ts
 * import { hasAbstract } from "cage/src/display.ts";
 * import { assert } from "@std/assert";
 *
 * const line = "ffff0: 00000002 0 00010000 0001 01 42 @/tmp/.X11-unix/X0\n";
 * assert(hasAbstract("/tmp/.X11-unix/X0", line));
 * assert(!hasAbstract("/tmp/.X11-unix/X", line));
 * ```
 */
export function hasAbstract(name: string, table: string): boolean {
  return table.split("\n").some((line) => line.endsWith(` @${name}`));
}
