/**
 * Which ids a rootless caller can have inside beside their own.
 *
 * @module
 */

import type { Identity } from "./caller.ts";
import type { IdMap, IdMapWish, IdRow } from "./idmap.ts";
import type { IdRange } from "./subids.ts";

/** The ids of the user namespace that a caller is in. */
export type OuterIds = IdMap;

/** What {@linkcode rootlessRanges} decides from. */
export interface RangesWish {
  /** Who calls. */
  readonly caller: Pick<Identity, "gid" | "uid">;
  /** The caller's ranges in `/etc/subuid` and `/etc/subgid`. */
  readonly ranges: Pick<IdMapWish, "subgids" | "subuids">;
  /** Whether newuidmap(1) and newgidmap(1) are installed. */
  readonly hasHelpers: boolean;
  /** The ids around the caller, if the caller can use each of them: root's. */
  readonly outer?: OuterIds;
}

/** The part of {@linkcode IdMapWish} that is about ids beside the own. */
export interface RootlessRanges
  extends Pick<IdMapWish, "lacksHelpers" | "subgids" | "subuids"> {
  /** Whether groups cannot be set, since they cannot around the caller. */
  readonly keepsGroups: boolean;
}

/**
 * Decides which ids are used: root of a container has the rest of those that
 * the container has; anybody else has ranges, which only privileged programs
 * can map.
 *
 * @param wish What there is.
 * @returns The ranges; none for one id.
 *
 * @example A user, and root of a container
 * ```ts
 * import { rootlessRanges } from "cage/src/rootless_ids.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const range = [{ start: 100000, count: 65536 }];
 * const ranges = { subuids: range, subgids: range };
 * const user = { caller: { uid: 1000, gid: 100 }, ranges };
 * assertEquals(rootlessRanges({ ...user, hasHelpers: true }).subuids, range);
 * assertEquals(rootlessRanges({ ...user, hasHelpers: false }).subuids, []);
 *
 * const rows = [{ inside: 0, outside: 1000, count: 100 }];
 * const { subuids } = rootlessRanges({
 *   caller: { uid: 0, gid: 0 },
 *   ranges,
 *   hasHelpers: true,
 *   outer: { uid: rows, gid: rows, setgroups: "allow" },
 * });
 * assertEquals(subuids, [{ start: 1, count: 99 }]);
 * ```
 */
export function rootlessRanges(
  { caller, hasHelpers, outer, ranges }: RangesWish,
): RootlessRanges {
  if (outer !== undefined) {
    return {
      subuids: without(outer.uid, caller.uid),
      subgids: without(outer.gid, caller.gid),
      keepsGroups: outer.setgroups === "deny",
    };
  }
  const { subgids, subuids } = ranges;
  const isNone = subuids.length === 0 || subgids.length === 0;
  return hasHelpers || isNone
    ? { subuids, subgids, keepsGroups: false }
    : { subuids: [], subgids: [], keepsGroups: false, lacksHelpers: true };
}

/**
 * Tells whether everybody may write a map: it has only the caller's own ids.
 *
 * @param map The map.
 * @param caller Who calls.
 * @returns Whether it needs no privilege: user_namespaces(7).
 *
 * @example The own number
 * ```ts
 * import { isOwn } from "cage/src/rootless_ids.ts";
 * import { assert } from "@std/assert";
 *
 * const rows = [{ inside: 0, outside: 1000, count: 1 }];
 * const map = { uid: rows, gid: rows, setgroups: "deny" } as const;
 * assert(isOwn(map, { uid: 1000, gid: 1000 }));
 * ```
 */
export function isOwn(
  { gid, setgroups, uid }: IdMap,
  caller: Pick<Identity, "gid" | "uid">,
): boolean {
  const has = ([row, ...others]: readonly IdRow[], id: number) =>
    others.length === 0 && row.count === 1 && row.outside === id;
  return setgroups === "deny" && has(uid, caller.uid) && has(gid, caller.gid);
}

/**
 * Writes a map as newuidmap(1) and newgidmap(1) take it.
 *
 * @param pid The id of a process in the namespace.
 * @param rows The map.
 * @returns The arguments.
 *
 * @example Two rows
 * ```ts
 * import { helperArguments } from "cage/src/rootless_ids.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const own = { inside: 0, outside: 1000, count: 1 };
 * const range = { inside: 1, outside: 100000, count: 65536 };
 * assertEquals(
 *   helperArguments(7, [own, range]),
 *   ["7", "0", "1000", "1", "1", "100000", "65536"],
 * );
 * ```
 */
export function helperArguments(
  pid: number,
  rows: readonly IdRow[],
): string[] {
  return [pid, ...rows.flatMap((row) => [row.inside, row.outside, row.count])]
    .map(String);
}

/** The ids inside, in their order, but one. */
function without(rows: readonly IdRow[], id: number): IdRange[] {
  return rows.toSorted((a, b) => a.inside - b.inside)
    .flatMap(({ count, inside }) => {
      const end = inside + count;
      if (id < inside || id >= end) return [{ start: inside, count }];
      return [
        { start: inside, count: id - inside },
        { start: id + 1, count: end - id - 1 },
      ];
    })
    .filter(({ count }) => count > 0);
}
