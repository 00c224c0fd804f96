/**
 * Who calls, and what that makes of a container.
 *
 * @module
 */

import { type Bases, STATE_BASE, STORAGE_BASE } from "./layout.ts";

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
 * What the caller is to this program: root; a user whom the administrator's
 * policy makes root of the machine inside; or any other user, who is root of a
 * user namespace inside and nobody else outside than they are.
 */
export type Standing = "root" | "granted" | "user";

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
}

/**
 * Tells where files are by default: names of a user never meet other people's.
 *
 * @param caller Who calls.
 * @returns The directories.
 *
 * @example A user
 * ```ts
 * import { basesOf } from "cage/src/caller.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(basesOf({ standing: "user", uid: 1000 }), {
 *   storage: "/var/lib/microcontainer/user/1000",
 *   state: "/run/microcontainer/user/1000",
 * });
 * ```
 */
export function basesOf(
  { standing, uid }: Pick<Caller, "standing" | "uid">,
): Bases {
  if (standing !== "user") return { storage: STORAGE_BASE, state: STATE_BASE };
  return {
    storage: `${STORAGE_BASE}/user/${uid}`,
    state: `${STATE_BASE}/user/${uid}`,
  };
}
