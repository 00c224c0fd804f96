/**
 * Opens what a new container is made from, and finds out what its plan needs.
 *
 * @module
 */

import { dirname } from "@std/path";
import { AT_EMPTY_PATH, O_PATH } from "../ffi/constants.ts";
import { open, statx, SyscallError } from "../ffi/libc.ts";
import { isOfType, S_IFDIR } from "../ffi/file_types.ts";
import { asCaller } from "./as_caller.ts";
import type { Client } from "./client.ts";
import type { Descriptors } from "./descriptors.ts";
import type { Directories } from "./directories.ts";
import type {
  Facts,
  Hidden,
  Ownership,
  Skeleton,
  StorageSource,
  UserNamespace,
} from "./facts.ts";
import type { GraphicsLook } from "./find_graphics.ts";
import type { Finders } from "./finders.ts";
import { findHostFiles, findKernel } from "./host.ts";
import { HOST_FILE_PATHS } from "./host_files.ts";
import { type Layout, STORAGE_BASE } from "./layout.ts";
import { pathOf } from "./location.ts";
import { hiddenBelow, parseMounts } from "./mount_table.ts";
import type { ContainerSpec, Volume } from "./spec.ts";
import {
  type Layer,
  lookIn,
  lookInLayer,
  openConsole,
  openLayers,
  openVolumes,
} from "./sources.ts";
import { prefixes } from "./step.ts";
import { planNamespace, userNamespaceFor } from "./user_namespace.ts";

/** What a plan needs, and the directories on a disk, if they are wanted. */
export interface Found {
  /** What the plan needs. */
  readonly facts: Facts;
  /** Where changes are kept, if it is in directories. */
  readonly directories?: StorageSource;
}

/**
 * Opens everything, and finds out the rest.
 *
 * @param spec What is wanted.
 * @param layout The paths.
 * @param client Who calls.
 * @param openAll Opens the directories, given the owner and mode of a new upper
 * one; there are none without.
 * @param finders What finds what only some launches need.
 * @param kept Where all other descriptors are kept.
 * @param bus The session bus.
 * @returns What was found.
 * @throws {CageError} If something cannot be used.
 */
export function findFacts(
  spec: ContainerSpec,
  layout: Layout,
  client: Client,
  openAll: ((root: Ownership) => Directories) | undefined,
  finders: Finders,
  kept: Descriptors,
  bus?: GraphicsLook["bus"],
): Found {
  const layers = openLayers(layout.lower, client, kept);
  const seen = finders.graphics?.look(
    { spec, client, root: { layers, layout }, bus },
    kept,
  );
  const shares = seen?.graphics.shares ?? [];
  const userNamespace = findNamespace(
    { ...spec, volumes: [...shares, ...spec.volumes ?? []] },
    client,
    kept,
  );
  const root = rootOf(layers[0], client);
  const directories = openAll?.(root);
  const console = spec.detached ? undefined : openConsole(client, kept);
  const lasting = [...shares.filter(isLasting), ...spec.volumes ?? []];
  const skeleton = userNamespace === undefined ? [] : [
    ...skeletonOf(
      wantedPaths({ ...spec, volumes: lasting }, client),
      layers,
      client,
    ),
    ...homeOfRoot(layers, client),
  ];
  const composition = finders.compose?.({
    layers: layers.map(({ directory }) => pathOf(directory)),
    upper: directories?.upper,
    empty: skeleton.flatMap(({ isEmpty, path }) => isEmpty ? [path] : []),
  });
  const facts = {
    callerEnv: client.env,
    becomesRoot: client.standing === "granted",
    ...(userNamespace === undefined ? {} : { userNamespace }),
    kernel: findKernel(client),
    layers,
    // Where the plan counts ids as they are inside, the container is its own.
    root: client.standing === "rootless"
      ? { ...root, ...userNamespace?.inside }
      : root,
    ...(composition === undefined ? {} : { composition }),
    skeleton,
    // Elsewhere than in a user namespace the kernel keeps them covered.
    hidden: client.standing === "user" ? hiddenIn(layers, client) : [],
    absent: absentFiles(layers, client, layout, directories),
    host: findHostFiles(client),
    volumes: openVolumes(spec.volumes ?? [], client, kept),
    ...(seen === undefined ? {} : {
      graphics: finders.graphics!.take(
        seen,
        client,
        userNamespace?.map,
        kept,
      ),
    }),
    ...(console === undefined ? {} : { console }),
    storageInside: [
      ...storageInside(layers, layout, client, directories, kept),
      ...(composition === undefined ? [] : changesInside(layers, directories)),
    ],
  };
  return directories === undefined
    ? { facts }
    : { facts, directories: directories.source };
}

