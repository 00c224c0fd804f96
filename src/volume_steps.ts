/**
 * Volumes as steps: taken hold of outside, attached inside.
 *
 * @module
 */

import {
  AT_FDCWD,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  O_CLOEXEC,
} from "../ffi/constants.ts";
import { S_IFREG } from "../ffi/file_types.ts";
import type { MountSource, VolumeSource } from "./facts.ts";
import { quote } from "./quote.ts";
import type { Share } from "./graphics.ts";
import {
  attachMount,
  copyMount,
  descriptorOf,
  label,
  NONE,
  type PlanStep,
  setAttributes,
  TOP,
} from "./step.ts";
import { SCRATCH } from "./storage.ts";
import { openTarget } from "./targets.ts";

/**
 * Takes from the volumes what has no place inside: devices, which root inside
 * could make there, and any tie to the mounts of the host.
 *
 * @param volumes The volumes.
 * @param sources Where they are, in the same order.
 * @returns The steps, for the time when the scratch tmpfs is there.
 *
 * @example A file
 * ```ts
 * import { prepareVolumes } from "cage/src/volume_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = prepareVolumes(
 *   [{ host: "/a", inside: "/b", readOnly: true }],
 *   [{ mount: 9, host: "/a", kind: "file" }],
 * );
 * assertEquals(steps[0].call, "mount_setattr");
 * ```
 */
export function prepareVolumes(
  volumes: readonly Share[],
  sources: readonly VolumeSource[],
): PlanStep[] {
  return volumes.flatMap((volume, index) => {
    const { host, mount: source } = sources[index];
    const mount = mountOf(index, source);
    const why = `Cannot map volume ${quote(host)}`;
    const end = `${volumeName(index)}-prepared`;
    const [set, flags] = flagsOf(volume);
    return [
      ...(typeof source === "string" ? [takeVolume(index, source, why)] : []),
      // Private, or what is mounted on a volume would be mounted on the host.
      setAttributes(descriptorOf(mount), { set, propagation: MS_PRIVATE }, {
        ifZero: end,
        onError: { errno: "ENOSYS" },
        why,
      }),
      ...setByPath(volumeName(index), { ...sources[index], mount }, flags, why),
      label(end),
    ];
  });
}

/**
 * Attaches the volumes, in their order, and makes what they are attached to.
 *
 * @param volumes The volumes.
 * @param sources Where they are, in the same order.
 * @returns The steps.
 *
 * @example A file
 * ```ts
 * import { attachVolumes } from "cage/src/volume_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = attachVolumes(
 *   [{ host: "/a", inside: "/b", readOnly: false }],
 *   [{ mount: 9, host: "/a", kind: "file" }],
 * );
 * assertEquals(steps.at(-1)?.call, "move_mount");
 * ```
 */
export function attachVolumes(
  volumes: readonly Share[],
  sources: readonly VolumeSource[],
): PlanStep[] {
  return volumes.flatMap(({ inside }, index) => {
    const why = `Cannot map volume ${quote(sources[index].host)} to ${
      quote(inside)
    }`;
    const target = {
      name: `${volumeName(index)}-target`,
      path: inside,
      kind: sources[index].kind,
      why,
      hints: KIND_HINTS,
    } as const;
    return [
      ...openTarget(target),
      attachMount(
        mountOf(index, sources[index].mount),
        { result: target.name },
        {
          why,
          hints: KIND_HINTS,
        },
      ),
    ];
  });
}

/**
 * Takes volumes that are given by path, for a plan that begins outside of the
 * container.
 *
 * @param sources Where they are.
 * @returns The steps.
 *
 * @example A socket
 * ```ts
 * import { takeVolumes } from "cage/src/volume_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = takeVolumes([{ mount: "/a", host: "/a", kind: "file" }]);
 * assertEquals(steps.map(({ call }) => call), ["open_tree"]);
 * ```
 */
export function takeVolumes(sources: readonly VolumeSource[]): PlanStep[] {
  return sources.flatMap(({ host, mount }, index) =>
    typeof mount === "number"
      ? []
      : [takeVolume(index, mount, `Cannot map volume ${quote(host)}`)]
  );
}

function takeVolume(index: number, path: string, why: string): PlanStep {
  const name = `${volumeName(index)}-mount`;
  return copyMount(AT_FDCWD, path, true, { name, why });
}

const KIND_HINT = "a directory needs a directory, a file needs a file";

/** What move_mount(2) says of a file on a directory. */
const KIND_HINTS = { EINVAL: KIND_HINT, ENOTDIR: KIND_HINT };

/**
 * Before Linux 5.12, flags of a mount are changed by a path, one mount at a
 * time: what is mounted below is left out. The copy takes the place of the
 * first one.
 */
function setByPath(
  name: string,
  { kind, mount }: Pick<VolumeSource, "kind"> & {
    readonly mount: string | number;
  },
  flags: number,
  why: string,
): PlanStep[] {
  const at = { result: SCRATCH };
  const path = `${TOP}/${name}`;
  const make = kind === "file"
    ? { call: "mknodat", args: [at, name, S_IFREG | 0o600, 0] } as const
    : { call: "mkdirat", args: [at, name, 0o700] } as const;
  return [
    { ...make, why },
    attachMount(mount, path, { why }),
    { call: "mount", args: [NONE, path, NONE, MS_REC | MS_PRIVATE, NONE], why },
    {
      call: "mount",
      args: [NONE, path, NONE, MS_REMOUNT | MS_BIND | flags, NONE],
      why,
    },
    copyMount(AT_FDCWD, path, false, { name: `${name}-plain`, why }),
    {
      call: "dup3",
      args: [{ result: `${name}-plain` }, descriptorOf(mount), O_CLOEXEC],
      why,
    },
  ];
}

/**
 * Tells what is taken from a volume.
 *
 * @param volume The volume.
 * @returns Flags for mount_setattr(2), and the same for mount(2).
 *
 * @example A device stays one
 * ```ts
 * import { flagsOf } from "cage/src/volume_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const share = { host: "/dev/x", inside: "/dev/x", readOnly: false };
 * assertEquals(flagsOf(share), [4, 4]);
 * assertEquals(flagsOf({ ...share, isDevice: true }), [10, 10]);
 * ```
 */
export function flagsOf(
  { isDevice, readOnly }: Share,
): [attributes: number, flags: number] {
  if (isDevice) {
    return [MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, MS_NOSUID | MS_NOEXEC];
  }
  return readOnly
    ? [MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, MS_NODEV | MS_RDONLY]
    : [MOUNT_ATTR_NODEV, MS_NODEV];
}

/**
 * Refers to the mount of a volume.
 *
 * @param index The place of the volume among all.
 * @param source Where it was said to be.
 * @returns A descriptor, or the name of the step that gives it.
 *
 * @example Both
 * ```ts
 * import { mountOf } from "cage/src/volume_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([mountOf(0, 9), mountOf(1, "/a")], [9, "volume1-mount"]);
 * ```
 */
export function mountOf(index: number, source: MountSource): string | number {
  return typeof source === "string" ? `${volumeName(index)}-mount` : source;
}

function volumeName(index: number): string {
  return `volume${index}`;
}
