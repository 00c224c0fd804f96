/**
 * The composed view: lower layers with mounts below them, where the kernel
 * refuses one overlay of all.
 *
 * In a user namespace all mounts that it began with are locked to what they
 * are mounted on, so that nobody sees what they hide: overlayfs takes no
 * directory that has one below it (`has_locked_children` of fs/namespace.c).
 * So directories on the way to a mount, the spine, are made anew, and what is
 * in them becomes a part of its own: an overlay, or what is there itself, to
 * be read only. All parts have their changes in one upper directory, at the
 * places that one overlay would give them.
 *
 * @module
 */

import type { Skeleton } from "./facts.ts";
import { prefixes } from "./step.ts";

/** What a directory has at a name. */
export interface FoundEntry {
  /**
   * What it is: `opaque` is a directory that hides what other layers have
   * below it, `whiteout` what hides any file of theirs.
   */
  readonly kind:
    | "directory"
    | "opaque"
    | "file"
    | "link"
    | "whiteout"
    | "other";
  /** The permission bits of a directory, or of a file that can be read. */
  readonly mode?: number;
  /** How many bytes a file has that can be read. */
  readonly size?: number;
  /** When that was last changed, in nanoseconds since 1970. */
  readonly modified?: bigint;
  /** Whether a directory is known to have nothing in it. */
  readonly isEmpty?: boolean;
  /** Where a link leads. */
  readonly target?: string;
}

/**
 * What directories have by its names, for those of {@linkcode spineOf} by their
 * paths inside. One that is missing is none, or cannot be looked into.
 */
export type FoundDirectories = ReadonlyMap<
  string,
  ReadonlyMap<string, FoundEntry>
>;

/** A lower layer. */
export interface FoundLayer {
  /** The real path. */
  readonly path: string;
  /** Its directories. */
  readonly directories: FoundDirectories;
  /** Paths inside at which something is mounted that is read-only. */
  readonly readOnly: ReadonlySet<string>;
}

/** What a view is composed from. */
export interface FoundTree {
  /** The lower layers, the first on top. */
  readonly layers: readonly FoundLayer[];
  /** Paths inside of the directories that have something mounted below. */
  readonly spine: ReadonlySet<string>;
  /** What the upper directory has. */
  readonly upper: FoundDirectories;
  /** Paths inside at which nothing of the lower layers is to be seen. */
  readonly empty: ReadonlySet<string>;
}

/** An entry of the layer that parts are attached to. */
export interface SkeletonEntry {
  /** The path inside. */
  readonly path: string;
  /** What it is: a file is empty, a place for another; a copy is not. */
  readonly kind: "directory" | "file" | "link" | "copy";
  /** The permission bits of a directory or a copy. */
  readonly mode?: number;
  /** Where a link leads, or the real path of what is copied. */
  readonly target?: string;
  /** How many bytes are copied. */
  readonly size?: number;
  /** When it was last changed, in nanoseconds since 1970. */
  readonly modified?: bigint;
}

/** Why a part cannot be written to, whatever the kernel offers. */
export type Hindrance = "closed" | "file" | "many" | "mounted";

/** What is attached at a place. */
export interface Part {
  /** The path inside. */
  readonly path: string;
  /** An overlay; or a directory with all below it, or a file, as it is. */
  readonly kind: "overlay" | "directory" | "file";
  /** The real paths of what it shows, the first on top. */
  readonly lower: readonly string[];
  /** Why it is no overlay. */
  readonly hindrance?: Hindrance;
}

/** A view, as it is put together. */
export interface Composition {
  /** The layer that parts are attached to, directories before what is in. */
  readonly skeleton: readonly SkeletonEntry[];
  /** The parts; none is in another one. */
  readonly parts: readonly Part[];
  /** Directories that the upper directory has to have, and does not. */
  readonly upper: readonly Skeleton[];
}

/** Where file systems of the container are mounted, in any case. */
const COVERED = ["/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp"];

/**
 * Most parts: `fs.mount-max` is 100,000 for a mount namespace, Linux 4.9, but
 * each of them takes its time.
 */
export const MAX_PARTS = 1000;

/**
 * Tells whether the container has a file system of its own at a place.
 *
 * @param path The path inside.
 * @returns Whether it has one there or above.
 *
 * @example Temporary files
 * ```ts
 * import { isCovered } from "cage/src/compose.ts";
 * import { assert } from "@std/assert";
 *
 * assert(isCovered("/var/tmp/a"));
 * assert(!isCovered("/var"));
 * ```
 */
