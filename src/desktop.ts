/**
 * Whose desktop a graphical program is shown on, and where things of it are.
 *
 * @module
 */

import type { Caller } from "./caller.ts";
import { parsePasswd } from "./users.ts";

/** A user with a desktop, and the environment that tells of it. */
export interface Desktop {
  /** The id of the user. */
  readonly uid: number;
  /** The primary group. */
  readonly gid: number;
  /** The home directory. */
  readonly home?: string;
  /** The directory of the user's sockets. */
  readonly runtime: string;
  /** The environment of the caller. */
  readonly env: ReadonlyMap<string, string>;
  /** Whether it is another user's than the caller's. */
  readonly isOther: boolean;
}

/**
 * Finds the desktop: the caller's, or that of whoever called sudo(8). What sudo
 * says is the environment of its caller, and so anybody's word; but it is
 * looked at only if root calls, who may use any desktop anyway.
 *
 * @param caller Who calls.
 * @param passwd The text of `/etc/passwd` of the host.
 * @returns The desktop.
 *
 * @example Root, by sudo
 * ```ts
 * import { desktopOf } from "cage/src/desktop.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const env = new Map([["SUDO_UID", "1000"], ["SUDO_GID", "100"]]);
 * const root = { standing: "root", uid: 0, gid: 0, env } as const;
 * const { runtime, uid } = desktopOf(root, "");
 * assertEquals([uid, runtime], [1000, "/run/user/1000"]);
 * ```
 */
export function desktopOf(
  { env, gid, standing, uid }: Pick<Caller, "env" | "gid" | "standing" | "uid">,
  passwd: string,
): Desktop {
  const sudo = standing === "root" ? sudoCaller(env) : undefined;
  const user = sudo ?? { uid, gid };
  const entry = parsePasswd(passwd).find((entry) => entry.uid === user.uid);
  const ownHome = sudo === undefined ? absolute(env.get("HOME")) : undefined;
  const home = ownHome ?? absolute(entry?.home);
  return {
    ...user,
    ...(home === undefined ? {} : { home }),
    runtime: runtimeOf(env, sudo !== undefined) ?? `/run/user/${user.uid}`,
    env,
    isOther: sudo !== undefined,
  };
}

/** A login as root sets one of root's. */
function runtimeOf(env: Desktop["env"], isOther: boolean): string | undefined {
  const path = absolute(env.get("XDG_RUNTIME_DIR"));
  return isOther && path === "/run/user/0" ? undefined : path;
}

function sudoCaller(env: Desktop["env"]): Pick<Desktop, "gid" | "uid"> | void {
  const [uid, gid] = ["SUDO_UID", "SUDO_GID"].map((key) => idOf(env.get(key)));
  if (uid !== undefined && uid !== 0 && gid !== undefined) return { uid, gid };
}

/** Less than -1, which leaves an id as it is: setresuid(2). */
function idOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined;
  return Number(text) < 0xffff_ffff ? Number(text) : undefined;
}

function absolute(path: string | undefined): string | undefined {
  return path?.startsWith("/") && !/\p{Cc}/u.test(path) ? path : undefined;
}
