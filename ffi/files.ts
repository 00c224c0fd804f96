/**
 * System calls on descriptors and paths. Everything that they open is closed
 * on execve(2).
 *
 * @module
 */

import {
  AT_FDCWD,
  F_ADD_SEALS,
  F_DUPFD_CLOEXEC,
  F_SEAL_ALL,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  O_CLOEXEC,
  STATX_SIZE,
} from "./constants.ts";
import { syscall } from "./syscall.ts";

/** `STATX_BASIC_STATS` and `STATX_MNT_ID`, linux/stat.h, Linux 4.11 and 5.8. */
const STATX_BASIC_STATS = 0x7ff;
const STATX_MNT_ID = 0x1000;

/** `struct statfs`, asm-generic/statfs.h, Linux 6.1. */
const STATFS_SIZE = 120;

/** What openat2(2) is asked for: `struct open_how`, linux/openat2.h, 5.6. */
export interface OpenHow {
  /** Flags of open(2), 0 if absent; `O_CLOEXEC` is added. */
  readonly flags?: number;
  /** The mode of a file that is created, 0 if absent. */
  readonly mode?: number;
  /** `RESOLVE_…`, 0 if absent. */
  readonly resolve?: number;
}

/** What a file is. */
export interface Stat {
  /** Type and permissions, as in inode(7). */
  readonly mode: number;
  /** The number of hard links. */
  readonly nlink: number;
  /** The id of the owner. */
  readonly uid: number;
  /** The id of the group. */
  readonly gid: number;
  /** The number of the inode. */
  readonly ino: bigint;
  /** The size in bytes. */
  readonly size: bigint;
  /** When it was last changed, in nanoseconds since 1970. */
  readonly modified: bigint;
  /** The device that the file is on, major and minor. */
  readonly dev: readonly [number, number];
  /** The device that the file is, major and minor. */
  readonly rdev: readonly [number, number];
  /** The id of the mount, Linux 5.8. */
  readonly mountId: bigint;
}

/** What a file system is. */
export interface StatFs {
  /** The magic number of linux/magic.h. */
  readonly type: number;
  /** `ST_…` flags of statfs(2). */
  readonly flags: number;
}

/** Both ends of a pipe. */
export interface Pipe {
  /** The descriptor to read from. */
  readonly reader: number;
  /** The descriptor to write to. */
  readonly writer: number;
}

/**
 * Opens a file, openat(2).
 *
 * @param directory The descriptor of the directory that a relative path begins
 * at, or `AT_FDCWD`.
 * @param path The path.
 * @param flags Flags of open(2); `O_CLOEXEC` is added.
 * @param mode The mode of a file that is created.
 * @returns The descriptor.
 * @throws {SyscallError} If it fails.
 */
export function openat(
  directory: number,
  path: string,
  flags: number,
  mode = 0,
): number {
  return syscall("openat", directory, path, flags | O_CLOEXEC, mode);
}

/**
 * Opens a file, open(2).
 *
 * @param path The path.
 * @param flags Flags of open(2); `O_CLOEXEC` is added.
 * @param mode The mode of a file that is created.
 * @returns The descriptor.
 * @throws {SyscallError} If it fails.
 *
 * @example The root directory
 * ```ts
 * import { close, open } from "cage/ffi/files.ts";
 * import { O_PATH } from "cage/ffi/constants.ts";
 *
 * close(open("/", O_PATH));
 * ```
 */
export function open(path: string, flags: number, mode = 0): number {
  return openat(AT_FDCWD, path, flags, mode);
}

/**
 * Opens a file under rules, openat2(2).
 *
 * @param directory The descriptor of a directory, or `AT_FDCWD`.
 * @param path The path.
 * @param how The flags, the mode and the rules.
 * @returns The descriptor.
 * @throws {SyscallError} If it fails: `EXDEV` or `ELOOP` if a rule forbids it.
 *
 * @example A way out that is closed
 * ```ts
 * import { close, openat2 } from "cage/ffi/files.ts";
 * import { AT_FDCWD, RESOLVE_NO_MAGICLINKS } from "cage/ffi/constants.ts";
 * import { SyscallError } from "cage/ffi/errors.ts";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(
 *   () =>
 *     openat2(AT_FDCWD, "/proc/self/exe", { resolve: RESOLVE_NO_MAGICLINKS }),
 *   SyscallError,
 *   "openat2 failed: Too many levels of symbolic links",
 * );
 * ```
 */
export function openat2(directory: number, path: string, how: OpenHow): number {
  const { flags = 0, mode = 0, resolve = 0 } = how;
  const words = new BigUint64Array(
    [flags | O_CLOEXEC, mode, resolve].map(BigInt),
  );
  const bytes = new Uint8Array(words.buffer);
  return syscall("openat2", directory, path, bytes, bytes.length);
}

/**
 * Closes a descriptor, close(2).
 *
 * @param fd The descriptor.
 * @throws {SyscallError} If it is not open, or written data was lost.
 */
export function close(fd: number): void {
  syscall("close", fd);
}

/**
 * Reads, read(2).
 *
 * @param fd The descriptor.
 * @param buffer Where to.
 * @returns The number of bytes, 0 at the end.
 * @throws {SyscallError} If it fails.
 */
export function read(fd: number, buffer: Uint8Array): number {
  return syscall("read", fd, { into: buffer }, buffer.length);
}

/**
 * Writes, write(2).
 *
 * @param fd The descriptor.
 * @param bytes What to write.
 * @returns The number of bytes that were written.
 * @throws {SyscallError} If it fails.
 */
export function write(fd: number, bytes: Uint8Array): number {
  return syscall("write", fd, bytes, bytes.length);
}

