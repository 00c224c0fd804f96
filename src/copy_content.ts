/**
 * Copies what is in a file, and where nothing is.
 *
 * @module
 */

import { ERRNO } from "../ffi/errno.ts";
import {
  hasErrno,
  read,
  syscall,
  SyscallError,
  writeAll,
} from "../ffi/libc.ts";

/** lseek(2): linux/fs.h, Linux 3.1. */
const SEEK_SET = 0;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** As much as is copied by one call. */
const CHUNK = 1 << 26;

/** As much as is read and written where the kernel does not copy. */
const BUFFER = 0x40000;

/**
 * Copies a regular file, and leaves holes where it has holes.
 *
 * @param from A descriptor of the file.
 * @param to A descriptor of an empty file.
 * @param size The size of the file.
 * @throws {SyscallError} If it fails.
 */
export function copyContent(from: number, to: number, size: number): void {
  syscall("ftruncate", to, size);
  for (let at = 0; at < size;) {
    const start = seekData(from, at);
    if (start === undefined) return;
    const end = Math.min(size, seek(from, start, SEEK_HOLE));
    seek(from, start, SEEK_SET);
    seek(to, start, SEEK_SET);
    copyBytes(from, to, end - start);
    at = end;
  }
}

function seek(file: number, at: number, whence: number): number {
  return syscall("lseek", file, at, whence);
}

function seekData(file: number, at: number): number | undefined {
  try {
    return seek(file, at, SEEK_DATA);
  } catch (error) {
    // There is nothing more until the end.
    if (hasErrno(error, "ENXIO")) return undefined;
    throw error;
  }
}

/** Where both are, the kernel copies, and shares blocks if it can. */
function copyBytes(from: number, to: number, count: number): void {
  let left = count;
  while (left > 0) {
    const done = copyRange(from, to, Math.min(left, CHUNK));
    if (done === undefined) return copyByHand(from, to, left);
    if (done === 0) return;
    left -= done;
  }
}

/** Errors of file systems that cannot: copy_file_range(2). */
const CANNOT: readonly number[] = [
  ERRNO.EXDEV,
  ERRNO.EINVAL,
  ERRNO.ENOSYS,
  ERRNO.EOPNOTSUPP,
];

function copyRange(from: number, to: number, count: number) {
  try {
    return syscall("copy_file_range", from, 0, to, 0, count, 0);
  } catch (error) {
    if (error instanceof SyscallError && CANNOT.includes(error.errno)) return;
    throw error;
  }
}

function copyByHand(from: number, to: number, count: number): void {
  const buffer = new Uint8Array(BUFFER);
  for (let left = count; left > 0;) {
    const size = read(from, buffer.subarray(0, Math.min(left, BUFFER)));
    if (size === 0) return;
    writeAll(to, buffer.subarray(0, size));
    left -= size;
  }
}
