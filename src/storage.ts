/**
 * Where layers and changes are: what the overlay is mounted from.
 *
 * @module
 */

import { AT_FDCWD, MOUNT_ATTR_IDMAP } from "../ffi/constants.ts";
import type {
  LaterNamespace,
  LayerSource,
  Ownership,
  StorageSource,
} from "./facts.ts";
import type { FuseOverlay } from "./fuse_overlay.ts";
import { quote } from "./quote.ts";
import {
  attachMount,
  HARMLESS,
  label,
  NONE,
  openTop,
  type PlanStep,
  setAttributes,
  TOP,
} from "./step.ts";

/** Where the upper and the work directory of an overlay are. */
export type Storage =
  | { readonly kind: "directories"; readonly source: StorageSource }
  | { readonly kind: "memory" }
  | { readonly kind: "fuse"; readonly overlay: FuseOverlay }
  | {
    readonly kind: "image";
    /** The path of the image. */
    readonly path: string;
    /** The path of the device that shows it as a disk. */
    readonly device: string;
  };

/** The upper and the work directory, as the plan finds them. */
export interface StoragePaths {
  /** The path of the upper directory. */
  readonly upper: string;
  /** The path of the work directory. */
  readonly work: string;
}

/** The name of the step that gives the tmpfs for what has no other place. */
export const SCRATCH = "scratch";

/**
 * Mounts the tmpfs for what has no other place: layers, copies of the host's
 * files, a layer of mount points, the storage of an ephemeral container.
 *
 * @param owner Whose it is.
 * @returns The steps.
 *
 * @example The result
 * ```ts
 * import { SCRATCH, scratchSteps } from "cage/src/storage.ts";
 * import { assert } from "@std/assert";
 *
 * const steps = scratchSteps({ uid: 0, gid: 0 });
 * assert(steps.some(({ name }) => name === SCRATCH));
 * ```
 */
export function scratchSteps(
  { gid, uid }: Pick<Ownership, "gid" | "uid">,
): PlanStep[] {
  const why = "Cannot mount a tmpfs";
  const data = `mode=0755,uid=${uid},gid=${gid}`;
  return [
    // Over the root of the private mount namespace: it is there on every
    // machine, and until Linux 6.15 no layer of an overlay can be on a mount
    // that is not attached.
    { call: "mount", args: ["tmpfs", "/", "tmpfs", HARMLESS, data], why },
    openTop(SCRATCH, { why }),
  ];
}

/**
 * Attaches the lower layers, with their ids mapped where that is wanted.
 *
 * @param layers The layers.
 * @param namespace The user namespace of the container, if it enters one.
 * @returns The steps; {@linkcode layerPaths} tells where each is.
 *
 * @example One layer
 * ```ts
 * import { attachLayers } from "cage/src/storage.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = { mount: 9, path: "/srv/root", isMapped: false };
 * assertEquals(attachLayers([layer]).at(-1)?.call, "move_mount");
 * ```
 */
export function attachLayers(
  layers: readonly LayerSource[],
  namespace?: LaterNamespace,
): PlanStep[] {
  return layers.flatMap(({ isMapped, mount, path }, index) => {
    if (typeof mount === "string") return [];
    const why = `Cannot use lower directory ${quote(path)}`;
    return [
      ...(isMapped && namespace !== undefined
        ? [mapIds(mount, path, namespace)]
        : []),
      makeDirectory(layerPath(index), why),
      attachMount(mount, layerPath(index), { why }),
    ];
  });
}

/**
 * Tells where the lower layers are.
 *
 * @param layers The layers.
 * @returns The paths.
 *
 * @example One that is attached, and one that is not
 * ```ts
 * import { layerPaths } from "cage/src/storage.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const layers = [{ mount: 9 }, { mount: "/srv/root" }];
 * assertEquals(layerPaths(layers), ["/../lower0", "/srv/root"]);
 * ```
 */
export function layerPaths(
  layers: readonly Pick<LayerSource, "mount">[],
): string[] {
  return layers.map(({ mount }, index) =>
    typeof mount === "string" ? mount : layerPath(index)
  );
}

