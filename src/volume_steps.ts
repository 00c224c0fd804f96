/**
 * Volumes as steps: taken hold of outside, attached inside.
 *
 * @module
 */

import { dirname } from "@std/path";
import {
  AT_FDCWD,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_RDONLY,
  MS_BIND,
  MS_NODEV,
  MS_RDONLY,
  MS_REMOUNT,
  O_CLOEXEC,
  O_PATH,
} from "../ffi/constants.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import type { VolumeFacts } from "./facts.ts";
import { S_IFREG } from "./mounts.ts";
import { quote } from "./quote.ts";
import type { Volume } from "./spec.ts";
import {
  attachMount,
  copyMount,
  label,
  makeDirectories,
  NONE,
  openInside,
  type PlanStep,
  prefixes,
  setAttributes,
  TOP,
} from "./step.ts";
import { SCRATCH } from "./storage.ts";

/**
 * Takes hold of the volumes while the host's root is still in sight. No device
 * can be opened through one: root inside could make any there.
 *
 * @param volumes The volumes.
 * @param facts What their paths on the host are, in the same order.
 * @returns The steps, for the time when the scratch tmpfs is there.
 *
 * @example A file
 * ```ts
 * import { openVolumes } from "cage/src/volume_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = openVolumes(
 *   [{ host: "/a", inside: "/b", readOnly: true }],
 *   [{ host: "/a", kind: "file" }],
 * );
 * assertEquals(steps[0].call, "open_tree");
 * ```
 */
export function openVolumes(
  volumes: readonly Volume[],
  facts: readonly VolumeFacts[],
): PlanStep[] {
  return volumes.flatMap(({ readOnly }, index) => {
    const { host, kind } = facts[index];
    const why = `Cannot map volume ${quote(host)}`;
    const name = volumeName(index);
    const [attributes, flags] = readOnly
      ? [MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, MS_NODEV | MS_RDONLY]
      : [MOUNT_ATTR_NODEV, MS_NODEV];
    return [
      ...(kind === "missing" ? makeDirectories(host, undefined, HINTS) : []),
      copyMount(AT_FDCWD, host, true, { name, why, hints: HINTS }),
      setAttributes(name, attributes, {
        ifZero: `${name}-open`,
        onError: { errno: "ENOSYS" },
        why,
      }),
      ...copyByPath(name, facts[index], flags, why),
      label(`${name}-open`),
    ];
  });
}

/**
 * Attaches the volumes, in their order, and makes what they are attached to.
 *
 * @param volumes The volumes.
 * @param facts What their paths on the host are, in the same order.
 * @returns The steps.
 *
 * @example A file
 * ```ts
 * import { attachVolumes } from "cage/src/volume_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = attachVolumes(
 *   [{ host: "/a", inside: "/b", readOnly: false }],
 *   [{ host: "/a", kind: "file" }],
 * );
 * assertEquals(steps.at(-1)?.call, "move_mount");
 * ```
 */
export function attachVolumes(
  volumes: readonly Volume[],
  facts: readonly VolumeFacts[],
): PlanStep[] {
  return volumes.flatMap(({ inside }, index) => {
    const why = `Cannot map volume ${quote(facts[index].host)} to ${
      quote(inside)
    }`;
    const isFile = facts[index].kind === "file";
    const target = `${volumeName(index)}-target`;
    return [
      ...makeTarget(volumeName(index), inside, isFile, why),
      openInside(inside, isFile ? O_PATH : O_PATH | O_DIRECTORY, {
        name: target,
        why,
        hints: KIND_HINTS,
      }),
      attachMount(volumeName(index), { result: target }, {
        why,
        hints: KIND_HINTS,
      }),
    ];
  });
}

const HINTS = { "": "name a directory or a file of the host with -v" };

const KIND_HINT = "a directory needs a directory, a file needs a file";

/** What move_mount(2) says of a file on a directory. */
const KIND_HINTS = { EINVAL: KIND_HINT, ENOTDIR: KIND_HINT };

/**
 * Before Linux 5.12, flags of a mount are changed by a path, one mount at a
 * time: what is mounted below is left out. The copy takes the place of the
 * first one.
 */
function copyByPath(
  name: string,
  { host, kind }: VolumeFacts,
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
    { call: "mount", args: [host, path, NONE, MS_BIND, NONE], why },
    {
      call: "mount",
      args: [NONE, path, NONE, MS_REMOUNT | MS_BIND | flags, NONE],
      why,
    },
    copyMount(AT_FDCWD, path, false, { name: `${name}-plain`, why }),
    {
      call: "dup3",
      args: [{ result: `${name}-plain` }, { result: name }, O_CLOEXEC],
      why,
    },
  ];
}

function volumeName(index: number): string {
  return `volume${index}`;
}

/** One step of the way at a time, each opened so that it stays inside. */
function makeTarget(
  name: string,
  inside: string,
  isFile: boolean,
  why: string,
): PlanStep[] {
  return prefixes(inside).flatMap((path) => {
    const parent = `${name}:${path}`;
    const base = path.slice(path.lastIndexOf("/") + 1);
    const at = { result: parent };
    const make = isFile && path === inside
      ? { call: "mknodat", args: [at, base, S_IFREG | 0o644, 0] } as const
      : { call: "mkdirat", args: [at, base, 0o755] } as const;
    return [
      openInside(dirname(path), O_PATH | O_DIRECTORY, { name: parent, why }),
      { ...make, onError: { errno: "EEXIST" }, why },
    ];
  });
}
