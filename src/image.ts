/**
 * Images: an ext4 file system in a sparse file, for changes that the file
 * system of the upper directory cannot hold.
 *
 * @module
 */

import { basename, dirname } from "@std/path";
import {
  AT_EMPTY_PATH,
  LOCK_EX,
  LOCK_NB,
  O_CREAT,
  O_EXCL,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
} from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import {
  close,
  flock,
  hasErrno,
  ioctl,
  open,
  openat,
  statx,
  syscall,
  SyscallError,
} from "../ffi/libc.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import { isOfType, S_IFREG } from "../ffi/file_types.ts";
import { Descriptors } from "./descriptors.ts";
import { CageError, LaunchError, UsageError } from "./errors.ts";
import { refusalOf } from "./failure.ts";
import { imageLabel, isOwnImage, SUPERBLOCK } from "./image_format.ts";
import { POLICY_FILE } from "./policy.ts";
import { quote } from "./quote.ts";

/** An image that a loop device shows as a disk. */
export interface Disk {
  /** The path of the device. */
  readonly device: string;
  /** An open descriptor: the device is free when nothing uses it any more. */
  readonly descriptor: number;
}

/** linux/loop.h: ioctls of `/dev/loop-control` and `/dev/loopN`, loop(4). */
const LOOP_CTL_GET_FREE = 0x4c82;
/** Set a device up in one go, Linux 5.8. */
const LOOP_CONFIGURE = 0x4c0a;
/** Free the device at its last close. */
const LO_FLAGS_AUTOCLEAR = 4;
/** Bytes of `struct loop_config`, and of what comes before its fields. */
const LOOP_CONFIG = { size: 304, fd: 0, flags: 60, name: 64 } as const;
/** Bytes of `lo_file_name`, the last of them a NUL. */
const LOOP_NAME_SIZE = 64;

/** Share of the free space that an image may come to take. */
const SHARE = 0.9;
/** Smallest useful image, in bytes. */
const SMALLEST = 16 << 20;
/** Largest image on vfat, which has no sparse files, in bytes. */
const LARGEST_ON_VFAT = 1 << 30;
/** `MSDOS_SUPER_MAGIC` of linux/magic.h. */
const VFAT = 0x4d44;

/**
 * Opens an image, which is made if it is missing, as a disk.
 *
 * @param path The path of the image.
 * @param most How large a new one may be, in bytes.
 * @returns The disk.
 * @throws {UsageError} If the file is not one that was made here, or is in use.
 * @throws {LaunchError} If it cannot be made, or there is no loop device.
 */
export function openImage(path: string, most = Infinity): Disk {
  const file = openFile(path) ?? makeImage(path, most);
  try {
    checkImage(path, file);
    return attach(path, file);
  } finally {
    // The loop device has its own hold of the file, and of its lock.
    close(file);
  }
}

/**
 * Refuses another image of a user who has as many as they may.
 *
 * @param path The path of the image that is needed, in the user's storage.
 * @param limit How many there may be.
 * @throws {CageError} If there are so many, and this one is not among them.
 */
export function checkImages(path: string, limit: number): void {
  const directory = dirname(path);
  const images = [...Deno.readDirSync(directory)].map(({ name }) => name)
    .filter((name) => name.endsWith(".ext4"));
  if (images.includes(basename(path)) || images.length < limit) return;
  throw new CageError(
    `Cannot create image ${
      quote(path)
    }: ${images.length} of yours are there, ` +
      `and ${POLICY_FILE} allows no more: remove one with --reset`,
  );
}

function openFile(path: string): number | undefined {
  try {
    return open(path, O_RDWR | O_NOFOLLOW);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errno === ERRNO.ENOENT) return undefined;
    throw refusal(`Cannot open image ${quote(path)}`, error);
  }
}

/** Under another name first: an image is there whole, or not at all. */
function makeImage(path: string, most: number): number {
  const unfinished = `${path}.new`;
  const size = Math.min(sizeFor(path), most);
  try {
    Deno.removeSync(unfinished);
  } catch {
    // There is none, or what is wrong comes up at the next step.
  }
  try {
    const file = open(unfinished, O_RDWR | O_CREAT | O_EXCL, 0o600);
    try {
      syscall("ftruncate", file, size);
      format(path, file);
      Deno.renameSync(unfinished, path);
      return file;
    } catch (error) {
      close(file);
      throw error;
    }
  } catch (error) {
    try {
      Deno.removeSync(unfinished);
    } catch {
      // The first error tells more.
    }
    if (!(error instanceof SyscallError)) throw error;
    throw refusal(`Cannot create image ${quote(path)}`, error);
  }
}

