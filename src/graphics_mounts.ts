/**
 * What graphical programs get of the host, added to a container that runs.
 *
 * @module
 */

import { basename } from "@std/path";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_FILES,
  CLONE_NEWNS,
  MNT_DETACH,
  MS_PRIVATE,
  O_CLOEXEC,
  O_PATH,
  SIGINFO,
  STATX_NLINK,
  STATX_NLINK_OFFSET,
  STATX_SIZE,
  UMOUNT_NOFOLLOW,
} from "../ffi/constants.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import type { VolumeSource } from "./facts.ts";
import type { Graphics, Share } from "./graphics.ts";
import { returnToRoot } from "./mounts.ts";
import { ROOT } from "./overlay.ts";
import { startProcess, waitForProcess } from "./process.ts";
import { quote } from "./quote.ts";
import {
  attachMount,
  descriptorOf,
  goTo,
  label,
  type PlanStep,
  setAttributes,
} from "./step.ts";
import { openTarget, parentOf, type Target } from "./targets.ts";
import {
  enterUserNamespace,
  type NamespaceEntry,
} from "./user_namespace_steps.ts";
import { flagsOf, mountOf, takeVolumes } from "./volume_steps.ts";

/** What graphical programs get, and where it is. */
export interface GraphicsSources {
  /** What they get. */
  readonly graphics: Graphics;
  /** Where the shares are, in their order. */
  readonly sources: readonly VolumeSource[];
}

/** What is added to a container. */
export interface Addition {
  /** What is mounted. */
  readonly shares: readonly Share[];
  /** Where it is, in the same order. */
  readonly sources: readonly VolumeSource[];
}

/** The buffer for what is at a place. */
const STATX = "place";

/** Buffers of a plan that adds something. */
export const ADDITION_BUFFERS = {
  placer: 8,
  "placer-info": SIGINFO.size,
  [STATX]: STATX_SIZE,
} as const;

/**
 * Adds to a container whose mount namespace the process is in, with the rights
 * that the process has.
 *
 * @param addition What is added.
 * @returns The steps.
 *
 * @example Nothing
 * ```ts
 * import { addHere } from "cage/src/graphics_mounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(addHere({ shares: [], sources: [] }), []);
 * ```
 */
export function addHere(addition: Addition): PlanStep[] {
  if (addition.shares.length === 0) return [];
  return [...openPlaces(addition), ...attachToPlaces(addition)];
}

/**
 * Adds to a container of a user namespace, from outside of it. Only there can
 * something be mounted, since the mount namespace belongs to root; but places
 * are made and opened by a process that is root in the user namespace, with
 * the descriptors of this one: root of the machine would do so wherever in the
 * user's files a link inside leads.
 *
 * @param addition What is added.
 * @param entry The user namespace.
 * @returns The steps, in a program with {@linkcode ADDITION_BUFFERS}.
 *
 * @example Nothing
 * ```ts
 * import { addFromOutside } from "cage/src/graphics_mounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const entry = { descriptor: 9, inside: { uid: 0, gid: 0 } };
 * assertEquals(addFromOutside({ shares: [], sources: [] }, entry), []);
 * ```
 */
export function addFromOutside(
  addition: Addition,
  entry: NamespaceEntry,
): PlanStep[] {
  if (addition.shares.length === 0) return [];
  const why = "Cannot start the process that makes places for sockets";
  return [
    startProcess("placer", CLONE_FILES, "make-places", why),
    ...waitForProcess("placer", "places-made", why),
    label("make-places"),
    ...enterUserNamespace(entry),
    ...openPlaces(addition),
    { call: "exit_group", args: [0] },
    label("places-made"),
    ...attachToPlaces(addition),
  ];
}

/**
 * Takes what is to be added where the process may mount nothing: in a mount
 * namespace of its own, once it is root in a user namespace.
 *
 * @param addition What is added.
 * @returns The steps, for the time before the container is entered.
 *
 * @example Nothing
 * ```ts
 * import { takeAddition } from "cage/src/graphics_mounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(takeAddition({ shares: [], sources: [] }), []);
 * ```
 */
export function takeAddition({ sources }: Addition): PlanStep[] {
  if (sources.length === 0) return [];
  return [
    {
      call: "unshare",
      args: [CLONE_NEWNS],
      why: "Cannot make a mount namespace to take sockets in",
      hints: { ENOSPC: "raise the limit user.max_mnt_namespaces" },
    },
    ...takeVolumes(sources),
  ];
}

/**
 * Opens the places, and makes what is missing of them. Whoever is in there may
 * have put a link at one: it is mounted on the link then.
 */
function openPlaces(addition: Addition): PlanStep[] {
  return [
    {
      name: ROOT,
      call: "openat",
      args: [AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC],
      why: "Cannot use the root of the running instance",
    },
    ...targetsOf(addition).flatMap(openTarget),
  ];
}

function attachToPlaces(addition: Addition): PlanStep[] {
  const steps = targetsOf(addition).flatMap((target, index): PlanStep[] => {
    const mount = mountOf(index, addition.sources[index].mount);
    const { path, why } = target;
    const [set] = flagsOf(addition.shares[index]);
    const place = `${target.name}-now`;
    return [
      setAttributes(descriptorOf(mount), { set, propagation: MS_PRIVATE }, {
        // Before Linux 5.12: sockets and devices are used as they are.
        onError: { errno: "ENOSYS" },
        why,
      }),
      { call: "fchdir", args: [{ result: parentOf(target) }], why },
      ...removeDead(target),
      {
        name: place,
        call: "openat",
        args: [AT_FDCWD, basename(path), O_PATH | O_NOFOLLOW | O_CLOEXEC],
        why,
      },
      attachMount(mount, { result: place }, { why }),
    ];
  });
  return [...steps, returnToRoot()];
}

/**
 * Nothing can be mounted on a socket that was removed outside. What covers
 * something has a name, and stays; it is looked for by the directory alone,
 * since a path could lead somewhere else by now.
 */
function removeDead({ name, path, why }: Target): PlanStep[] {
  const [dead, end] = [`${name}-dead`, `${name}-free`];
  const buffer = { buffer: STATX };
  return [
    {
      call: "statx",
      args: [{ result: name }, "", AT_EMPTY_PATH, STATX_NLINK, buffer],
      why,
    },
    {
      call: "load",
      args: [{ ...buffer, offset: STATX_NLINK_OFFSET }, 0],
      ifZero: dead,
    },
    goTo(end),
    label(dead),
    {
      call: "umount2",
      args: [basename(path), MNT_DETACH | UMOUNT_NOFOLLOW],
      why,
    },
    label(end),
  ];
}

function targetsOf({ shares, sources }: Addition): Target[] {
  return shares.map(({ inside }, index) => ({
    name: `added${index}`,
    path: inside,
    kind: sources[index].kind,
    isReal: true,
    why: `Cannot add ${quote(inside)} to the running instance`,
  }));
}