export function isCovered(path: string): boolean {
  return COVERED.some((above) => path === above || isBelow(path, above));
}

/**
 * Finds the directories that no overlay can have for a layer. Those in which
 * the container has file systems of its own are of no interest.
 *
 * @param mounts The paths inside at which something is mounted.
 * @returns The paths of the directories, those above before those below.
 *
 * @example Below the temporary directory
 * ```ts
 * import { spineOf } from "cage/src/compose.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(spineOf(["/proc", "/srv/a/b"]), ["/", "/srv", "/srv/a"]);
 * assertEquals(spineOf(["/var/tmp/a/b"]), ["/", "/var"]);
 * ```
 */
export function spineOf(mounts: readonly string[]): string[] {
  const above = mounts.flatMap((path) => ["/", ...prefixes(path).slice(0, -1)]);
  return [...new Set(above)]
    .filter((path) => !isCovered(path))
    .sort((a, b) => a.length - b.length);
}

/**
 * Composes a view.
 *
 * @param found What the layers and the upper directory have.
 * @returns The view.
 *
 * @example A mount at `/home`
 * ```ts
 * import { compose } from "cage/src/compose.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { parts } = compose({
 *   layers: [{
 *     path: "/srv",
 *     directories: new Map([
 *       ["/", new Map([["home", { kind: "directory" }]])],
 *     ]),
 *     readOnly: new Set(),
 *   }],
 *   spine: new Set(["/"]),
 *   upper: new Map(),
 *   empty: new Set(),
 * });
 * assertEquals(parts, [
 *   { path: "/home", kind: "overlay", lower: ["/srv/home"] },
 * ]);
 * ```
 */
export function compose(found: FoundTree): Composition {
  let places = visit(found, "/", found.layers);
  for (const many = new Set<string>(); partsOf(places).length > MAX_PARTS;) {
    const fullest = fullestOf(places);
    if (fullest === undefined) break;
    many.add(fullest);
    places = visit({ ...found, many }, "/", found.layers);
  }
  places = withCopies(places);
  const parts = partsOf(places);
  return {
    skeleton: places.map(({ entry }) => entry),
    parts,
    upper: missingIn(found, places),
  };
}

/** What is known when places are found. */
interface Knowledge extends FoundTree {
  /** Directories of the spine that have too much in them. */
  readonly many?: ReadonlySet<string>;
}

/** A place in the spine. */
interface Place {
  readonly entry: SkeletonEntry;
  readonly part?: Part;
}

/** Most bytes of a file that is copied, and of all of them. */
const MAX_COPY = 64 << 10;
const MAX_COPIES = 4 << 20;

/**
 * Files beside a mount can be changed if they are copies: those of `/etc`, in a
 * container that has `/etc/hosts` mounted. Large ones are shown as they are.
 */
function withCopies(places: readonly Place[]): Place[] {
  let all = 0;
  return places.map((place): Place => {
    const { entry: { size, ...entry }, part } = place;
    if (size === undefined || part === undefined) return place;
    if (size > MAX_COPY || all + size > MAX_COPIES) return place;
    all += size;
    const [target] = part.lower;
    return { entry: { ...entry, kind: "copy", target, size } };
  });
}

/** What the layers show at a name. */
interface Shown {
  readonly path: string;
  readonly entry: FoundEntry;
  /** Those that have a directory there, or the one that has something else. */
  readonly layers: readonly FoundLayer[];
  /** Those of them that have something in it. */
  readonly filled: readonly FoundLayer[];
}

function isBelow(path: string, directory: string): boolean {
  return path.startsWith(directory === "/" ? "/" : `${directory}/`) &&
    path !== "/";
}

function partsOf(places: readonly Place[]): Part[] {
  return places.flatMap(({ part }) => part === undefined ? [] : [part]);
}

function visit(
  found: Knowledge,
  directory: string,
  layers: readonly FoundLayer[],
): Place[] {
  const names = layers.flatMap(({ directories }) => [
    ...directories.get(directory)?.keys() ?? [],
  ]);
  return [...new Set(names)].flatMap((name) => {
    const shown = shownAt(directory, name, layers);
    return placesAt(found, shown, entryOf(found.upper, directory, name));
  });
}

