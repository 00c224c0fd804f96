/**
 * Reads executables that were made of programs.
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import { type Call, NUMBERS, type SystemCall } from "./calls.ts";
import {
  HEADER_SIZE,
  HEADER_STOPPED,
  INSTRUCTION_SIZE,
  OWN,
  RESULT_OFFSET,
} from "./instruction.ts";
import { PROGRAM_ADDRESS, PROGRAM_OFFSET } from "./elf.ts";

/** A step that was read. */
export interface ReadStep {
  /** What it does. */
  readonly call: Call;
  /** Its six arguments. */
  readonly args: readonly bigint[];
  /** Where it goes after an error, if anywhere. */
  readonly ifError?: number;
  /** The error for which it does, 0 for all. */
  readonly errno: number;
  /** Where it goes when its result is 0, if anywhere. */
  readonly ifZero?: number;
  /**
   * Tells whether an argument is a result.
   *
   * @param index Which argument.
   * @returns Whether it is.
   */
  readonly isResult: (index: number) => boolean;
}

/** Longest text that is looked for, and most texts of a vector. */
const LONGEST = 4096;
const MOST = 256;

/** `e_machine` of elf.h, as `elf_header.ts` writes it. */
const MACHINES: Readonly<Record<number, Arch>> = {
  62: "x86_64",
  183: "aarch64",
};

/**
 * Reads an executable of `packElf`.
 *
 * @param bytes The file.
 * @returns The program; nothing if it is none.
 *
 * @example There and back
 * ```ts
 * import { packElf } from "cage/ffi/elf.ts";
 * import { readProgram } from "cage/ffi/read_elf.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { bytes } = packElf({
 *   steps: [{ call: "chdir", args: ["/"] }],
 * }, "x86_64");
 * const program = readProgram(bytes)!;
 * assertEquals(program.steps[0].call, "chdir");
 * assertEquals(program.textAt(program.steps[0].args[0]), "/");
 * ```
 */
export function readProgram(bytes: Uint8Array): ReadProgram | undefined {
  const isElf = bytes.length > PROGRAM_OFFSET + HEADER_SIZE &&
    bytes[0] === 0x7f && bytes[1] === 0x45;
  if (!isElf) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const arch = MACHINES[view.getUint16(18, true)];
  if (arch === undefined) return undefined;
  const steps = readSteps(view, arch);
  return steps && new ReadProgram(bytes, arch, steps);
}

/** A program that was read. */
export class ReadProgram {
  /** The architecture. */
  readonly arch: Arch;
  /** The steps, without the exit after the last one. */
  readonly steps: readonly ReadStep[];
  readonly #bytes: Uint8Array;

  /**
   * Keeps what was read.
   *
   * @param bytes The file.
   * @param arch The architecture.
   * @param steps The steps.
   */
  constructor(bytes: Uint8Array, arch: Arch, steps: readonly ReadStep[]) {
    this.#bytes = bytes;
    this.arch = arch;
    this.steps = steps;
  }

