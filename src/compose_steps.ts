/**
 * The composed view as steps: its parts are mounted while the layers are in
 * sight, and moved to their places when the root is there.
 *
 * Until then they are on the very layer that has the places for them: what is
 * mounted on a layer of an overlay is not seen through it. So no part needs a
 * descriptor, of which there may be too few.
 *
 * @module
 */

import {
  AT_FDCWD,
  AT_RECURSIVE,
  MNT_DETACH,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_RDONLY,
  MS_BIND,
  MS_NODEV,
  MS_REC,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
} from "../ffi/constants.ts";
import { S_IFREG } from "../ffi/file_types.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import type { Composition, Part, SkeletonEntry } from "./compose.ts";
import type { Skeleton } from "./facts.ts";
import { ABSENT_LAYER } from "./host_files.ts";
import { timespec } from "./pid_file.ts";
import { FIRST_LAYER, makeSkeleton, ROOT } from "./overlay.ts";
import { quote } from "./quote.ts";
import {
  goTo,
  label,
  mountAttributes,
  NONE,
  type PlanStep,
  TOP,
} from "./step.ts";
import { SCRATCH, type StoragePaths } from "./storage.ts";

/** The path of the layer that parts are attached to. */
export const SKELETON_LAYER: string = `${TOP}/skeleton`;

/** The names of the steps in which the kernel judges an overlay of a part. */
export const PART = "part:";

/** What parts are made of. */
export interface PartsWish {
  /** The view. */
  readonly composition: Composition;
  /** The paths of the upper and the work directory of the whole. */
  readonly storage: StoragePaths;
  /** Directories of the upper layer that are there before they are needed. */
  readonly skeleton: readonly Skeleton[];
  /** Paths inside that only the layer {@linkcode ABSENT_LAYER} has. */
  readonly absent: readonly string[];
}

/**
 * Makes the layer for the parts and the directories of the upper layer, and
 * mounts the parts. An overlay that the kernel refuses becomes what it would
 * have shown, to be read only; what cannot even be that stays empty.
 *
 * This comes before the overlay of the whole, which has
 * {@linkcode SKELETON_LAYER} for its layer: the kernel warns of upper
 * directories below one that is in use.
 *
 * @param wish What they are made of.
 * @returns The steps.
 *
 * @example One part
 * ```ts
 * import { prepareParts } from "cage/src/compose_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = prepareParts({
 *   composition: {
 *     skeleton: [{ path: "/usr", kind: "directory", mode: 0o755 }],
 *     parts: [{ path: "/usr", kind: "overlay", lower: ["/usr"] }],
 *     upper: [],
 *   },
 *   storage: { upper: "/home/me/upper", work: "/home/me/work" },
 *   skeleton: [],
 *   absent: [],
 * });
 * const part = steps.find(({ name }) => name === "part:/usr");
 * assertEquals(part?.args[1], "/../skeleton/usr");
 * ```
 */
export function prepareParts(
  { absent, composition, skeleton, storage }: PartsWish,
): PlanStep[] {
  const { parts, skeleton: entries } = composition;
  return [
    ...upperOf(skeleton, composition)
      .flatMap((directory) => makeSkeleton(directory, storage)),
    ...makeEntry({ path: "", kind: "directory" }),
    ...entries.flatMap(makeEntry),
    makeWork(`${storage.work}/${PARTS}`),
    ...parts.flatMap((part, index) =>
      part.kind === "overlay"
        ? mountOverlay(withAbsent(part, absent), index, storage)
        : mountAsItIs(part)
    ),
  ];
}

/**
 * Moves the parts to their places, after the overlay of the whole is attached
 * and before the old root goes.
 *
 * @param composition The view.
 * @returns The steps.
 *
 * @example One part
 * ```ts
 * import { attachParts } from "cage/src/compose_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const [step] = attachParts({
 *   skeleton: [],
 *   parts: [{ path: "/usr", kind: "overlay", lower: ["/usr"] }],
 *   upper: [],
 * });
 * assertEquals([step.call, step.args[3]], ["move_mount", "usr"]);
 * ```
 */
export function attachParts({ parts }: Composition): PlanStep[] {
  return parts.map(({ path }): PlanStep => ({
    call: "move_mount",
    args: [
      { result: SCRATCH },
      `${SKELETON}${path}`,
      { result: ROOT },
      path.slice(1),
      NONE,
    ],
    // It is not there; or the place is not, as the upper directory has it.
    onError: {},
  }));
}

/** In the scratch tmpfs. */
const SKELETON = "skeleton";

/** In the work directory. */
const PARTS = "parts";

/** What mount(2) takes of options: a page, the NUL at its end included. */
const MAX_OPTIONS = 4095;

/** What is asked for decides about those that both have. */
function upperOf(
  skeleton: readonly Skeleton[],
  { upper }: Composition,
): Skeleton[] {
  const all = [...upper, ...skeleton].map((directory) =>
    [directory.path, directory] as const
  );
  return [...new Map(all).values()]
    .sort((a, b) => a.path.length - b.path.length);
}

function makeEntry(entry: SkeletonEntry): PlanStep[] {
  const { kind, mode, path, target } = entry;
  const at = { result: SCRATCH };
  const name = `${SKELETON}${path}`;
  const why = `Cannot make a place for ${quote(path || "/")}`;
  switch (kind) {
    case "directory":
      return [{ call: "mkdirat", args: [at, name, mode ?? 0o755], why }];
    case "file":
      return [{ call: "mknodat", args: [at, name, S_IFREG | 0o644, 0], why }];
    case "link":
      return [{ call: "symlinkat", args: [target ?? "", at, name], why }];
    case "copy":
      return copyFile(entry);
  }
}