function placesAt(
  found: Knowledge,
  shown: Shown,
  upper: FoundEntry | undefined,
): Place[] {
  const { entry: { kind, mode = 0o755, target = "" }, path } = shown;
  switch (kind) {
    case "directory":
    case "opaque":
      if (upper !== undefined && upper.kind !== "directory") return [];
      return placesOf(found, shown, {
        path,
        kind: "directory",
        mode: mode & 0o1777,
      }, upper !== undefined);
    case "link":
      return upper ? [] : [{ entry: { path, kind, target } }];
    case "file":
      return upper ? [] : [
        { entry: fileEntry(shown), part: asItIs(shown, "file", "file") },
      ];
    case "whiteout":
    case "other":
      return [];
  }
}

function fileEntry({ entry, path }: Shown): SkeletonEntry {
  const { mode = 0o644, modified = 0n, size } = entry;
  const kind = "file";
  if (size === undefined) return { path, kind };
  return { path, kind, mode: mode & 0o777, size, modified };
}

/** Of a directory, those in it included if it is of the spine. */
function placesOf(
  found: Knowledge,
  shown: Shown,
  entry: SkeletonEntry,
  isInUpper: boolean,
): Place[] {
  const { filled, layers, path } = shown;
  if (isCovered(path) || found.empty.has(path)) return [{ entry }];
  if (found.spine.has(path)) {
    const hindrance = layers.some(({ directories }) => !directories.has(path))
      ? "closed"
      : found.many?.has(path)
      ? "many"
      : undefined;
    if (hindrance === undefined) {
      return [{ entry }, ...visit(found, path, layers)];
    }
    return [{ entry, part: asItIs(shown, "directory", hindrance) }];
  }
  const isReadOnly = layers.length === 1 && layers[0].readOnly.has(path);
  if (isReadOnly && !isInUpper) {
    return [{ entry, part: asItIs(shown, "directory", "mounted") }];
  }
  const lower = filled.map((layer) => realPath(layer, path));
  // Each overlay takes its time, and the one of the whole does for this.
  if (lower.length === 0) return [{ entry }];
  return [{ entry, part: { path, kind: "overlay", lower } }];
}

function asItIs(
  { layers, path }: Shown,
  kind: "directory" | "file",
  hindrance: Hindrance,
): Part {
  return { path, kind, lower: [realPath(layers[0], path)], hindrance };
}

function realPath(layer: FoundLayer, path: string): string {
  return layer.path === "/" ? path : `${layer.path}${path}`;
}

function entryOf(
  directories: FoundDirectories,
  directory: string,
  name: string,
): FoundEntry | undefined {
  return directories.get(directory)?.get(name);
}

/** The first layer that has the name decides; directories are merged. */
function shownAt(
  directory: string,
  name: string,
  layers: readonly FoundLayer[],
): Shown {
  const all = layers.flatMap((layer) => {
    const entry = entryOf(layer.directories, directory, name);
    return entry === undefined ? [] : [{ entry, layer }];
  });
  const end = all.findIndex(({ entry }) => entry.kind !== "directory");
  // What is opaque is the last one that counts, what is no directory hides.
  const isLast = end === 0 || all[end]?.entry.kind === "opaque";
  const counted = all.slice(0, end < 0 ? all.length : isLast ? end + 1 : end);
  return {
    path: directory === "/" ? `/${name}` : `${directory}/${name}`,
    entry: all[0].entry,
    layers: counted.map(({ layer }) => layer),
    filled: counted.filter(({ entry }) => !entry.isEmpty)
      .map(({ layer }) => layer),
  };
}

/** The directory of the spine with most parts, beside the root. */
function fullestOf(places: readonly Place[]): string | undefined {
  const byParent = Map.groupBy(
    partsOf(places).filter(({ path }) => path.lastIndexOf("/") > 0),
    ({ path }) => path.slice(0, path.lastIndexOf("/")),
  );
  const [fullest] = [...byParent].sort(([, a], [, b]) => b.length - a.length);
  return fullest?.[0];
}

/** Overlays need their upper directories, and these what is above them. */
function missingIn(found: FoundTree, places: readonly Place[]): Skeleton[] {
  const overlays = partsOf(places).filter(({ kind }) => kind === "overlay");
  const wanted = new Set(overlays.flatMap(({ path }) => prefixes(path)));
  return places.flatMap(({ entry: { mode = 0o755, path } }) => {
    const [directory, name] = split(path);
    if (!wanted.has(path) || entryOf(found.upper, directory, name)) return [];
    return [{ path, mode }];
  });
}

function split(path: string): [directory: string, name: string] {
  const end = path.lastIndexOf("/");
  return [path.slice(0, end) || "/", path.slice(end + 1)];
}
