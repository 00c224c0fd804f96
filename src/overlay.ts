/**
 * The overlay: lower layers, and one upper layer that takes all changes.
 *
 * @module
 */

import {
  AT_FDCWD,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FD,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_NODEV,
  MS_NODEV,
  O_CLOEXEC,
  O_PATH,
} from "../ffi/constants.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import { quote } from "./quote.ts";
import type { Kernel } from "./facts.ts";
import { attachMount, label, NONE, openTop, type PlanStep } from "./step.ts";
import { UPPER, WORK } from "./storage.ts";

/** The name of the step that gives the root of the overlay. */
export const ROOT = "root";
/** The names of the steps in which the kernel judges a layer or the whole. */
export const OVERLAY = "overlay:";
/** The buffer with the kernel's own words about an overlay that failed. */
export const OVERLAY_MESSAGE = "overlay-message";
/** Bytes of {@linkcode OVERLAY_MESSAGE}; a message of a context is a line. */
export const OVERLAY_MESSAGE_SIZE = 1024;

/**
 * Descriptors for layers that are named by path: far above those that the
 * runtime has open, and below the usual limit of 1,024.
 */
const FIRST_LAYER = 500;

/** Most lower layers: `OVL_MAX_STACK` of fs/overlayfs, Linux 4.0. */
export const MAX_LAYERS = 500;

/**
 * Opens the lower layers, before anything is mounted over a path to one.
 *
 * @param lower The paths, the first on top.
 * @returns The steps; {@linkcode layerName} names each.
 *
 * @example One layer
 * ```ts
 * import { layerName, openLayers } from "cage/src/overlay.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(openLayers(["/"])[0].name, layerName(0));
 * ```
 */
export function openLayers(lower: readonly string[]): PlanStep[] {
  return lower.map((path, index) => ({
    name: layerName(index),
    call: "openat",
    args: [AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC],
    why: `Cannot use lower directory ${quote(path)}`,
    hints: {
      ENOENT: "create it, or name another one with -l",
      ENOTDIR: "name a directory with -l, and unpack an archive first",
    },
  }));
}

/**
 * Names the step that opens a layer.
 *
 * @param index The place of the layer, 0 on top.
 * @returns The name.
 *
 * @example The top layer
 * ```ts
 * import { layerName } from "cage/src/overlay.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(layerName(0), "lower0");
 * ```
 */
export function layerName(index: number): string {
  return `lower${index}`;
}

/**
 * Mounts the overlay over the root of the private mount namespace. Layers are
 * given by descriptors, so that any path works, also one longer than the 255
 * bytes of fsconfig(2) or with the commas and colons that mount(2) splits at.
 *
 * @param layers The names of the steps that opened the layers, the top first.
 * @param how What the kernel offers: `descriptors` since Linux 6.13, `paths`
 * below `/proc/self/fd` since 5.2, `mount` for mount(2) alone.
 * @returns The steps; {@linkcode ROOT} is a descriptor.
 *
 * @example A kernel that takes descriptors
 * ```ts
 * import { OVERLAY, overlaySteps } from "cage/src/overlay.ts";
 * import { assert } from "@std/assert";
 *
 * const steps = overlaySteps(["lower0"], "descriptors");
 * assert(steps.some(({ name }) => name?.startsWith(OVERLAY)));
 * ```
 */
export function overlaySteps(
  layers: readonly string[],
  how: Kernel["overlay"],
): PlanStep[] {
  switch (how) {
    case "descriptors":
      return mountContext([
        ...layers.map((layer) => setDescriptor("lowerdir+", layer)),
        setDescriptor("upperdir", UPPER),
        setDescriptor("workdir", WORK),
      ]);
    case "paths":
      return [
        ...numberLayers(layers),
        ...mountContext(Object.entries(pathOptions(layers)).map(setString)),
      ];
    case "mount":
      return [...numberLayers(layers), ...mountByPath(layers)];
  }
}

const WHY = "Cannot mount overlay";
const HINTS = { ENODEV: "load the kernel module with modprobe overlay" };
const CONTEXT = { result: "overlay-context" };

/** What to give to the context: the arguments of fsconfig(2) after it. */
type Setting = readonly [command: number, ...rest: PlanStep["args"]];

function setDescriptor(key: string, step: string): Setting {
  return [FSCONFIG_SET_FD, key, NONE, { result: step }];
}

function setString([key, value]: [key: string, value: string]): Setting {
  return [FSCONFIG_SET_STRING, key, value, NONE];
}

function mountContext(settings: readonly Setting[]): PlanStep[] {
  const all: Setting[] = [
    ...settings,
    [FSCONFIG_CMD_CREATE, NONE, NONE, NONE],
  ];
  const names = all.map((_, index) => `${OVERLAY}${index}`);
  return [
    {
      name: CONTEXT.result,
      call: "fsopen",
      args: ["overlay", FSOPEN_CLOEXEC],
      why: WHY,
      hints: HINTS,
    },
    ...all.map((setting, index): PlanStep => ({
      name: names[index],
      call: "fsconfig",
      args: [CONTEXT, ...setting],
      onError: { goto: messageOf(names[index]) },
      why: WHY,
    })),
    {
      name: ROOT,
      call: "fsmount",
      args: [CONTEXT, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV],
      why: WHY,
    },
    attachMount(ROOT, "/", { ifZero: "overlay-mounted", why: WHY }),
    ...names.flatMap(readMessage),
    label("overlay-mounted"),
  ];
}

function messageOf(name: string): string {
  return `${name}-message`;
}

/** The kernel explains itself in the context, see fsopen(2). */
function readMessage(name: string): PlanStep[] {
  return [
    {
      name: messageOf(name),
      call: "read",
      args: [CONTEXT, { buffer: OVERLAY_MESSAGE }, OVERLAY_MESSAGE_SIZE - 1],
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

function mountByPath(layers: readonly string[]): PlanStep[] {
  const data = Object.entries(pathOptions(layers))
    .map(([key, value]) => `${key}=${value}`).join(",");
  return [
    {
      name: `${OVERLAY}mount`,
      call: "mount",
      args: ["overlay", "/", "overlay", MS_NODEV, data],
      why: WHY,
      hints: HINTS,
    },
    openTop(ROOT, { why: WHY }),
  ];
}
