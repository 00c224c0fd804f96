/**
 * Steps that every part of a plan is made of.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  O_CLOEXEC,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "../ffi/constants.ts";
import type { ErrnoName } from "../ffi/errno.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import type { Argument, Step } from "../ffi/step.ts";

/** A step of a plan, with what a user may do about its failure. */
export interface PlanStep extends Step {
  /** What to do, by the name of the error; `""` for any other error. */
  readonly hints?: Readonly<Partial<Record<ErrnoName | "", string>>>;
  /** What begins here, for people; all up to the next one belongs to it. */
  readonly phase?: string;
}

/** Size of `struct open_how` of linux/openat2.h, Linux 5.6. */
const OPEN_HOW_SIZE = 24;

/** A mount without power: no set-user-ID bits, no devices. */
export const HARMLESS: number = MS_NOSUID | MS_NODEV;

/** A mount without power from which nothing is executed either. */
export const INERT: number = HARMLESS | MS_NOEXEC;

/** An argument that the kernel does not look at. */
export const NONE = 0;

/**
 * Says what some steps are for.
 *
 * @param phase A few words.
 * @param steps The steps.
 * @returns The steps; the first one has the words.
 *
 * @example One step
 * ```ts
 * import { phase } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const [step] = phase("the root", [{ call: "fchdir", args: [3] }]);
 * assertEquals(step.phase, "the root");
 * ```
 */
export function phase(phase: string, steps: readonly PlanStep[]): PlanStep[] {
  const [first, ...rest] = steps;
  return first === undefined ? [] : [{ ...first, phase }, ...rest];
}

/**
 * Lists a path and the directories above it, without the root.
 *
 * @param path An absolute path.
 * @returns The paths, the shortest first.
 *
 * @example Three paths
 * ```ts
 * import { prefixes } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(prefixes("/a//b/c/"), ["/a", "/a//b", "/a//b/c"]);
 * ```
 */
export function prefixes(path: string): string[] {
  return [...path.matchAll(/[^/]+/g)].map(({ index, 0: part }) =>
    path.slice(0, index + part.length)
  );
}

/**
 * Opens a path inside the root file system: neither `..` nor a link leaves it,
 * and links of `/proc`, which lead anywhere, are refused.
 *
 * @param path The absolute path inside.
 * @param flags Flags of open(2).
 * @param rest The name of the step, its sentence, and so on.
 * @param root A descriptor of the root; the working directory if absent.
 * @returns The step, whose result is the descriptor.
 *
 * @example A file
 * ```ts
 * import { openInside } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(openInside("/etc/passwd", 0).call, "openat2");
 * ```
 */
export function openInside(
  path: string,
  flags: number,
  rest: Partial<PlanStep> = {},
  root: Argument = AT_FDCWD,
): PlanStep {
  const how = new BigUint64Array([
    BigInt(flags | O_CLOEXEC),
    0n,
    BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS),
  ]);
  return {
    call: "openat2",
    args: [root, path, new Uint8Array(how.buffer), OPEN_HOW_SIZE],
    ...rest,
  };
}

/**
 * What is mounted over the root directory: `/` itself would be what lies below,
 * since the root of a process stays where it is.
 */
export const TOP = "/..";

/**
 * Opens what is mounted over the root directory.
 *
 * @param name The name of the step.
 * @param rest Its sentence, and so on.
 * @returns The step, whose result is the descriptor.
 *
 * @example A root
 * ```ts
 * import { openTop } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(openTop("root").args[1], "/..");
 * ```
 */
export function openTop(name: string, rest: Partial<PlanStep> = {}): PlanStep {
  const flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  return { name, call: "openat", args: [AT_FDCWD, TOP, flags], ...rest };
}

/**
 * Takes a detached copy of a mount or of a part of one.
 *
 * @param directory A descriptor, or `AT_FDCWD` with an absolute path.
 * @param path The path of what to copy.
 * @param recursive Whether the mounts below are copied too.
 * @param rest The name of the step, its sentence, and so on.
 * @returns The step, whose result is the descriptor of the copy.
 *
 * @example A device
 * ```ts
 * import { copyMount } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(copyMount(-100, "/dev/null", false).call, "open_tree");
 * ```
 */
