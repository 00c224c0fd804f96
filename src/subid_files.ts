/**
 * Reads which ids a user has, from files of root that every user can read.
 *
 * @module
 */

import type { Identity } from "./caller.ts";
import { type IdRange, parseSubids } from "./subids.ts";
import { parsePasswd } from "./users.ts";

/** What the files of the host say of a user. */
export interface Ranges {
  /** The names of the user, who may have more than one. */
  readonly names: readonly string[];
  /** The ranges of users in `/etc/subuid`. */
  readonly subuids: readonly IdRange[];
  /** The ranges of groups in `/etc/subgid`. */
  readonly subgids: readonly IdRange[];
}

/**
 * Finds the ranges of a user.
 *
 * @param user The ids of the user.
 * @returns The ranges, and the names by which they were looked for.
 *
 * @example Nobody has the highest number of all
 * ```ts
 * import { findRanges } from "cage/src/subid_files.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { names } = findRanges({ uid: 4294967294, gid: 4294967294 });
 * assertEquals(names, []);
 * ```
 */
export function findRanges(
  { gid, uid }: Pick<Identity, "gid" | "uid">,
): Ranges {
  const names = parsePasswd(textOf("passwd"))
    .filter((user) => user.uid === uid).map(({ name }) => name);
  return {
    names,
    subuids: parseSubids(textOf("subuid"), names, uid),
    subgids: parseSubids(textOf("subgid"), names, uid, gid),
  };
}

function textOf(file: "passwd" | "subuid" | "subgid"): string {
  try {
    return Deno.readTextFileSync(`/etc/${file}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
