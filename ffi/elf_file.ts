/**
 * Existing ELF files: what they hold, and code put in front of them.
 *
 * Layout of a file whose start was taken over:
 *
 * | part            | where                                                |
 * | --------------- | ---------------------------------------------------- |
 * | the file        | as it was, but for three fields of its first header  |
 * | zeros           | as far as the file reaches in memory, and up to a    |
 * |                 | multiple of 64 KiB, the largest page                 |
 * | program headers | those of the file, moved, and one more               |
 * | code            | what the kernel jumps to                             |
 *
 * Headers and code are one segment of their own, after all others.
 *
 * Names and numbers are those of `elf.h` (elf(5)).
 *
 * @module
 */

import type { Arch } from "./arch.ts";

/** Program header of an ELF file: a part of it, and where that belongs. */
export interface ProgramHeader {
  /** Kind of the part (`PT_LOAD` is 1). */
  readonly type: number;
  /** Rights to its memory: 1 execute, 2 write, 4 read. */
  readonly flags: number;
  /** Place in the file, in bytes. */
  readonly offset: bigint;
  /** Place in memory. */
  readonly address: bigint;
  /** Place in physical memory: of no meaning here. */
  readonly physical: bigint;
  /** Bytes in the file. */
  readonly fileSize: bigint;
  /** Bytes in memory. */
  readonly memorySize: bigint;
  /** Place and address are the same modulo this. */
  readonly alignment: bigint;
}

/** What the kernel reads of an ELF file to start it. */
export interface ElfFile {
  /** What its code is for. */
  readonly arch: Arch;
  /** Where it starts. */
  readonly entry: bigint;
  /** Its program headers. */
  readonly headers: readonly ProgramHeader[];
}

/** Where code that takes over a file will be. */
export interface Place {
  /** The file as it was. */
  readonly file: ElfFile;
  /** Address of the code's first byte. */
  readonly address: bigint;
  /** Address of the program headers. */
  readonly headers: bigint;
  /**
   * How many program headers there are, that of the dynamic loader included,
   * which comes last.
   */
  readonly count: number;
  /** Address of the dynamic loader's path; none if the file is static. */
  readonly loader: bigint | undefined;
}

/** `PT_LOAD`: a part that the kernel maps. */
export const PT_LOAD = 1;
/** `PT_INTERP`: the path of the dynamic loader. */
export const PT_INTERP = 3;
/** `PT_PHDR`: the program headers themselves. */
export const PT_PHDR = 6;

const MACHINES: ReadonlyMap<number, Arch> = new Map([
  [62, "x86_64"],
  [183, "aarch64"],
]);

const FILE_HEADER_SIZE = 64;
const HEADER_SIZE = 56;
const LARGEST_PAGE = 0x10000n;
const READ_EXECUTE = 5;
const ET_EXEC = 2;
const ET_DYN = 3;

/**
 * Reads the header and the program headers of an ELF file.
 *
 * @param bytes The whole file.
 * @returns What it holds.
 * @throws {TypeError} If it is no 64-bit little-endian executable for a known
 * architecture, or is cut short.
 *
 * @example The program that runs this
 * ```ts
 * import { readElf } from "cage/ffi/elf_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const elf = readElf(Deno.readFileSync(Deno.execPath()));
 * assertEquals(elf.arch, Deno.build.arch);
 * ```
 */
export function readElf(bytes: Uint8Array): ElfFile {
  const view = viewOf(bytes);
  if (bytes.length < FILE_HEADER_SIZE || view.getUint32(0) !== 0x7f454c46) {
    throw refusal("it does not begin as an ELF file does");
  }
  if (view.getUint16(4) !== 0x0201) {
    throw refusal("it is not 64-bit and little-endian");
  }
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) {
    throw refusal(`type ${type} is not that of a program`);
  }
  const machine = view.getUint16(18, true);
  const arch = MACHINES.get(machine);
  if (arch === undefined) {
    throw refusal(`machine ${machine} is neither x86_64 nor aarch64`);
  }
  return {
    arch,
    entry: view.getBigUint64(24, true),
    headers: readHeaders(bytes, view),
  };
}

/**
 * Finds the byte of a file that is at an address when the file runs.
 *
 * @param elf The file's headers.
 * @param address The address.
 * @returns Its place in the file, or `undefined` if no part of the file is
 * mapped there.
 *
 * @example The entry point
 * ```ts
 * import { offsetOf, readElf } from "cage/ffi/elf_file.ts";
 * import { assert } from "@std/assert";
 *
 * const elf = readElf(Deno.readFileSync(Deno.execPath()));
 * assert(offsetOf(elf, elf.entry) !== undefined);
 * ```
 */
export function offsetOf(elf: ElfFile, address: bigint): number | undefined {
  const header = elf.headers.find((header) =>
    header.type === PT_LOAD && address >= header.address &&
    address < header.address + header.fileSize
  );
  return header && Number(address - header.address + header.offset);
}

