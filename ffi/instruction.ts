/**
 * How a step is written in memory for the machine.
 *
 * An instruction is ten words of 64 bits, little endian:
 *
 * | byte  | what                                                             |
 * | ----- | ---------------------------------------------------------------- |
 * | 0     | u32 number of the call; one of {@linkcode OWN} is negative       |
 * | 4     | u32 mask: bit i if argument i is the address of a value to read  |
 * | 8…55  | six arguments                                                    |
 * | 56    | the result, which the machine writes                             |
 * | 64    | i32 where to go after an error, 0 to stop                        |
 * | 68    | u32 the errno that this is for, 0 for any                        |
 * | 72    | i64 where to go when the result is 0, 0 for the next instruction |
 *
 * "Where" is the distance in bytes from this instruction, plus 1, so that an
 * instruction can go to itself (to try again after EINTR).
 *
 * Before the first instruction is the header: the addresses of the instruction
 * that failed last, and of the one that stopped the program. Where the second
 * is not 0 at the start, it is where to go on instead of ending.
 *
 * @module
 */

import type { OwnCall } from "./calls.ts";

/** The size of an instruction in bytes. */
export const INSTRUCTION_SIZE = 80;

/** The size of the header in bytes. */
export const HEADER_SIZE = 16;

/** Where the header keeps the instruction that failed last. */
export const HEADER_FAILED = 0;

/** Where the header keeps the instruction that stopped the program. */
export const HEADER_STOPPED = 8;

/** Where the result is in an instruction. */
export const RESULT_OFFSET = 56;

/** The numbers of what the machine does by itself. */
export const OWN: Readonly<Record<OwnCall, number>> = {
  load: 0xffffffff,
  fetch: 0xfffffffe,
  store: 0xfffffffd,
  subtract: 0xfffffffc,
  stack: 0xfffffffb,
  parse: 0xfffffffa,
  unpack: 0xfffffff9,
  find: 0xfffffff8,
};

/** An instruction with everything in it resolved. */
export interface Instruction {
  /** The number of the call, or one of {@linkcode OWN}. */
  readonly number: number;
  /** Six arguments or fewer. */
  readonly args: readonly bigint[];
  /** Bit i if argument i is the address of a value to read. */
  readonly mask: number;
  /** After an error: how many instructions away, and for which errno. */
  readonly onError?: { readonly away: number; readonly errno: number };
  /** How many instructions away to go when the result is 0. */
  readonly ifZero?: number;
}

/**
 * Writes an instruction as bytes.
 *
 * @param instruction The instruction.
 * @returns {@linkcode INSTRUCTION_SIZE} bytes.
 *
 * @example An exit with status 7
 * ```ts
 * import { encodeInstruction } from "cage/ffi/instruction.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = encodeInstruction({ number: 231, args: [7n], mask: 0 });
 * assertEquals([bytes.length, bytes[0], bytes[8]], [80, 231, 7]);
 * ```
 */
export function encodeInstruction(instruction: Instruction): Uint8Array {
  const { number, args, mask, onError, ifZero } = instruction;
  const bytes = new Uint8Array(INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, number, true);
  view.setUint32(4, mask, true);
  args.forEach((arg, i) => view.setBigUint64(8 + 8 * i, arg, true));
  if (onError !== undefined) {
    view.setInt32(64, where(onError.away), true);
    view.setUint32(68, onError.errno, true);
  }
  if (ifZero !== undefined) {
    view.setBigInt64(72, BigInt(where(ifZero)), true);
  }
  return bytes;
}

function where(away: number): number {
  return INSTRUCTION_SIZE * away + 1;
}
