/**
 * Changes of entries of open directories, by names of bytes as in
 * {@linkcode ./entries.ts}.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
} from "./constants.ts";
import { byDescriptor, bytesOf, type EntryStat } from "./entries.ts";
import { syscall } from "./syscall.ts";

/** renameat2(2): the two change places, linux/fs.h, Linux 3.15. */
const RENAME_EXCHANGE = 2;

function path(name: string): Uint8Array {
  return bytesOf(`${name}\0`);
}

/**
 * Makes a directory, mkdirat(2).
 *
 * @param directory A descriptor of the directory above.
 * @param name The name.
 * @throws {SyscallError} If it fails.
 */
export function makeEntryDirectory(directory: number, name: string): void {
  syscall("mkdirat", directory, path(name), 0o700);
}

/**
 * Makes a symbolic link, symlinkat(2).
 *
 * @param target What it points to, one character for each byte.
 * @param directory A descriptor of the directory.
 * @param name The name.
 * @throws {SyscallError} If it fails.
 */
export function makeLink(
  target: string,
  directory: number,
  name: string,
): void {
  syscall("symlinkat", path(target), directory, path(name));
}

/**
 * Makes a FIFO, a socket or a device, mknodat(2).
 *
 * @param directory A descriptor of the directory.
 * @param name The name.
 * @param stat Type and device; its permissions are the owner's alone at first.
 * @throws {SyscallError} If it fails.
 */
export function makeNode(
  directory: number,
  name: string,
  { mode, rdev: [major, minor] }: Pick<EntryStat, "mode" | "rdev">,
): void {
  // new_encode_dev() of linux/kdev_t.h: 12 bits, and the minor around them.
  const device = (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
  const type = mode & 0o170000;
  syscall("mknodat", directory, path(name), type | 0o600, device >>> 0);
}

/**
 * Gives a file one more name, linkat(2).
 *
 * @param from A descriptor of the directory of the file.
 * @param name Its name there.
 * @param directory A descriptor of the other directory.
 * @param other The name there.
 * @throws {SyscallError} If it fails.
 */
export function linkEntry(
  from: number,
  name: string,
  directory: number,
  other: string,
): void {
  syscall("linkat", from, path(name), directory, path(other), 0);
}

/**
 * Renames an entry in its directory, renameat2(2).
 *
 * @param directory A descriptor of the directory.
 * @param from The name.
 * @param to The new name, of which another file may be replaced.
 * @param isExchange Whether that file gets the old name instead.
 * @throws {SyscallError} If it fails.
 */
export function renameEntry(
  directory: number,
  from: string,
  to: string,
  isExchange = false,
): void {
  const flags = isExchange ? RENAME_EXCHANGE : 0;
  syscall("renameat2", directory, path(from), directory, path(to), flags);
}

/**
 * Removes an entry, unlinkat(2).
 *
 * @param directory A descriptor of the directory.
 * @param name The name.
 * @param isDirectory Whether it is an empty directory.
 * @throws {SyscallError} If it fails.
 */
export function removeEntry(
  directory: number,
  name: string,
  isDirectory: boolean,
): void {
  const flags = isDirectory ? AT_REMOVEDIR : 0;
  syscall("unlinkat", directory, path(name), flags);
}

/**
 * Gives an entry an owner, fchownat(2); a link gets it itself.
 *
 * @param entry A descriptor of it: a name can be another's a moment later.
 * @param owner The ids.
 * @throws {SyscallError} If it fails.
 */
export function setOwner(
  entry: number,
  { gid, uid }: Pick<EntryStat, "gid" | "uid">,
): void {
  syscall("fchownat", entry, path(""), uid, gid, AT_EMPTY_PATH);
}

/**
 * Gives an entry permissions, fchmodat(2). Links have none.
 *
 * @param entry A descriptor of it, also one opened with `O_PATH`, which
 * fchmod(2) does not take.
 * @param mode The permissions.
 * @throws {SyscallError} If it fails.
 */
export function setMode(entry: number, mode: number): void {
  syscall("fchmodat", AT_FDCWD, byDescriptor(entry, ""), mode & 0o7777);
}

/**
 * Gives an entry times, utimensat(2); a link gets them itself.
 *
 * @param directory A descriptor of the directory.
 * @param name The name; an empty one means what the descriptor is of.
 * @param times In nanoseconds since 1970.
 * @throws {SyscallError} If it fails.
 */
export function setTimes(
  directory: number,
  name: string,
  { accessed, modified }: Pick<EntryStat, "accessed" | "modified">,
): void {
  const words = [accessed, modified].flatMap((time) => {
    const nanoseconds = (time % SECOND + SECOND) % SECOND;
    return [(time - nanoseconds) / SECOND, nanoseconds];
  });
  const bytes = new Uint8Array(new BigInt64Array(words).buffer);
  const flags = AT_SYMLINK_NOFOLLOW | (name === "" ? AT_EMPTY_PATH : 0);
  syscall("utimensat", directory, path(name), bytes, flags);
}

const SECOND = 1_000_000_000n;

/**
 * Gives an entry an extended attribute, setxattr(2).
 *
 * @param entry A descriptor of it.
 * @param attribute The name of the attribute.
 * @param value The value.
 * @throws {SyscallError} If it fails.
 */
export function setAttribute(
  entry: number,
  attribute: string,
  value: Uint8Array,
): void {
  const of = byDescriptor(entry, "");
  syscall("setxattr", of, path(attribute), value, value.length, 0);
}

/**
 * Removes an extended attribute of an entry, removexattr(2).
 *
 * @param entry A descriptor of it.
 * @param attribute The name of the attribute.
 * @throws {SyscallError} If it fails.
 */
export function removeAttribute(entry: number, attribute: string): void {
  syscall("removexattr", byDescriptor(entry, ""), path(attribute));
}