function findNamespace(
  spec: ContainerSpec,
  client: Client,
  kept: Descriptors,
): UserNamespace | undefined {
  switch (client.standing) {
    case "root":
    case "granted":
      return undefined;
    case "user":
      return userNamespaceFor(spec, client, kept);
    case "rootless":
      return planNamespace(spec, client);
  }
}

/** What cannot be looked at is as it usually is. */
function rootOf(layer: Layer, client: Client): Ownership {
  const found = lookInLayer(layer, ".", client);
  const { gid, mode, uid } = found ?? { mode: 0o755, uid: 0, gid: 0 };
  const { standing } = client;
  const isUsers = standing === "user" || standing === "rootless";
  const owner = isUsers ? client : { uid, gid };
  return { mode: mode & 0o7777, uid: owner.uid, gid: owner.gid };
}

/** Files of the host that no layer has. */
function absentFiles(
  layers: readonly Layer[],
  client: Client,
  { named }: Layout,
  directories: Directories | undefined,
): string[] {
  const isInUpper = (path: string) =>
    directories?.upper !== undefined &&
    lookIn(directories.upper, path, named.upper ? client : undefined) !==
      undefined;
  const isInLayer = (path: string) =>
    layers.some((layer) => lookInLayer(layer, path, client) !== undefined);
  return HOST_FILE_PATHS.filter((path) => !isInUpper(path) && !isInLayer(path));
}

/** Where a user is likely to want to write, or has to. */
function wantedPaths(
  { directory, volumes = [] }: ContainerSpec,
  { cwd, env }: Client,
): string[] {
  const home = env.get("HOME");
  const paths = [home, cwd, directory, ...volumes.map(({ inside }) => inside)];
  return paths.filter((path) =>
    path !== undefined && isPlain(path)
  ) as string[];
}

/** What is in a file system in memory is not in the upper layer. */
function isLasting({ inside }: Volume): boolean {
  return !/^\/(?:dev|run|tmp)\//.test(inside);
}

/** A path of a process or a variable is anything. */
function isPlain(path: string): boolean {
  return path.startsWith("/") && !path.split("/").includes("..");
}

/**
 * Nobody but root can copy a directory of root's into the upper layer. Those on
 * the way to a directory that the user wants are made there beforehand, the
 * user's own: then it can be written to, if it is the user's. So is itself, if
 * it is somebody else's, or some other group's, and the user can write to it.
 */
function skeletonOf(
  paths: readonly string[],
  layers: readonly Layer[],
  client: Client,
): Skeleton[] {
  const directories = new Map<string, Skeleton>();
  for (const [path, isWanted] of paths.flatMap(wayTo)) {
    const layer = layers.find((layer) => lookInLayer(layer, path, client));
    const found = layer && lookInLayer(layer, path, client);
    if (found === undefined || layer?.isMapped) continue;
    if (!isOfType(found.mode, S_IFDIR)) continue;
    if (found.uid === client.uid && found.gid === client.gid) continue;
    if (isWanted && !canWrite(found, client)) continue;
    directories.set(path, { path, mode: found.mode & 0o1777 });
  }
  return [...directories.values()]
    .sort((a, b) => a.path.length - b.path.length);
}

