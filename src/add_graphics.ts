/**
 * Looks for what a container that runs lacks of what graphical programs get.
 *
 * @module
 */

import type { Client } from "./client.ts";
import type { Descriptors } from "./descriptors.ts";
import type { Hold } from "./directories.ts";
import { lookForGraphics } from "./find_graphics.ts";
import { type Graphics, runtimeFor, type Share } from "./graphics.ts";
import type { Addition } from "./graphics_mounts.ts";
import type { IdMap } from "./idmap.ts";
import type { Running } from "./instances.ts";
import { pathOf } from "./location.ts";
import { isShownAt, mountRoots } from "./mount_roots.ts";
import type { SessionBus } from "./session_bus.ts";
import { takeGraphics } from "./take_graphics.ts";
import type { ContainerSpec } from "./spec.ts";
import { splitUser } from "./users.ts";
import type { Waiting } from "./wait.ts";

/** What decides about it. */
export interface AdditionWish {
  /** What is wanted. */
  readonly spec: Pick<ContainerSpec, "group" | "user">;
  /** Who calls. */
  readonly client: Client;
  /** The container. */
  readonly running: Running;
  /** The ids of its user namespace, if it has one. */
  readonly map: IdMap | undefined;
  /** The session bus, if it is wanted. */
  readonly bus: SessionBus | undefined;
  /** What holds the session bus open. */
  readonly hold: Hold;
  /** Where descriptors are kept. */
  readonly kept: Descriptors;
}

/**
 * Looks for it. A session bus that the container has is its own as long as it
 * runs; one that is added ends with the command.
 *
 * @param wish What decides about it.
 * @returns What the command gets, and what of it is to be added.
 * @throws {CageError} If there is no way to the session bus.
 */
export function* addGraphics(
  { bus, client, hold, kept, map, running, spec }: AdditionWish,
): Waiting<{ readonly graphics: Graphics; readonly addition: Addition }> {
  const { user } = splitUser(spec.user, spec.group);
  const roots = mountRoots(mountsOf(running));
  const ownBus = "bus";
  if (bus !== undefined && roots.has(`${runtimeFor(user)}/${ownBus}`)) {
    bus.found = { name: ownBus };
  } else if (bus !== undefined) {
    yield* bus.open(hold, `${ownBus}-${Deno.pid}`);
  }
  const seen = lookForGraphics({ spec, client, bus: bus?.found }, kept);
  const { graphics, opened } = seen;
  const isNew = ({ host, inside }: Share) => {
    const { descriptor, stat } = opened.get(host)!;
    const file = { device: stat.dev, path: pathOf(descriptor) };
    return !isShownAt(roots, inside, file);
  };
  const shares = graphics.shares.filter(isNew);
  const taken = takeGraphics(
    { ...seen, graphics: { ...graphics, shares } },
    client,
    map,
    kept,
  );
  return {
    graphics: { ...graphics, notes: taken.graphics.notes },
    addition: { shares, sources: taken.sources },
  };
}

/** One that has just ended has none; entering it fails then. */
function mountsOf({ pid }: Running): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/mountinfo`);
  } catch {
    return "";
  }
}
