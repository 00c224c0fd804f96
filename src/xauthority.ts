/**
 * Cookie files of X displays, `~/.Xauthority`.
 *
 * The format is that of libXau, Xauth(3) and the struct in X11/Xauth.h: for
 * each entry a 16-bit family, and then address, number, name and data, each
 * with its length in 16 bits before it; all numbers are big-endian (AuRead.c).
 *
 * @module
 */

import type { Display } from "./display.ts";

/** One entry: what a client says to one display. */
export interface Cookie {
  /** What kind of address it is. */
  readonly family: number;
  /** The address, for a local display the name of the machine. */
  readonly address: Uint8Array<ArrayBuffer>;
  /** The number of the display as text; empty for any. */
  readonly number: string;
  /** The name of the protocol, `MIT-MAGIC-COOKIE-1`. */
  readonly name: string;
  /** The secret. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** `FamilyInternet` of X11/X.h. */
export const FAMILY_INTERNET = 0;

/** `FamilyLocal` of X11/Xauth.h: this machine. */
export const FAMILY_LOCAL = 256;

/** `FamilyWild` of X11/Xauth.h: any machine. */
export const FAMILY_WILD = 65535;

/**
 * Reads a cookie file.
 *
 * @param bytes What is in the file.
 * @returns The entries, up to one that is not whole.
 *
 * @example Nothing
 * ```ts
 * import { parseCookies } from "cage/src/xauthority.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseCookies(new Uint8Array([1, 0, 0])), []);
 * ```
 */
export function parseCookies(bytes: Uint8Array<ArrayBuffer>): Cookie[] {
  const cookies: Cookie[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const family = bytes[at] << 8 | bytes[at + 1];
    const parts = partsAt(bytes, at + 2, 4);
    if (parts === undefined) break;
    const [address, number, name, data] = parts;
    cookies.push({
      family,
      address,
      number: textIn(number),
      name: textIn(name),
      data,
    });
    at += 2 + parts.reduce((size, part) => size + 2 + part.length, 0);
  }
  return cookies;
}

/**
 * Writes a cookie file.
 *
 * @param cookies The entries.
 * @returns What is in the file.
 *
 * @example There and back
 * ```ts
 * import { cookieFile, parseCookies } from "cage/src/xauthority.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const data = new Uint8Array([1, 2]);
 * const cookies = [
 *   { family: 65535, address: new Uint8Array(), number: "0", name: "X", data },
 * ];
 * assertEquals(parseCookies(cookieFile(cookies)), cookies);
 * ```
 */
export function cookieFile(
  cookies: readonly Cookie[],
): Uint8Array<ArrayBuffer> {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const bytes = cookies.flatMap(({ address, data, family, name, number }) => [
    ...word(family),
    ...[address, utf8(number), utf8(name), data]
      .flatMap((part) => [...word(part.length), ...part]),
  ]);
  return new Uint8Array(bytes);
}

/**
 * Chooses the entries of one display. Those of this machine are made to hold
 * for any, so that the name of the container does not matter.
 *
 * @param cookies The entries of the user.
 * @param display The display.
 * @param hostname The name of this machine.
 * @returns The entries that a container gets.
 *
 * @example Another display's is left out
 * ```ts
 * import { cookiesOf, FAMILY_WILD } from "cage/src/xauthority.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const [address, data] = [new TextEncoder().encode("box"), new Uint8Array(16)];
 * const entry = { family: 256, address, name: "MIT-MAGIC-COOKIE-1", data };
 * const cookies = [{ ...entry, number: "1" }, { ...entry, number: "0" }];
 * const display = { kind: "local", number: "0", name: ":0" } as const;
 * const [cookie, ...others] = cookiesOf(cookies, display, "box");
 * assertEquals([cookie.family, cookie.number], [FAMILY_WILD, "0"]);
 * assertEquals(others, []);
 * ```
 */
export function cookiesOf(
  cookies: readonly Cookie[],
  display: Display,
  hostname: string,
): Cookie[] {
  const isHere = display.kind === "local" ||
    ["localhost", "127.0.0.1", "[::1]", "::1", hostname]
      .includes(display.host);
  return cookies
    .filter(({ number }) => number === "" || number === display.number)
    .flatMap((cookie): Cookie[] => {
      const { number } = display;
      if (isHere && isOfMachine(cookie, hostname)) {
        return [{
          ...cookie,
          ...{ family: FAMILY_WILD, address: new Uint8Array(), number },
        }];
      }
      const isRemote = cookie.family !== FAMILY_LOCAL &&
        cookie.family !== FAMILY_WILD;
      return display.kind === "remote" && isRemote
        ? [{ ...cookie, number }]
        : [];
    });
}

function isOfMachine({ address, family }: Cookie, hostname: string): boolean {
  return family === FAMILY_WILD ||
    family === FAMILY_LOCAL && textIn(address) === hostname;
}

function textIn(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function partsAt(
  bytes: Uint8Array<ArrayBuffer>,
  start: number,
  count: number,
): Uint8Array<ArrayBuffer>[] | undefined {
  const parts = [];
  let at = start;
  for (let part = 0; part < count; part++) {
    if (at + 2 > bytes.length) return undefined;
    const end = at + 2 + (bytes[at] << 8 | bytes[at + 1]);
    if (end > bytes.length) return undefined;
    parts.push(bytes.slice(at + 2, end));
    at = end;
  }
  return parts;
}

function word(value: number): [high: number, low: number] {
  return [value >> 8 & 0xff, value & 0xff];
}
