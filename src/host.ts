/**
 * Finds out the facts that a plan needs: reads, and changes nothing.
 *
 * @module
 */

import {
  FSCONFIG_SET_FD,
  FSOPEN_CLOEXEC,
  O_PATH,
  SIGNALS,
} from "../ffi/constants.ts";
import { CALLER_DIRECTORY, SIGNALS_VARIABLE } from "../ffi/guarded.ts";
import { close, open, signalSet, syscall } from "../ffi/libc.ts";
import { asCaller } from "./as_caller.ts";
import { basesOf, type BasesWish } from "./bases.ts";
import type { Caller, Identity } from "./caller.ts";
import { parseEnviron } from "./environment.ts";
import type { HostFiles, Kernel } from "./facts.ts";
import { HOST_FILE_PATHS } from "./host_files.ts";
import { parseMap, toOutside } from "./idmap.ts";
import type { Bases } from "./layout.ts";
import { parsePasswd } from "./users.ts";

/**
 * Finds out from where somebody calls.
 *
 * @param privilege Who calls.
 * @returns Who, and from where.
 *
 * @example The environment is data
 * ```ts
 * import { findCaller } from "cage/src/host.ts";
 * import { assert } from "@std/assert";
 *
 * const root = { standing: "root", uid: 0, gid: 0, groups: [] } as const;
 * assert(findCaller(root).env.size >= 0);
 * ```
 */
export function findCaller(
  privilege: Identity & Pick<Caller, "standing">,
): Caller {
  const { gid, groups, standing, uid } = privilege;
  const terminal = findTerminal();
  const env = environment ??= parseEnviron(
    Deno.readFileSync("/proc/self/environ"),
  );
  return {
    ...{ gid, groups, standing, uid },
    bases: findBases({ standing, uid, env }),
    cwd: findDirectory(),
    env,
    ...(terminal === undefined ? {} : { terminal }),
  };
}

/**
 * Asks the kernel what it offers.
 *
 * @returns What it offers.
 *
 * @example Signals that have to be reset
 * ```ts
 * import { findKernel } from "cage/src/host.ts";
 * import { assert } from "@std/assert";
 *
 * const root = { standing: "root" } as const;
 * assert(findKernel(root).signals.every((signal) => signal > 0 && signal <= 64));
 * ```
 */
export function findKernel(
  { standing }: Pick<Caller, "standing">,
): Kernel {
  return {
    // Only who may mount anything can ask.
    overlay: standing === "rootless" ? "either" : overlayWay(),
    signals: findSignals(),
    lastCapability: lastCapability ??= findLastCapability(),
  };
}

/** What a kernel has does not change, but for a module that is loaded later. */
let overlay: Kernel["overlay"] | undefined;
let lastCapability: number | undefined;

function overlayWay(): Kernel["overlay"] {
  if (overlay === undefined || overlay === "mount") overlay = findOverlay();
  return overlay;
}

function findLastCapability(): number {
  return Number(Deno.readTextFileSync("/proc/sys/kernel/cap_last_cap"));
}

/**
 * Finds out what `/etc` says about names, as the caller can read it.
 *
 * @param caller Who calls.
 * @returns What it says.
 *
 * @example The name of this machine
 * ```ts
 * import { findHostFiles } from "cage/src/host.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const root = { standing: "root", uid: 0, gid: 0 } as const;
 * assertEquals(findHostFiles(root).hostname, Deno.hostname());
 * ```
 */
export function findHostFiles(
  caller: Pick<Caller, "gid" | "standing" | "uid">,
): HostFiles {
  const [resolvConf, hosts] = asCaller(
    caller,
    () => HOST_FILE_PATHS.map(textOf),
  );
  return {
    hostname: Deno.hostname(),
    ...(resolvConf === undefined ? {} : { resolvConf }),
    ...(hosts === undefined ? {} : { hosts }),
  };
}

/**
 * That with which this program was started. Only root can read it again while
 * another launch has hidden the memory of this process.
 */
let environment: Caller["env"] | undefined;

/** Where files of the caller are by default. */
function findBases(wish: BasesWish): Bases {
  if (wish.standing !== "rootless") return basesOf(wish);
  const home = parsePasswd(textOf("/etc/passwd") ?? "")
    .find(({ uid }) => uid === wish.uid)?.home;
  // Root of many a container has the same number.
  const map = parseMap(textOf("/proc/self/uid_map") ?? "");
  const uid = toOutside(map, wish.uid) ?? wish.uid;
  const runtime = `/run/user/${uid}`;
  return basesOf({
    ...wish,
    uid,
    ...(home === undefined ? {} : { home }),
    ...(ownerOf(runtime) === wish.uid ? { runtime } : {}),
  });
}

function ownerOf(path: string): number | undefined {
  try {
    return Deno.lstatSync(path).uid ?? undefined;
  } catch {
    return undefined;
  }
}

/** The entry guard leaves the caller's directory, and a descriptor of it. */
function findDirectory(): string {
  return Deno.env.has(SIGNALS_VARIABLE)
    ? Deno.readLinkSync(`/proc/self/fd/${CALLER_DIRECTORY}`)
    : Deno.cwd();
}

/** Which of the three ways to mount an overlay the kernel has. */
function findOverlay(): Kernel["overlay"] {
  let context: number;
  try {
    context = syscall("fsopen", "overlay", FSOPEN_CLOEXEC);
  } catch {
    return "mount";
  }
  const root = open("/", O_PATH);
  try {
    const key = "lowerdir+";
    syscall("fsconfig", context, FSCONFIG_SET_FD, key, 0, root);
    return "descriptors";
  } catch {
    return "paths";
  } finally {
    close(root);
    close(context);
  }
}

/**
 * The signals that are handled or ignored here, but not those with which a
 * caller tells every program to go on: nohup(1), and a shell's `&`.
 */
function findSignals(): number[] {
  const status = Deno.readTextFileSync("/proc/self/status");
  const setOf = (key: string) =>
    BigInt(`0x${new RegExp(`^${key}:\t(.*)$`, "m").exec(status)?.[1] ?? "0"}`);
  const kept = signalSet(SIGNALS.SIGHUP, SIGNALS.SIGINT, SIGNALS.SIGQUIT);
  const reset = setOf("SigCgt") | (setOf("SigIgn") & ~kept);
  return Array.from({ length: 64 }, (_, index) => index + 1)
    .filter((signal) => (reset & signalSet(signal)) !== 0n);
}

/** The first of the standard descriptors that is a terminal. */
function findTerminal(): number | undefined {
  const isTerminal = [Deno.stdin, Deno.stdout, Deno.stderr]
    .findIndex((stream) => stream.isTerminal());
  return isTerminal === -1 ? undefined : isTerminal;
}

function textOf(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
