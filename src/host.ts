/**
 * Finds out the facts that a plan needs: reads, and changes nothing.
 *
 * @module
 */

import { join } from "@std/path";
import {
  AT_FDCWD,
  FSCONFIG_SET_FD,
  FSOPEN_CLOEXEC,
  O_PATH,
  SIGNALS,
} from "../ffi/constants.ts";
import { CALLER_DIRECTORY, SIGNALS_VARIABLE } from "../ffi/guarded.ts";
import {
  close,
  open,
  signalSet,
  statx,
  syscall,
  SyscallError,
} from "../ffi/libc.ts";
import { parseEnviron } from "./environment.ts";
import { UsageError } from "./errors.ts";
import type {
  Caller,
  Facts,
  HostFiles,
  Kernel,
  Ownership,
  VolumeFacts,
} from "./facts.ts";
import { HOST_FILE_PATHS } from "./host_files.ts";
import { absolute, type Layout, STORAGE_BASE } from "./layout.ts";
import { MAX_LAYERS } from "./overlay.ts";
import { prefixes } from "./step.ts";
import type { ContainerSpec } from "./spec.ts";

/**
 * Finds out who calls, and from where.
 *
 * @returns The facts.
 *
 * @example The environment is data
 * ```ts
 * import { findCaller } from "cage/src/host.ts";
 * import { assert } from "@std/assert";
 *
 * assert(findCaller().env.size >= 0);
 * ```
 */
export function findCaller(): Caller {
  const terminal = findTerminal();
  return {
    cwd: findDirectory(),
    env: parseEnviron(Deno.readFileSync("/proc/self/environ")),
    ...(terminal === undefined ? {} : { terminal }),
  };
}

/**
 * Finds out everything that the plan of a new container needs.
 *
 * @param spec What is wanted.
 * @param layout The paths.
 * @param caller Who calls.
 * @returns The facts.
 * @throws {UsageError} If there are more lower layers than overlayfs takes.
 */
export function findFacts(
  spec: ContainerSpec,
  layout: Layout,
  caller: Caller,
): Facts {
  if (layout.lower.length > MAX_LAYERS - 1) {
    throw new UsageError(
      `Cannot use ${layout.lower.length} lower directories: overlayfs takes ` +
        `at most ${MAX_LAYERS - 1}: merge some of them`,
    );
  }
  const layers = [...(spec.ephemeral ? [] : [layout.upper]), ...layout.lower];
  return {
    caller,
    kernel: findKernel(),
    root: findOwnership(layout.lower[0]),
    absent: HOST_FILE_PATHS.filter((path) =>
      !layers.some((layer) => exists(join(layer, path)))
    ),
    host: findHostFiles(),
    volumes: (spec.volumes ?? []).map(({ host }) =>
      findVolume(absolute(host, caller.cwd))
    ),
    storageInside: findStorageInside(layout),
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
 * assert(findKernel().signals.every((signal) => signal > 0 && signal <= 64));
 * ```
 */
export function findKernel(): Kernel {
  const last = Deno.readTextFileSync("/proc/sys/kernel/cap_last_cap");
  return {
    overlay: findOverlay(),
    signals: findSignals(),
    lastCapability: Number(last),
  };
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
function findTerminal(): string | undefined {
  const isTerminal = [Deno.stdin, Deno.stdout, Deno.stderr]
    .findIndex((stream) => stream.isTerminal());
  if (isTerminal === -1) return undefined;
  const path = Deno.readLinkSync(`/proc/self/fd/${isTerminal}`);
  return exists(path) ? path : undefined;
}

/** What cannot be looked at is reported by the step that opens it. */
function findOwnership(path: string): Ownership {
  try {
    const { gid, mode, uid } = statx(AT_FDCWD, path);
    return { mode: mode & 0o7777, uid, gid };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return { mode: 0o755, uid: 0, gid: 0 };
  }
}

function findHostFiles(): HostFiles {
  const resolvConf = textOf("/etc/resolv.conf");
  const hosts = textOf("/etc/hosts");
  return {
    hostname: Deno.hostname(),
    ...(resolvConf === undefined ? {} : { resolvConf }),
    ...(hosts === undefined ? {} : { hosts }),
  };
}

function findVolume(host: string): VolumeFacts {
  try {
    const isDirectory = Deno.statSync(host).isDirectory;
    return { host, kind: isDirectory ? "directory" : "file" };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      // The step that opens it says what is wrong.
      return { host, kind: "directory" };
    }
    return { host, kind: "missing" };
  }
}

/**
 * Where the layers show storage of containers. An upper directory elsewhere
 * than in these is out of reach by itself: overlayfs gives ELOOP for it.
 */
function findStorageInside(layout: Layout): string[] {
  const stored = [STORAGE_BASE, layout.appDir].map(realPath);
  const inside = layout.lower.map(realPath).flatMap((lower) =>
    stored.filter((path) => path !== lower && isWithin(path, lower))
      .map((path) => lower === "/" ? path : path.slice(lower.length))
  );
  return [...new Set(inside)];
}

function isWithin(path: string, directory: string): boolean {
  return directory === "/" || path === directory ||
    path.startsWith(`${directory}/`);
}

/** The real path of what exists of it, and the rest as it is. */
function realPath(path: string): string {
  const existing = prefixes(path).findLast(exists);
  if (existing === undefined) return path;
  const real = Deno.realPathSync(existing);
  return join(real, path.slice(existing.length));
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function textOf(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
