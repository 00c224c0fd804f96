/**
 * The file systems inside, beside the root.
 *
 * @module
 */

import {
  AT_FDCWD,
  MNT_DETACH,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
} from "../ffi/constants.ts";
import { quote } from "./quote.ts";
import { ROOT } from "./overlay.ts";
import {
  attachMount,
  copyMount,
  HARMLESS,
  INERT,
  makeDirectories,
  NONE,
  type PlanStep,
} from "./step.ts";

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

/** A regular file for mknod(2), linux/stat.h. */
export const S_IFREG = 0o100000;

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
    call: "mount",
    args: [NONE, "/", NONE, MS_REC | MS_PRIVATE, NONE],
    why: "Cannot make the mounts of the container private",
  }];
}

/**
 * Takes hold of the host's devices while its root is still in sight.
 *
 * @param terminal The caller's terminal, which becomes `/dev/console`.
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
export function openDevices(terminal: string | undefined): PlanStep[] {
  const sources = [
    ...DEVICES.map((name) => [name, `/dev/${name}`]),
    ["console", terminal ?? "/dev/null"],
  ];
  return sources.map(([name, path]) =>
    copyMount(AT_FDCWD, path, false, {
      name: `device-${name}`,
      why: `Cannot use device ${quote(path)}`,
    })
  );
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
    // pivot_root(2), "pivot_root(".", ".")": the old root ends up on top, with
    // the scratch tmpfs on it.
    { call: "pivot_root", args: [".", "."], why },
    { call: "umount2", args: [".", MNT_DETACH], why },
    { call: "umount2", args: [".", MNT_DETACH], why },
    { call: "chdir", args: ["/"], why },
  ];
}

/**
 * Mounts what every container has: `/proc`, `/sys`, `/dev` and the temporary
 * directories.
 *
 * @returns The steps.
 *
 * @example The first mount
 * ```ts
 * import { fileSystemSteps } from "cage/src/mounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(fileSystemSteps()[0].args[1], "/proc");
 * ```
 */
export function fileSystemSteps(): PlanStep[] {
  return [
    ...mountOn("/proc", "proc", INERT),
    ...mountOn("/sys", "sysfs", INERT | MS_RDONLY),
    ...deviceSteps(),
    ...mountOn("/tmp", "tmpfs", HARMLESS, "mode=1777"),
    ...mountOn("/var/tmp", "tmpfs", HARMLESS, "mode=1777"),
    ...mountOn("/run", "tmpfs", HARMLESS, "mode=0755"),
    ...makeDirectories("/run/lock", () => 0o1777).slice(-1),
    ...makeDirectories("/run/user").slice(-1),
  ];
}

/**
 * Covers the storage of containers where the lower layers show it: what is
 * changed inside one, this one or another, is not to be seen beside itself.
 *
 * @param paths Paths inside.
 * @returns The steps. What is covered is an empty, writable directory, so that
 * a container inside the container finds a place for its own storage.
 *
 * @example The default storage
 * ```ts
 * import { coverSteps } from "cage/src/mounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(coverSteps(["/var/lib/microcontainer"]).length, 1);
 * ```
 */
export function coverSteps(paths: readonly string[]): PlanStep[] {
  return paths.map((path) => ({
    call: "mount",
    args: ["tmpfs", path, "tmpfs", HARMLESS, "mode=0755"],
    onError: { errno: "ENOENT" },
    why: `Cannot cover ${quote(path)}, the storage of containers`,
  }));
}

function deviceSteps(): PlanStep[] {
  return [
    ...mountOn("/dev", "tmpfs", INERT, "mode=0755"),
    ...[...DEVICES, "console"].flatMap((name) => [
      makeFile(`/dev/${name}`),
      attachMount(`device-${name}`, `/dev/${name}`, {
        why: `Cannot mount "/dev/${name}"`,
      }),
    ]),
    ...Object.entries(LINKS).map(([name, target]): PlanStep => ({
      call: "symlinkat",
      args: [target, AT_FDCWD, `/dev/${name}`],
      why: `Cannot create "/dev/${name}"`,
    })),
    ...mountOn(
      "/dev/pts",
      "devpts",
      MS_NOSUID | MS_NOEXEC,
      "newinstance,ptmxmode=0666,mode=0620,gid=5",
    ),
    ...mountOn("/dev/shm", "tmpfs", INERT, "mode=1777"),
  ];
}

/**
 * Makes an empty file to mount on, if it is missing.
 *
 * @param path The absolute path inside.
 * @returns The step.
 *
 * @example A file
 * ```ts
 * import { makeFile } from "cage/src/mounts.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(makeFile("/dev/null").call, "mknodat");
 * ```
 */
export function makeFile(path: string): PlanStep {
  return {
    call: "mknodat",
    args: [AT_FDCWD, path, S_IFREG | 0o644, 0],
    onError: { errno: "EEXIST" },
    why: `Cannot create ${quote(path)}`,
  };
}

function mountOn(
  path: string,
  type: string,
  flags: number,
  data: string | number = NONE,
): PlanStep[] {
  return [
    ...makeDirectories(path),
    {
      call: "mount",
      args: [type, path, type, flags, data],
      why: `Cannot mount ${type} on ${quote(path)}`,
    },
  ];
}
