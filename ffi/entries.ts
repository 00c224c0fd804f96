/**
 * Entries of open directories. A name is a text in which each character is one
 * byte, so that names which are no UTF-8 are what they are. No path of more
 * than one name is ever followed.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_RDONLY,
  STATX_SIZE,
} from "./constants.ts";
import { hasErrno } from "./errors.ts";
import { close, openat } from "./files.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "./open_flags.ts";
import { syscall } from "./syscall.ts";

/** `STATX_BASIC_STATS` and `STATX_BTIME`, linux/stat.h, Linux 4.11. */
const STATX_MASK = 0x7ff | 0x800;

/** What an entry of a directory is. */
export interface EntryStat {
  /** Type and permissions, as in inode(7). */
  readonly mode: number;
  /** The number of hard links. */
  readonly nlink: number;
  /** The id of the owner. */
  readonly uid: number;
  /** The id of the group. */
  readonly gid: number;
  /** The size in bytes. */
  readonly size: number;
  /** The file system and the number of the inode: what it is the same as. */
  readonly id: string;
  /** The device that it is, major and minor. */
  readonly rdev: readonly [number, number];
  /** When it was last read, in nanoseconds since 1970. */
  readonly accessed: bigint;
  /** When its content was last changed. */
  readonly modified: bigint;
  /** When anything of it was last changed. */
  readonly changed: bigint;
  /** When it was made, if the file system knows. */
  readonly born?: bigint;
}

/**
 * Turns bytes into a name.
 *
 * @param bytes The bytes.
 * @returns The name, one character for each.
 *
 * @example A byte that is no UTF-8
 * ```ts
 * import { nameOf } from "cage/ffi/entries.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nameOf(new Uint8Array([0x61, 0xff])), "a\xff");
 * ```
 */
export function nameOf(bytes: Uint8Array): string {
  let name = "";
  for (const byte of bytes) name += String.fromCharCode(byte);
  return name;
}

/**
 * Turns a name into its bytes.
 *
 * @param name The name.
 * @returns The bytes.
 *
 * @example There and back
 * ```ts
 * import { bytesOf, nameOf } from "cage/ffi/entries.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nameOf(bytesOf("a\xff")), "a\xff");
 * ```
 */
export function bytesOf(name: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(name.length);
  for (let at = 0; at < name.length; at++) bytes[at] = name.charCodeAt(at);
  return bytes;
}

/** As the kernel takes it: with a NUL at its end. */
function path(name: string): Uint8Array {
  return bytesOf(`${name}\0`);
}

/**
 * Writes the path that calls without a directory name an entry by, with no link
 * followed that somebody could have put in its place: proc_pid_fd(5).
 *
 * @param directory A descriptor of the directory.
 * @param name The name; an empty one means what the descriptor is of, and the
 * path is a link to be followed then.
 * @returns The path, with a NUL at its end.
 *
 * @example An entry, and what a descriptor is of
 * ```ts
 * import { byDescriptor, nameOf } from "cage/ffi/entries.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nameOf(byDescriptor(9, "x")), "/proc/self/fd/9/x\0");
 * assertEquals(nameOf(byDescriptor(9, "")), "/proc/self/fd/9\0");
 * ```
 */
export function byDescriptor(directory: number, name: string): Uint8Array {
  return path(`/proc/self/fd/${directory}${name === "" ? "" : `/${name}`}`);
}

/**
 * Lists a directory, getdents64(2).
 *
 * @param directory A descriptor of the directory, also one opened with
 * `O_PATH`.
 * @returns The names in the order of their bytes, without `.` and `..`.
 * @throws {SyscallError} If it cannot be read.
 *
 * @example A directory of the kernel
 * ```ts
 * import { listNames } from "cage/ffi/entries.ts";
 * import { close, open } from "cage/ffi/files.ts";
 * import { assert } from "@std/assert";
 *
 * const directory = open("/proc/self", 0);
 * assert(listNames(directory).includes("status"));
 * close(directory);
 * ```
 */
