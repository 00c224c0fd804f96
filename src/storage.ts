/**
 * Where changes are kept: directories, memory, or an image in a loop device.
 *
 * @module
 */

import { dirname } from "@std/path";
import { AT_FDCWD, O_CLOEXEC, O_PATH } from "../ffi/constants.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import type { Argument } from "../ffi/step.ts";
import type { Ownership } from "./facts.ts";
import { type Layout, STORAGE_BASE } from "./layout.ts";
import { quote } from "./quote.ts";
import {
  HARMLESS,
  makeDirectories,
  NONE,
  openTop,
  type PlanStep,
  TOP,
} from "./step.ts";

/** Where the upper and the work directory of an overlay are. */
export type Storage =
  | { readonly kind: "directories" }
  | { readonly kind: "memory" }
  | { readonly kind: "image"; readonly device: string };

/** The names of the steps that give the two directories. */
export const UPPER = "upper";
/** See {@linkcode UPPER}. */
export const WORK = "work";
/** The name of the step that fails where no upper directory can be. */
export const ATTRIBUTES = "attributes";
/** The name of the step that gives the tmpfs for what has no other place. */
export const SCRATCH = "scratch";

/** In the name space in which overlayfs keeps what a directory is. */
const PROBE = "trusted.overlay.cage";

/**
 * Mounts the tmpfs for what has no other place: copies of the host's files,
 * a layer of mount points, the storage of an ephemeral container.
 *
 * @returns The steps.
 *
 * @example The result
 * ```ts
 * import { SCRATCH, scratchSteps } from "cage/src/storage.ts";
 * import { assert } from "@std/assert";
 *
 * assert(scratchSteps().some(({ name }) => name === SCRATCH));
 * ```
 */
export function scratchSteps(): PlanStep[] {
  const why = "Cannot mount a tmpfs";
  return [
    // Over the root of the private mount namespace: it is there on every
    // machine, and until Linux 6.15 no layer of an overlay can be on a mount
    // that is not attached.
    { call: "mount", args: ["tmpfs", "/", "tmpfs", HARMLESS, NONE], why },
    openTop(SCRATCH, { why }),
  ];
}

/**
 * Finds or makes the upper and the work directory.
 *
 * @param storage Where they are.
 * @param layout The paths of the container.
 * @param root Owner and mode of the lower root, which a new upper gets, since
 * the root of an overlay has those of its upper.
 * @returns The steps; {@linkcode UPPER} and {@linkcode WORK} are descriptors.
 *
 * @example In memory
 * ```ts
 * import { layoutOf } from "cage/src/layout.ts";
 * import { storageSteps } from "cage/src/storage.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = storageSteps(
 *   { kind: "memory" },
 *   layoutOf({}, "/"),
 *   { mode: 0o755, uid: 0, gid: 0 },
 * );
 * assertEquals(steps[0].call, "mkdirat");
 * ```
 */
export function storageSteps(
  storage: Storage,
  layout: Layout,
  root: Ownership,
): PlanStep[] {
  switch (storage.kind) {
    case "directories":
      return directorySteps(layout, root);
    case "memory":
      return mountedSteps(SCRATCH, root);
    case "image":
      return [
        ...imageSteps(layout.image, storage.device),
        ...mountedSteps("image", root),
      ];
  }
}

function directorySteps(layout: Layout, root: Ownership): PlanStep[] {
  const { upper, work } = layout;
  return [
    ...makeAppDirectory(layout, upper, "-U"),
    ...upperSteps(AT_FDCWD, upper, root, optionFor(layout, upper, "-U")),
    ...makeAppDirectory(layout, work, "-w"),
    ...workSteps(AT_FDCWD, work, optionFor(layout, work, "-w")),
    {
      name: ATTRIBUTES,
      call: "setxattr",
      args: [work, PROBE, new Uint8Array([0x79]), 1, 0],
      why: `Cannot use upper directory ${quote(upper)}`,
      hints: elsewhere(optionFor(layout, upper, "-U")),
    },
  ];
}

/** Application directories are private, what holds them is not. */
function makeAppDirectory(
  layout: Layout,
  path: string,
  option: string,
): PlanStep[] {
  const directory = dirname(path);
  const isShared = (above: string) =>
    above !== directory || STORAGE_BASE.startsWith(above);
  return makeDirectories(
    directory,
    (above) => isShared(above) ? 0o755 : 0o700,
    elsewhere(optionFor(layout, path, option)),
  );
}

/** The option that says where a directory is: its own, or that of both. */
function optionFor({ appDir }: Layout, path: string, option: string): string {
  return dirname(path) === appDir ? "-a" : option;
}

function elsewhere(option: string): Record<"", string> {
  return { "": `use ${option} to put it elsewhere` };
}

function imageSteps(image: string, device: string): PlanStep[] {
  const why = `Cannot mount image ${quote(image)}`;
  const scratch = { result: SCRATCH };
  return [
    { call: "mkdirat", args: [scratch, "image", 0o700], why },
    {
      call: "mount",
      args: [device, `${TOP}/image`, "ext4", HARMLESS, NONE],
      why,
    },
    openDirectory("image", scratch, "image", { why }),
  ];
}

/** Both directories on a file system that is mounted by its descriptor. */
function mountedSteps(mount: string, root: Ownership): PlanStep[] {
  const at = { result: mount };
  return [
    ...upperSteps(at, "upper", root, "-U"),
    ...workSteps(at, "work", "-w"),
  ];
}

/** The root of an overlay has owner and mode of its upper directory. */
function upperSteps(
  at: Argument,
  path: string,
  root: Ownership,
  option: string,
): PlanStep[] {
  const why = `Cannot create upper directory ${quote(path)}`;
  const hints = elsewhere(option);
  return [
    {
      call: "mkdirat",
      args: [at, path, root.mode],
      onError: { errno: "EEXIST", goto: UPPER },
      why,
      hints,
    },
    { call: "fchownat", args: [at, path, root.uid, root.gid, 0], why, hints },
    openDirectory(UPPER, at, path, {
      why: `Cannot use upper directory ${quote(path)}`,
      hints,
    }),
  ];
}

function workSteps(at: Argument, path: string, option: string): PlanStep[] {
  const hints = elsewhere(option);
  return [
    {
      call: "mkdirat",
      args: [at, path, 0o700],
      onError: { errno: "EEXIST" },
      why: `Cannot create work directory ${quote(path)}`,
      hints,
    },
    openDirectory(WORK, at, path, {
      why: `Cannot use work directory ${quote(path)}`,
      hints,
    }),
  ];
}

function openDirectory(
  name: string,
  at: Argument,
  path: string,
  rest: Partial<PlanStep>,
): PlanStep {
  const flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  return { name, call: "openat", args: [at, path, flags], ...rest };
}