/**
 * Tells where the upper and the work directory will be.
 *
 * @param storage Where they are kept.
 * @returns The paths.
 *
 * @example In memory
 * ```ts
 * import { storagePaths } from "cage/src/storage.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(storagePaths({ kind: "memory" }).upper, "/../storage/upper");
 * ```
 */
export function storagePaths(storage: Storage): StoragePaths {
  if (storage.kind === "fuse") return storage.overlay;
  const { mount = undefined, upper, work } = storage.kind === "directories"
    ? storage.source
    : { mount: STORAGE, upper: "upper", work: "work" };
  if (mount === undefined) return { upper, work };
  return { upper: `${STORAGE}/${upper}`, work: `${STORAGE}/${work}` };
}

/**
 * Attaches what keeps the changes; in memory and in an image, the upper and
 * the work directory are made.
 *
 * @param storage Where they are kept.
 * @param root Owner and mode of a new upper directory, which the root of an
 * overlay has too.
 * @returns The steps.
 *
 * @example In memory
 * ```ts
 * import { storageSteps } from "cage/src/storage.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const root = { mode: 0o755, uid: 0, gid: 0 };
 * const steps = storageSteps({ kind: "memory" }, root);
 * assertEquals(steps[0].args[1], "/../storage");
 * ```
 */
export function storageSteps(storage: Storage, root: Ownership): PlanStep[] {
  switch (storage.kind) {
    case "directories":
      return attachStorage(storage.source);
    case "fuse":
      return [];
    case "memory":
      return [
        makeDirectory(STORAGE, "Cannot make directories in memory"),
        ...makeBoth(storage, root),
      ];
    case "image":
      return [...mountImage(storage), ...makeBoth(storage, root)];
  }
}

/** Where storage is attached. */
const STORAGE = `${TOP}/storage`;

function layerPath(index: number): string {
  return `${TOP}/lower${index}`;
}

function attachStorage({ mount }: StorageSource): PlanStep[] {
  if (mount === undefined) return [];
  const why = "Cannot use the upper directory";
  return [makeDirectory(STORAGE, why), attachMount(mount, STORAGE, { why })];
}

function mapIds(
  mount: number,
  path: string,
  { descriptor }: LaterNamespace,
): PlanStep {
  const attributes = { set: MOUNT_ATTR_IDMAP, userNamespace: descriptor };
  return setAttributes(mount, attributes, {
    why: `Cannot map the ids of lower directory ${quote(path)}`,
    hints: {
      "": "it takes Linux 5.19, and a file system such as ext4, xfs or " +
        "btrfs: use a copy of your own",
    },
  });
}

function mountImage(
  { device, path }: Storage & { readonly kind: "image" },
): PlanStep[] {
  const why = `Cannot mount image ${quote(path)}`;
  return [
    makeDirectory(STORAGE, why),
    { call: "mount", args: [device, STORAGE, "ext4", HARMLESS, NONE], why },
  ];
}

/** Both belong to whoever the container belongs to, if they are new. */
function makeBoth(storage: Storage, root: Ownership): PlanStep[] {
  const { upper, work } = storagePaths(storage);
  return [
    ...makeUnlessThere("upper", upper, root),
    ...makeUnlessThere("work", work, { ...root, mode: 0o700 }),
  ];
}

function makeUnlessThere(
  kind: string,
  path: string,
  { gid, mode, uid }: Ownership,
): PlanStep[] {
  const why = `Cannot create ${kind} directory`;
  const end = `${kind}-made`;
  return [
    {
      call: "mkdirat",
      args: [AT_FDCWD, path, mode],
      onError: { errno: "EEXIST", goto: end },
      why,
    },
    { call: "fchownat", args: [AT_FDCWD, path, uid, gid, 0], why },
    label(end),
  ];
}

function makeDirectory(path: string, why: string): PlanStep {
  return { call: "mkdirat", args: [AT_FDCWD, path, 0o755], why };
}