/** Each directory on the way to a path, and that itself. */
function wayTo(path: string): [path: string, isWanted: boolean][] {
  const all = prefixes(path);
  return all.map((prefix) => [prefix, prefix === all.at(-1)]);
}

/** By its mode, and by no list of its own. */
function canWrite({ gid, mode, uid }: Ownership, client: Client): boolean {
  if (uid === client.uid) return (mode & 0o200) !== 0;
  const isMember = gid === client.gid || client.groups.includes(gid);
  return (mode & (isMember ? 0o020 : 0o002)) !== 0;
}

/** What the layers show though mounts hide it outside. */
function hiddenIn(layers: readonly Layer[], client: Client): Hidden[] {
  const mounts = parseMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
  const hidden = layers.flatMap((layer) => {
    const { mountId } = asCaller(
      client,
      () => statx(layer.directory, "", AT_EMPTY_PATH),
    );
    return hiddenBelow(mounts, mountId, pathOf(layer.directory))
      .flatMap((path): Hidden[] => {
        const found = lookIn(layer.directory, path);
        if (found === undefined || isClosed(layer, path, client)) return [];
        return [{
          path,
          kind: isOfType(found.mode, S_IFDIR) ? "directory" : "file",
        }];
      });
  });
  return [...new Map(hidden.map((place) => [place.path, place])).values()];
}

/**
 * Whether a directory of root's on the way keeps the caller from a place, which
 * nobody but root can change. There it could not be covered as the caller, and
 * need not be.
 */
function isClosed(layer: Layer, path: string, client: Client): boolean {
  if (layer.isMapped) return false;
  const way = [".", ...prefixes(path)];
  const seen = way.findLastIndex((place) =>
    lookIn(layer.directory, place, client) !== undefined
  );
  if (seen === way.length - 1) return false;
  return lookIn(layer.directory, way[Math.max(seen, 0)])?.uid === 0;
}

/** Root inside cannot read what root's home has, and so gets an empty one. */
function homeOfRoot(layers: readonly Layer[], client: Client): Skeleton[] {
  const isRoots = layers.every(({ isMapped }) => !isMapped) &&
    layers.some((layer) => lookInLayer(layer, "/root", client)?.uid === 0);
  return isRoots ? [{ path: "/root", mode: 0o700, isEmpty: true }] : [];
}

/**
 * Where the layers show storage of containers. An upper directory elsewhere
 * than in these is out of reach by itself: overlayfs gives ELOOP for it.
 */
function storageInside(
  layers: readonly Layer[],
  { appDir, upper }: Layout,
  { bases }: Client,
  directories: Directories | undefined,
  kept: Descriptors,
): string[] {
  const stored = [STORAGE_BASE, bases.storage].map((path) =>
    realPath(path, kept)
  );
  if (directories !== undefined && dirname(upper) === appDir) {
    stored.push(dirname(directories.path));
  }
  const inside = layers.map(({ directory }) => pathOf(directory))
    .flatMap((lower) => pathsIn(lower, stored));
  return [...new Set(inside)];
}

/** Overlayfs keeps a part from what is changed in it, and from no other. */
function changesInside(
  layers: readonly Layer[],
  directories: Directories | undefined,
): string[] {
  if (directories === undefined) return [];
  const { upper, work } = directories.source;
  return layers.map(({ directory }) => pathOf(directory))
    .flatMap((lower) => pathsIn(lower, [upper, work]));
}

/** As they are called inside. */
function pathsIn(lower: string, paths: readonly string[]): string[] {
  return paths.filter((path) => path !== lower && isWithin(path, lower))
    .map((path) => lower === "/" ? path : path.slice(lower.length));
}

function isWithin(path: string, directory: string): boolean {
  return directory === "/" || path.startsWith(`${directory}/`);
}

function realPath(path: string, kept: Descriptors): string {
  try {
    return pathOf(kept.keep(open(path, O_PATH)));
  } catch (error) {
    if (error instanceof SyscallError) return path;
    throw error;
  }
}
