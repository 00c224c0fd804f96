/**
 * Reads the policy, if nobody but root can have written it.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
} from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import {
  close,
  hasErrno,
  open,
  openat,
  read,
  statx,
  SyscallError,
} from "../ffi/libc.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import { isOfType, S_IFREG } from "../ffi/file_types.ts";
import { CageError } from "./errors.ts";
import { refusalOf } from "./failure.ts";
import {
  DEFAULT_POLICY,
  parsePolicy,
  type Policy,
  POLICY_FILE,
} from "./policy.ts";
import { quote } from "./quote.ts";

/** Most bytes of a policy; one of a hundred thousand names takes less. */
const MAX_SIZE = 1 << 20;

/** Permission bits of inode(7): writing by others. */
const WRITABLE = 0o022;

/**
 * Reads the policy of this machine.
 *
 * Each directory on the way to it is opened below the one before and looked at
 * by its descriptor, from the root on: as long as all of them are root's alone,
 * nobody else can take a file away, or put one there.
 *
 * @param path The path of the file, absolute.
 * @returns The policy; that by default if there is no such file or directory.
 * @throws {CageError} If it or a directory above it is not root's, can be
 * written by others, or is a symbolic link, or if it is not valid.
 * @throws {LaunchError} If it cannot be read.
 *
 * @example No file
 * ```ts
 * import { readPolicy } from "cage/src/policy_file.ts";
 * import { DEFAULT_POLICY } from "cage/src/policy.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(readPolicy("/no-such-directory/policy.json"), DEFAULT_POLICY);
 * ```
 */
export function readPolicy(path: string = POLICY_FILE): Policy {
  try {
    const file = openFile(path);
    if (file === undefined) return DEFAULT_POLICY;
    try {
      return parsePolicy(readText(path, file), path);
    } finally {
      close(file);
    }
  } catch (error) {
    throw explained(path, error);
  }
}

function openFile(path: string): number | undefined {
  const names = path.split("/").slice(1);
  const last = names.pop()!;
  const above = O_PATH | O_DIRECTORY | O_NOFOLLOW;
  let directory = open("/", above);
  try {
    checkOwner(path, "/", directory);
    for (const [index, name] of names.entries()) {
      const next = openat(directory, name, above);
      close(directory);
      directory = next;
      const here = `/${names.slice(0, index + 1).join("/")}`;
      checkOwner(path, here, directory);
    }
    // A FIFO would wait for somebody to write to it.
    return openat(directory, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  } finally {
    close(directory);
  }
}

/** Whether it is root's alone; a group that an ACL lets write is in the mode. */
function checkOwner(path: string, what: string, descriptor: number): void {
  const { mode, uid } = statx(descriptor, "", AT_EMPTY_PATH);
  const it = what === path ? "it" : `directory ${quote(what)}`;
  if (uid !== 0) {
    const remedy = `give it to root with "chown root"`;
    throw refusal(path, `${it} belongs to user ${uid}: ${remedy}`);
  }
  if ((mode & WRITABLE) !== 0) {
    const remedy = `take that from them with "chmod go-w"`;
    const why = `${it} can be written by others than root: ${remedy}`;
    throw refusal(path, why);
  }
}

function readText(path: string, file: number): string {
  const { mode, size } = statx(file, "", AT_EMPTY_PATH);
  if (!isOfType(mode, S_IFREG)) {
    throw refusal(path, "it is no regular file: put one there");
  }
  checkOwner(path, path, file);
  if (size > MAX_SIZE) {
    throw refusal(path, `it is too large: make it ${MAX_SIZE} bytes at most`);
  }
  return decode(path, readAll(file, Number(size)));
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw refusal(path, "it is no UTF-8: save it as that");
  }
}

function readAll(file: number, most: number): Uint8Array {
  const buffer = new Uint8Array(most);
  let size = 0;
  while (size < most) {
    const count = read(file, buffer.subarray(size));
    if (count === 0) break;
    size += count;
  }
  return buffer.subarray(0, size);
}

function refusal(path: string, why: string): CageError {
  return new CageError(`Cannot use policy ${quote(path)}: ${why}`);
}

function explained(path: string, error: unknown): unknown {
  if (!(error instanceof SyscallError)) return error;
  const isLink = error.errno === ERRNO.ELOOP || error.errno === ERRNO.ENOTDIR;
  const hint = isLink ? "symbolic links are not followed" : undefined;
  return refusalOf(`Cannot use policy ${quote(path)}`, error, hint);
}
