/**
 * Memory that a process can have at the same address as another one, without
 * being a copy of it.
 *
 * @module
 */

import {
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  MFD_ALLOW_SEALING,
  RLIMIT_FSIZE,
} from "./constants.ts";
import { ERRNO } from "./errno.ts";
import { hasErrno } from "./errors.ts";
import { close, memfdCreate } from "./files.ts";
import { Mapping, mapShared } from "./native.ts";
import { syscall } from "./syscall.ts";

/**
 * Where such memory is: 64 to 128 GiB. A process that has just been executed
 * has its program far below, its stack and the kernel's own pages far above,
 * also where addresses have 39 bits only (aarch64 with pages of 4 kB).
 */
const LOWEST = 1n << 36n;
const HIGHEST = 1n << 37n;

/** Largest page of either architecture. */
const PAGE = 0x10000;

let next = LOWEST;

/** A file without a path, mapped. */
export interface SharedMemory {
  /** The memory. */
  readonly memory: Mapping;
  /** The descriptor of the file. */
  readonly descriptor: number;
}

/**
 * Makes memory in a file of its own.
 *
 * @param size How many bytes.
 * @returns The memory, zeroed, and the file, whose size nobody can change:
 * memory would be gone that is in use.
 * @throws {SyscallError} If there are no more descriptors, or a limit is in
 * the way.
 * @throws {RangeError} If there is not so much memory.
 *
 * @example What is written is in the file
 * ```ts
 * import { shareMemory } from "cage/ffi/shared_memory.ts";
 * import { close, read } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { descriptor, memory } = shareMemory(0x10000);
 * memory.bytes[0] = 7;
 * const byte = new Uint8Array(1);
 * read(descriptor, byte);
 * memory[Symbol.dispose]();
 * close(descriptor);
 * assertEquals(byte[0], 7);
 * ```
 */
export function shareMemory(size: number): SharedMemory {
  const descriptor = memfdCreate("cage-memory", MFD_ALLOW_SEALING);
  try {
    growTo(size, descriptor);
    const seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
    syscall("fcntl", descriptor, F_ADD_SEALS, seals);
    const memory = new Mapping(size, () => mapSomewhere(descriptor, size));
    return { descriptor, memory };
  } catch (error) {
    close(descriptor);
    throw error;
  }
}

/**
 * A limit of the caller's (`ulimit -f`) is meant for files that stay. Whoever
 * is above it gets a signal as well as an error, so it is taken away first, as
 * far as there is the privilege.
 */
function growTo(size: number, descriptor: number): void {
  const before = limitOfFiles();
  const [soft, hard] = before;
  if (soft >= BigInt(size)) {
    syscall("ftruncate", descriptor, size);
    return;
  }
  try {
    setLimitOfFiles([NO_LIMIT, NO_LIMIT]);
  } catch (error) {
    if (!hasErrno(error, "EPERM")) throw error;
    setLimitOfFiles([hard, hard]);
  }
  try {
    syscall("ftruncate", descriptor, size);
  } finally {
    setLimitOfFiles(before);
  }
}

/** `RLIM_INFINITY` of asm-generic/resource.h, and the two of a limit. */
const NO_LIMIT = 2n ** 64n - 1n;
type Limit = readonly [soft: bigint, hard: bigint];

function limitOfFiles(): Limit {
  const words = new BigUint64Array(2);
  const into = new Uint8Array(words.buffer);
  syscall("prlimit64", 0, RLIMIT_FSIZE, 0, { into });
  return [words[0], words[1]];
}

function setLimitOfFiles(limit: Limit): void {
  const bytes = new Uint8Array(new BigUint64Array(limit).buffer);
  syscall("prlimit64", 0, RLIMIT_FSIZE, bytes, 0);
}

/** After what was mapped last, since what was before may be there still. */
function mapSomewhere(descriptor: number, size: number): bigint {
  const step = BigInt(Math.ceil(size / PAGE) * PAGE);
  const tries = (HIGHEST - LOWEST) / step;
  for (let i = 0n; i < tries; i++) {
    const address = next + step > HIGHEST ? LOWEST : next;
    const result = mapShared(descriptor, size, address);
    next = address + step;
    if (result !== BigInt(-ERRNO.EEXIST)) return result;
  }
  return BigInt(-ERRNO.ENOMEM);
}
