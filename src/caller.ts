/**
 * Who calls, and what that makes of a container.
 *
 * @module
 */

import type { Bases } from "./layout.ts";

/** Ids of a process on the host. */
export interface Identity {
  /** The id of the user. */
  readonly uid: number;
  /** The id of the primary group. */
  readonly gid: number;
  /** The ids of the supplementary groups. */
  readonly groups: readonly number[];
}

/**
 * What the caller is to this program: root of the machine; a user whom the
 * administrator's policy makes root of the machine inside; any other user of
 * the setuid program, who is root of a user namespace inside and nobody else
 * outside than they are; or, rootless, anybody to whom this program has nothing
 * to lend, and who gets what the kernel gives to everybody.
 */
export type Standing = "root" | "granted" | "user" | "rootless";

/** Who calls, and from where. */
export interface Caller extends Identity {
  /** What the caller is to this program. */
  readonly standing: Standing;
  /** The directory of the caller. */
  readonly cwd: string;
  /** The environment of the caller, which is data. */
  readonly env: ReadonlyMap<string, string>;
  /** The descriptor of the caller's terminal, for `/dev/console`. */
  readonly terminal?: number;
  /** Where files of the caller are by default. */
  readonly bases: Bases;
}

/**
 * Tells whether this program has rights that the caller does not have.
 *
 * @param caller Who calls.
 * @returns Whether it has.
 *
 * @example A user of the setuid program
 * ```ts
 * import { isLent } from "cage/src/caller.ts";
 * import { assert } from "@std/assert";
 *
 * assert(isLent({ standing: "user" }));
 * assert(!isLent({ standing: "rootless" }));
 * ```
 */
export function isLent({ standing }: Pick<Caller, "standing">): boolean {
  return standing === "granted" || standing === "user";
}
