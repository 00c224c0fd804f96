/**
 * The overlay: lower layers, and one upper layer that takes all changes.
 *
 * Overlayfs does everything to the layers with the rights of whoever mounted
 * it. For a user, that is a process in the user namespace of the container: so
 * the kernel itself sees to it that through the overlay nobody reaches what the
 * user could not reach, and that nothing in the upper layer belongs to an id
 * that is not the user's, whatever a lower layer pretends.
 *
 * @module
 */

import {
  AT_FDCWD,
  CLONE_FILES,
  CLONE_NEWNS,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FD,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_NODEV,
  MS_NODEV,
  O_CLOEXEC,
  O_PATH,
  SIGINFO,
} from "../ffi/constants.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import type { Kernel, LaterNamespace, Skeleton } from "./facts.ts";
import { startProcess, waitForProcess } from "./process.ts";
import { KEPT_LOWER, keptLowerText } from "./kept_lower.ts";
import { markName } from "./overlay_marks.ts";
import { quote } from "./quote.ts";
import {
  attachMount,
  copyMount,
  goTo,
  label,
  NONE,
  openTop,
  type PlanStep,
  TOP,
} from "./step.ts";
import type { StoragePaths } from "./storage.ts";
import { enterUserNamespace } from "./user_namespace_steps.ts";

/** The name of the step that gives the root of the overlay. */
export const ROOT = "root";
/** The names of the steps in which the kernel judges a layer or the whole. */
export const OVERLAY = "overlay:";
/** The name of the step that fails where no upper directory can be. */
export const ATTRIBUTES = "attributes";
/** The buffer with the kernel's own words about an overlay that failed. */
export const OVERLAY_MESSAGE = "overlay-message";

/** Buffers of a plan with {@linkcode overlaySteps}; a message is a line. */
export const OVERLAY_BUFFERS = {
  [OVERLAY_MESSAGE]: 1024,
  mounter: 8,
  "mounter-info": SIGINFO.size,
} as const;

/**
 * Descriptors for layers that are named by path: far above those that the
 * runtime has open, and below the usual limit of 1,024.
 */
export const FIRST_LAYER = 500;

/** Most lower layers: `OVL_MAX_STACK` of fs/overlayfs, Linux 4.0. */
export const MAX_LAYERS = 500;

/** Layers as users know them. */
export interface KeptLayers {
  /** The path of the upper directory, which may be unable to be one. */
  readonly upper: string;
  /** The paths of the lower ones, the first on top. */
  readonly lower: readonly string[];
}

/** What an overlay is made of. */
export interface Overlay {
  /** The paths of the lower layers, the top first. */
  readonly layers: readonly string[];
  /** The paths of the upper and the work directory. */
  readonly storage: StoragePaths;
  /** Directories that stay, if these do, and their names. */
  readonly kept?: KeptLayers;
  /** Directories of the upper layer that are there before they are needed. */
  readonly skeleton: readonly Skeleton[];
  /** What the kernel offers. */
  readonly how: Kernel["overlay"];
  /** Whether it keeps its attributes as a user's, not as root's. */
  readonly isUsers?: boolean;
  /** The user namespace in which it is mounted, if not in that of the plan. */
  readonly namespace?: LaterNamespace;
}

/**
 * Mounts the overlay over the root of the private mount namespace. Layers are
 * given by descriptors, so that any path works, also one longer than the 255
 * bytes of fsconfig(2) or with the commas and colons that mount(2) splits at.
 *
 * @param overlay What it is made of. Kernels take `descriptors` since Linux
 * 6.13, `paths` below `/proc/self/fd` since 5.2, else `mount` is mount(2). The
 * plan itself finds out with `either`.
 * @returns The steps; {@linkcode ROOT} is a descriptor.
 *
 * @example A kernel that takes descriptors
 * ```ts
 * import { OVERLAY, overlaySteps } from "cage/src/overlay.ts";
 * import { assert } from "@std/assert";
 *
 * const steps = overlaySteps({
 *   layers: ["/../lower0"],
 *   storage: { upper: "/../storage/upper", work: "/../storage/work" },
 *   skeleton: [],
 *   how: "descriptors",
 * });
 * assert(steps.some(({ name }) => name?.startsWith(OVERLAY)));
 * ```
 */
export function overlaySteps(overlay: Overlay): PlanStep[] {
  const { how, namespace } = overlay;
  if (namespace !== undefined) {
    return [
      ...inUserNamespace(namespace, [
        ...openSteps(overlay),
        ...mountSteps(overlay, MOUNTED_INSIDE),
      ]),
      attachMount(ROOT, "/", { why: WHY }),
    ];
  }
  return [
    ...openSteps(overlay),
    ...mountSteps(
      overlay,
      how === "mount" ? [] : [
        attachMount(ROOT, "/", { ifZero: "overlay-mounted", why: WHY }),
      ],
    ),
    label("overlay-mounted"),
  ];
}