/** By its descriptor: whoever the directory belongs to can exchange the name. */
function format(path: string, file: number): void {
  const options = "lazy_itable_init=1,lazy_journal_init=1,nodiscard";
  const command = new Deno.Command("mke2fs", {
    args: [
      ...["-q", "-F", "-t", "ext4", "-m", "0", "-L", imageLabel],
      ...["-E", options, `/proc/${Deno.pid}/fd/${file}`],
    ],
    clearEnv: true,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    stdin: "null",
  });
  try {
    const { stderr, success } = command.outputSync();
    if (success) return;
    const words = new TextDecoder().decode(stderr).trim().split("\n")[0];
    throw new LaunchError(
      `Cannot make a file system in ${quote(path)}: mke2fs: ${words}`,
      "execve",
      0,
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new LaunchError(
      `Cannot make a file system in ${quote(path)}: mke2fs was not found: ` +
        "install e2fsprogs, or use -U to put the upper directory elsewhere",
      "execve",
      ERRNO.ENOENT,
    );
  }
}

/** statfs(2): type, size of a block, blocks, free and available ones. */
function sizeFor(path: string): number {
  const into = new Uint8Array(120);
  const directory = path.slice(0, path.lastIndexOf("/")) || "/";
  syscall("statfs", directory, { into });
  const [type, block, , , available] = new BigUint64Array(into.buffer);
  const share = Number(block * available) * SHARE;
  const size = Number(type) === VFAT ? Math.min(share, LARGEST_ON_VFAT) : share;
  if (size < SMALLEST) {
    throw new LaunchError(
      `Cannot create image ${quote(path)}: too little space is free: ` +
        "free some, or use -U to put the upper directory elsewhere",
      "statfs",
      ERRNO.ENOSPC,
    );
  }
  const MEBIBYTE = 1 << 20;
  return Math.floor(size / MEBIBYTE) * MEBIBYTE;
}

/**
 * Removes an image, if this program made it.
 *
 * @param path The path of the image. What else has that name stays.
 * @throws {SyscallError} If it cannot be removed.
 */
export function removeImage(path: string): void {
  using kept = new Descriptors();
  try {
    const above = kept.keep(open(dirname(path), O_PATH | O_DIRECTORY));
    const name = basename(path);
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    const file = kept.keep(openat(above, name, flags));
    if (isMade(file)) syscall("unlinkat", above, name, 0);
  } catch (error) {
    const isNone = ["ELOOP", "ENOENT", "ENOTDIR", "ENXIO"] as const;
    if (!isNone.some((code) => hasErrno(error, code))) throw error;
  }
}

/** The owner of a file on vfat is nobody's choice, but its rights are enough. */
function isMade(file: number): boolean {
  const { mode, uid } = statx(file, "", AT_EMPTY_PATH);
  if (!isOfType(mode, S_IFREG) || uid !== 0) return false;
  const superblock = new Uint8Array(SUPERBLOCK.size);
  const into = { into: superblock };
  syscall("pread64", file, into, SUPERBLOCK.size, SUPERBLOCK.offset);
  return isOwnImage(superblock);
}

function checkImage(path: string, file: number): void {
  if (!isMade(file)) {
    throw new UsageError(
      `Cannot use image ${quote(path)}: cage did not make it: ` +
        "move it away, or use -U to put the upper directory elsewhere",
    );
  }
}

function attach(path: string, file: number): Disk {
  try {
    // Held by the loop device as long as it has the file open.
    flock(file, LOCK_EX | LOCK_NB);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new UsageError(
      `Cannot use image ${quote(path)}: another instance uses it: ` +
        "stop that one with -k, or use another -a",
    );
  }
  try {
    for (;;) {
      const disk = attachToFree(path, file);
      if (disk !== undefined) return disk;
    }
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw refusal(`Cannot use image ${quote(path)} as a disk`, error);
  }
}

/** Somebody else may take the free device first. */
function attachToFree(path: string, file: number): Disk | undefined {
  const control = open("/dev/loop-control", O_RDWR);
  const number = ioctl(control, LOOP_CTL_GET_FREE);
  close(control);
  const device = `/dev/loop${number}`;
  const descriptor = open(device, O_RDWR);
  try {
    ioctl(descriptor, LOOP_CONFIGURE, loopConfig(path, file));
    return { device, descriptor };
  } catch (error) {
    close(descriptor);
    if (hasErrno(error, "EBUSY")) return undefined;
    throw error;
  }
}

function loopConfig(path: string, file: number): Uint8Array {
  const config = new Uint8Array(LOOP_CONFIG.size);
  const view = new DataView(config.buffer);
  view.setUint32(LOOP_CONFIG.fd, file, true);
  view.setUint32(LOOP_CONFIG.flags, LO_FLAGS_AUTOCLEAR, true);
  const name = new TextEncoder().encode(path).slice(0, LOOP_NAME_SIZE - 1);
  config.set(name, LOOP_CONFIG.name);
  return config;
}

function refusal(what: string, error: SyscallError): LaunchError {
  return refusalOf(what, error, "use -U to put the upper directory elsewhere");
}
