/**
 * Takes the mounts of what graphical programs get.
 *
 * @module
 */

import { AT_EMPTY_PATH, MOUNT_ATTR_IDMAP } from "../ffi/constants.ts";
import { type Stat, syscall, SyscallError } from "../ffi/libc.ts";
import { isOfType, S_IFDIR, S_IFSOCK } from "../ffi/file_types.ts";
import type { Client } from "./client.ts";
import type { Descriptors } from "./descriptors.ts";
import type { Desktop } from "./desktop.ts";
import type { MountSource, VolumeSource } from "./facts.ts";
import { refusalOf } from "./failure.ts";
import type { SeenGraphics } from "./find_graphics.ts";
import type { GraphicsSources } from "./graphics_mounts.ts";
import { type IdMap, toInside, toOutside } from "./idmap.ts";
import { quote } from "./quote.ts";
import { takeMount } from "./sources.ts";
import { mountAttributes } from "./step.ts";
import { openUserNamespace } from "./user_namespace.ts";

/**
 * Takes the mounts of what was seen.
 *
 * @param seen What was seen.
 * @param client Who calls.
 * @param map The ids of the container's user namespace, if it has one.
 * @param kept Where the descriptors are kept.
 * @returns What the command gets, and where it is.
 * @throws {LaunchError} If something cannot be taken.
 */
export function takeGraphics(
  { desktop, graphics, opened, uid }: SeenGraphics,
  client: Client,
  map: IdMap | undefined,
  kept: Descriptors,
): GraphicsSources {
  const notes: string[] = [];
  const sources = graphics.shares.map(({ host }): VolumeSource => {
    const { descriptor, stat } = opened.get(host)!;
    const isDirectory = isOfType(stat.mode, S_IFDIR);
    const mount = told(
      host,
      () => takeMount(descriptor, client, kept, isDirectory),
    );
    const user = isClosed(stat, desktop) ? strangerOf(uid, map, stat) : null;
    if (user !== null && !giveTo(mount, desktop, user, kept)) {
      notes.push(
        `${quote(host)} is closed to -u ${uid}, which is another user ` +
          `outside than ${desktop.uid}, who it belongs to: use another -u`,
      );
    }
    return { mount, host, kind: isDirectory ? "directory" : "file" };
  });
  return {
    graphics: { ...graphics, notes: [...graphics.notes, ...notes] },
    sources,
  };
}

/** `S_IWOTH` of inode(7). */
const OTHERS_WRITE = 0o002;

function told<T>(host: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const what = `Cannot pass ${quote(host)} on`;
    throw refusalOf(what, error, "leave out -G");
  }
}

function isClosed({ mode, uid }: Stat, desktop: Desktop): boolean {
  return isOfType(mode, S_IFSOCK) && (mode & OTHERS_WRITE) === 0 &&
    uid === desktop.uid;
}

/** Whom a socket does not open for: the id outside; nobody if it does. */
function strangerOf(
  uid: number | undefined,
  map: IdMap | undefined,
  { uid: owner }: Stat,
): number | null {
  if (uid === undefined) return null;
  const outside = map === undefined ? uid : toOutside(map.uid, uid);
  const isRoots = map === undefined || toInside(map.uid, owner) !== undefined;
  const isOpen = outside === owner || uid === 0 && isRoots;
  return outside === undefined || isOpen ? null : outside;
}

/**
 * Shows a socket of the user as that of somebody of the container, which only
 * root of the machine can.
 */
function giveTo(
  mount: MountSource,
  { gid, uid }: Desktop,
  outside: number,
  kept: Descriptors,
): boolean {
  if (typeof mount === "string") return false;
  const row = (inside: number) => [{ inside, outside, count: 1 }];
  try {
    const userNamespace = kept.keep(openUserNamespace({
      ...{ uid: row(uid), gid: row(gid), setgroups: "deny" },
    }));
    const bytes = mountAttributes({ set: MOUNT_ATTR_IDMAP, userNamespace });
    syscall("mount_setattr", mount, "", AT_EMPTY_PATH, bytes, bytes.length);
    return true;
  } catch {
    return false;
  }
}
