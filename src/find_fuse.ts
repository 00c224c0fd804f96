/**
 * Finds what an overlay of fuse-overlayfs is made of.
 *
 * @module
 */

import type { Caller } from "./caller.ts";
import { CageError, UsageError } from "./errors.ts";
import type { Facts, StorageSource } from "./facts.ts";
import { findProgram } from "./find_program.ts";
import { canBeNamed, type FuseOverlay } from "./fuse_overlay.ts";
import { FUSE_PROGRAM, fuseMissing, fuseUnnamed } from "./fuse_words.ts";
import { toOutside } from "./idmap.ts";
import { layerPaths } from "./storage.ts";

/** Ids inside that are not the caller's, where there are more than one. */
const GUEST = { uid: 1, gid: 1 };

/**
 * Finds the program, and tells it what the kernel could not make an overlay of.
 *
 * @param named The upper directory, as it was named.
 * @param source The upper and the work directory.
 * @param facts What else is known; the plan opens all layers by their paths.
 * @param env The environment of the caller.
 * @returns The overlay.
 * @throws {CageError} If there is no such program.
 * @throws {UsageError} If it cannot be told the directories.
 */
export function findFuse(
  named: string,
  { upper, work }: StorageSource,
  { absent, layers, skeleton, userNamespace }: Facts,
  env: Caller["env"],
): FuseOverlay {
  const program = findProgram(FUSE_PROGRAM, env.get("PATH"));
  if (program === undefined) throw new CageError(fuseMissing(named));
  if (!canBeNamed({ upper, work })) throw new UsageError(fuseUnnamed(named));
  const map = userNamespace?.map;
  const hasGuest = map !== undefined &&
    toOutside(map.uid, GUEST.uid) !== undefined &&
    toOutside(map.gid, GUEST.gid) !== undefined && map.uid.length > 1;
  return {
    program,
    layers: layerPaths(layers),
    ...{ upper, work, skeleton, absent },
    ...(hasGuest ? { guest: GUEST } : {}),
  };
}
