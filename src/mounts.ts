/**
 * The file systems inside, beside the root.
 *
 * @module
 */

import {
  AT_FDCWD,
  F_DUPFD_CLOEXEC,
  FSCONFIG_CMD_CREATE,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MNT_DETACH,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  O_PATH,
} from "../ffi/constants.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import type { Argument } from "../ffi/step.ts";
import type { MountSource } from "./facts.ts";
import { S_IFREG } from "../ffi/file_types.ts";
import { quote } from "./quote.ts";
import { ROOT } from "./overlay.ts";
import { SCRATCH } from "./storage.ts";
import {
  attachMount,
  copyMount,
  HARMLESS,
  INERT,
  label,
  NONE,
  openInside,
  type PlanStep,
  setAttributes,
} from "./step.ts";
import {
  type FileSystem,
  mountOnTarget,
  openTarget,
  type Target,
} from "./targets.ts";

/** Nodes of `/dev` that are the host's; any other kind is out of reach. */
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"];

/** Links of `/dev` that programs expect, see the Linux device list, `fd(4)`. */
const LINKS = {
  fd: "/proc/self/fd",
  stdin: "/proc/self/fd/0",
  stdout: "/proc/self/fd/1",
  stderr: "/proc/self/fd/2",
  ptmx: "pts/ptmx",
};

/** The name of the first step that mounts. */
export const PRIVATE = "private";

/** The group of terminals, `tty` of Debian and others. */
export const TTY = 5;

/** What to do about a place that cannot be mounted on. */
const HINTS = { ENOTDIR: "make it a directory in the root file system" };

/**
 * What programs find the kernel by is at its place: where a link led somewhere
 * else, what is masked there and what is seen could differ.
 */
const REAL = {
  isReal: true,
  hints: { ENOTDIR: "make it a directory in the root file system, no link" },
};

/** What decides about the file systems of a container. */
export interface FileSystemsWish {
  /** Whose they are; root's if absent. */
  readonly owner?: Owner | undefined;
  /** Whether nothing is taken from root inside. */
  readonly isPrivileged?: boolean | undefined;
  /** Whether the plan runs in a user namespace. */
  readonly isInside?: boolean;
}

/** Whose the files are that are made inside, by the ids that the plan has. */
export interface Owner {
  /** The id of the user. */
  readonly uid: number;
  /** The id of the group. */
  readonly gid: number;
  /** The id of the group of terminals. */
  readonly tty: number;
}

/**
 * Separates the mount namespace from the host's: from here on nothing that is
 * mounted is seen there, nor the other way round.
 *
 * @returns The steps.
 *
 * @example A step
 * ```ts
 * import { privateSteps } from "cage/src/mounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(privateSteps()[0].call, "mount");
 * ```
 */
export function privateSteps(): PlanStep[] {
  return [{
    name: PRIVATE,
    call: "mount",
    args: [NONE, "/", NONE, MS_REC | MS_PRIVATE, NONE],
    why: "Cannot make the mounts of the container private",
  }];
}

/**
 * Takes hold of the host's devices while its root is still in sight.
 *
 * @param console A detached copy of the mount of the caller's terminal, which
 * becomes `/dev/console`.
 * @returns The steps.
 *
 * @example The first device
 * ```ts
 * import { openDevices } from "cage/src/mounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(openDevices(undefined)[0].args[1], "/dev/null");
 * ```
 */
export function openDevices(console: MountSource | undefined): PlanStep[] {
  const copies = DEVICES.map((name) => copyDevice(name, `/dev/${name}`));
  if (console === undefined) {
    return [...copies, copyDevice("console", "/dev/null")];
  }
  if (typeof console === "string") {
    return [...copies, copyDevice("console", console)];
  }
  const why = "Cannot use the terminal";
  return [
    ...copies,
    // As the result of a step, as the others are.
    {
      name: "device-console",
      call: "fcntl",
      args: [console, F_DUPFD_CLOEXEC, 0],
      why,
    },
  ];
}

/**
 * Takes what cannot be mounted in a user namespace once the host's root is
 * left: `/proc`, which the kernel gives only to whoever sees all of another
 * one; and the host's `/sys` with what is mounted below, to be read only, since
 * one of its own takes the rights of the network's namespace.
 *
 * @returns The steps.
 *
 * @example The first call
 * ```ts
 * import { takeKernelFiles } from "cage/src/mounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(takeKernelFiles()[0].call, "fsopen");
 * ```
 */
