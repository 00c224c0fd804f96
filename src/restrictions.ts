/**
 * What root inside cannot do: system calls, capabilities, and paths of `/proc`
 * and `/sys` that reach the host. The same for a container that is created and
 * for a command that is attached.
 *
 * @module
 */

import { HOST_ARCH } from "../ffi/arch.ts";
import {
  MNT_DETACH,
  MS_BIND,
  MS_RDONLY,
  MS_REMOUNT,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAPBSET_DROP,
} from "../ffi/constants.ts";
import { S_IFREG } from "../ffi/file_types.ts";
import { filterSteps } from "./filter_steps.ts";
import { keepGroupsSteps } from "./keep_groups.ts";
import { quote } from "./quote.ts";
import {
  attachMount,
  copyMount,
  INERT,
  label,
  NONE,
  type PlanStep,
  TOP,
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
export const CAPABILITY_VERSION = 0x20080522;

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
  "/proc/interrupts",
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
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];

/** The directory of the scratch tmpfs with what covers others. */
const MASKS = "masks";

/** An empty file there, which can only be read. */
export const MASK_FILE: string = `${MASKS}/file`;

/** What covers a masked path: nothing is in it, and nothing can be put there. */
const COVERS = [
  ...MASKED_FILES.map((path) => [path, "file"]),
  ...MASKED_DIRECTORIES.map((path) => [path, "directory"]),
];

/**
 * Makes what covers masked paths, while the scratch tmpfs is in sight: an empty
 * file and an empty directory. Nothing inside has part in it, as a `/dev/null`
 * would.
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
  const why = "Cannot make what covers masked paths";
  const path = `${TOP}/${MASKS}`;
  return [
    { call: "mkdirat", args: [at, MASKS, 0o755], why },
    {
      call: "mknodat",
      args: [at, MASK_FILE, S_IFREG | 0o444, 0],
      why,
    },
    { call: "mkdirat", args: [at, `${MASKS}/directory`, 0o555], why },
    // Copies of a read-only mount are read-only.
    ...bindReadOnly(path, { why }),
    copyMount(at, MASKS, false, { name: MASKS, why }),
  ];
}

/**
 * Covers what of `/proc` and `/sys` reaches the host. Paths that this kernel
 * does not have are left alone.
 *
 * @returns The steps, for the time when `/proc` and `/sys` are there: no links,
 * so that a path below them is the kernel's.
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
  const end = "masked";
  const why = "Cannot mask paths of the kernel";
  return [
    ...READ_ONLY.flatMap((path, index) =>
      bindReadOnly(path, {
        name: maskName(path),
        onError: {
          errno: "ENOENT",
          goto: index + 1 < READ_ONLY.length
            ? maskName(READ_ONLY[index + 1])
            : end,
        },
        why: `Cannot mask ${quote(path)}`,
      })
    ),
    label(end),
    // One copy for all, for a while on top: to give up copies that are not needed
    // takes the kernel a grace period for each.
    attachMount(MASKS, "/", { why }),
    ...COVERS.map(([path, cover]): PlanStep => ({
      call: "mount",
      args: [`${TOP}/${cover}`, path, NONE, MS_BIND, NONE],
      onError: { errno: "ENOENT" },
      why: `Cannot mask ${quote(path)}`,
    })),
    { call: "umount2", args: [TOP, MNT_DETACH], why },
  ];
}

/**
 * Takes from pid 1, and so from all that it starts, every system call and every
 * capability that root does not have inside.
 *
 * @param last The highest number of a capability that the kernel has.
 * @param keepsGroups Whether setgroups(2) is to change nothing, and to succeed.
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
export function restrictionSteps(
  last: number,
  keepsGroups = false,
): PlanStep[] {
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
    ...(keepsGroups ? keepGroupsSteps(HOST_ARCH) : []),
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

/**
 * Covers a path by itself, read-only. By mount(2), since mount_setattr(2) came
 * with Linux 5.12 only.
 */
function bindReadOnly(path: string, first: Partial<PlanStep>): PlanStep[] {
  const flags = MS_REMOUNT | MS_BIND | MS_RDONLY | INERT;
  return [
    { call: "mount", args: [path, path, NONE, MS_BIND, NONE], ...first },
    { call: "mount", args: [NONE, path, NONE, flags, NONE], why: first.why },
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
