/**
 * Why a rootless caller gets no user namespace, or none of its rights: what
 * machines and containers forbid it by, and what to do.
 *
 * @module
 */

import { ERRNO } from "../ffi/errno.ts";
import { reasonOf } from "./failure.ts";
import { quote } from "./quote.ts";

/** What a machine says of user namespaces; each is absent if it says nothing. */
export interface NamespaceReadings {
  /** `kernel.unprivileged_userns_clone`, of Debian and Arch. */
  readonly unprivilegedClone?: number;
  /** `kernel.apparmor_restrict_unprivileged_userns`, of Ubuntu since 23.10. */
  readonly apparmorRestricts?: number;
  /** Names of limits `user.max_…_namespaces` that are 0: namespaces(7). */
  readonly zeroLimits: readonly string[];
  /** The AppArmor profile of the caller, if there is one. */
  readonly profile?: string;
  /** Whether the caller certainly is in a chroot(2). */
  readonly isChroot: boolean;
  /** Whether there is a filter of system calls, as containers have. */
  readonly isFiltered: boolean;
  /** Whether the caller is in a user namespace already. */
  readonly isNested: boolean;
}

/** What was refused. */
export interface Refused {
  /** Making the namespace, writing its ids, or the first mount in it. */
  readonly what: "clone" | "map" | "mount";
  /** The number of the error. */
  readonly errno: number;
}

/**
 * Says why there is no user namespace.
 *
 * @param refused What was refused.
 * @param readings What the machine says.
 * @returns The sentence.
 *
 * @example A setting of Debian
 * ```ts
 * import { usernsRefusal } from "cage/src/userns_refusal.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const none = { isChroot: false, isFiltered: false, isNested: false };
 * assertEquals(
 *   usernsRefusal(
 *     { what: "clone", errno: 1 },
 *     { ...none, zeroLimits: [], unprivilegedClone: 0 },
 *   ),
 *   "Cannot create a container without privileges: " +
 *     "kernel.unprivileged_userns_clone is 0: have root set it to 1 with " +
 *     "sysctl, or install the set-user-ID program with sudo make install",
 * );
 * ```
 */
export function usernsRefusal(
  refused: Refused,
  readings: NamespaceReadings,
): string {
  const [why, advice] = refused.what === "clone"
    ? causeOfClone(refused.errno, readings)
    : causeInside(refused, readings);
  return `Cannot create a container without privileges: ${why}: ${advice}`;
}

/**
 * Says why `/proc` cannot be mounted: the kernel gives no new one to whoever
 * sees no whole one (mount_too_revealing() of fs/namespace.c, Linux 4.2).
 *
 * @param hidden What covers parts of the caller's own, see
 * {@linkcode hiddenOfProc}.
 * @returns The sentence.
 *
 * @example A container of Docker
 * ```ts
 * import { procRefusal } from "cage/src/userns_refusal.ts";
 * import { assert } from "@std/assert";
 *
 * assert(procRefusal(["/proc/kcore"]).includes('"/proc/kcore"'));
 * ```
 */
export function procRefusal(hidden: readonly string[]): string {
  const example = hidden.length === 0 ? "" : `, such as ${quote(hidden[0])}`;
  return 'Cannot mount proc on "/proc": the container around this one hides ' +
    `parts of its own${example}: start that one with --privileged, or with ` +
    "--security-opt unmask=ALL (podman) or --security-opt " +
    "systempaths=unconfined (docker)";
}

/**
 * Lists what covers parts of `/proc`.
 *
 * @param mountinfo The text of `/proc/self/mountinfo`.
 * @returns The paths, without a directory that is always empty, which may be
 * covered: proc(5), `binfmt_misc`.
 *
 * @example A file
 * ```ts
 * import { hiddenOfProc } from "cage/src/userns_refusal.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const line = "90 80 0:5 /null /proc/kcore rw - devtmpfs udev rw\n";
 * assertEquals(hiddenOfProc(line), ["/proc/kcore"]);
 * ```
 */
export function hiddenOfProc(mountinfo: string): string[] {
  return placesOf(mountinfo).filter((path) =>
    path.startsWith("/proc/") && path !== "/proc/sys/fs/binfmt_misc"
  );
}

/**
 * Tells whether a process is in a chroot(2): no mount is at its root. One that
 * was made on a mount cannot be told from outside of the kernel.
 *
 * @param mountinfo The text of `/proc/self/mountinfo`.
 * @returns Whether it certainly is.
 *
 * @example The usual root
 * ```ts
 * import { isInChroot } from "cage/src/userns_refusal.ts";
 * import { assert } from "@std/assert";
 *
 * assert(!isInChroot("25 1 254:1 / / rw - ext4 /dev/vda1 rw\n"));
 * assert(isInChroot("26 25 0:5 / /proc rw - proc proc rw\n"));
 * ```
 */