export function takeKernelFiles(): PlanStep[] {
  const proc = { why: 'Cannot mount proc on "/proc"' };
  const why = 'Cannot use "/sys" of the host';
  const flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const context = { result: "proc-context" };
  return [
    {
      name: context.result,
      call: "fsopen",
      args: ["proc", FSOPEN_CLOEXEC],
      ...proc,
    },
    {
      call: "fsconfig",
      args: [context, FSCONFIG_CMD_CREATE, NONE, NONE, NONE],
      ...proc,
    },
    {
      name: PROC,
      call: "fsmount",
      args: [context, FSMOUNT_CLOEXEC, flags],
      ...proc,
    },
    copyMount(AT_FDCWD, "/sys", true, { name: SYS, why }),
    setAttributes({ result: SYS }, { set: flags | MOUNT_ATTR_RDONLY }, {
      // Before Linux 5.12: what is there is root's anyway.
      onError: { errno: "ENOSYS" },
      why,
    }),
  ];
}

/** The name of the step that gives `/proc` in a user namespace. */
export const PROC = "kernel-files:/proc";
const SYS = "kernel-files:/sys";

function copyDevice(name: string, path: string): PlanStep {
  return copyMount(AT_FDCWD, path, false, {
    name: `device-${name}`,
    why: `Cannot use device ${quote(path)}`,
  });
}

/**
 * Makes the overlay the root. The old root goes at once, and with it every
 * path to the host.
 *
 * @returns The steps.
 *
 * @example The last step
 * ```ts
 * import { rootSteps } from "cage/src/mounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(rootSteps().at(-1)?.args, ["/"]);
 * ```
 */
export function rootSteps(): PlanStep[] {
  const why = "Cannot make the overlay the root";
  return [
    { call: "fchdir", args: [{ result: ROOT }], why },
    // Out of the way, so that it goes with what it is on: each call that
    // detaches waits for a grace period of the kernel.
    attachMount(SCRATCH, "/proc", { why }),
    // pivot_root(2), "pivot_root(".", ".")": the old root ends up on top.
    { call: "pivot_root", args: [".", "."], why },
    { call: "umount2", args: [".", MNT_DETACH], why },
    { call: "chdir", args: ["/"], why },
  ];
}

/**
 * Mounts what every container has: `/proc`, `/sys`, `/dev` and the temporary
 * directories.
 *
 * @param wish What decides about them.
 * @returns The steps.
 *
 * @example A file system for another user
 * ```ts
 * import { fileSystemSteps } from "cage/src/mounts.ts";
 * import { assert } from "@std/assert";
 *
 * const owner = { uid: 1000, gid: 100, tty: 165541 };
 * const steps = fileSystemSteps({ owner });
 * const options = "mode=1777,uid=1000,gid=100";
 * assert(steps.some(({ args }) => args[4] === options));
 * ```
 */
export function fileSystemSteps(
  { isInside = false, isPrivileged = false, owner }: FileSystemsWish = {},
): PlanStep[] {
  const settings = isPrivileged ? INERT : INERT | MS_RDONLY;
  return [
    ...(isInside
      ? [
        ...attachOn("/proc", "proc", PROC),
        ...attachOn("/sys", "sysfs", SYS),
      ]
      : [
        ...mountOn("/proc", { type: "proc", flags: INERT }, REAL),
        ...mountOn("/sys", { type: "sysfs", flags: settings }, REAL),
      ]),
    ...mountOn("/dev", memory(INERT, "0755", owner), REAL),
    ...deviceSteps(owner),
    ...mountOn("/tmp", memory(HARMLESS, "1777", owner)),
    ...mountOn("/var/tmp", memory(HARMLESS, "1777", owner)),
    ...mountOn("/run", memory(HARMLESS, "0755", owner)),
    ...runSteps(),
    returnToRoot(),
  ];
}

/**
 * Covers the storage of containers where the lower layers show it: what is
 * changed inside one, this one or another, is not to be seen beside itself.
 *
 * @param paths Paths inside.
 * @param owner Whose the files inside are; the caller's if absent.
 * @returns The steps. What is covered is an empty, writable directory, so that
 * a container inside the container finds a place for its own storage.
 *
 * @example The default storage
 * ```ts
 * import { coverSteps } from "cage/src/mounts.ts";
 * import { assert } from "@std/assert";
 *
 * const steps = coverSteps(["/var/lib/microcontainer"]);
 * assert(steps.some(({ call }) => call === "mount"));
 * ```
 */
