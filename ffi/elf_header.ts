/**
 * The headers of executables that are made here: ELF of 64 bits, little endian,
 * static, at a fixed address.
 *
 * @module
 */

import type { Arch } from "./arch.ts";

/** Where files are mapped: below it the kernel may map nothing. */
export const BASE = 0x400000;

/** Largest page of either architecture: 64 kB on aarch64. */
export const PAGE = 0x10000;

/** Sizes of `Elf64_Ehdr` and `Elf64_Phdr`, linux/elf.h, Linux 6.1. */
const EHDR_SIZE = 64;
const PHDR_SIZE = 56;

/** `e_machine`: `EM_X86_64` and `EM_AARCH64`, linux/elf-em.h, Linux 6.1. */
const ELF_MACHINE: Readonly<Record<Arch, number>> = {
  x86_64: 62,
  aarch64: 183,
};

/** `p_type` and `p_flags`, linux/elf.h, Linux 6.1. */
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;

/** `PF_X` of linux/elf.h: the segment can be executed. */
export const PF_X = 1;
/** `PF_W` of linux/elf.h: it can be written. */
export const PF_W = 2;
/** `PF_R` of linux/elf.h: it can be read. */
export const PF_R = 4;

/** A part of the file that is mapped. */
export interface Segment {
  /** `PF_R`, `PF_W` and `PF_X`. */
  readonly rights: number;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** The address. */
  readonly address: number;
  /** The number of bytes. */
  readonly size: number;
}

/**
 * Tells where code can begin in a file.
 *
 * @param segments How many parts of the file are mapped.
 * @returns Bytes from the start of the file, a multiple of 16.
 *
 * @example Two segments
 * ```ts
 * import { headerSize } from "cage/ffi/elf_header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(headerSize(2), 240);
 * ```
 */
export function headerSize(segments: number): number {
  // One more: what is said of the stack.
  return Math.ceil((EHDR_SIZE + PHDR_SIZE * (segments + 1)) / 16) * 16;
}

/**
 * Makes the headers of a file.
 *
 * @param arch The architecture.
 * @param entry The address of the first instruction.
 * @param segments What is mapped.
 * @returns `Elf64_Ehdr` and the `Elf64_Phdr` after it.
 *
 * @example The magic number
 * ```ts
 * import { elfHeader } from "cage/ffi/elf_header.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const [, ...letters] = elfHeader("x86_64", 0x400000, []).subarray(0, 4);
 * assertEquals(String.fromCharCode(...letters), "ELF");
 * ```
 */
export function elfHeader(
  arch: Arch,
  entry: number,
  segments: readonly Segment[],
): Uint8Array {
  const bytes = new Uint8Array(headerSize(segments.length));
  bytes.set(fileHeader(arch, entry, segments.length + 1));
  const stack = { rights: PF_R | PF_W, offset: 0, address: 0, size: 0 };
  [
    ...segments.map((segment) => programHeader(PT_LOAD, PAGE, segment)),
    // Without it the kernel makes all that is readable executable on x86_64.
    programHeader(PT_GNU_STACK, 16, stack),
  ].forEach((header, i) => bytes.set(header, EHDR_SIZE + PHDR_SIZE * i));
  return bytes;
}

/** `Elf64_Ehdr`: 64 bits, little endian, version 1, any system. */
function fileHeader(arch: Arch, entry: number, count: number): Uint8Array {
  const bytes = new Uint8Array(EHDR_SIZE);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // e_type: ET_EXEC
  view.setUint16(18, ELF_MACHINE[arch], true);
  view.setUint32(20, 1, true); // e_version
  view.setBigUint64(24, BigInt(entry), true); // e_entry
  view.setBigUint64(32, BigInt(EHDR_SIZE), true); // e_phoff
  view.setUint16(52, EHDR_SIZE, true);
  view.setUint16(54, PHDR_SIZE, true);
  view.setUint16(56, count, true); // e_phnum
  view.setUint16(58, 64, true); // e_shentsize
  return bytes;
}

/** `Elf64_Phdr`. */
function programHeader(
  type: number,
  alignment: number,
  { address, offset, rights, size }: Segment,
): Uint8Array {
  const bytes = new Uint8Array(PHDR_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, rights, true);
  [offset, address, address, size, size, alignment]
    .forEach((value, i) => view.setBigUint64(8 + 8 * i, BigInt(value), true));
  return bytes;
}