/**
 * Puts code in front of a program: the kernel starts the code, before
 * anything of the file runs and before its dynamic loader does.
 *
 * The kernel does not learn of the dynamic loader: the program header that
 * names it (`PT_INTERP`) moves to the end of the list, and the file's header
 * counts one less. The code has to load it if there is one.
 *
 * @param bytes The whole file, which stays as it is.
 * @param make Makes the code, once told where it will be.
 * @returns The new file.
 * @throws {TypeError} If the file is not one that {@linkcode readElf} takes,
 * maps nothing, or has no room for another program header.
 *
 * @example Code of one byte
 * ```ts
 * import { readElf, takeOver } from "cage/ffi/elf_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const file = Deno.readFileSync("/bin/true");
 * const taken = takeOver(file, () => Uint8Array.of(0xcc));
 * assertEquals(taken.at(-1), 0xcc);
 * assertEquals(readElf(taken).arch, readElf(file).arch);
 * ```
 */
export function takeOver(
  bytes: Uint8Array,
  make: (place: Place) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  const file = readElf(bytes);
  const loader = file.headers.find(({ type }) => type === PT_INTERP);
  const kept = file.headers.filter(({ type }) => type !== PT_INTERP);
  const count = file.headers.length + 1;
  if (count >= 0xffff) throw refusal("it has too many program headers");

  const base = baseOf(file.headers);
  const end = endOf(file.headers) - base;
  const length = BigInt(bytes.length);
  const offset = alignUp(end > length ? end : length, LARGEST_PAGE);
  const start = base + offset;
  const tableSize = count * HEADER_SIZE;
  const code = make({
    file,
    address: start + BigInt(tableSize),
    headers: start,
    count,
    loader: loader?.address,
  });

  const added: ProgramHeader = {
    type: PT_LOAD,
    flags: READ_EXECUTE,
    offset,
    address: start,
    physical: start,
    fileSize: BigInt(tableSize + code.length),
    memorySize: BigInt(tableSize + code.length),
    alignment: LARGEST_PAGE,
  };
  const headers = [
    ...insertInOrder(kept, added).map((header) =>
      header.type === PT_PHDR ? movedTable(header, added, tableSize) : header
    ),
    ...(loader ? [loader] : []),
  ];

  const result = new Uint8Array(Number(offset) + tableSize + code.length);
  result.set(bytes);
  result.set(code, Number(offset) + tableSize);
  const view = viewOf(result);
  headers.forEach((header, index) =>
    writeHeader(view, Number(offset) + index * HEADER_SIZE, header)
  );
  view.setBigUint64(24, start + BigInt(tableSize), true);
  view.setBigUint64(32, offset, true);
  view.setUint16(56, loader ? count - 1 : count, true);
  return result;
}

function readHeaders(bytes: Uint8Array, view: DataView): ProgramHeader[] {
  const offset = view.getBigUint64(32, true);
  const size = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (size !== HEADER_SIZE) {
    throw refusal(`its program headers have ${size} bytes, not ${HEADER_SIZE}`);
  }
  if (offset + BigInt(count * size) > BigInt(bytes.length)) {
    throw refusal("it ends before its program headers do");
  }
  return Array.from(
    { length: count },
    (_, index) => readHeader(view, Number(offset) + index * size),
  );
}

function readHeader(view: DataView, at: number): ProgramHeader {
  const word = (index: number) => view.getBigUint64(at + 8 * index, true);
  return {
    type: view.getUint32(at, true),
    flags: view.getUint32(at + 4, true),
    offset: word(1),
    address: word(2),
    physical: word(3),
    fileSize: word(4),
    memorySize: word(5),
    alignment: word(6),
  };
}

function writeHeader(view: DataView, at: number, header: ProgramHeader): void {
  view.setUint32(at, header.type, true);
  view.setUint32(at + 4, header.flags, true);
  [
    header.offset,
    header.address,
    header.physical,
    header.fileSize,
    header.memorySize,
    header.alignment,
  ].forEach((word, index) => view.setBigUint64(at + 8 + 8 * index, word, true));
}

// The loadable parts must be in the order of their addresses (elf(5)), and
// the headers' own must come before them.
function insertInOrder(
  headers: readonly ProgramHeader[],
  added: ProgramHeader,
): ProgramHeader[] {
  const last = headers.findLastIndex(({ type }) => type === PT_LOAD);
  return headers.toSpliced(last + 1, 0, added);
}

function movedTable(
  header: ProgramHeader,
  segment: ProgramHeader,
  size: number,
): ProgramHeader {
  return {
    ...header,
    offset: segment.offset,
    address: segment.address,
    physical: segment.physical,
    fileSize: BigInt(size),
    memorySize: BigInt(size),
  };
}

// Some look for the program headers in memory where they are in the file:
// Linux before 5.18, static C libraries, and what deno compile makes, through
// the file's own header.
function baseOf(headers: readonly ProgramHeader[]): bigint {
  const first = headers.find(({ type }) => type === PT_LOAD);
  if (first === undefined) throw refusal("it maps nothing");
  return first.address - first.offset;
}

function endOf(headers: readonly ProgramHeader[]): bigint {
  const ends = headers.filter(({ type }) => type === PT_LOAD)
    .map(({ address, memorySize }) => address + memorySize);
  return ends.reduce((highest, end) => end > highest ? end : highest);
}

function alignUp(value: bigint, to: bigint): bigint {
  return (value + to - 1n) / to * to;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function refusal(reason: string): TypeError {
  return new TypeError(`Cannot use the program file: ${reason}`);
}
