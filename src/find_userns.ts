/**
 * Reads what this machine says of user namespaces, once one was refused.
 *
 * @module
 */

import { ERRNO } from "../ffi/errno.ts";
import { CageError } from "./errors.ts";
import type { PlanFailure } from "./failure.ts";
import { PRIVATE, PROC } from "./mounts.ts";
import {
  hiddenOfProc,
  isInChroot,
  type NamespaceReadings,
  procRefusal,
  usernsRefusal,
} from "./userns_refusal.ts";

/** Namespaces of a container: `/proc/sys/user`, namespaces(7), Linux 4.9. */
const KINDS = ["user", "mnt", "pid", "ipc", "uts", "cgroup"];

/** The first user namespace: `PROC_USER_INIT_INO` of linux/proc_ns.h. */
const INITIAL = "user:[4026531837]";

/**
 * Tells whether this process is in the user namespace of the machine.
 *
 * @returns Whether it is.
 *
 * @example Wherever this runs
 * ```ts
 * import { isInFirstNamespace } from "cage/src/find_userns.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(typeof isInFirstNamespace(), "boolean");
 * ```
 */
export function isInFirstNamespace(): boolean {
  return Deno.readLinkSync("/proc/self/ns/user") === INITIAL;
}

/**
 * Reads it.
 *
 * @returns What there is to know.
 *
 * @example Limits that are 0
 * ```ts
 * import { findNamespaceReadings } from "cage/src/find_userns.ts";
 * import { assert } from "@std/assert";
 *
 * const { zeroLimits } = findNamespaceReadings();
 * assert(zeroLimits.every((name) => name.startsWith("user.max_")));
 * ```
 */
export function findNamespaceReadings(): NamespaceReadings {
  const unprivilegedClone = setting("kernel/unprivileged_userns_clone");
  const restricts = setting("kernel/apparmor_restrict_unprivileged_userns");
  const profile = findProfile();
  const status = textOf("/proc/self/status") ?? "";
  return {
    zeroLimits: KINDS.map((kind) => `max_${kind}_namespaces`)
      .filter((name) => setting(`user/${name}`) === 0)
      .map((name) => `user.${name}`),
    isChroot: isInChroot(textOf("/proc/self/mountinfo") ?? ""),
    isFiltered: /^Seccomp:\t2$/m.test(status),
    isNested: Deno.readLinkSync("/proc/self/ns/user") !== INITIAL,
    ...(unprivilegedClone === undefined ? {} : { unprivilegedClone }),
    ...(restricts === undefined ? {} : { apparmorRestricts: restricts }),
    ...(profile === undefined ? {} : { profile }),
  };
}

/**
 * Lists what covers parts of `/proc`, see `procRefusal`.
 *
 * @returns The paths.
 *
 * @example They are below it
 * ```ts
 * import { findHiddenOfProc } from "cage/src/find_userns.ts";
 * import { assert } from "@std/assert";
 *
 * assert(findHiddenOfProc().every((path) => path.startsWith("/proc/")));
 * ```
 */
export function findHiddenOfProc(): string[] {
  return hiddenOfProc(textOf("/proc/self/mountinfo") ?? "");
}

/**
 * Says why a plan was refused in a user namespace, where the machine forbids
 * it.
 *
 * @param failure The step that failed.
 * @returns The error; none if it is about something else.
 */
export function findRefusal(
  { errno, step }: Pick<PlanFailure, "errno" | "step">,
): CageError | undefined {
  if (errno !== ERRNO.EPERM && errno !== ERRNO.EACCES) return undefined;
  switch (step.name) {
    case PRIVATE: {
      const refused = { what: "mount", errno } as const;
      return new CageError(usernsRefusal(refused, findNamespaceReadings()));
    }
    case PROC:
      return new CageError(procRefusal(findHiddenOfProc()));
  }
}

function setting(name: string): number | undefined {
  const text = textOf(`/proc/sys/${name}`)?.trim();
  return text === undefined || text === "" ? undefined : Number(text);
}

/** Without its mode; other security modules have the older file too. */
function findProfile(): string | undefined {
  const text = textOf("/proc/self/attr/apparmor/current") ?? "";
  const name = text.replace(/ \([a-z]+\)\s*$/, "").trim();
  return name === "" || name === "unconfined" ? undefined : name;
}

function textOf(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
