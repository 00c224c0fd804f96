/**
 * Does things with the rights of the caller instead of root's.
 *
 * The ids of a thread are changed and not those of the process: other threads
 * of the runtime do nothing meanwhile that has to do with the caller.
 *
 * @module
 */

import { AT_FDCWD, O_PATH, RESOLVE_NO_MAGICLINKS } from "../ffi/constants.ts";
import { openat2, syscall } from "../ffi/libc.ts";
import { type Caller, isLent } from "./caller.ts";

/** An id that setresuid(2) leaves as it is: (uid_t) -1. */
const SAME = 0xffff_ffff;

/**
 * Does something as the caller: with the caller's ids for files, and with none
 * of root's capabilities, which the kernel takes away with the effective id of
 * root (capabilities(7)). Where nothing is lent, this program is
 * the caller.
 *
 * @param caller Who calls.
 * @param action What to do, at once: it must not wait for anything.
 * @returns What the action gives.
 *
 * @example Root
 * ```ts
 * import { asCaller } from "cage/src/as_caller.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const root = { standing: "root", uid: 0, gid: 0 } as const;
 * assertEquals(asCaller(root, () => 7), 7);
 * ```
 */
export function asCaller<T>(
  { gid, standing, uid }: Pick<Caller, "gid" | "standing" | "uid">,
  action: () => T,
): T {
  if (!isLent({ standing })) return action();
  // The group first, and last on the way back: it can be changed only as root.
  syscall("setresgid", SAME, gid, SAME);
  syscall("setresuid", SAME, uid, SAME);
  try {
    return action();
  } finally {
    syscall("setresuid", SAME, 0, SAME);
    syscall("setresgid", SAME, 0, SAME);
  }
}

/** This program itself, with the rights that it has. */
export const ROOT = { standing: "root", uid: 0, gid: 0 } as const;

/**
 * Opens what a caller names, as the caller, and only once: whatever becomes of
 * the path afterwards, the descriptor means the same file. Links of `/proc`
 * are refused, since they would be this program's, not the caller's.
 *
 * @param caller Who calls.
 * @param path The absolute path.
 * @param flags Flags of open(2); a place in the tree (`O_PATH`) if absent.
 * @returns The descriptor.
 * @throws {SyscallError} If it cannot be opened.
 *
 * @example The root directory
 * ```ts
 * import { openNamed } from "cage/src/as_caller.ts";
 * import { close } from "cage/ffi/libc.ts";
 *
 * close(openNamed({ standing: "root", uid: 0, gid: 0 }, "/"));
 * ```
 */
export function openNamed(
  caller: Pick<Caller, "gid" | "standing" | "uid">,
  path: string,
  flags: number = O_PATH,
): number {
  const resolve = isLent(caller) ? RESOLVE_NO_MAGICLINKS : 0;
  return asCaller(caller, () => openat2(AT_FDCWD, path, { flags, resolve }));
}

/**
 * Does something with the rights of another user, whom root serves: their
 * groups but the primary one are left out.
 *
 * @param user The ids of the user.
 * @param client Root, as the caller.
 * @param action What to do at once, with that user as the caller.
 * @returns What the action gives.
 *
 * @example Nobody
 * ```ts
 * import { asUser } from "cage/src/as_caller.ts";
 * import { ids } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { groups, uid: [uid] } = ids();
 * const nobody = { uid: 65534, gid: 65534 };
 * if (uid === 0) {
 *   assertEquals(asUser(nobody, { groups }, (user) => user.uid), 65534);
 * }
 * ```
 */
export function asUser<T, C extends Pick<Caller, "groups">>(
  { gid, uid }: Pick<Caller, "gid" | "uid">,
  client: C,
  action: (user: C & Pick<Caller, "gid" | "standing" | "uid">) => T,
): T {
  setGroups([gid]);
  try {
    return action({ ...client, standing: "granted", uid, gid });
  } finally {
    setGroups(client.groups);
  }
}

function setGroups(groups: readonly number[]): void {
  const list = new Uint8Array(new Uint32Array(groups).buffer);
  syscall("setgroups", groups.length, list);
}
