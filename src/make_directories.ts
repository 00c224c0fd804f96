/**
 * Makes directories.
 *
 * @module
 */

import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { isOfType, S_IFDIR } from "../ffi/file_types.ts";
import { ids, statx, syscall, SyscallError } from "../ffi/libc.ts";
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
    makeDirectory(directory, newOf(directory), what, hint);
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
 * @param path The absolute path.
 * @param directory What it is like if it is made.
 * @param what What failed, if it cannot be made.
 * @param hint What to do then.
 * @returns Whether it was missing.
 * @throws {LaunchError} If it cannot be made.
 *
 * @example What is there
 * ```ts
 * import { makeDirectory } from "cage/src/make_directories.ts";
 *
 * makeDirectory("/proc", { mode: 0o755 }, "Cannot make it", "use another one");
 * ```
 */
export function makeDirectory(
  path: string,
  { mode, owner }: NewDirectory,
  what: string,
  hint: string,
): boolean {
  try {
    syscall("mkdirat", AT_FDCWD, path, mode);
    if (owner !== undefined) {
      syscall("fchownat", AT_FDCWD, path, owner.uid, owner.gid, 0);
    }
    // Last: a change of owner takes bits away, and mkdir(2) obeys the umask.
    syscall("fchmodat", AT_FDCWD, path, mode);
    return true;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errno === ERRNO.EEXIST && error.call === "mkdirat") return false;
    throw refusalOf(what, error, hint);
  }
}
