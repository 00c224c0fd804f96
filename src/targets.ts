/**
 * Places inside to mount on. The root file system is somebody else's: what is
 * at a path there may be a link, also one of `/proc` that leads to the host,
 * and another thing a moment later. So each place is opened once, inside, and
 * its descriptor is what is mounted on.
 *
 * @module
 */

import { dirname } from "@std/path";
import { O_PATH } from "../ffi/constants.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import { S_IFREG } from "../ffi/file_types.ts";
import { ROOT } from "./overlay.ts";
import { NONE, openInside, type PlanStep, prefixes } from "./step.ts";

/** A place to mount on. */
export interface Target {
  /** The name of the step whose result is its descriptor. */
  readonly name: string;
  /** The absolute path inside, normalised. */
  readonly path: string;
  /** What it is, and what is made if nothing is there. */
  readonly kind: "directory" | "file";
  /** Whether a link at the end of the path is refused instead of followed. */
  readonly isReal?: boolean;
  /** The sentence for a failure. */
  readonly why: string;
  /** What to do about it. */
  readonly hints?: PlanStep["hints"];
}

/** A file system to mount. */
export interface FileSystem {
  /** The name of the type, proc_filesystems(5). */
  readonly type: string;
  /** Flags of mount(2). */
  readonly flags: number;
  /** Its options. */
  readonly data?: string;
}

/** What to do about links that cannot be followed. */
const LINK_HINTS = {
  // Of `/proc`, or in a circle.
  ELOOP: "replace the link in the root file system by one that stays inside",
  ENOENT: "a link in the root file system leads nowhere: remove it",
};

/**
 * Opens a place to mount on, and makes what is missing of it: one step of the
 * way at a time, each opened so that it stays inside.
 *
 * @param target The place.
 * @returns The steps.
 *
 * @example A directory below a directory
 * ```ts
 * import { openTarget } from "cage/src/targets.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = openTarget({
 *   name: "target",
 *   path: "/var/tmp",
 *   kind: "directory",
 *   why: "Cannot use it",
 * });
 * const calls = steps.map(({ call }) => call);
 * assertEquals(calls, ["mkdirat", "openat2", "mkdirat", "openat2"]);
 * ```
 */
export function openTarget(target: Target): PlanStep[] {
  const { isReal, kind, name, path } = target;
  const flags = (kind === "directory" ? O_DIRECTORY : 0) |
    (isReal ? O_NOFOLLOW : 0);
  return [
    ...prefixes(path).flatMap((prefix) => makeEntry(target, prefix)),
    openPlace(target, name, path, flags),
  ];
}

/**
 * Mounts a file system on a place. The working directory is what lies below it
 * then: mount(2) takes no descriptor but this one.
 *
 * @param target The place, which has been opened.
 * @param fileSystem What to mount.
 * @returns The steps.
 *
 * @example A tmpfs
 * ```ts
 * import { mountOnTarget } from "cage/src/targets.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const target = { name: "tmp", why: "Cannot mount it" };
 * const steps = mountOnTarget(target, { type: "tmpfs", flags: 0 });
 * assertEquals(steps.map(({ call }) => call), ["fchdir", "mount"]);
 * ```
 */
export function mountOnTarget(
  { name, why }: Pick<Target, "name" | "why">,
  { data, flags, type }: FileSystem,
): PlanStep[] {
  return [
    { call: "fchdir", args: [{ result: name }], why },
    { call: "mount", args: [type, ".", type, flags, data ?? NONE], why },
  ];
}

/**
 * Names the step that opens what a place is in.
 *
 * @param target The place, below a directory that is not the root.
 * @returns The name.
 *
 * @example A file
 * ```ts
 * import { parentOf } from "cage/src/targets.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parentOf({ name: "x", path: "/run/user/7" }), "x:/run/user");
 * ```
 */
export function parentOf(
  { name, path }: Pick<Target, "name" | "path">,
): string {
  return `${name}:${dirname(path)}`;
}

/** The last part of a path is not followed by the calls that make it. */
function makeEntry(target: Target, path: string): PlanStep[] {
  const { hints, kind, name, why } = target;
  const parent = dirname(path);
  const isInRoot = parent === "/";
  const at = { result: isInRoot ? ROOT : parentOf({ name, path }) };
  const base = path.slice(path.lastIndexOf("/") + 1);
  const make = kind === "file" && path === target.path
    ? { call: "mknodat", args: [at, base, S_IFREG | 0o644, 0] } as const
    : { call: "mkdirat", args: [at, base, 0o755] } as const;
  return [
    ...(isInRoot ? [] : [openPlace(target, at.result, parent, O_DIRECTORY)]),
    { ...make, onError: { errno: "EEXIST" }, why, hints },
  ];
}

function openPlace(
  { hints, why }: Target,
  name: string,
  path: string,
  flags: number,
): PlanStep {
  return openInside(path, O_PATH | flags, {
    name,
    // Something was renamed somewhere while `..` was followed: openat2(2).
    onError: { errno: "EAGAIN", goto: name },
    why,
    hints: { ...LINK_HINTS, ...hints },
  }, { result: ROOT });
}
