/**
 * Makes directories.
 *
 * @module
 */

import { basename, dirname } from "@std/path";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_PATH,
} from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { isOfType, S_IFDIR } from "../ffi/file_types.ts";
import {
  close,
  dup,
  hasErrno,
  ids,
  open,
  openat,
  statx,
  syscall,
  SyscallError,
} from "../ffi/libc.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import { Descriptors } from "./descriptors.ts";
import { CageError } from "./errors.ts";
import { refusalOf } from "./failure.ts";
import { quote } from "./quote.ts";
import { prefixes } from "./step.ts";

/** What a new directory is like. */
export interface NewDirectory {
  /** Its permission bits, whatever the umask. */
  readonly mode: number;
  /** Whose it becomes, if not that of whoever makes it. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/**
 * Makes a directory and those above it, if they are missing. Directories that
 * exist stay as they are.
 *
 * @param path The absolute path.
 * @param newOf What a directory is like that is made.
 * @param hint What to do if one cannot be made.
 * @throws {LaunchError} If one cannot be made.
 *
 * @example What is there
 * ```ts
 * import { makeDirectories } from "cage/src/make_directories.ts";
 *
 * makeDirectories("/proc/sys", () => ({ mode: 0o755 }), "use another one");
 * ```
 */
export function makeDirectories(
  path: string,
  newOf: (path: string) => NewDirectory,
  hint: string,
): void {
  // Mostly all are there: one look instead of an error for each.
  if (isThere(path)) return;
  for (const directory of prefixes(path)) {
    const what = `Cannot create directory ${quote(directory)}`;
    const made = openNewDirectory(directory, newOf(directory), what, hint);
    if (made !== undefined) close(made);
  }
}

function isThere(path: string): boolean {
  try {
    statx(AT_FDCWD, path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes a directory that is to be this user's alone, if it is missing, with
 * those above. It may be in a place where everybody can make directories.
 *
 * @param path The absolute path.
 * @throws {CageError} If it is not this user's, or others can write to it.
 * @throws {LaunchError} If it cannot be made.
 */
export function makeOwnDirectory(path: string): void {
  const hint = "set XDG_DATA_HOME and XDG_RUNTIME_DIR to directories of yours";
  makeDirectories(path, () => ({ mode: 0o700 }), hint);
  // A link of this user's may lead to a larger disk.
  const link = statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  const { mode, uid } = statx(AT_FDCWD, path);
  const isOwn = [link.uid, uid].every((owner) => owner === ids().uid[0]) &&
    isOfType(mode, S_IFDIR);
  if (isOwn && (mode & 0o022) === 0) return;
  const reason = isOwn ? "others can write to it" : "it is somebody else's";
  throw new CageError(
    `Cannot use directory ${quote(path)}: ${reason}: remove it, or ${hint}`,
  );
}

/**
 * Makes a directory, if it is missing.
 *
 * Whoever the directory above belongs to may put something else in the place of
 * what was made, so that is opened below a directory that stays the same, and
 * changed by its descriptor. What is somebody else's then is not changed.
 *
 * @param path The absolute path.
 * @param directory What it is like if it is made.
 * @param what What failed, if it cannot be made.
 * @param hint What to do then.
 * @returns An `O_PATH` descriptor of it, to be closed, if it was missing.
 * @throws {LaunchError} If it cannot be made.
 *
 * @example What is there
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { openNewDirectory } from "cage/src/make_directories.ts";
 *
 * const hint = "use another one";
 * assertEquals(
 *   openNewDirectory("/proc", { mode: 0o755 }, "Cannot make it", hint),
 *   undefined,
 * );
 * ```
 */
export function openNewDirectory(
  path: string,
  directory: NewDirectory,
  what: string,
  hint: string,
): number | undefined {
  using files = new Descriptors();
  try {
    const flags = O_PATH | O_DIRECTORY;
    const above = files.keep(open(dirname(path), flags));
    const name = basename(path);
    syscall("mkdirat", above, name, directory.mode);
    const made = files.keep(openat(above, name, flags | O_NOFOLLOW));
    if (statx(made, "", AT_EMPTY_PATH).uid === ids().uid[1]) {
      change(made, directory);
    }
    return dup(made);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errno === ERRNO.EEXIST && error.call === "mkdirat") {
      return undefined;
    }
    throw refusalOf(what, error, hint);
  }
}

function change(directory: number, { mode, owner }: NewDirectory): void {
  if (owner !== undefined) {
    const { gid, uid } = owner;
    syscall("fchownat", directory, "", uid, gid, AT_EMPTY_PATH);
  }
  // Last: a change of owner takes bits away, and mkdir(2) obeys the umask.
  try {
    syscall("fchmodat", directory, ".", mode);
  } catch (error) {
    if (!hasErrno(error, "EACCES")) throw error;
    // The umask has kept its owner from entering it, and fchmod(2) takes no
    // descriptor that is for a path alone.
    syscall("fchmodat", AT_FDCWD, `/proc/self/fd/${directory}`, mode);
  }
}