export function coverSteps(
  paths: readonly string[],
  owner?: Owner,
): PlanStep[] {
  if (paths.length === 0) return [];
  const steps = paths.flatMap((path) => {
    const why = `Cannot cover ${quote(path)}, the storage of containers`;
    const [name, end] = [`cover:${path}`, `covered:${path}`];
    return [
      openInside(path, O_PATH | O_DIRECTORY, {
        name,
        onError: { errno: "ENOENT", goto: end },
        why,
      }, { result: ROOT }),
      ...mountOnTarget({ name, why }, memory(HARMLESS, "0755", owner)),
      label(end),
    ];
  });
  return [...steps, returnToRoot()];
}

function attachOn(path: string, type: string, mount: string): PlanStep[] {
  const target: Target = {
    name: `place:${path}`,
    path,
    kind: "directory",
    why: `Cannot mount ${type} on ${quote(path)}`,
    ...REAL,
  };
  return [
    ...openTarget(target),
    attachMount(mount, { result: target.name }, { why: target.why }),
  ];
}

/** A tmpfs. */
function memory(flags: number, mode: string, owner?: Owner): FileSystem {
  const ids = owner === undefined ? "" : `,uid=${owner.uid},gid=${owner.gid}`;
  return { type: "tmpfs", flags, data: `mode=${mode}${ids}` };
}

/** Temporary directories may be links inside: `/var/tmp` to `/tmp`. */
function mountOn(
  path: string,
  fileSystem: FileSystem,
  rest: Partial<Target> = { hints: HINTS },
): PlanStep[] {
  const target: Target = {
    name: `place:${path}`,
    path,
    kind: "directory",
    why: `Cannot mount ${fileSystem.type} on ${quote(path)}`,
    ...rest,
  };
  return [...openTarget(target), ...mountOnTarget(target, fileSystem)];
}

/**
 * Paths below `/dev` lead nowhere else: it is no link, and overlayfs keeps an
 * entry that something is mounted on, whatever becomes of the layers below.
 */
function deviceSteps(owner?: Owner): PlanStep[] {
  const why = (name: string) => `Cannot create "/dev/${name}"`;
  const data = `newinstance,ptmxmode=0666,mode=0620,gid=${owner?.tty ?? TTY}`;
  return [
    ...[...DEVICES, "console"].flatMap((name): PlanStep[] => [
      {
        call: "mknodat",
        args: [AT_FDCWD, `/dev/${name}`, S_IFREG | 0o644, 0],
        why: why(name),
      },
      attachMount(`device-${name}`, `/dev/${name}`, {
        why: `Cannot mount "/dev/${name}"`,
      }),
    ]),
    ...Object.entries(LINKS).map(([name, target]): PlanStep => ({
      call: "symlinkat",
      args: [target, AT_FDCWD, `/dev/${name}`],
      why: why(name),
    })),
    ...mountBelow("/dev/pts", {
      type: "devpts",
      flags: MS_NOSUID | MS_NOEXEC,
      data,
    }),
    ...mountBelow("/dev/shm", memory(INERT, "1777", owner)),
  ];
}

/** On a path below a mount of ours. */
function mountBelow(
  path: string,
  { data, flags, type }: FileSystem,
): PlanStep[] {
  return [
    makeDirectory(AT_FDCWD, path, path, 0o755),
    {
      call: "mount",
      args: [type, path, type, flags, data ?? NONE],
      why: `Cannot mount ${type} on ${quote(path)}`,
    },
  ];
}

/** `/run` may be a link, which nothing keeps as it is. */
function runSteps(): PlanStep[] {
  const run = { result: "run" };
  return [
    openInside("/run", O_PATH | O_DIRECTORY, {
      name: run.result,
      onError: { errno: "EAGAIN", goto: run.result },
      why: 'Cannot use "/run" inside',
    }, { result: ROOT }),
    makeDirectory(run, "lock", "/run/lock", 0o1777),
    makeDirectory(run, "user", "/run/user", 0o755),
  ];
}

function makeDirectory(
  at: Argument,
  name: string,
  path: string,
  mode: number,
): PlanStep {
  return {
    call: "mkdirat",
    args: [at, name, mode],
    why: `Cannot create directory ${quote(path)}`,
  };
}

/**
 * Goes back to the root: what follows is looked up from there.
 *
 * @returns The step.
 *
 * @example The step
 * ```ts
 * import { returnToRoot } from "cage/src/mounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(returnToRoot().args, ["/"]);
 * ```
 */
export function returnToRoot(): PlanStep {
  return { call: "chdir", args: ["/"], why: 'Cannot return to "/" inside' };
}
