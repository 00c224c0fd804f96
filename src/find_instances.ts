/**
 * Finds the instances of a caller, and for root those of everybody: by the
 * records of those that run, and by what is kept of those that do not.
 *
 * @module
 */

import { isOfType, S_IFDIR, S_IFREG } from "../ffi/file_types.ts";
import type { Client } from "./client.ts";
import { Descriptors } from "./descriptors.ts";
import {
  IMAGE_SUFFIX,
  inOrder,
  type Instance,
  nameOfPidFile,
  type StoredFiles,
  storedOf,
} from "./instance.ts";
import { findKeptLower } from "./find_kept_lower.ts";
import { InstanceFiles, type Look, sizeOnDisk } from "./instance_files.ts";
import { type Owner, ownersFor } from "./instance_owners.ts";
import { Measure } from "./measure.ts";
import { namesIn } from "./names_in.ts";
import { parsePid } from "./pid_file.ts";
import { findRunning, memoryOf, type RunningInstance } from "./running.ts";
import type { Waiting } from "./wait.ts";

/**
 * Finds instances. Nothing is changed, and nothing is waited for that others
 * could hold back.
 *
 * @param client Who calls. They see what is theirs; root sees all.
 * @returns The instances, in order.
 */
export function* findInstances(client: Client): Waiting<Instance[]> {
  using sizes = new Sizes(client);
  const used = new Set<string>();
  const found: Instance[] = [];
  for (const owner of ownersFor(client)) {
    const files = new InstanceFiles(client, owner);
    const search = { files, owner, sizes, used };
    // First what runs: what that uses is not stored.
    // Of arguments there can be fewer than a user can keep.
    for (const one of yield* findRunningOnes(search)) found.push(one);
    for (const one of yield* findStored(search)) found.push(one);
  }
  return inOrder(found);
}

/** Where it is looked, and what is known already. */
interface Search {
  readonly files: InstanceFiles;
  readonly owner: Owner;
  readonly sizes: Sizes;
  /** What is used by those that run. */
  readonly used: Set<string>;
}

function* findRunningOnes(search: Search): Waiting<Instance[]> {
  const { files, owner: { only }, sizes, used } = search;
  const found: Instance[] = [];
  for (const running of recordsOf(search)) {
    using kept = new Descriptors();
    const { origin, pid, uid } = running;
    const { changes, isNamed = false } = origin ?? {};
    const look = changes === undefined
      ? undefined
      : files.changes(changes, isNamed, uid, kept);
    if (look !== undefined) used.add(look.id);
    if (only !== undefined && uid !== only) continue;
    const size = origin !== undefined && changes === undefined
      ? memoryOf(pid)
      : yield* sizes.of(look, uid);
    found.push({ ...describe(running, search.owner), ...sized(size) });
  }
  return found;
}

function recordsOf({ files, owner }: Search): RunningInstance[] {
  return owner.records.flatMap((path) => {
    using kept = new Descriptors();
    const directory = files.directory(path, kept);
    if (directory === undefined) return [];
    return namesIn(directory.path).flatMap((file) => {
      const pid = parsePid(file);
      if (pid === undefined || Number.isNaN(pid)) return [];
      return findRunning(directory.path, pid, owner) ?? [];
    });
  });
}

/** What its record says of an instance. */
function describe(
  { origin, pid, process, since, uid }: RunningInstance,
  { states }: Owner,
): Instance {
  const name = origin && nameOfPidFile(origin.pidFile, states);
  const command = origin?.command ?? (process && [process]);
  return {
    ...{ state: "running", uid, pid, since },
    ...(name === undefined ? {} : { name }),
    ...(command ? { command } : {}),
    ...(origin === undefined ? {} : { pidFile: origin.pidFile }),
    ...(origin?.changes === undefined ? {} : { changes: origin.changes }),
    ...(origin?.root.length ? { root: origin.root } : {}),
  };
}

function* findStored(search: Search): Waiting<Instance[]> {
  const { files, owner } = search;
  const found: Instance[] = [];
  for (const path of owner.storage) {
    using kept = new Descriptors();
    const directory = files.directory(path, kept);
    if (directory === undefined) continue;
    for (const stored of storedIn(directory, files)) {
      const place = { path, directory };
      const one = yield* describeStored(stored, place, search);
      if (one !== undefined) found.push(one);
    }
  }
  return found;
}

