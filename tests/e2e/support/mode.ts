/**
 * In which mode the tests run, and what that makes of the places they look at.
 *
 * As root of the machine, `cage` makes containers by right. As any other user,
 * without a setuid bit, it makes them in a user namespace: rootless. Nothing
 * else is told by the environment, so that whoever runs the tests by hand gets
 * the mode that their `cage` has.
 *
 * @module
 */

import { ownRange } from "./ranges.ts";
import { exists } from "./words.ts";

/** Whether the tests are an ordinary user's. */
export const isRootless: boolean = Deno.uid() !== 0;

/** The home of an ordinary user; nobody else's is looked at. */
export const HOME: string = Deno.env.get("HOME") || "/";

/** Where instances keep their pid files. */
export const RUN_DIRECTORY: string = isRootless
  ? `${runtimeDirectory()}`
  : "/run/microcontainer";

/** Where instances keep their application directories. */
export const STATE_DIRECTORY: string = isRootless
  ? `${absolute("XDG_DATA_HOME") ?? `${HOME}/.local/share`}/microcontainer`
  : "/var/lib/microcontainer";

/** A directory that is seen inside as well, as those in /var/tmp are not. */
export const SEEN_INSIDE: string = isRootless ? HOME : "/var/cache";

/** Whether there is more than one id inside. */
export const hasRanges: boolean = !isRootless || whyNoRanges() === undefined;

/**
 * Tells why a test is for users alone.
 *
 * @returns A reason, or nothing in a user's mode.
 */
export function whyNotRootless(): string | undefined {
  return isRootless ? undefined : "root of the machine runs the tests";
}

/**
 * Tells why a user has one id alone inside.
 *
 * @returns A reason, or nothing.
 */
export function whyNoRanges(): string | undefined {
  if (!isRootless) return undefined;
  for (const kind of ["uid", "gid"] as const) {
    if (ownRange(kind) === undefined) return `the user has no sub${kind}s`;
    if (!exists(`/usr/bin/new${kind}map`)) return "uidmap is not installed";
  }
  return undefined;
}

/**
 * Tells who on the host somebody inside is.
 *
 * @param inside The id inside.
 * @param kind Whether it is a user's or a group's.
 * @returns The id on the host.
 * @throws {Error} If nobody is.
 */
export function idOnHost(inside: number, kind: "uid" | "gid" = "uid"): number {
  if (!isRootless) return inside;
  if (inside === 0) return (kind === "uid" ? Deno.uid() : Deno.gid())!;
  const { start, count } = ownRange(kind) ?? { start: 0, count: 0 };
  if (inside <= count) return start + inside - 1;
  throw new Error(`Nobody on the host is ${kind} ${inside} inside`);
}

/**
 * Makes a program root of the ids that a user's containers have, to change
 * what is not the user's own on the host.
 *
 * @returns Words before the program; none for root of the machine.
 */
export function asRootInside(): string[] {
  if (!isRootless) return [];
  const ranges = hasRanges ? ["--map-auto"] : [];
  return ["unshare", "--user", "--map-root-user", ...ranges, "--"];
}

/** The value of a variable of the XDG base directories, which is absolute. */
function absolute(name: string): string | undefined {
  const value = Deno.env.get(name);
  return value?.startsWith("/") ? value : undefined;
}

function runtimeDirectory(): string {
  const uid = Deno.uid();
  const usual = `/run/user/${uid}`;
  const parent = absolute("XDG_RUNTIME_DIR") ??
    (exists(usual) ? usual : undefined);
  return parent === undefined
    ? `/tmp/microcontainer-${uid}`
    : `${parent}/microcontainer`;
}