const WHY = "Cannot mount overlay";
const HINTS = { ENODEV: "load the kernel module with modprobe overlay" };
const CONTEXT = { result: "overlay-context" };
const UPPER = "upper";
const WORK = "work";

/** The end of the process that mounts. */
const MOUNTED_INSIDE: PlanStep[] = [{ call: "exit_group", args: [0] }];

/**
 * Has a process do something in the user namespace that has the descriptors
 * of this one, so that what it mounts is here too. It needs a mount namespace
 * to mount anything: the one that this process is in belongs to root.
 */
function inUserNamespace(
  namespace: LaterNamespace,
  steps: readonly PlanStep[],
): PlanStep[] {
  const why = "Cannot start the process that mounts the overlay";
  return [
    startProcess("mounter", CLONE_FILES, "mount-overlay", why),
    ...waitForProcess("mounter", "overlay-mounted", why),
    label("mount-overlay"),
    ...enterUserNamespace(namespace),
    {
      call: "unshare",
      args: [CLONE_NEWNS],
      why: "Cannot make a mount namespace for the overlay",
      hints: { ENOSPC: "raise the limit user.max_mnt_namespaces" },
    },
    ...steps,
    label("overlay-mounted"),
  ];
}

function openSteps(overlay: Overlay): PlanStep[] {
  const { kept, layers, skeleton, storage } = overlay;
  return [
    openDirectory(UPPER, storage.upper, "Cannot use the upper directory"),
    openDirectory(WORK, storage.work, "Cannot use the work directory"),
    ...(kept === undefined ? [] : [askForAttributes(overlay, kept)]),
    ...skeleton.flatMap((directory) => makeSkeleton(directory, storage)),
    ...layers.map((path, index) =>
      openDirectory(layerName(index), path, "Cannot use a lower directory")
    ),
  ];
}

/**
 * Makes a directory of the upper layer. What cannot be made is not there to be
 * written to, and no more.
 *
 * @param directory The directory.
 * @param storage Where the upper layer is.
 * @returns The steps.
 *
 * @example An empty directory
 * ```ts
 * import { makeSkeleton } from "cage/src/overlay.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const root = { path: "/root", mode: 0o700, isEmpty: true };
 * const steps = makeSkeleton(root, { upper: "/srv/upper", work: "/srv/work" });
 * assertEquals(steps[0].args[1], "/srv/upper/root");
 * assertEquals(steps[1].call, "setxattr");
 * ```
 */
export function makeSkeleton(
  { isEmpty, mode, path }: Skeleton,
  { upper }: StoragePaths,
): PlanStep[] {
  const end = `skeleton:${path}`;
  const whole = `${upper}${path}`;
  const opaque = ["user.overlay.opaque", new Uint8Array([0x79]), 1, 0] as const;
  return [
    {
      call: "mkdirat",
      args: [AT_FDCWD, whole, mode],
      onError: { goto: end },
    },
    ...(isEmpty
      ? [{ call: "setxattr", args: [whole, ...opaque], onError: {} } as const]
      : []),
    label(end),
  ];
}

/** In the name space in which overlayfs keeps what a directory is. */
function askForAttributes(
  { isUsers, storage }: Overlay,
  { lower, upper }: KeptLayers,
): PlanStep {
  const marks = { space: isUsers ? "user" : "trusted", isFuse: false } as const;
  const text = keptLowerText(lower);
  return {
    name: ATTRIBUTES,
    call: "setxattr",
    args: [storage.work, markName(marks, KEPT_LOWER), text, text.length, 0],
    why: `Cannot use upper directory ${quote(upper)}`,
    hints: { "": "use -U to put it elsewhere" },
  };
}

function layerName(index: number): string {
  return `lower${index}`;
}

function openDirectory(name: string, path: string, why: string): PlanStep {
  const flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  return { name, call: "openat", args: [AT_FDCWD, path, flags], why };
}

/** Mounts it, goes on with other steps, and has the messages after them. */
function mountSteps(
  { how, isUsers = false, layers, namespace }: Overlay,
  then: readonly PlanStep[],
): PlanStep[] {
  const names = layers.map((_, index) => layerName(index));
  const own = isUsers ? [USERS_ATTRIBUTES] : [];
  switch (how) {
    case "descriptors":
      return mountContext([...own, ...descriptorSettings(names)], then);
    case "paths":
      return [
        ...numberLayers(names),
        ...mountContext([...own, ...pathSettings(names)], then),
      ];
    case "either":
      return mountContext([...own, ...eitherSettings(names)], then);
    case "mount":
      return [
        ...numberLayers(names),
        ...mountByPath(names, isUsers, namespace !== undefined),
        ...then,
      ];
  }
}