export function isInChroot(mountinfo: string): boolean {
  return !placesOf(mountinfo).includes("/");
}

/** Why, and what to do. */
type Cause = readonly [why: string, advice: string];

const INSTALL = "install the set-user-ID program with sudo make install";

const FILTER: Cause = [
  "the container around this one forbids it by its filter of system calls",
  "start that one with --privileged, or with --security-opt " +
  "seccomp=unconfined (podman, docker)",
];

const UBUNTU: Cause = [
  "kernel.apparmor_restrict_unprivileged_userns is 1",
  `have root set it to 0 with sysctl, or give this program a profile of ` +
  `AppArmor with "userns,", or ${INSTALL}`,
];

const DEEP: Cause = [
  "user namespaces are at most 32 deep",
  "run it less deep inside other containers",
];

function causeOfClone(errno: number, readings: NamespaceReadings): Cause {
  switch (errno) {
    case ERRNO.EPERM:
      return causeOfDenial(errno, readings);
    case ERRNO.EACCES:
      return causeOfModule(errno, readings);
    case ERRNO.ENOSPC:
      return causeOfLimit(readings);
    case ERRNO.EUSERS:
      return DEEP;
    case ERRNO.ENOSYS:
      if (readings.isFiltered) return FILTER;
      return NOT_THERE;
    case ERRNO.EINVAL:
      return NOT_THERE;
    default:
      return [reasonOf(errno), "see clone(2)"];
  }
}

const NOT_THERE: Cause = [
  "this kernel was built without user namespaces or others",
  `have root boot one with CONFIG_USER_NS, or ${INSTALL}`,
];

/** In the order in which the kernel asks, but for what is certain. */
function causeOfDenial(errno: number, readings: NamespaceReadings): Cause {
  const { isChroot, isFiltered, unprivilegedClone } = readings;
  if (unprivilegedClone === 0) {
    return [
      "kernel.unprivileged_userns_clone is 0",
      `have root set it to 1 with sysctl, or ${INSTALL}`,
    ];
  }
  if (isChroot) {
    return [
      "the kernel makes no user namespace in a chroot",
      "run it outside",
    ];
  }
  if (isFiltered) return FILTER;
  return causeOfModule(errno, readings);
}

function causeOfModule(errno: number, readings: NamespaceReadings): Cause {
  const { apparmorRestricts, isNested, profile } = readings;
  if (profile !== undefined) {
    return [
      `AppArmor's profile ${quote(profile)} forbids it`,
      "change that one, or if it is of the container around this one start " +
      "that with --privileged, or with --security-opt apparmor=unconfined " +
      "(podman, docker)",
    ];
  }
  if (apparmorRestricts === 1) return UBUNTU;
  if (isNested) {
    return [
      `${reasonOf(errno)} in the container around this one`,
      "start that one with --privileged",
    ];
  }
  return [
    `${reasonOf(errno)}, by a chroot or a security module such as SELinux`,
    `ask who administers this machine, or ${INSTALL}`,
  ];
}

function causeOfLimit({ zeroLimits }: NamespaceReadings): Cause {
  if (zeroLimits.length === 0) {
    return [
      "there are too many namespaces, or user namespaces 32 deep",
      "stop some, or have root raise the limits user.max_…_namespaces",
    ];
  }
  const be = zeroLimits.length === 1 ? "is" : "are";
  const them = zeroLimits.length === 1 ? "it" : "them";
  const isUser = zeroLimits.includes("user.max_user_namespaces");
  return [
    `${zeroLimits.join(" and ")} ${be} 0`,
    `have root raise ${them} with sysctl` + (isUser ? `, or ${INSTALL}` : ""),
  ];
}

/** The namespace is there, and its rights are not. */
function causeInside(
  { errno, what }: Refused,
  readings: NamespaceReadings,
): Cause {
  const { apparmorRestricts, isFiltered, profile } = readings;
  if (errno !== ERRNO.EPERM && errno !== ERRNO.EACCES) {
    return [reasonOf(errno), "see user_namespaces(7)"];
  }
  if (apparmorRestricts === 1) return UBUNTU;
  // No filter can look at a path: the ids are written by write(2).
  if (isFiltered && what === "mount" && profile === undefined) return FILTER;
  return causeOfModule(errno, readings);
}

/** The fifth field of each line, proc_pid_mountinfo(5). */
function placesOf(mountinfo: string): string[] {
  return mountinfo.split("\n").map((line) => line.split(" ")[4] ?? "");
}
