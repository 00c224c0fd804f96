/**
 * What root inside cannot do: system calls, capabilities, and paths of `/proc`
 * and `/sys` that reach the host. The same for a container that is created and
 * for a command that is attached.
 *
 * @module
 */

import { HOST_ARCH } from "../ffi/arch.ts";
import {
  AT_FDCWD,
  MS_BIND,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REMOUNT,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAPBSET_DROP,
} from "../ffi/constants.ts";
import { filterSteps } from "./filter_steps.ts";
import { quote } from "./quote.ts";
import {
  attachMount,
  copyMount,
  INERT,
  label,
  NONE,
  type PlanStep,
} from "./step.ts";
import { SCRATCH } from "./storage.ts";

/**
 * Capabilities that root has inside, by their numbers of linux/capability.h:
 * those that Docker leaves to a container.
 */
export const CAPABILITIES: Readonly<Record<string, number>> = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_FOWNER: 3,
  CAP_FSETID: 4,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_SETPCAP: 8,
  CAP_NET_BIND_SERVICE: 10,
  CAP_NET_RAW: 13,
  CAP_SYS_CHROOT: 18,
  CAP_MKNOD: 27,
  CAP_AUDIT_WRITE: 29,
  CAP_SETFCAP: 31,
};

/** `_LINUX_CAPABILITY_VERSION_3` of linux/capability.h, Linux 2.6.26. */
const CAPABILITY_VERSION = 0x20080522;

/** A session keyring of its own: linux/keyctl.h, Linux 2.6.10. */
const KEYCTL_JOIN_SESSION_KEYRING = 1;

/** Paths that can be read but not written, as in Docker. */
const READ_ONLY = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

/** Files that read as empty. */
const MASKED_FILES = [
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/timer_list",
];

/** Directories that are empty. */
const MASKED_DIRECTORIES = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/scsi",
  "/sys/firmware",
];

/** The directory of the scratch tmpfs that covers masked directories. */
const EMPTY = "empty";

/**
 * Makes what covers masked directories, while the scratch tmpfs is in sight.
 *
 * @returns The steps.
 *
 * @example The first step
 * ```ts
 * import { prepareMasks } from "cage/src/restrictions.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(prepareMasks()[0].call, "mkdirat");
 * ```
 */
export function prepareMasks(): PlanStep[] {
  const at = { result: SCRATCH };
  const why = "Cannot make an empty directory";
  return [
    { call: "mkdirat", args: [at, EMPTY, 0o555], why },
    ...MASKED_DIRECTORIES.map((path) =>
      copyMount(at, EMPTY, false, { name: maskName(path), why })
    ),
  ];
}

/**
 * Covers what of `/proc` and `/sys` reaches the host. Paths that this kernel
 * does not have are left alone.
 *
 * @returns The steps, for the time when `/proc`, `/sys` and `/dev` are there.
 *
 * @example Settings of the kernel
 * ```ts
 * import { maskSteps } from "cage/src/restrictions.ts";
 * import { assert } from "@std/assert";
 *
 * assert(maskSteps().some(({ args }) => args[1] === "/proc/sys"));
 * ```
 */
export function maskSteps(): PlanStep[] {
  return [
    ...READ_ONLY.flatMap((path) => cover(path, path, INERT)),
    // Without `nodev`: the null device is to be read.
    ...MASKED_FILES.flatMap((path) =>
      cover(path, "/dev/null", MS_NOSUID | MS_NOEXEC)
    ),
    ...MASKED_DIRECTORIES.flatMap((path) => attachReadOnly(path, INERT)),
  ];
}

/**
 * Takes from pid 1, and so from all that it starts, every system call and every
 * capability that root does not have inside.
 *
 * @param last The highest number of a capability that the kernel has.
 * @returns The steps.
 *
 * @example No capability to mount
 * ```ts
 * import { restrictionSteps } from "cage/src/restrictions.ts";
 * import { assert } from "@std/assert";
 *
 * const CAP_SYS_ADMIN = 21;
 * assert(restrictionSteps(40).some(({ args }) => args[1] === CAP_SYS_ADMIN));
 * ```
 */
export function restrictionSteps(last: number): PlanStep[] {
  const kept = new Set(Object.values(CAPABILITIES));
  const all = Array.from({ length: last + 1 }, (_, bit) => bit);
  return [
    {
      call: "keyctl",
      args: [KEYCTL_JOIN_SESSION_KEYRING, NONE],
      // Kernels without keys have none to be shared.
      onError: { errno: "ENOSYS" },
      why: "Cannot leave the keyring of the caller's session",
    },
    // As long as root still may without giving up all privileges to come.
    ...filterSteps(HOST_ARCH),
    ...all.filter((bit) => !kept.has(bit)).map((bit): PlanStep => ({
      call: "prctl",
      args: [PR_CAPBSET_DROP, bit, NONE, NONE, NONE],
      why: "Cannot drop capabilities",
    })),
    {
      call: "prctl",
      args: [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, NONE, NONE, NONE],
      why: "Cannot drop ambient capabilities",
    },
    {
      call: "capset",
      args: [capabilityHeader(), capabilityData([...kept])],
      why: "Cannot set capabilities",
    },
  ];
}

/** A path covered by a copy of a mount that is in sight. */
function cover(path: string, source: string, flags: number): PlanStep[] {
  return [
    copyMount(AT_FDCWD, source, false, {
      name: maskName(path),
      onError: { errno: "ENOENT", goto: `${maskName(path)}-end` },
      why: `Cannot mask ${quote(path)}`,
    }),
    ...attachReadOnly(path, flags),
  ];
}

/** By mount(2), since mount_setattr(2) came with Linux 5.12 only. */
function attachReadOnly(path: string, flags: number): PlanStep[] {
  const end = `${maskName(path)}-end`;
  const why = `Cannot mask ${quote(path)}`;
  return [
    attachMount(maskName(path), path, {
      onError: { errno: "ENOENT", goto: end },
      why,
    }),
    {
      call: "mount",
      args: [NONE, path, NONE, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NONE],
      why,
    },
    label(end),
  ];
}

function maskName(path: string): string {
  return `mask:${path}`;
}

/** `struct __user_cap_header_struct`: version, and 0 for the caller. */
function capabilityHeader(): Uint8Array {
  return new Uint8Array(new Uint32Array([CAPABILITY_VERSION, 0]).buffer);
}

/** Two `struct __user_cap_data_struct`: effective, permitted, inheritable. */
function capabilityData(bits: readonly number[]): Uint8Array {
  const low = bits.reduce((set, bit) => set | (1 << bit), 0);
  const words = new Uint32Array([low, low, 0, 0, 0, 0]);
  return new Uint8Array(words.buffer);
}
