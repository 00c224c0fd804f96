/**
 * Who calls, and what that makes of them.
 *
 * @module
 */

import { ids, syscall } from "../ffi/libc.ts";
import type { Identity, Standing } from "./caller.ts";
import { CageError } from "./errors.ts";
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

/** Who calls, whether or not there is anything that they may do. */
export type AnyPrivilege =
  | Privilege
  | Omit<Privilege, "standing"> & { readonly standing: "none" };

/**
 * Finds out who calls: a set-user-ID bit changes nothing about that, it is the
 * real id that counts. Root's group becomes the effective one, so that what is
 * made for root is root's in full.
 *
 * @returns Who calls.
 * @throws {CageError} If this program has no rights to give, or the policy
 * cannot be trusted.
 */
export function findPrivilege(): Privilege {
  const found = findAnyPrivilege();
  if (found.standing !== "none") return found;
  throw new CageError(
    `Cannot start a container as user ${found.uid}: it takes root: run it ` +
      "with sudo, or install it with make install",
  );
}

/**
 * Finds out who calls, even if this program has no rights to give.
 *
 * @returns Who calls.
 * @throws {CageError} If the policy cannot be trusted.
 */
export function findAnyPrivilege(): AnyPrivilege {
  const { gid: [gid], groups, uid: [uid, effective] } = ids();
  const caller = { uid, gid, groups };
  if (effective !== 0) {
    return { ...caller, standing: "none", policy: DEFAULT_POLICY };
  }
  if (uid === 0) return { ...caller, standing: "root", policy: DEFAULT_POLICY };
  checkDumping();
  syscall("setresgid", 0xffff_ffff, 0, 0xffff_ffff);
  const policy = readPolicy();
  const grant = grantOf(policy, caller, textOf("passwd"), textOf("group"));
  if (grant === undefined) return { ...caller, standing: "user", policy };
  return { ...caller, standing: "granted", grant, policy };
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
