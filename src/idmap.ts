/**
 * Which ids of the host the ids inside are, in the user namespace of a caller
 * who is not granted the host's root.
 *
 * @module
 */

import { UsageError } from "./errors.ts";
import type { CallerIds } from "./policy.ts";
import { quote } from "./quote.ts";
import type { IdRange } from "./subids.ts";
import { type ResolvedUser, splitUser } from "./users.ts";

/** A line of `/proc/PID/uid_map`: ids that follow one another on both sides. */
export interface IdRow {
  /** The lowest id inside. */
  readonly inside: number;
  /** The id outside that it is. */
  readonly outside: number;
  /** How many there are. */
  readonly count: number;
}

/** The ids of a user namespace. */
export interface IdMap {
  /** Users. */
  readonly uid: readonly IdRow[];
  /** Groups. */
  readonly gid: readonly IdRow[];
  /** What `/proc/PID/setgroups` gets. */
  readonly setgroups: "allow" | "deny";
  /** Whether there are ranges that nothing on this machine can map. */
  readonly lacksHelpers?: boolean;
}

/** What an {@linkcode IdMap} is planned from. */
export interface IdMapWish {
  /** Who calls. */
  readonly caller: CallerIds;
  /** The caller's ranges of users. */
  readonly subuids: readonly IdRange[];
  /** The caller's ranges of groups. */
  readonly subgids: readonly IdRange[];
  /** The value of `-u`. */
  readonly user?: string;
  /** The value of `-g`. */
  readonly group?: string;
  /** Whether the container has volumes. */
  readonly hasVolumes: boolean;
  /** Whether there are ranges that nothing on this machine can map. */
  readonly lacksHelpers?: boolean;
  /** Whether a caller who is named by number keeps that number. */
  readonly keepsOwn?: boolean;
}

/** Most lines of a map: user_namespaces(7), Linux 4.15. */
export const MAX_ROWS = 340;

/**
 * Most bytes of a map, which have to be less than a page: map_write() of
 * kernel/user_namespace.c, Linux 6.1. Pages are of 4096 bytes at least. Rows
 * of usual length come to this first.
 */
export const MAX_MAP_BYTES = 4095;

/**
 * Plans the ids of a user namespace.
 *
 * With ranges of both users and groups, 0 inside is the caller, and the ranges
 * follow one after the other from 1 on, as many as the kernel takes. Otherwise
 * there is one id each: that of `-u` if it is a number, else 0.
 *
 * Groups cannot be set (setgroups(2)) by whoever has no ranges, nor if there
 * are volumes: the kernel checks those with the groups that a process has, and
 * one that the host uses to forbid could be given up. The overlay is checked
 * with the groups of whoever mounted it, whatever a process inside has.
 *
 * @param wish What it is planned from.
 * @returns The ids.
 * @throws {UsageError} If `-u` or `-g` is malformed.
 *
 * @example A user with ranges, and one without
 * ```ts
 * import { mapText, planIdMap } from "cage/src/idmap.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const caller = { uid: 1000, gid: 100, groups: [27] };
 * const ranges = [{ start: 100000, count: 65536 }];
 * const { uid } = planIdMap({
 *   caller,
 *   subuids: ranges,
 *   subgids: ranges,
 *   hasVolumes: false,
 * });
 * assertEquals(mapText(uid), "0 1000 1\n1 100000 65536\n");
 *
 * const own = { caller, subuids: [], subgids: [], hasVolumes: true };
 * const { gid, setgroups } = planIdMap({ ...own, user: "1000" });
 * assertEquals(mapText(gid), "100 100 1\n");
 * assertEquals(setgroups, "deny");
 * ```
 */
export function planIdMap(wish: IdMapWish): IdMap {
  const { caller, hasVolumes, subgids, subuids } = wish;
  const words = splitUser(wish.user, wish.group);
  if (subuids.length > 0 && subgids.length > 0) {
    const isKept = wish.keepsOwn === true && words.user === `${caller.uid}`;
    return {
      uid: rowsOf(caller.uid, subuids, isKept),
      gid: rowsOf(caller.gid, subgids, isKept),
      setgroups: hasVolumes ? "deny" : "allow",
    };
  }
  const uid = isNumber(words.user) ? Number(words.user) : 0;
  const group = words.groups.find(isNumber);
  const gid = group === undefined
    ? uid === caller.uid ? caller.gid : uid
    : Number(group);
  return {
    uid: [{ inside: uid, outside: caller.uid, count: 1 }],
    gid: [{ inside: gid, outside: caller.gid, count: 1 }],
    setgroups: "deny",
    ...(wish.lacksHelpers ? { lacksHelpers: true } : {}),
  };
}

