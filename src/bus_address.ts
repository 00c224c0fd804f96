/**
 * Where the session bus is: the D-Bus specification, "Server Addresses".
 *
 * @module
 */

import type { Desktop } from "./desktop.ts";

/**
 * Tells the address of the session bus that the environment has.
 *
 * @param desktop Whose it is.
 * @returns The address, if there is one.
 *
 * @example An address
 * ```ts
 * import { busAddress } from "cage/src/bus_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const env = new Map([["DBUS_SESSION_BUS_ADDRESS", "unix:path=/tmp/bus"]]);
 * assertEquals(busAddress({ env }), "unix:path=/tmp/bus");
 * ```
 */
export function busAddress({ env }: Pick<Desktop, "env">): string | undefined {
  const address = env.get("DBUS_SESSION_BUS_ADDRESS");
  return address && !/^-|\p{Cc}/u.test(address) ? address : undefined;
}

/**
 * Tells where the socket of the session bus is if nothing says otherwise.
 *
 * @param desktop Whose it is.
 * @returns The path.
 *
 * @example A path
 * ```ts
 * import { busSocket } from "cage/src/bus_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(busSocket({ runtime: "/run/user/7" }), "/run/user/7/bus");
 * ```
 */
export function busSocket({ runtime }: Pick<Desktop, "runtime">): string {
  return `${runtime}/bus`;
}

/**
 * Writes a path as an address.
 *
 * @param path The path.
 * @returns The address; what cannot be in one is written in hexadecimal.
 *
 * @example A space
 * ```ts
 * import { addressOf } from "cage/src/bus_address.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(addressOf("/a b/bus"), "unix:path=/a%20b/bus");
 * ```
 */
export function addressOf(path: string): string {
  const bytes = [...new TextEncoder().encode(path)];
  const escaped = bytes.map((byte) => {
    const character = String.fromCharCode(byte);
    if (/[-0-9A-Za-z_/.*]/.test(character)) return character;
    return `%${byte.toString(16).padStart(2, "0")}`;
  });
  return `unix:path=${escaped.join("")}`;
}