export function listNames(directory: number): string[] {
  const fd = openat(directory, ".", O_RDONLY | O_DIRECTORY);
  const names: string[] = [];
  const into = new Uint8Array(0x8000);
  const view = new DataView(into.buffer);
  try {
    for (;;) {
      const end = syscall("getdents64", fd, { into }, into.length);
      if (end === 0) return names.sort(byBytes);
      // struct linux_dirent64: ino, off, reclen (16 bits), type, name.
      for (let at = 0; at < end; at += view.getUint16(at + 16, true)) {
        const start = at + 19;
        const name = nameOf(into.subarray(start, into.indexOf(0, start)));
        if (name !== "." && name !== "..") names.push(name);
      }
    }
  } catch (error) {
    // It was removed after it was opened, and had nothing left in it.
    if (hasErrno(error, "ENOENT")) return [];
    throw error;
  } finally {
    close(fd);
  }
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Opens an entry that is no symbolic link.
 *
 * @param directory A descriptor of the directory.
 * @param name The name.
 * @param flags Flags of open(2); `O_NOFOLLOW` and `O_CLOEXEC` are added.
 * @param mode The mode of a file that is created.
 * @returns The descriptor.
 * @throws {SyscallError} If it fails.
 */
export function openEntry(
  directory: number,
  name: string,
  flags: number,
  mode = 0,
): number {
  return syscall(
    "openat",
    directory,
    path(name),
    flags | O_NOFOLLOW | O_CLOEXEC,
    mode,
  );
}

/**
 * Says what an entry is, statx(2); a link is itself.
 *
 * @param directory A descriptor of the directory.
 * @param name The name; an empty one means what the descriptor is of.
 * @returns What it is; nothing if there is none.
 * @throws {SyscallError} If it fails.
 *
 * @example No such entry
 * ```ts
 * import { statEntry } from "cage/ffi/entries.ts";
 * import { AT_FDCWD } from "cage/ffi/constants.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(statEntry(AT_FDCWD, "\xff"), undefined);
 * ```
 */
export function statEntry(
  directory: number,
  name: string,
): EntryStat | undefined {
  const into = new Uint8Array(STATX_SIZE);
  const flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
    (name === "" ? AT_EMPTY_PATH : 0);
  try {
    syscall("statx", directory, path(name), flags, STATX_MASK, { into });
  } catch (error) {
    if (hasErrno(error, "ENOENT") || hasErrno(error, "ENOTDIR")) return;
    throw error;
  }
  return entryOf(new DataView(into.buffer));
}

/** Do not mount what an automounter would: linux/fcntl.h, Linux 2.6.38. */
const AT_NO_AUTOMOUNT = 0x800;

/** Offsets of struct statx, linux/stat.h, Linux 4.11. */
function entryOf(view: DataView): EntryStat {
  const u32 = (at: number) => view.getUint32(at, true);
  const u64 = (at: number) => view.getBigUint64(at, true);
  const time = (at: number) =>
    view.getBigInt64(at, true) * 1_000_000_000n + BigInt(u32(at + 8));
  return {
    nlink: u32(16),
    uid: u32(20),
    gid: u32(24),
    mode: view.getUint16(28, true),
    id: `${u32(136)}:${u32(140)}:${u64(32)}`,
    size: Number(u64(40)),
    accessed: time(64),
    ...((u32(0) & 0x800) === 0 ? {} : { born: time(80) }),
    changed: time(96),
    modified: time(112),
    rdev: [u32(128), u32(132)],
  };
}

/**
 * Reads a symbolic link, readlinkat(2).
 *
 * @param directory A descriptor of the directory.
 * @param name The name.
 * @returns What it points to, as bytes in the form of a name.
 * @throws {SyscallError} If it fails.
 */
export function readLink(directory: number, name: string): string {
  const into = new Uint8Array(0x1000);
  const size = syscall("readlinkat", directory, path(name), { into }, 0x1000);
  return nameOf(into.subarray(0, size));
}

/**
 * Lists the names of the extended attributes of an entry, llistxattr(2).
 *
 * @param directory A descriptor of the directory.
 * @param name The name of the entry; an empty one means what the descriptor is
 * of.
 * @returns The names in order; none where the file system has no attributes.
 * @throws {SyscallError} If it fails.
 */
export function listAttributes(directory: number, name: string): string[] {
  const entry = byDescriptor(directory, name);
  const call = name === "" ? "listxattr" : "llistxattr";
  const bytes = grown((into) => syscall(call, entry, { into }, into.length));
  if (bytes === undefined || bytes.length === 0) return [];
  return nameOf(bytes).split("\0").slice(0, -1).sort(byBytes);
}

/**
 * Reads an extended attribute of an entry, lgetxattr(2).
 *
 * @param directory A descriptor of the directory.
 * @param name The name of the entry; an empty one means what the descriptor is
 * of.
 * @param attribute The name of the attribute.
 * @returns The value; nothing if there is no such attribute.
 * @throws {SyscallError} If it fails.
 */
export function readAttribute(
  directory: number,
  name: string,
  attribute: string,
): Uint8Array | undefined {
  const entry = byDescriptor(directory, name);
  const key = path(attribute);
  const call = name === "" ? "getxattr" : "lgetxattr";
  return grown((into) => syscall(call, entry, key, { into }, into.length));
}

/** Most bytes of a value and of a list: linux/limits.h, Linux 2.6. */
const XATTR_SIZE_MAX = 65_536;

/** Tries with little memory first, as most attributes are small. */
function grown(read: (into: Uint8Array) => number): Uint8Array | undefined {
  for (const size of [512, XATTR_SIZE_MAX]) {
    const into = new Uint8Array(size);
    try {
      return into.subarray(0, read(into));
    } catch (error) {
      if (hasErrno(error, "ERANGE") && size < XATTR_SIZE_MAX) continue;
      if (hasErrno(error, "ENODATA") || hasErrno(error, "EOPNOTSUPP")) return;
      throw error;
    }
  }
}
