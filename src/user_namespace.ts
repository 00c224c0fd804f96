/**
 * Makes user namespaces.
 *
 * @module
 */

import { Block } from "../ffi/block.ts";
import {
  CLONE_NEWUSER,
  O_RDONLY,
  O_WRONLY,
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
  write,
} from "../ffi/libc.ts";
import type { Identity } from "./caller.ts";
import type { Descriptors } from "./descriptors.ts";
import { UsageError } from "./errors.ts";
import type { UserNamespace } from "./facts.ts";
import { refusalOf } from "./failure.ts";
import { type IdMap, lowestOf, mapText, planIdMap } from "./idmap.ts";
import { quote } from "./quote.ts";
import type { ContainerSpec } from "./spec.ts";
import { findRanges } from "./subid_files.ts";

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
  spec: Pick<ContainerSpec, "group" | "initScript" | "user" | "volumes">,
  { gid, groups, uid }: Identity,
  kept: Descriptors,
): UserNamespace {
  const { group, initScript, user, volumes = [] } = spec;
  const owner = { uid, gid, groups };
  const map = planIdMap({
    caller: owner,
    ...findRanges(owner),
    ...(user === undefined ? {} : { user }),
    ...(group === undefined ? {} : { group }),
    hasVolumes: volumes.length > 0,
  });
  const inside = lowestOf(map);
  if (initScript !== undefined && inside.uid !== 0) {
    throw new UsageError(
      `Cannot run init script ${quote(initScript)}: it runs as root inside, ` +
        `and ${inside.uid} is the only id there: ask for ranges in ` +
        "/etc/subuid and /etc/subgid",
    );
  }
  const descriptor = kept.keep(openUserNamespace(map));
  return { descriptor, map, owner, inside };
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
 * @returns A descriptor of it.
 * @throws {LaunchError} If it cannot be made.
 */
export function openUserNamespace(map: IdMap): number {
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
    const at = `/proc/${pid}`;
    // Before the groups, which are fixed then: user_namespaces(7).
    writeFile(`${at}/setgroups`, map.setgroups);
    writeFile(`${at}/uid_map`, mapText(map.uid));
    writeFile(`${at}/gid_map`, mapText(map.gid));
    return open(`${at}/ns/user`, O_RDONLY);
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

/** In one piece, as the kernel wants it. */
function writeFile(path: string, text: string): void {
  const file = open(path, O_WRONLY);
  try {
    write(file, new TextEncoder().encode(text));
  } finally {
    close(file);
  }
}

function end(pid: number): void {
  kill(pid, SIGNALS.SIGKILL);
  syscall("waitid", P_PID, pid, 0, WEXITED, 0);
}
