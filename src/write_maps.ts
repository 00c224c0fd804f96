/**
 * Writes the ids of a user namespace for a caller to whom nothing is lent.
 *
 * @module
 */

import { O_WRONLY } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { close, ids, open, SyscallError, write } from "../ffi/libc.ts";
import { effectiveCapabilities } from "./capabilities.ts";
import { CageError } from "./errors.ts";
import { refusalOf } from "./failure.ts";
import { findProgram } from "./find_program.ts";
import { type IdMap, type IdRow, mapText, parseMap } from "./idmap.ts";
import { MapHelper } from "./map_helper.ts";
import { helperArguments, isOwn, type OuterIds } from "./rootless_ids.ts";

/** The paths of the programs that write maps. */
export interface MapHelpers {
  /** The path of newuidmap(1). */
  readonly uid: string;
  /** The path of newgidmap(1). */
  readonly gid: string;
}

/**
 * Finds the programs of the package uidmap.
 *
 * @param path The value of PATH.
 * @returns Their paths, if both are installed, and can gain the rights of
 * root.
 *
 * @example Both or none
 * ```ts
 * import { findMapHelpers } from "cage/src/write_maps.ts";
 * import { assert } from "@std/assert";
 *
 * const found = findMapHelpers("/usr/bin");
 * assert(found === undefined || found.gid.endsWith("/newgidmap"));
 * ```
 */
export function findMapHelpers(
  path: string | undefined,
): MapHelpers | undefined {
  // Their set-user-ID bits do nothing then.
  const status = Deno.readTextFileSync("/proc/self/status");
  if (/^NoNewPrivs:\t1$/m.test(status)) return undefined;
  const uid = findProgram("newuidmap", path);
  const gid = findProgram("newgidmap", path);
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/**
 * Finds the ids around the caller.
 *
 * @returns The ids, if the caller may use each of them.
 *
 * @example Root has more than its own
 * ```ts
 * import { findOuterIds } from "cage/src/write_maps.ts";
 * import { assert } from "@std/assert";
 *
 * const outer = findOuterIds();
 * assert(outer === undefined || outer.uid.length > 0);
 * ```
 */
export function findOuterIds(): OuterIds | undefined {
  if (!maySetIds()) return undefined;
  const read = (name: string) => Deno.readTextFileSync(`/proc/self/${name}`);
  return {
    uid: parseMap(read("uid_map")),
    gid: parseMap(read("gid_map")),
    setgroups: read("setgroups").trim() === "deny" ? "deny" : "allow",
  };
}

/**
 * Writes the ids of a new user namespace, once. As long as this goes on the
 * process must be dumpable: who it belongs to is looked up in `/proc`.
 *
 * @param pid The id of a process in it, a child of this one.
 * @param map The ids.
 * @param path The value of PATH, to find the programs that are needed for ids
 * beside the caller's own.
 * @throws {CageError} If they cannot be written.
 */
export function writeMaps(
  pid: number,
  map: IdMap,
  path: string | undefined,
): void {
  const { gid: [, gid], uid: [, uid] } = ids();
  // Before the groups, which are fixed then: user_namespaces(7).
  if (map.setgroups === "deny") writeFile(pid, "setgroups", "deny");
  if (isOwn(map, { uid, gid }) || maySetIds()) {
    writeFile(pid, "uid_map", mapText(map.uid));
    writeFile(pid, "gid_map", mapText(map.gid));
    return;
  }
  const helpers = findMapHelpers(path);
  if (helpers === undefined) {
    throw new CageError(
      "Cannot map the ids of the container: newuidmap or newgidmap is " +
        "missing: install both (package uidmap)",
    );
  }
  // Side by side: each takes its time to be executed.
  using uids = helper(helpers.uid, pid, map.uid, "/etc/subuid");
  using gids = helper(helpers.gid, pid, map.gid, "/etc/subgid");
  [uids, gids].forEach((one) => one.wait());
}

function helper(
  program: string,
  pid: number,
  rows: readonly IdRow[],
  file: string,
): MapHelper {
  return new MapHelper(program, helperArguments(pid, rows), file);
}

/** `CAP_SETGID` and `CAP_SETUID` of linux/capability.h. */
const SETTING_IDS = 1n << 6n | 1n << 7n;

function maySetIds(): boolean {
  return (effectiveCapabilities() & SETTING_IDS) === SETTING_IDS;
}

const HINTS: Readonly<Record<number, string>> = {
  // AppArmor lets a namespace be made, and gives no rights in it; and since
  // Linux 5.12 whoever maps root needs CAP_SETFCAP.
  [ERRNO.EPERM]: "root of a container needs CAP_SETFCAP, and a machine may " +
    "restrict namespaces, see kernel.apparmor_restrict_unprivileged_userns",
};

/** In one piece, as the kernel wants it. */
function writeFile(pid: number, name: string, text: string): void {
  try {
    const file = open(`/proc/${pid}/${name}`, O_WRONLY);
    try {
      write(file, new TextEncoder().encode(text));
    } finally {
      close(file);
    }
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const hint = HINTS[error.errno] ?? "see user_namespaces(7)";
    throw refusalOf("Cannot map the ids of the container", error, hint);
  }
}
