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
import {
  BASE,
  elfHeader,
  headerSize,
  PAGE,
  PF_R,
  PF_W,
  PF_X,
  type Segment,
} from "./elf_header.ts";
import { isOwnCall } from "./calls.ts";
import { HEADER_STOPPED } from "./instruction.ts";
import { HEADER_DISTANCE, machineOf } from "./machine.ts";
import type { Program } from "./step.ts";

/** An executable. */
export interface Elf {
  /** The file. */
  readonly bytes: Uint8Array;
  /** Where each named buffer is in the file, to be filled in later. */
  readonly offsets: Readonly<Record<string, number>>;
}

/** Code and data. */
const SEGMENTS = 2;

const CODE_OFFSET = headerSize(SEGMENTS);

/**
 * Bytes from the start of the file to the program. The two mappings are a page
 * apart, so it is the rest of their distance.
 */
export const PROGRAM_OFFSET: number = CODE_OFFSET + HEADER_DISTANCE - PAGE;
/** The address of the program, whose first bytes are the header. */
export const PROGRAM_ADDRESS: number = BASE + PAGE + PROGRAM_OFFSET;

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
 * assert(bytes.length < 2048);
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
  bytes.set(elfHeader(arch, BASE + CODE_OFFSET, segments(size)));
  const { code, extended, standalone } = machineOf(arch);
  const isPlain = program.steps.every(({ call }) =>
    call === "load" || !isOwnCall(call)
  );
  bytes.set(code.subarray(0, isPlain ? standalone : extended), CODE_OFFSET);
  for (const piece of pieces) {
    bytes.set(piece.bytes, PROGRAM_OFFSET + piece.offset);
  }
  if (program.onStop !== undefined) {
    new DataView(bytes.buffer).setBigUint64(
      PROGRAM_OFFSET + HEADER_STOPPED,
      assembly.addressOf(program.onStop),
      true,
    );
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

function segments(size: number): Segment[] {
  return [
    { rights: PF_R | PF_X, offset: 0, address: BASE, size: PROGRAM_OFFSET },
    {
      rights: PF_R | PF_W,
      offset: PROGRAM_OFFSET,
      address: PROGRAM_ADDRESS,
      size: size - PROGRAM_OFFSET,
    },
  ];
}