/** One that has gone meanwhile is not there. */
function copyFile(
  { mode = 0o644, modified = 0n, path, size = 0, target = "" }: SkeletonEntry,
): PlanStep[] {
  const [from, to, end] = ["from", "to", "copied"].map((name) =>
    `${name}:${path}`
  );
  const onError = { goto: end };
  const reading = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const writing = O_WRONLY | O_CREAT | O_CLOEXEC;
  const at = { result: SCRATCH };
  const time = timespec(modified);
  const times = new Uint8Array([...time, ...time]);
  return [
    { name: from, call: "openat", args: [AT_FDCWD, target, reading], onError },
    {
      name: to,
      call: "openat",
      args: [at, `${SKELETON}${path}`, writing, mode],
      onError,
    },
    {
      call: "sendfile",
      args: [{ result: to }, { result: from }, NONE, size],
      onError: {},
    },
    {
      call: "utimensat",
      args: [{ result: to }, NONE, times, 0],
      onError: {},
    },
    { call: "close", args: [{ result: to }] },
    { call: "close", args: [{ result: from }] },
    label(end),
  ];
}

/** Overlays cannot share a work directory: each empties it first. */
function makeWork(path: string): PlanStep {
  return { call: "mkdirat", args: [AT_FDCWD, path, 0o700], onError: {} };
}

/** Places for files that no layer has are in the lowest of all. */
function withAbsent(part: Part, absent: readonly string[]): Part {
  const isPlace = absent.some((path) => path.startsWith(`${part.path}/`));
  if (!isPlace) return part;
  return { ...part, lower: [...part.lower, `${ABSENT_LAYER}${part.path}`] };
}

function mountOverlay(
  part: Part,
  index: number,
  storage: StoragePaths,
): PlanStep[] {
  const { path } = part;
  const instead = `part-instead:${path}`;
  const end = `part-end:${path}`;
  const upper = `${storage.upper}${path}`;
  const work = `${storage.work}/${PARTS}/${index}`;
  const { numbered, options } = optionsOf([upper, work, ...part.lower]);
  return [
    makeWork(work),
    ...numbered.flatMap(({ number, path: layer }): PlanStep[] => {
      const name = `part-layer${number}:${path}`;
      const flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
      const onError = { goto: instead };
      return [
        { name, call: "openat", args: [AT_FDCWD, layer, flags], onError },
        { call: "dup3", args: [{ result: name }, number, O_CLOEXEC], onError },
        { call: "close", args: [{ result: name }] },
      ];
    }),
    {
      name: `${PART}${path}`,
      call: "mount",
      args: ["overlay", placeOf(part), "overlay", MS_NODEV, options],
      onError: { goto: instead },
    },
    goTo(end),
    label(instead),
    ...bind(part, end),
    label(end),
  ];
}

function mountAsItIs(part: Part): PlanStep[] {
  const end = `part-end:${part.path}`;
  return [...bind(part, end), label(end)];
}

/** With all that is mounted below. What could be written to is not shown. */
function bind(part: Part, end: string): PlanStep[] {
  const place = placeOf(part);
  const attributes = mountAttributes({
    set: MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY,
  });
  return [
    {
      call: "mount",
      args: [part.lower[0], place, NONE, MS_BIND | MS_REC, NONE],
      onError: { goto: end },
    },
    {
      call: "mount_setattr",
      args: [AT_FDCWD, place, AT_RECURSIVE, attributes, attributes.length],
      ifZero: end,
      onError: {},
    },
    {
      call: "umount2",
      args: [place, MNT_DETACH],
      why: `Cannot leave out ${quote(part.path)}, which could be written to`,
    },
  ];
}

function placeOf({ path }: Part): string {
  return `${SKELETON_LAYER}${path}`;
}

/** A directory that options name by the number of its descriptor. */
interface Numbered {
  readonly path: string;
  readonly number: number;
}

/**
 * Options of an overlay. They have no other way to say a colon, a comma or a
 * backslash that every kernel understands, or to be short.
 */
function optionsOf(
  paths: readonly string[],
): { options: string; numbered: readonly Numbered[] } {
  const isLong = textOf(paths).length > MAX_OPTIONS;
  const numbered = paths.map((path, index) => ({
    path,
    number: FIRST_LAYER + index,
  })).filter(({ path }) => isLong || /[:,\\]/.test(path));
  const numbers = new Map(numbered.map(({ number, path }) => [path, number]));
  const names = paths.map((path) => {
    const number = numbers.get(path);
    return number === undefined ? path : `/proc/self/fd/${number}`;
  });
  return { options: new TextDecoder().decode(textOf(names)), numbered };
}

/**
 * Without an index, a work directory may have been another part's, and an upper
 * directory may be below one that is still in use: fs/overlayfs, Linux 4.13.
 */
function textOf([upper, work, ...lower]: readonly string[]): Uint8Array {
  return new TextEncoder().encode([
    "userxattr",
    "index=off",
    `lowerdir=${lower.join(":")}`,
    `upperdir=${upper}`,
    `workdir=${work}`,
  ].join(","));
}