/** What to give to the context: the arguments of fsconfig(2) after it. */
type Setting = readonly [command: number, ...rest: PlanStep["args"]];

/** Linux 5.11. */
const USERS_ATTRIBUTES: Setting = [FSCONFIG_SET_FLAG, "userxattr", NONE, NONE];

function descriptorSettings(layers: readonly string[]): Setting[] {
  return [
    ...layers.map((layer) => setDescriptor("lowerdir+", layer)),
    setDescriptor("upperdir", UPPER),
    setDescriptor("workdir", WORK),
  ];
}

function pathSettings(layers: readonly string[]): Setting[] {
  return Object.entries(pathOptions(layers)).map(setString);
}

/** A kernel that takes no descriptor says so of the first layer already. */
function eitherSettings(layers: readonly string[]): (PlanStep | Setting)[] {
  const [paths, end] = ["overlay-paths", "overlay-layers"];
  const [first, ...others] = descriptorSettings(layers);
  return [
    { ...configure(first), onError: { goto: paths } },
    ...others,
    goTo(end),
    label(paths),
    ...numberLayers(layers),
    ...pathSettings(layers),
    label(end),
  ];
}

function setDescriptor(key: string, step: string): Setting {
  return [FSCONFIG_SET_FD, key, NONE, { result: step }];
}

function setString([key, value]: [key: string, value: string]): Setting {
  return [FSCONFIG_SET_STRING, key, value, NONE];
}

function configure(setting: Setting): PlanStep {
  return { call: "fsconfig", args: [CONTEXT, ...setting], why: WHY };
}

function mountContext(
  settings: readonly (PlanStep | Setting)[],
  then: readonly PlanStep[],
): PlanStep[] {
  const create: Setting = [FSCONFIG_CMD_CREATE, NONE, NONE, NONE];
  const steps = [...settings, create].map((setting, index): PlanStep => {
    if ("call" in setting) return setting;
    const name = `${OVERLAY}${index}`;
    return { ...configure(setting), name, onError: { goto: messageOf(name) } };
  });
  const judged = steps.flatMap(({ name }) =>
    name?.startsWith(OVERLAY) ? [name] : []
  );
  return [
    {
      name: CONTEXT.result,
      call: "fsopen",
      args: ["overlay", FSOPEN_CLOEXEC],
      why: WHY,
      hints: HINTS,
    },
    ...steps,
    {
      name: ROOT,
      call: "fsmount",
      args: [CONTEXT, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV],
      why: WHY,
    },
    ...then,
    ...judged.flatMap(readMessage),
  ];
}

function messageOf(name: string): string {
  return `${name}-message`;
}

/** The kernel explains itself in the context, see fsopen(2). */
function readMessage(name: string): PlanStep[] {
  const size = OVERLAY_BUFFERS[OVERLAY_MESSAGE] - 1;
  return [
    {
      name: messageOf(name),
      call: "read",
      args: [CONTEXT, { buffer: OVERLAY_MESSAGE }, size],
      onError: {},
    },
    // Any call that fails ends the plan.
    { call: "close", args: [-1], blame: name },
  ];
}

/** Gives descriptors numbers that a text can name. */
function numberLayers(layers: readonly string[]): PlanStep[] {
  return [UPPER, WORK, ...layers].map((step, index) => ({
    call: "dup3",
    args: [{ result: step }, FIRST_LAYER + index, O_CLOEXEC],
    why: "Cannot number the layers of the overlay",
  }));
}

function pathOptions(layers: readonly string[]): Record<string, string> {
  const path = (index: number) => `/proc/self/fd/${FIRST_LAYER + index}`;
  const lower = layers.map((_, index) => path(index + 2)).join(":");
  return { lowerdir: lower, upperdir: path(0), workdir: path(1) };
}

function mountByPath(
  layers: readonly string[],
  isUsers: boolean,
  isElsewhere: boolean,
): PlanStep[] {
  const data = [
    ...Object.entries(pathOptions(layers))
      .map(([key, value]) => `${key}=${value}`),
    ...(isUsers ? ["userxattr"] : []),
  ].join(",");
  return [
    {
      name: `${OVERLAY}mount`,
      call: "mount",
      args: ["overlay", "/", "overlay", MS_NODEV, data],
      why: WHY,
      hints: HINTS,
    },
    // Where another mount namespace has it, a copy is needed to attach it here.
    isElsewhere
      ? copyMount(AT_FDCWD, TOP, false, { name: ROOT, why: WHY })
      : openTop(ROOT, { why: WHY }),
  ];
}
