/**
 * Who calls, and what that makes of them.
 *
 * @module
 */

import { ids, syscall } from "../ffi/libc.ts";
import { effectiveCapabilities } from "./capabilities.ts";
import type { Identity, Standing } from "./caller.ts";
import { CageError } from "./errors.ts";
import { isInFirstNamespace } from "./find_userns.ts";
import { DEFAULT_POLICY, grantOf, type Policy } from "./policy.ts";
import { readPolicy } from "./policy_file.ts";

/** Who calls, and by which policy that was found. */
export interface Privilege extends Identity {
  /** What the caller is to this program. */
  readonly standing: Standing;
  /** Why a user is granted root of the machine. */
  readonly grant?: string;
  /** What the administrator allows. */
  readonly policy: Policy;
}

/**
 * Finds out who calls: a set-user-ID bit changes nothing about that, it is the
 * real id that counts. Root's group becomes the effective one, so that what is
 * made for root is root's in full.
 *
 * @returns Who calls.
 * @throws {CageError} If the policy cannot be trusted, or the rights of this
 * program are somebody else's than root's.
 */
export function findPrivilege(): Privilege {
  const { gid: [gid], groups, uid: [uid, effective] } = ids();
  const caller = { uid, gid, groups };
  const isRoot = effective === 0 && isRootOfMachine();
  if (uid !== effective && !isRoot) throw notRoots(effective);
  if (!isRoot) {
    return { ...caller, standing: "rootless", policy: DEFAULT_POLICY };
  }
  if (uid === 0) return { ...caller, standing: "root", policy: DEFAULT_POLICY };
  checkDumping();
  syscall("setresgid", 0xffff_ffff, 0, 0xffff_ffff);
  const policy = readPolicy();
  const grant = grantOf(policy, caller, textOf("passwd"), textOf("group"));
  if (grant === undefined) return { ...caller, standing: "user", policy };
  return { ...caller, standing: "granted", grant, policy };
}

/** `CAP_SYS_ADMIN` of linux/capability.h. */
const CAP_SYS_ADMIN = 21n;

/** Root of a container can have neither the namespace nor the capability. */
function isRootOfMachine(): boolean {
  return (effectiveCapabilities() >> CAP_SYS_ADMIN & 1n) === 1n &&
    isInFirstNamespace();
}

function notRoots(effective: number): CageError {
  return new CageError(
    "Cannot start a container: the set-user-ID bit of this program makes it " +
      `user ${effective}, who is not root of this machine: use a copy without ` +
      "the bit",
  );
}

/**
 * With the value 1, every change of ids makes a process traceable by whoever
 * has the new ones, for debugging: see proc_sys_fs(5).
 */
function checkDumping(): void {
  const path = "/proc/sys/fs/suid_dumpable";
  if (Deno.readTextFileSync(path).trim() !== "1") return;
  throw new CageError(
    "Cannot start a container: fs.suid_dumpable is 1, with which users trace " +
      "programs that are root: set it to 0 or to 2",
  );
}

/** Root's file, which every user can read. */
function textOf(file: "passwd" | "group"): string {
  try {
    return Deno.readTextFileSync(`/etc/${file}`);
  } catch {
    return "";
  }
}
