/**
 * Whose instances a caller sees, and where those are.
 *
 * @module
 */

import { basesOf } from "./bases.ts";
import type { Client } from "./client.ts";
import { type Bases, ROOT_BASES } from "./layout.ts";
import { namesIn } from "./names_in.ts";
import { parsePasswd, type User } from "./users.ts";

/** Whose instances are at some places. */
export interface Owner {
  /** Whose what is kept there is. */
  readonly uid: number;
  /** The primary group of that user. */
  readonly gid: number;
  /**
   * Whether the directories are that user's own, and not this program's, nor
   * the caller's.
   */
  readonly isForeign: boolean;
  /** Directories of records of instances that run. */
  readonly records: readonly string[];
  /** The one user whose records count; all if absent. */
  readonly only?: number;
  /** Directories of application directories. */
  readonly storage: readonly string[];
  /** Directories of pid files. */
  readonly states: readonly string[];
}

/**
 * Tells whose instances a caller sees. What is kept by this program as root is
 * told from what users without privilege keep by themselves.
 *
 * @param client Who calls.
 * @returns Whose, and where they are; records first that others are used by.
 *
 * @example A user of the setuid program
 * ```ts
 * import { findClient } from "cage/src/client.ts";
 * import { ownersFor } from "cage/src/instance_owners.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const user = { ...findClient({}), standing: "user", uid: 7 } as const;
 * assertEquals(ownersFor(user).map(({ only }) => only), [7]);
 * ```
 */
export function ownersFor(client: Client): Owner[] {
  const { gid, standing, uid } = client;
  const own = { uid, gid, isForeign: false };
  switch (standing) {
    case "rootless":
      return [{ ...own, ...placesOf([client.bases]) }];
    case "user":
      return [{ ...own, only: uid, ...placesOf([client.bases]) }];
    case "granted":
      // As good as root, whose places those are; but records are each one's.
      return [{ ...own, uid: 0, only: uid, ...placesOf([ROOT_BASES]) }];
    case "root":
      return everybody();
  }
}

/** Where Bases are, each place once. */
function placesOf(
  bases: readonly Bases[],
): Pick<Owner, "records" | "states" | "storage"> {
  const all = (key: keyof Bases) => [...new Set(bases.map((one) => one[key]))];
  return {
    ...{ records: all("records"), storage: all("storage") },
    states: all("state"),
  };
}

/** The group of a user without an entry: nobody's. */
const NO_GROUP = 65_534;

function everybody(): Owner[] {
  const users = usersOfHost();
  const ofSetuid = usersIn(`${ROOT_BASES.storage}/user`, /^([0-9]+)$/);
  const states = usersIn(`${ROOT_BASES.state}/user`, /^([0-9]+)$/)
    .map((uid) => `${ROOT_BASES.state}/user/${uid}`);
  const root = { uid: 0, gid: 0, isForeign: false };
  const places = placesOf([ROOT_BASES]);
  return [
    { ...root, ...places, states: [...places.states, ...states] },
    ...ofSetuid.map((uid) => ({
      ...{ uid, gid: gidOf(uid, users), isForeign: false, records: [] },
      ...{ storage: [`${ROOT_BASES.storage}/user/${uid}`], states: [] },
    })),
    ...rootlessUsers(users).map((uid) => ({
      ...{ uid, gid: gidOf(uid, users), isForeign: true },
      ...placesOf(ownBases(uid, users)),
    })),
  ];
}

/** Those who may have something, in the order of their ids. */
function rootlessUsers(users: readonly User[]): number[] {
  const own = /^microcontainer-([0-9]+)$/;
  const found = [
    ...users.map(({ uid }) => uid),
    ...usersIn("/run/user", /^([0-9]+)$/),
    ...["/tmp", "/var/tmp"].flatMap((path) => usersIn(path, own)),
  ];
  return [...new Set(found)].filter((uid) => uid !== 0).sort((a, b) => a - b);
}

/** With and without the directories that a login makes, whatever there is. */
function ownBases(uid: number, users: readonly User[]): Bases[] {
  const home = users.find((user) => user.uid === uid)?.home;
  const rootless = { standing: "rootless", uid, env: new Map() } as const;
  return [
    basesOf({
      ...rootless,
      runtime: `/run/user/${uid}`,
      ...(home?.startsWith("/") ? { home } : {}),
    }),
    basesOf(rootless),
  ];
}

/** Largest id of a user; the next one means none: setreuid(2). */
const LARGEST = 0xffff_fffe;

function usersIn(directory: string, pattern: RegExp): number[] {
  return namesIn(directory).flatMap((name) => {
    const uid = Number(pattern.exec(name)?.[1] ?? NaN);
    return uid <= LARGEST ? [uid] : [];
  });
}

/**
 * Tells the primary group of a user.
 *
 * @param uid The id of the user.
 * @param users The entries of passwd(5).
 * @returns The id of the group.
 *
 * @example Without an entry
 * ```ts
 * import { gidOf } from "cage/src/instance_owners.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(gidOf(7, []), 65534);
 * ```
 */
export function gidOf(uid: number, users: readonly User[]): number {
  return users.find((user) => user.uid === uid)?.gid ?? NO_GROUP;
}

/**
 * Reads the users of this machine.
 *
 * @returns The entries of passwd(5).
 *
 * @example Root
 * ```ts
 * import { usersOfHost } from "cage/src/instance_owners.ts";
 * import { assert } from "@std/assert";
 *
 * assert(usersOfHost().every(({ name }) => name !== ""));
 * ```
 */
export function usersOfHost(): User[] {
  return parsePasswd(textOf("/etc/passwd"));
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