  /**
   * Tells whether an address is one of the program.
   *
   * @param address The address.
   * @returns Whether it is.
   */
  isInside(address: bigint): boolean {
    const end = BigInt(PROGRAM_ADDRESS - PROGRAM_OFFSET + this.#bytes.length);
    return address >= BigInt(PROGRAM_ADDRESS) && address < end;
  }

  /**
   * Reads bytes.
   *
   * @param address Their address.
   * @param size How many.
   * @returns The bytes; nothing if they are not there.
   */
  bytesAt(address: bigint, size: number): Uint8Array | undefined {
    if (!this.isInside(address) || size < 0) return undefined;
    const offset = Number(address) - PROGRAM_ADDRESS + PROGRAM_OFFSET;
    const bytes = this.#bytes.subarray(offset, offset + size);
    return bytes.length === size ? bytes : undefined;
  }

  /**
   * Reads a word of 64 bits.
   *
   * @param address Its address.
   * @returns The word; 0 if it is not there.
   */
  wordAt(address: bigint): bigint {
    const bytes = this.bytesAt(address, 8);
    if (bytes === undefined) return 0n;
    return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  }

  /**
   * Reads a text.
   *
   * @param address Its address.
   * @returns The text; nothing if what is there is none.
   */
  textAt(address: bigint): string | undefined {
    if (!this.isInside(address)) return undefined;
    const offset = Number(address) - PROGRAM_ADDRESS + PROGRAM_OFFSET;
    const end = this.#bytes.indexOf(0, offset);
    if (end === -1 || end - offset > LONGEST) return undefined;
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
        .decode(this.#bytes.subarray(offset, end));
      return /^[^\p{Cc}]*$/u.test(text.replace(/[\n\t]/g, ""))
        ? text
        : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * Reads a vector of texts.
   *
   * @param address Its address.
   * @returns The texts; nothing if what is there is none.
   */
  vectorAt(address: bigint): string[] | undefined {
    const texts: string[] = [];
    for (let index = 0n; index < MOST; index++) {
      const word = this.wordAt(address + 8n * index);
      if (word === 0n) return texts.length > 0 ? texts : undefined;
      const text = this.textAt(word);
      if (text === undefined) return undefined;
      texts.push(text);
    }
    return undefined;
  }

  /**
   * Finds the step whose result an argument is.
   *
   * @param address The argument.
   * @returns Which step it is.
   */
  resultOf(address: bigint): number | undefined {
    const offset = Number(address) - PROGRAM_ADDRESS - HEADER_SIZE -
      RESULT_OFFSET;
    return offset % INSTRUCTION_SIZE === 0
      ? offset / INSTRUCTION_SIZE
      : undefined;
  }
}

/** As far as anything goes: after that are data. */
function readSteps(view: DataView, arch: Arch): ReadStep[] | undefined {
  const names = namesOf(arch);
  const stop = Number(
    view.getBigUint64(PROGRAM_OFFSET + HEADER_STOPPED, true),
  );
  let farthest = stop === 0 ? 0 : stepAt(stop - PROGRAM_ADDRESS);
  const steps: ReadStep[] = [];
  for (let index = 0;; index++) {
    const offset = PROGRAM_OFFSET + HEADER_SIZE + INSTRUCTION_SIZE * index;
    if (offset + INSTRUCTION_SIZE > view.byteLength) return undefined;
    const step = readStep(view, offset, index, names);
    if (step === undefined) return undefined;
    const isEnd = step.call === "exit_group" && index >= farthest;
    farthest = Math.max(farthest, step.ifError ?? 0, step.ifZero ?? 0);
    steps.push(step);
    if (isEnd) return steps;
  }
}

function stepAt(offset: number): number {
  return (offset - HEADER_SIZE) / INSTRUCTION_SIZE;
}

function namesOf(arch: Arch): ReadonlyMap<number, Call> {
  const index = arch === "x86_64" ? 0 : 1;
  const calls = Object.entries(NUMBERS) as [SystemCall, readonly number[]][];
  return new Map<number, Call>([
    ...calls.map(([name, numbers]) => [numbers[index], name] as const),
    ...Object.entries(OWN).map(([name, number]) =>
      [number, name as Call] as const
    ),
  ]);
}

function readStep(
  view: DataView,
  offset: number,
  index: number,
  names: ReadonlyMap<number, Call>,
): ReadStep | undefined {
  const call = names.get(view.getUint32(offset, true));
  const mask = view.getUint32(offset + 4, true);
  if (call === undefined || mask > 0x3f) return undefined;
  const to = (distance: number) =>
    distance === 0 ? undefined : index + (distance - 1) / INSTRUCTION_SIZE;
  const ifError = to(view.getInt32(offset + 64, true));
  const ifZero = to(Number(view.getBigInt64(offset + 72, true)));
  return {
    call,
    args: Array.from(
      { length: 6 },
      (_, at) => view.getBigUint64(offset + 8 + 8 * at, true),
    ),
    errno: view.getUint32(offset + 68, true),
    ...(ifError === undefined ? {} : { ifError }),
    ...(ifZero === undefined ? {} : { ifZero }),
    isResult: (at) => (mask >> at & 1) === 1,
  };
}
