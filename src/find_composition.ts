/**
 * Finds what a composed view is made from.
 *
 * @module
 */

import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_RDONLY } from "../ffi/constants.ts";
import { close, open, statx, syscall, SyscallError } from "../ffi/libc.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import {
  compose,
  type Composition,
  type FoundDirectories,
  type FoundEntry,
  type FoundLayer,
  isCovered,
  spineOf,
} from "./compose.ts";
import { refusalOf } from "./failure.ts";
import { type MountBelow, mountsBelow, parseMounts } from "./mount_table.ts";
import { quote } from "./quote.ts";

/** What a view is composed from, as it was opened. */
export interface ComposedFrom {
  /** The real paths of the lower layers, the first on top. */
  readonly layers: readonly string[];
  /** A descriptor of the upper directory; absent if it is new. */
  readonly upper?: number | undefined;
  /** Paths inside at which nothing of the lower layers is to be seen. */
  readonly empty?: readonly string[];
}

/**
 * Composes a view of lower layers, with the rights of this process.
 *
 * @param from What it is composed from.
 * @returns The view; none if nothing is mounted below any layer, so that one
 * overlay does.
 * @throws {LaunchError} If a layer cannot be looked into.
 */
export function findComposition(
  { empty = [], layers, upper }: ComposedFrom,
): Composition | undefined {
  const table = parseMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
  const mounts = layers.map((path) => mountsBelow(table, path));
  const spine = spineOf(mounts.flat().map(({ path }) => path));
  if (spine.length === 0) return undefined;
  return compose({
    layers: layers.map((path, index) =>
      findLayer(path, mounts[index], spine, layers.length === 1)
    ),
    spine: new Set(spine),
    upper: upper === undefined
      ? new Map()
      : findDirectories(`/proc/self/fd/${upper}`, spine, kindOf),
    empty: new Set([...empty, ...automounts(mounts.flat(), spine)]),
  });
}

/**
 * What is not mounted yet would not be either when it is looked at: that
 * happens outside, where this view is not.
 */
function automounts(
  mounts: readonly MountBelow[],
  spine: readonly string[],
): string[] {
  return mounts.filter(({ path, type }) =>
    type === "autofs" && !spine.includes(path)
  ).map(({ path }) => path);
}

function findLayer(
  path: string,
  mounts: readonly MountBelow[],
  spine: readonly string[],
  isOnly: boolean,
): FoundLayer {
  const places = new Set([...spine, ...mounts.map(({ path }) => path)]);
  try {
    checkAccess(path);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw refusalOf(
      `Cannot use lower directory ${quote(path)}`,
      error,
      "name one with -l that you can look into",
    );
  }
  return {
    path,
    directories: findDirectories(
      path === "/" ? "" : path,
      spine,
      (file, inside) => ({
        kind: isOnly ? "directory" : kindOf(file).kind,
        mode: statOf(file)?.mode ?? USUAL_MODE,
        // To look at what is mounted there could have it mounted first.
        isEmpty: !places.has(inside) && !isCovered(inside) && isEmpty(file),
      }),
    ),
    readOnly: new Set(
      mounts.filter(({ isReadOnly }) => isReadOnly).map(({ path }) => path),
    ),
  };
}

/** `AT_EACCESS` of linux/fcntl.h, Linux 5.8. */
const AT_EACCESS = 0x200;
/** To list and to search a directory: unistd.h. */
const READ = 4;
const READ_AND_SEARCH = READ | 1;

function checkAccess(path: string, access = READ_AND_SEARCH): void {
  syscall("faccessat2", AT_FDCWD, path, access, AT_EACCESS);
}

/** Tells what is to be known of a directory, by its path and that inside. */
type Looker = (path: string, inside: string) => FoundEntry;

/**
 * A directory of the spine is one only if all above it are: where another
 * layer has a mount, this one may have a link.
 */
function findDirectories(
  root: string,
  spine: readonly string[],
  look: Looker,
): FoundDirectories {
  const found = new Map<string, ReadonlyMap<string, FoundEntry>>();
  for (const directory of spine) {
    const end = directory.lastIndexOf("/");
    const above = found.get(directory.slice(0, end) || "/");
    const kind = above?.get(directory.slice(end + 1))?.kind;
    const isThere = kind === "directory" || kind === "opaque";
    if (directory !== "/" && !isThere) continue;
    const prefix = directory === "/" ? "/" : `${directory}/`;
    const entries = list(root + prefix)?.map((entry) => {
      const inside = prefix + entry.name;
      return [entry.name, entryOf(root + inside, inside, entry, look)] as const;
    });
    if (entries !== undefined) found.set(directory, new Map(entries));
  }
  return found;
}

function list(path: string): Deno.DirEntry[] | undefined {
  try {
    checkAccess(path);
    return [...Deno.readDirSync(path)]
      .sort((a, b) => a.name < b.name ? -1 : 1);
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

function entryOf(
  path: string,
  inside: string,
  { isDirectory, isFile, isSymlink }: Deno.DirEntry,
  look: Looker,
): FoundEntry {
  if (isDirectory) return look(path, inside);
  if (isFile) return fileAt(path);
  if (isSymlink) return linkAt(path);
  const stat = statOf(path);
  const isWhiteout = stat?.isCharDevice && stat.rdev === 0;
  return { kind: isWhiteout ? "whiteout" : "other" };
}

function fileAt(path: string): FoundEntry {
  try {
    checkAccess(path, READ);
    const { mode, modified, size } = statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
    return { kind: "file", mode, modified, size: Number(size) };
  } catch (error) {
    if (isRefusal(error)) return { kind: "file" };
    throw error;
  }
}

function kindOf(path: string): FoundEntry {
  return { kind: isOpaque(path) ? "opaque" : "directory" };
}

function linkAt(path: string): FoundEntry {
  try {
    return { kind: "link", target: Deno.readLinkSync(path) };
  } catch (error) {
    if (isRefusal(error)) return { kind: "other" };
    throw error;
  }
}

/** Of a directory of which nothing is known. */
const USUAL_MODE = 0o755;

/** Of a file system that is another user's, nothing may be known. */
function statOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/** Only as far as one read goes: there may be many. */
function isEmpty(path: string): boolean {
  let directory: number | undefined;
  try {
    directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const into = new Uint8Array(DIRENT_BYTES);
    const length = syscall("getdents64", directory, { into }, into.length);
    return !hasName(into.subarray(0, length));
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  } finally {
    if (directory !== undefined) close(directory);
  }
}

/** Enough for any name, beside those that every directory has. */
const DIRENT_BYTES = 512;

/** `struct linux_dirent64`, linux/dirent.h, Linux 2.4. */
const DIRENT = { length: 16, name: 19 };

function hasName(entries: Uint8Array): boolean {
  const view = new DataView(entries.buffer);
  for (let at = 0; at < entries.length;) {
    const length = view.getUint16(at + DIRENT.length, true);
    const [name] = new TextDecoder()
      .decode(entries.subarray(at + DIRENT.name, at + length)).split("\0");
    if (name !== "." && name !== "..") return true;
    at += length;
  }
  return false;
}

/** As `userxattr` has it, see fs/overlayfs, Linux 5.11. */
function isOpaque(path: string): boolean {
  const into = new Uint8Array(1);
  try {
    const name = "user.overlay.opaque";
    return syscall("getxattr", path, name, { into }, into.length) === 1 &&
      into[0] === "y".charCodeAt(0);
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

/** Something has gone, or is closed. */
function isRefusal(error: unknown): boolean {
  return error instanceof SyscallError ||
    error instanceof Error && "code" in error;
}