/**
 * Writes all of it, with as many calls as that takes.
 *
 * @param fd The descriptor.
 * @param bytes What to write.
 * @throws {SyscallError} If it fails.
 */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    done += write(fd, bytes.subarray(done));
  }
}

/**
 * Makes a pipe, pipe2(2).
 *
 * @param flags Flags of open(2); `O_CLOEXEC` is added.
 * @returns Its ends.
 * @throws {SyscallError} If it fails.
 *
 * @example A byte through a pipe
 * ```ts
 * import { close, pipe2, read, write } from "cage/ffi/files.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { reader, writer } = pipe2();
 * write(writer, new Uint8Array([7]));
 * const buffer = new Uint8Array(8);
 * assertEquals(read(reader, buffer), 1);
 * assertEquals(buffer[0], 7);
 * close(reader);
 * close(writer);
 * ```
 */
export function pipe2(flags = 0): Pipe {
  const ends = new Int32Array(2);
  const into = new Uint8Array(ends.buffer);
  syscall("pipe2", { into }, flags | O_CLOEXEC);
  return { reader: ends[0], writer: ends[1] };
}

/**
 * Copies a descriptor, fcntl(2) with `F_DUPFD_CLOEXEC`.
 *
 * @param fd The descriptor.
 * @param lowest The lowest number that the copy may have.
 * @returns The copy.
 * @throws {SyscallError} If it fails.
 */
export function dup(fd: number, lowest = 3): number {
  return syscall("fcntl", fd, F_DUPFD_CLOEXEC, lowest);
}

/**
 * Locks a file, flock(2).
 *
 * @param fd The descriptor.
 * @param operation `LOCK_EX` and so on.
 * @throws {SyscallError} If it fails: `EWOULDBLOCK`, which is `EAGAIN`, if
 * another has the lock and `LOCK_NB` is given.
 */
export function flock(fd: number, operation: number): void {
  syscall("flock", fd, operation);
}

/**
 * Does ioctl(2).
 *
 * @param fd The descriptor.
 * @param request The number of the request.
 * @param argument A number, or bytes that the kernel reads and may change.
 * @returns The result.
 * @throws {SyscallError} If it fails.
 */
export function ioctl(
  fd: number,
  request: number,
  argument: number | Uint8Array = 0,
): number {
  return syscall(
    "ioctl",
    fd,
    request,
    typeof argument === "number" ? argument : { into: argument },
  );
}

/**
 * Makes a file without a path, memfd_create(2).
 *
 * @param name Its name, which tools show.
 * @param flags Flags; `MFD_CLOEXEC` is added.
 * @returns The descriptor.
 * @throws {SyscallError} If it fails.
 */
export function memfdCreate(name: string, flags = 0): number {
  return syscall("memfd_create", name, flags | MFD_CLOEXEC);
}

/**
 * Makes a file without a path that nobody can change any more.
 *
 * @param name Its name, which tools show.
 * @param bytes What is in it.
 * @returns The descriptor.
 * @throws {SyscallError} If it fails.
 *
 * @example A file that cannot be written to
 * ```ts
 * import { close, sealedFile, write } from "cage/ffi/files.ts";
 * import { SyscallError } from "cage/ffi/errors.ts";
 * import { assertThrows } from "@std/assert";
 *
 * const fd = sealedFile("example", new Uint8Array([1, 2, 3]));
 * assertThrows(
 *   () => write(fd, new Uint8Array(1)),
 *   SyscallError,
 *   "write failed: Operation not permitted",
 * );
 * close(fd);
 * ```
 */
export function sealedFile(name: string, bytes: Uint8Array): number {
  const fd = memfdCreate(name, MFD_ALLOW_SEALING);
  try {
    writeAll(fd, bytes);
    syscall("fcntl", fd, F_ADD_SEALS, F_SEAL_ALL);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/**
 * Says what a file is, statx(2).
 *
 * @param directory The descriptor of a directory, or `AT_FDCWD`; or of the
 * file itself, with an empty path and `AT_EMPTY_PATH`.
 * @param path The path.
 * @param flags `AT_SYMLINK_NOFOLLOW`, `AT_EMPTY_PATH`, or 0.
 * @returns What it is.
 * @throws {SyscallError} If it fails.
 *
 * @example A device
 * ```ts
 * import { statx } from "cage/ffi/files.ts";
 * import { AT_FDCWD } from "cage/ffi/constants.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(statx(AT_FDCWD, "/dev/null").rdev, [1, 3]);
 * ```
 */
export function statx(directory: number, path: string, flags = 0): Stat {
  const into = new Uint8Array(STATX_SIZE);
  const mask = STATX_BASIC_STATS | STATX_MNT_ID;
  syscall("statx", directory, path, flags, mask, { into });
  const view = new DataView(into.buffer);
  const u32 = (at: number) => view.getUint32(at, true);
  const u64 = (at: number) => view.getBigUint64(at, true);
  return {
    nlink: u32(16),
    uid: u32(20),
    gid: u32(24),
    mode: view.getUint16(28, true),
    ino: u64(32),
    size: u64(40),
    modified: view.getBigInt64(112, true) * 1_000_000_000n + BigInt(u32(120)),
    rdev: [u32(128), u32(132)],
    dev: [u32(136), u32(140)],
    mountId: u64(144),
  };
}

/**
 * Says what file system a file is on, fstatfs(2).
 *
 * @param fd The descriptor.
 * @returns What it is.
 * @throws {SyscallError} If it fails.
 */
export function fstatfs(fd: number): StatFs {
  const into = new Uint8Array(STATFS_SIZE);
  syscall("fstatfs", fd, { into });
  const view = new DataView(into.buffer);
  return {
    type: Number(view.getBigUint64(0, true)),
    flags: Number(view.getBigUint64(80, true)),
  };
}