export function copyMount(
  directory: Argument,
  path: string,
  recursive: boolean,
  rest: Partial<PlanStep> = {},
): PlanStep {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
    (recursive ? AT_RECURSIVE : 0);
  return { call: "open_tree", args: [directory, path, flags], ...rest };
}

/** What mount_setattr(2) is to change: `struct mount_attr` of linux/mount.h. */
export interface MountAttributes {
  /** Flags to be set. */
  readonly set?: number;
  /** `MS_PRIVATE` and the like. */
  readonly propagation?: number;
  /** A descriptor of the user namespace that ids are mapped by. */
  readonly userNamespace?: number;
}

/**
 * Writes attributes as `struct mount_attr`: what to set, what to clear, the
 * propagation, a user namespace.
 *
 * @param attributes What to change.
 * @returns 32 bytes, `MOUNT_ATTR_SIZE_VER0`.
 *
 * @example A flag
 * ```ts
 * import { mountAttributes } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = mountAttributes({ set: 1 });
 * assertEquals([bytes.length, bytes[0]], [32, 1]);
 * ```
 */
export function mountAttributes(
  { propagation = 0, set = 0, userNamespace = 0 }: MountAttributes,
): Uint8Array {
  const words = new BigUint64Array(
    [set, 0, propagation, userNamespace].map(BigInt),
  );
  return new Uint8Array(words.buffer);
}

/**
 * Sets attributes of a detached mount, and of those below it.
 *
 * @param mount A descriptor of the mount.
 * @param attributes What to change.
 * @param rest The name of the step, its sentence, and so on.
 * @returns The step.
 *
 * @example A read-only mount
 * ```ts
 * import { setAttributes } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(setAttributes(9, { set: 1 }).call, "mount_setattr");
 * ```
 */
export function setAttributes(
  mount: Argument,
  attributes: MountAttributes,
  rest: Partial<PlanStep> = {},
): PlanStep {
  const bytes = mountAttributes(attributes);
  const flags = AT_EMPTY_PATH | AT_RECURSIVE;
  return {
    call: "mount_setattr",
    args: [mount, "", flags, bytes, bytes.length],
    ...rest,
  };
}

/**
 * Attaches a detached mount.
 *
 * @param mount The name of the step that gave the mount, or its descriptor.
 * @param target An absolute path, or the name of the step that opened the
 * target.
 * @param rest The name of the step, its sentence, and so on.
 * @returns The step.
 *
 * @example On a path and on a descriptor
 * ```ts
 * import { attachMount } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(attachMount("null", "/dev/null").args[3], "/dev/null");
 * assertEquals(attachMount(9, { result: "target" }).args[3], "");
 * ```
 */
export function attachMount(
  mount: string | number,
  target: string | { readonly result: string },
  rest: Partial<PlanStep> = {},
): PlanStep {
  const [at, path, flags] = typeof target === "string"
    ? [AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH]
    : [target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH];
  const from = descriptorOf(mount);
  return { call: "move_mount", args: [from, "", at, path, flags], ...rest };
}

/**
 * Refers to a descriptor.
 *
 * @param from The descriptor, or the name of the step that gives it.
 * @returns The argument of a step.
 *
 * @example A step
 * ```ts
 * import { descriptorOf } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(descriptorOf("root"), { result: "root" });
 * ```
 */
export function descriptorOf(from: string | number): Argument {
  return typeof from === "string" ? { result: from } : from;
}

/**
 * Goes to a label, always.
 *
 * @param name The name of the step to go to.
 * @returns The step; `zero` must be a buffer of the program.
 *
 * @example A jump
 * ```ts
 * import { goTo } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(goTo("end").ifZero, "end");
 * ```
 */
export function goTo(name: string): PlanStep {
  return { call: "load", args: [{ buffer: "zero" }, 0], ifZero: name };
}

/**
 * A place to go to.
 *
 * @param name The name to go to.
 * @returns The step, which does nothing; `zero` must be a buffer of the
 * program.
 *
 * @example The end of a part
 * ```ts
 * import { label } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(label("end").name, "end");
 * ```
 */
export function label(name: string): PlanStep {
  return { name, call: "load", args: [{ buffer: "zero" }, 0] };
}