/**
 * Tells who sets a container up inside: root if there is one.
 *
 * @param map The ids of the user namespace.
 * @returns The lowest ids inside.
 *
 * @example The only id
 * ```ts
 * import { lowestOf } from "cage/src/idmap.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = [{ inside: 7, outside: 1000, count: 1 }];
 * const map = { uid: rows, gid: rows, setgroups: "deny" } as const;
 * assertEquals(lowestOf(map), { uid: 7, gid: 7 });
 * ```
 */
export function lowestOf(
  { gid, uid }: Pick<IdMap, "gid" | "uid">,
): { readonly uid: number; readonly gid: number } {
  const lowest = (rows: readonly IdRow[]) =>
    rows.reduce((low, { inside }) => Math.min(low, inside), Infinity);
  return { uid: lowest(uid), gid: lowest(gid) };
}

/**
 * Finds the id outside.
 *
 * @param rows The map.
 * @param id The id inside.
 * @returns The id outside, if it is mapped.
 *
 * @example The second of a range
 * ```ts
 * import { toOutside } from "cage/src/idmap.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = [{ inside: 1, outside: 100000, count: 10 }];
 * assertEquals(toOutside(rows, 2), 100001);
 * assertEquals(toOutside(rows, 11), undefined);
 * ```
 */
export function toOutside(
  rows: readonly IdRow[],
  id: number,
): number | undefined {
  return translate(rows, id, "inside", "outside");
}

/**
 * Finds the id inside.
 *
 * @param rows The map.
 * @param id The id outside.
 * @returns The id inside, if there is one.
 *
 * @example The second of a range
 * ```ts
 * import { toInside } from "cage/src/idmap.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = [{ inside: 1, outside: 100000, count: 10 }];
 * assertEquals(toInside(rows, 100001), 2);
 * assertEquals(toInside(rows, 2), undefined);
 * ```
 */
export function toInside(
  rows: readonly IdRow[],
  id: number,
): number | undefined {
  return translate(rows, id, "outside", "inside");
}

/**
 * Writes a map as the kernel takes it.
 *
 * @param rows The map.
 * @returns The text for `/proc/PID/uid_map` or `/proc/PID/gid_map`.
 *
 * @example One id
 * ```ts
 * import { mapText } from "cage/src/idmap.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(mapText([{ inside: 0, outside: 1000, count: 1 }]), "0 1000 1\n");
 * ```
 */
export function mapText(rows: readonly IdRow[]): string {
  return rows.map(({ inside, outside, count }) =>
    `${inside} ${outside} ${count}\n`
  ).join("");
}

/**
 * Reads a map as the kernel shows it. What is no line of three numbers is left
 * out, and what it would map counts as not mapped.
 *
 * @param text The text of `/proc/PID/uid_map` or `/proc/PID/gid_map`.
 * @returns The map.
 *
 * @example The map of the host
 * ```ts
 * import { parseMap } from "cage/src/idmap.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseMap("         0          0 4294967295\n"), [
 *   { inside: 0, outside: 0, count: 4294967295 },
 * ]);
 * ```
 */
export function parseMap(text: string): IdRow[] {
  return [...text.matchAll(/^ *([0-9]+) +([0-9]+) +([0-9]+) *$/gm)]
    .map(([, inside, outside, count]) => ({
      inside: Number(inside),
      outside: Number(outside),
      count: Number(count),
    }));
}

/**
 * Finds the groups that a process inside can be given.
 *
 * @param user Who the process runs as.
 * @param map The ids.
 * @returns The groups for setgroups(2), those which are mapped; `undefined` if
 * it keeps the caller's, since it cannot be given any.
 *
 * @example A group that is not mapped
 * ```ts
 * import { groupsInside } from "cage/src/idmap.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const uid = [{ inside: 0, outside: 1000, count: 1 }];
 * const user = { uid: 0, gid: 0, groups: [0, 4] };
 * assertEquals(groupsInside(user, { uid, gid: uid, setgroups: "allow" }), [0]);
 * ```
 */
export function groupsInside(
  { groups }: ResolvedUser,
  { gid, setgroups }: IdMap,
): number[] | undefined {
  if (setgroups === "deny") return;
  return groups.filter((group) => toOutside(gid, group) !== undefined);
}

