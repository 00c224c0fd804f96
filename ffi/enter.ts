/**
 * The way into shared memory: an executable that maps the memory of a
 * {@linkcode SharedBlock} where that has it, and runs the program in it.
 *
 * A child of `Block` has the memory of the process that made it, and so
 * `/proc/self/exe` of it is that process's program. Whoever can have it execute
 * that link gets hold of the file (CVE-2019-5736). One that has executed this
 * first has a few hundred bytes instead, which nobody can change, and none of
 * the descriptors that were to be closed.
 *
 * | file | address  | what                                  | rights |
 * | ---- | -------- | ------------------------------------- | ------ |
 * | 0    | 0x400000 | ELF header, `enter_code.ts`, machine  | r-x    |
 *
 * The file that holds the memory is closed as soon as it is mapped. Whoever
 * executes this without it, such as by a link to `/proc/self/exe`, ends with
 * status {@linkcode NOT_ENTERED}.
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import { BASE, elfHeader, headerSize, PF_R, PF_X } from "./elf_header.ts";
import { ENTER_WORDS, enterCode } from "./enter_code.ts";
import { machineOf } from "./machine.ts";

/** Memory that a file holds. */
export interface Shared {
  /** Where it is mapped. */
  readonly address: bigint;
  /** How many bytes. */
  readonly size: number;
  /** The descriptor of the file in the process that executes this. */
  readonly descriptor: number;
}

/** The status where there is no memory: "cannot be executed", as of sh(1). */
export const NOT_ENTERED = 126;

/**
 * Makes the executable.
 *
 * @param shared The memory, whose first bytes are the header of a program.
 * @param arch The architecture.
 * @returns The file.
 *
 * @example It is small
 * ```ts
 * import { enterElf } from "cage/ffi/enter.ts";
 * import { assert } from "@std/assert";
 *
 * const shared = { address: 1n << 36n, size: 1 << 20, descriptor: 9 };
 * assert(enterElf(shared, "x86_64").length < 1024);
 * ```
 */
export function enterElf(
  { address, descriptor, size }: Shared,
  arch: Arch,
): Uint8Array {
  const code = enterCode(arch);
  const view = new DataView(code.buffer);
  [address, BigInt(size), BigInt(descriptor)].forEach((word, i) =>
    view.setBigUint64(code.length + 8 * (i - ENTER_WORDS), word, true)
  );
  const machine = machineOf(arch);
  const run = machine.code.subarray(machine.entry.run, machine.standalone);
  const start = headerSize(1);
  const bytes = new Uint8Array(start + code.length + run.length);
  bytes.set(elfHeader(arch, BASE + start, [{
    rights: PF_R | PF_X,
    offset: 0,
    address: BASE,
    size: bytes.length,
  }]));
  bytes.set(code, start);
  bytes.set(run, start + code.length);
  return bytes;
}
