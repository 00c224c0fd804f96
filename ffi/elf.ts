/**
 * Programs as executables of their own.
 *
 * A file of a few kilobytes: the ELF header, the machine, the program. The
 * kernel maps it twice, so that nothing is writable and executable:
 *
 * | file            | address     | what                       | rights |
 * | --------------- | ----------- | -------------------------- | ------ |
 * | 0               | 0x400000    | ELF header, machine        | r-x    |
 * | program's start | that + 64 k | header, instructions, data | rw-    |
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import { Assembly, type Extent } from "./assemble.ts";
import { HEADER_DISTANCE, MACHINE } from "./machine.ts";
import type { Program } from "./step.ts";

/** An executable. */
export interface Elf {
  /** The file. */
  readonly bytes: Uint8Array;
  /** Where each named buffer is in the file, to be filled in later. */
  readonly offsets: Readonly<Record<string, number>>;
}

/** Where the file is mapped: below it the kernel may map nothing. */
const BASE = 0x400000;

/** Largest page of either architecture: 64 kB on aarch64. */
const PAGE = 0x10000;

/** Sizes of `Elf64_Ehdr` and `Elf64_Phdr`, linux/elf.h, Linux 6.1. */
const EHDR_SIZE = 64;
const PHDR_SIZE = 56;

/** Three program headers, rounded up to 16. */
const CODE_OFFSET = 240;

/** The two mappings are a page apart, so the rest is the distance in the file. */
const PROGRAM_OFFSET = CODE_OFFSET + HEADER_DISTANCE - PAGE;
const PROGRAM_ADDRESS = BASE + PAGE + PROGRAM_OFFSET;

/** `e_machine`: `EM_X86_64` and `EM_AARCH64`, linux/elf-em.h, Linux 6.1. */
const ELF_MACHINE: Readonly<Record<Arch, number>> = {
  x86_64: 62,
  aarch64: 183,
};

/** `p_type` and `p_flags`, linux/elf.h, Linux 6.1. */
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;

/**
 * Makes an executable of a program.
 *
 * @param program The program.
 * @param arch The architecture.
 * @returns The file, and where its buffers are in it.
 * @throws {TypeError} If a call or an argument is not one.
 * @throws {RangeError} If a name is unknown or a number does not fit.
 *
 * @example An executable that exits with 7
 * ```ts
 * import { packElf } from "cage/ffi/elf.ts";
 * import { assert } from "@std/assert";
 *
 * const { bytes } = packElf({
 *   steps: [{ call: "exit_group", args: [7] }],
 * }, "x86_64");
 * assert(bytes.length < 1024);
 * ```
 */
export function packElf(program: Program, arch: Arch): Elf {
  const assembly = new Assembly({
    arch,
    address: BigInt(PROGRAM_ADDRESS),
    room: program.steps.length,
  });
  const pieces = assembly.add(program);
  const size = Math.max(...pieces.map(end)) + PROGRAM_OFFSET;
  const bytes = new Uint8Array(size);
  bytes.set(fileHeader(arch));
  const { code, standalone } = MACHINE[arch];
  bytes.set(code.subarray(0, standalone), CODE_OFFSET);
  segments(size).forEach((segment, i) =>
    bytes.set(segment, EHDR_SIZE + PHDR_SIZE * i)
  );
  for (const piece of pieces) {
    bytes.set(piece.bytes, PROGRAM_OFFSET + piece.offset);
  }
  const offsets = Object.fromEntries(
    assembly.buffers.map((name) => [name, inFile(assembly.buffer(name))]),
  );
  return { bytes, offsets };
}

function end({ offset, bytes }: { offset: number; bytes: Uint8Array }): number {
  return offset + bytes.length;
}

function inFile({ offset }: Extent): number {
  return PROGRAM_OFFSET + offset;
}

/** `Elf64_Ehdr`: 64 bits, little endian, version 1, any system. */
function fileHeader(arch: Arch): Uint8Array {
  const bytes = new Uint8Array(EHDR_SIZE);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // e_type: ET_EXEC
  view.setUint16(18, ELF_MACHINE[arch], true);
  view.setUint32(20, 1, true); // e_version
  view.setBigUint64(24, BigInt(BASE + CODE_OFFSET), true); // e_entry
  view.setBigUint64(32, BigInt(EHDR_SIZE), true); // e_phoff
  view.setUint16(52, EHDR_SIZE, true);
  view.setUint16(54, PHDR_SIZE, true);
  view.setUint16(56, 3, true); // e_phnum
  view.setUint16(58, 64, true); // e_shentsize
  return bytes;
}

function segments(size: number): Uint8Array[] {
  return [
    segment(PT_LOAD, PF_R | PF_X, 0, BASE, PROGRAM_OFFSET),
    segment(
      PT_LOAD,
      PF_R | PF_W,
      PROGRAM_OFFSET,
      PROGRAM_ADDRESS,
      size - PROGRAM_OFFSET,
    ),
    // Without it the kernel makes all that is readable executable on x86_64.
    segment(PT_GNU_STACK, PF_R | PF_W, 0, 0, 0),
  ];
}

/** `Elf64_Phdr`. */
function segment(
  type: number,
  flags: number,
  offset: number,
  address: number,
  size: number,
): Uint8Array {
  const bytes = new Uint8Array(PHDR_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, flags, true);
  [offset, address, address, size, size, type === PT_LOAD ? PAGE : 16]
    .forEach((value, i) => view.setBigUint64(8 + 8 * i, BigInt(value), true));
  return bytes;
}
