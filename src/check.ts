/**
 * Finds out what `--check` tells.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  MOUNT_ATTR_IDMAP,
  O_PATH,
} from "../ffi/constants.ts";
import { hasErrno, open, statx, syscall } from "../ffi/libc.ts";
import { S_ISUID } from "../ffi/file_types.ts";
import type { CheckedKernel, CheckFacts } from "./check_report.ts";
import { Descriptors } from "./descriptors.ts";
import { findCaller, findKernel } from "./host.ts";
import { isThere } from "./location.ts";
import { POLICY_FILE } from "./policy.ts";
import { findPrivilege, type Privilege } from "./privilege.ts";
import { copyOf } from "./sources.ts";
import { mountAttributes } from "./step.ts";
import { findRanges } from "./subid_files.ts";
import { tryRootless } from "./try_rootless.ts";
import { openUserNamespace } from "./user_namespace.ts";

/**
 * Finds it out. Nothing is changed.
 *
 * @returns The facts.
 * @throws {CageError} If the policy cannot be trusted.
 */
export function findCheckFacts(): CheckFacts {
  const privilege = findPrivilege();
  const { gid, grant, groups, policy, standing, uid } = privilege;
  const { names, subgids, subuids } = findRanges({ uid, gid });
  const caller = findCaller(privilege);
  const program = Deno.readLinkSync("/proc/self/exe");
  return {
    kind: standing,
    ...(grant === undefined ? {} : { grant }),
    ...(names.length === 0 ? {} : { name: names[0] }),
    ids: { uid, gid, groups },
    subuids,
    subgids,
    program,
    isSetuid: isSetuid(program),
    policyFile: POLICY_FILE,
    hasPolicyFile: isThere(POLICY_FILE),
    policy,
    kernel: findCheckedKernel(privilege),
    ...(standing === "rootless" ? tryRootless(caller) : {}),
    ...caller.bases,
  };
}

function findCheckedKernel({ standing }: Privilege): CheckedKernel {
  const most = numberIn("/proc/sys/user/max_user_namespaces");
  return {
    overlay: findKernel({ standing }).overlay,
    ...(standing === "rootless" ? {} : { idmappedLayers: canMapIds() }),
    userNamespaces: isThere("/proc/self/ns/user"),
    ...(most === undefined ? {} : { maxUserNamespaces: most }),
    seccomp: isThere("/proc/sys/kernel/seccomp"),
    cgroupNamespaces: isThere("/proc/self/ns/cgroup"),
  };
}

/** The kernel is asked to map the ids of a mount that nobody sees. */
function canMapIds(): boolean {
  const ids = [{ inside: 0, outside: 1, count: 1 }];
  using kept = new Descriptors();
  try {
    const map = { uid: ids, gid: ids, setgroups: "deny" } as const;
    const userNamespace = kept.keep(openUserNamespace(map));
    const root = kept.keep(open("/", O_PATH));
    const mount = kept.keep(copyOf(root, false));
    const bytes = mountAttributes({ set: MOUNT_ATTR_IDMAP, userNamespace });
    const flags = AT_EMPTY_PATH;
    syscall("mount_setattr", mount, "", flags, bytes, bytes.length);
    return true;
  } catch {
    return false;
  }
}

function isSetuid(program: string): boolean {
  try {
    const { mode, uid } = statx(AT_FDCWD, program);
    return uid === 0 && (mode & S_ISUID) !== 0;
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return false;
    throw error;
  }
}

function numberIn(path: string): number | undefined {
  try {
    return Number(Deno.readTextFileSync(path));
  } catch {
    return undefined;
  }
}
