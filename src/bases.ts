/**
 * Where the files of a caller are by default.
 *
 * @module
 */

import type { Standing } from "./caller.ts";
import { type Bases, ROOT_BASES } from "./layout.ts";

/** Who calls, and what tells where their files are. */
export interface BasesWish {
  /** The id of the user, as the host of a container has it. */
  readonly uid: number;
  /** What the caller is to this program. */
  readonly standing: Standing;
  /** The environment of the caller. */
  readonly env: ReadonlyMap<string, string>;
  /** The caller's home in `/etc/passwd`, if there is one. */
  readonly home?: string;
  /** A directory of the caller's alone for what runs, without a variable. */
  readonly runtime?: string;
}

/**
 * Tells where files are by default: names of a user never meet other people's.
 * Those of a rootless caller are where the XDG Base Directory Specification has
 * the files of a user, version 0.8: relative paths in variables do not count.
 *
 * @param wish Who calls.
 * @returns The directories.
 *
 * @example A user of the setuid program, and one without
 * ```ts
 * import { basesOf } from "cage/src/bases.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const env = new Map([["HOME", "/home/ada"]]);
 * assertEquals(basesOf({ standing: "user", uid: 1000, env }), {
 *   storage: "/var/lib/microcontainer/user/1000",
 *   state: "/run/microcontainer/user/1000",
 *   records: "/run/microcontainer/record",
 * });
 * assertEquals(basesOf({ standing: "rootless", uid: 1000, env }), {
 *   storage: "/home/ada/.local/share/microcontainer",
 *   state: "/tmp/microcontainer-1000",
 *   records: "/tmp/microcontainer-1000/record",
 * });
 * ```
 */
export function basesOf({ standing, uid, ...wish }: BasesWish): Bases {
  const { records, state, storage } = ROOT_BASES;
  switch (standing) {
    case "root":
    case "granted":
      return ROOT_BASES;
    case "user":
      return {
        storage: `${storage}/user/${uid}`,
        state: `${state}/user/${uid}`,
        records,
      };
    case "rootless":
      return ownBases(uid, wish);
  }
}

function ownBases(
  uid: number,
  { env, home, runtime }: Omit<BasesWish, "standing" | "uid">,
): Bases {
  const directory = (name: string) => {
    const path = env.get(name);
    return path?.startsWith("/") ? path.replace(/\/+$/, "") : undefined;
  };
  const homes = directory("HOME") ?? home;
  const data = directory("XDG_DATA_HOME") ??
    (homes === undefined ? undefined : `${homes}/.local/share`);
  const running = directory("XDG_RUNTIME_DIR") ?? runtime;
  const state = running === undefined
    ? `/tmp/microcontainer-${uid}`
    : `${running}/microcontainer`;
  return {
    storage: data === undefined
      ? `/var/tmp/microcontainer-${uid}`
      : `${data}/microcontainer`,
    state,
    records: `${state}/record`,
  };
}
