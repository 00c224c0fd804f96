/**
 * Makes user namespaces.
 *
 * @module
 */

import { Block } from "../ffi/block.ts";
import {
  CLONE_NEWUSER,
  O_RDONLY,
  P_PID,
  PR_SET_PDEATHSIG,
  SIGNALS,
  WEXITED,
} from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import {
  ALL_SIGNALS,
  close,
  kill,
  open,
  pipe2,
  rtSigprocmask,
  syscall,
  SyscallError,
} from "../ffi/libc.ts";
import type { Caller, Identity } from "./caller.ts";
import type { Descriptors } from "./descriptors.ts";
import { UsageError } from "./errors.ts";
import type { LaterNamespace, UserNamespace } from "./facts.ts";
import { refusalOf } from "./failure.ts";
import { type IdMap, lowestOf, planIdMap } from "./idmap.ts";
import { quote } from "./quote.ts";
import type { ContainerSpec } from "./spec.ts";
import { type RootlessRanges, rootlessRanges } from "./rootless_ids.ts";
import { findRanges } from "./subid_files.ts";
import { findMapHelpers, findOuterIds, writeMaps } from "./write_maps.ts";

/**
 * Makes the user namespace of a container, with the ids that it is to have.
 *
 * @param spec What is wanted.
 * @param caller Whose the container is.
 * @param kept Where the descriptor is kept.
 * @returns The user namespace.
 * @throws {UsageError} If root is needed inside, and there can be none.
 * @throws {LaunchError} If it cannot be made.
 */
export function userNamespaceFor(
  spec: NamespaceSpec,
  caller: NamespaceCaller,
  kept: Descriptors,
): LaterNamespace {
  const namespace = planNamespace(spec, caller);
  const path = caller.env.get("PATH");
  const descriptor = kept.keep(openUserNamespace(namespace.map, path));
  return { ...namespace, descriptor };
}

/** Whose a container is. */
export type NamespaceCaller = Identity & Pick<Caller, "env" | "standing">;

/** What decides about the ids of a container. */
export type NamespaceSpec = Pick<
  ContainerSpec,
  "group" | "initScript" | "user" | "volumes"
>;

/**
 * Finds out which ids a container is to have.
 *
 * @param spec What is wanted.
 * @param caller Whose the container is.
 * @returns The user namespace, which is still to be made.
 * @throws {UsageError} If root is needed inside, and there can be none.
 */
export function planNamespace(
  spec: NamespaceSpec,
  caller: NamespaceCaller,
): UserNamespace {
  const { gid, groups, uid } = caller;
  const { group, initScript, user, volumes = [] } = spec;
  const owner = { uid, gid, groups };
  const { keepsGroups, ...ranges } = rangesOf(caller);
  const map = planIdMap({
    caller: owner,
    ...ranges,
    ...(user === undefined ? {} : { user }),
    ...(group === undefined ? {} : { group }),
    hasVolumes: volumes.length > 0 || keepsGroups,
    // Elsewhere files are made as root inside, who has to be the caller then.
    keepsOwn: caller.standing === "rootless",
  });
  const inside = lowestOf(map);
  if (initScript !== undefined && inside.uid !== 0) {
    throw new UsageError(
      `Cannot run init script ${quote(initScript)}: it runs as root inside, ` +
        `and ${inside.uid} is the only id there: ask for ranges in ` +
        "/etc/subuid and /etc/subgid",
    );
  }
  return { map, owner, inside };
}

function rangesOf(caller: NamespaceCaller): RootlessRanges {
  const ranges = findRanges(caller);
  if (caller.standing !== "rootless") return { ...ranges, keepsGroups: false };
  const outer = findOuterIds();
  return rootlessRanges({
    ...{ caller, ranges },
    hasHelpers: findMapHelpers(caller.env.get("PATH")) !== undefined,
    ...(outer === undefined ? {} : { outer }),
  });
}

const HINTS: Readonly<Record<number, string>> = {
  [ERRNO.ENOSPC]: "raise the limit user.max_user_namespaces",
  [ERRNO.EUSERS]: "cage does not run so deep inside itself",
  [ERRNO.EINVAL]: "the kernel must have user namespaces",
};

/**
 * Makes a user namespace. It belongs to root, so that nobody outside can enter
 * it, or trace what runs in it: not even its user, who would be free there of
 * all that a container takes from root inside.
 *
 * @param map Its ids.
 * @param path The value of PATH, see {@linkcode writeMaps}.
 * @returns A descriptor of it.
 * @throws {CageError} If it cannot be made.
 */
export function openUserNamespace(map: IdMap, path?: string): number {
  using block = new Block();
  const { reader, writer } = pipe2();
  // A namespace needs a process to be made and for its ids to be written.
  block.append({
    buffers: { byte: 1 },
    steps: [
      { call: "prctl", args: [PR_SET_PDEATHSIG, SIGNALS.SIGKILL] },
      { call: "read", args: [reader, { buffer: "byte" }, 1] },
    ],
  });
  const mask = rtSigprocmask(ALL_SIGNALS);
  let pid = 0;
  try {
    pid = block.start(CLONE_NEWUSER);
    writeMaps(pid, map, path);
    return open(`/proc/${pid}/ns/user`, O_RDONLY);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const hint = HINTS[error.errno] ?? "see user_namespaces(7)";
    throw refusalOf("Cannot make a user namespace", error, hint);
  } finally {
    if (pid > 0) end(pid);
    close(reader);
    close(writer);
    rtSigprocmask(mask);
  }
}

function end(pid: number): void {
  kill(pid, SIGNALS.SIGKILL);
  syscall("waitid", P_PID, pid, 0, WEXITED, 0);
}