/** One that has both a directory and an image is one. */
function storedIn(directory: Look, files: InstanceFiles): StoredFiles[] {
  const found = namesIn(directory.path).flatMap((file) => {
    using kept = new Descriptors();
    const look = files.below(directory, file, kept);
    if (look === undefined) return [];
    const isDirectory = isOfType(look.stat.mode, S_IFDIR);
    if (!isDirectory && !isOfType(look.stat.mode, S_IFREG)) return [];
    return storedOf(file, isDirectory) ?? [];
  });
  return [...new Map(found.map((one) => [one.directory, one])).values()];
}

/** A directory of application directories. */
interface StoragePlace {
  readonly path: string;
  readonly directory: Look;
}

function* describeStored(
  { directory: appDir, name }: StoredFiles,
  { directory, path }: StoragePlace,
  { files, owner: { uid }, sizes, used }: Search,
): Waiting<Instance | undefined> {
  using kept = new Descriptors();
  const lookAt = (file: string, type: number) => {
    const look = files.below(directory, file, kept);
    return look !== undefined && isOfType(look.stat.mode, type)
      ? { ...look, file }
      : undefined;
  };
  const image = lookAt(`${appDir}${IMAGE_SUFFIX}`, S_IFREG);
  const upper = lookAt(`${appDir}/upper`, S_IFDIR);
  const changes = image ?? upper;
  if (changes === undefined) return undefined;
  if ([image, upper].some((one) => one && used.has(one.id))) return undefined;
  // Overlayfs makes something there whenever it is mounted.
  const work = lookAt(`${appDir}/work`, S_IFDIR);
  const space = uid === 0 ? "trusted" : "user";
  const root = work && findKeptLower(work.path, { space, isFuse: false });
  return {
    ...{ state: "stored", uid },
    ...(name === undefined ? {} : { name }),
    since: lastOf([changes, work]),
    changes: `${path}/${changes.file}`,
    ...(root === undefined ? {} : { root }),
    ...sized(yield* sizes.of(changes, uid)),
  };
}

/** Files can have times that are no date: the nearest one is told instead. */
function lastOf(looks: readonly (Look | undefined)[]): Date {
  const NANOSECONDS = 1e6;
  const times = looks.map((look) =>
    Number(look?.stat.modified ?? 0n) / NANOSECONDS
  );
  const last = Math.floor(Math.max(...times));
  return new Date(Math.max(-LAST_TIME, Math.min(last, LAST_TIME)));
}

/** Milliseconds since 1970: "Time Values and Time Range" of ECMA-262. */
const LAST_TIME = 8.64e15;

function sized(size: number | undefined): Pick<Instance, "size"> {
  return size === undefined ? {} : { size };
}

/**
 * How long all may be counted that is one user's, for root, in milliseconds:
 * nobody holds up the list of all by what they keep.
 */
const PATIENCE = 10_000;

/** Counts what changes take. */
class Sizes implements Disposable {
  readonly #measure: Measure;
  readonly #isRoot: boolean;
  /** How long what is a user's may still be counted. */
  readonly #rest = new Map<number, number>();

  constructor(client: Client) {
    this.#measure = new Measure(client);
    this.#isRoot = client.standing === "root";
  }

  /** Counts a directory, or an image, of a user. */
  *of(look: Look | undefined, uid: number): Waiting<number | undefined> {
    if (look === undefined) return undefined;
    const { descriptor, stat: { mode } } = look;
    if (isOfType(mode, S_IFREG)) return sizeOnDisk(look);
    if (!isOfType(mode, S_IFDIR)) return undefined;
    if (!this.#isRoot || uid === 0) {
      return yield* this.#measure.size(descriptor);
    }
    const rest = this.#rest.get(uid) ?? PATIENCE;
    if (rest <= 0) return undefined;
    const begin = performance.now();
    const size = yield* this.#measure.size(descriptor, Math.ceil(rest));
    this.#rest.set(uid, rest - (performance.now() - begin));
    return size;
  }

  [Symbol.dispose](): void {
    this.#measure[Symbol.dispose]();
  }
}