/**
 * Refuses a user or a group that the namespace does not have.
 *
 * @param user Who the command is to run as.
 * @param map The ids.
 * @param kept The caller's groups, which a process inside keeps where it cannot
 * set any.
 * @param areNamed Whether `-u` or `-g` names the groups. Supplementary ones
 * that only the root file system gives, as Alpine does to its root, are done
 * without where they cannot be had.
 * @throws {UsageError} If an id is not mapped, or a group can only be kept and
 * the caller has not got it.
 *
 * @example A user of the root file system, for a caller without ranges
 * ```ts
 * import { checkMapped } from "cage/src/idmap.ts";
 * import { assertThrows } from "@std/assert";
 *
 * const rows = [{ inside: 0, outside: 1000, count: 1 }];
 * const map = { uid: rows, gid: rows, setgroups: "deny" } as const;
 * checkMapped({ uid: 0, gid: 0, groups: [0, 27] }, map, [27]);
 * assertThrows(
 *   () => checkMapped({ uid: 70, gid: 70, groups: [70] }, map, []),
 *   Error,
 *   "Cannot run as user 70: it is not mapped, only 0 is: use -u 70:70",
 * );
 * ```
 */
export function checkMapped(
  user: ResolvedUser,
  map: IdMap,
  kept: readonly number[],
  areNamed = true,
): void {
  checkId(user, map, "user", user.uid, map.uid);
  checkId(user, map, "group", user.gid, map.gid);
  if (!areNamed) return;
  const has = (id: number | undefined) => id !== undefined && kept.includes(id);
  for (const group of user.groups.slice(1)) {
    if (map.setgroups === "allow") {
      checkId(user, map, "group", group, map.gid);
    } else if (!has(group) && !has(toOutside(map.gid, group))) {
      checkId(user, map, "group", group, map.gid);
      throw new UsageError(
        `Cannot run with group ${group}: groups are kept where volumes are, ` +
          "and you are not in it: leave out -v and -G, or the group",
      );
    }
  }
}

/**
 * As many ranges as the kernel takes in one map. The own id is 0, or itself,
 * with ranges below and above.
 */
function rowsOf(
  own: number,
  ranges: readonly IdRange[],
  isKept: boolean,
): IdRow[] {
  const place = isKept ? own : 0;
  const rows = [{ inside: place, outside: own, count: 1 }];
  const isFull = () =>
    rows.length > MAX_ROWS || mapText(rows).length > MAX_MAP_BYTES;
  let inside = place === 0 ? 1 : 0;
  for (const { start, count } of ranges) {
    const below = inside < place ? Math.min(count, place - inside) : count;
    const above = count - below;
    rows.push({ inside, outside: start, count: below });
    if (isFull()) return rows.slice(0, -1);
    inside += below;
    if (inside === place) inside += 1;
    if (above === 0) continue;
    rows.push({ inside, outside: start + below, count: above });
    if (isFull()) return rows.slice(0, -1);
    inside += above;
  }
  return rows;
}

function translate(
  rows: readonly IdRow[],
  id: number,
  from: "inside" | "outside",
  to: "inside" | "outside",
): number | undefined {
  const row = rows.find((row) => row[from] <= id && id < row[from] + row.count);
  return row && row[to] + id - row[from];
}

function checkId(
  user: ResolvedUser,
  map: IdMap,
  kind: "user" | "group",
  id: number,
  rows: readonly IdRow[],
): void {
  if (toOutside(rows, id) !== undefined) return;
  const is = kind === "user" && user.name !== undefined
    ? `user ${quote(user.name)}: ${id}`
    : `${kind} ${id}: it`;
  throw new UsageError(
    `Cannot run ${kind === "user" ? "as" : "with"} ${is} is not mapped` +
      `${listing(rows)}: ${adviceOf(user, map)}`,
  );
}

/** One id can be any; the number is given so that it is known in advance. */
function adviceOf({ gid, uid }: ResolvedUser, map: IdMap): string {
  const many = count(map.uid);
  if (many > 1) {
    return "use one of these, or ask for a larger range in /etc/subuid and " +
      "/etc/subgid";
  }
  const other = many === 1 ? `use -u ${uid}:${gid}, or ` : "";
  return other + (map.lacksHelpers ? HELPERS : RANGES);
}

const HELPERS = "install newuidmap and newgidmap (package uidmap), and run " +
  "without no_new_privs";

const RANGES = "ask for a range in /etc/subuid and /etc/subgid, e.g. with " +
  "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME";

function count(rows: readonly IdRow[]): number {
  return rows.reduce((sum, { count }) => sum + count, 0);
}

/** What is mapped instead; nothing is in a namespace that was not set up. */
function listing(rows: readonly IdRow[]): string {
  const many = count(rows);
  const lowest = Math.min(...rows.map(({ inside }) => inside));
  const highest = Math.max(...rows.map(({ inside, count }) => inside + count));
  if (many === 0) return "";
  if (many === 1) return `, only ${lowest} is`;
  return `, only ${many} from ${lowest} to ${highest - 1} are`;
}

function isNumber(word: string): boolean {
  return /^[0-9]+$/.test(word);
}
