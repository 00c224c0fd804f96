/**
 * Programs made into the bytes that the machine reads.
 *
 * The memory begins with the header, the instructions follow, then their data:
 *
 * ```text
 * header | instructions …, an exit, room for more | texts, bytes, buffers …
 * ```
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import { callNumber, isOwnCall, isSystemCall, OWN_CALLS } from "./calls.ts";
import { Data, word } from "./data.ts";
import { ERRNO, type ErrnoName } from "./errno.ts";
import {
  encodeInstruction,
  HEADER_SIZE,
  type Instruction,
  INSTRUCTION_SIZE,
  OWN,
  RESULT_OFFSET,
} from "./instruction.ts";
import type { Argument, Program, Step, WordsArgument } from "./step.ts";

/** Where a program is to be. */
export interface Place {
  /** The architecture. */
  readonly arch: Arch;
  /** The address of the header, aligned to 16. */
  readonly address: bigint;
  /** The number of steps that there is room for. */
  readonly room: number;
  /** The size of the memory in bytes, header included; no limit if absent. */
  readonly size?: number;
}

/** Bytes to be written. */
export interface Piece {
  /** Bytes from the header. */
  readonly offset: number;
  /** What to write there. */
  readonly bytes: Uint8Array;
}

/** Memory that is part of a program. */
export interface Extent {
  /** Bytes from the header. */
  readonly offset: number;
  /** The number of bytes. */
  readonly size: number;
}

/**
 * Programs one after the other at one place.
 *
 * @example A second program that uses what the first one opened
 * ```ts
 * import { Assembly } from "cage/ffi/assemble.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const place = { arch: "x86_64", address: 0x10000n, room: 8 } as const;
 * const assembly = new Assembly(place);
 * assembly.add({
 *   steps: [{ name: "root", call: "openat", args: [-100, "/", 0] }],
 * });
 * assembly.add({ steps: [{ call: "fchdir", args: [{ result: "root" }] }] });
 * assertEquals(assembly.steps.length, 2);
 * assertEquals(assembly.resultOffset("root"), 72);
 * ```
 */
export class Assembly {
  readonly #place: Place;
  readonly #dataOffset: number;
  #known: Known = { steps: [], labels: new Map(), buffers: new Map() };
  #addresses = new Map<Uint8Array | WordsArgument, bigint>();
  #used = 0;

  /**
   * Makes an empty place.
   *
   * @param place The place.
   */
  constructor(place: Place) {
    this.#place = place;
    // One more than there is room for: the exit after the last step.
    const end = HEADER_SIZE + INSTRUCTION_SIZE * (place.room + 1);
    this.#dataOffset = aligned(end);
  }

  /** The steps so far, in order. */
  get steps(): readonly Step[] {
    return this.#known.steps;
  }

  /** The names of the buffers so far. */
  get buffers(): readonly string[] {
    return [...this.#known.buffers.keys()];
  }

  /**
   * Puts a program after those that are there. It sees their names; they
   * cannot see its. Nothing changes if it cannot be put there.
   *
   * @param program The program.
   * @returns What to write, in this order, so that a child that waits in the
   * last step finds the data when it goes on.
   * @throws {TypeError} If a call is unknown, or has too many arguments, or a
   * text cannot be one of the kernel's.
   * @throws {RangeError} If a name is unknown or not new, a number does not
   * fit, or there is not enough room.
   */
  add(program: Program): Piece[] {
    const first = this.#known.steps.length;
    this.#checkRoom(program.steps.length);
    const { known, end } = this.#learn(program);
    const data = new Data(this.#place.address + BigInt(end));
    this.#addresses = new Map();
    const instructions = new Uint8Array(
      INSTRUCTION_SIZE * (program.steps.length + 1),
    );
    program.steps.forEach((step, i) => {
      const bytes = explain(
        step,
        first + i,
        () => encodeInstruction(this.#resolve(step, first + i, known, data)),
      );
      instructions.set(bytes, INSTRUCTION_SIZE * i);
    });
    instructions.set(this.#exit(), INSTRUCTION_SIZE * program.steps.length);
    this.#checkSize(end + data.length);
    this.#known = known;
    this.#used = aligned(end + data.length) - this.#dataOffset;
    return [
      // Buffers are not written: the memory is zero, and may be large.
      { offset: end, bytes: data.contents() },
      { offset: stepOffset(first), bytes: instructions },
    ];
  }

  /**
   * Finds the result of a step.
   *
   * @param name The name of the step.
   * @returns Bytes from the header to the 64 bits of the result.
   * @throws {RangeError} If no step has this name.
   */
  resultOffset(name: string): number {
    return stepOffset(find("result", this.#known.labels, name)) + RESULT_OFFSET;
  }

  /**
   * Finds a step.
   *
   * @param name The name of the step.
   * @returns Its address.
   * @throws {RangeError} If no step has this name.
   */
  addressOf(name: string): bigint {
    const index = find("label", this.#known.labels, name);
    return this.#place.address + BigInt(stepOffset(index));
  }

  /**
   * Finds a buffer.
   *
   * @param name The name of the buffer.
   * @returns Where it is.
   * @throws {RangeError} If no buffer has this name.
   */
  buffer(name: string): Extent {
    return find("buffer", this.#known.buffers, name);
  }

  /**
   * Finds the step that an address in the header means.
   *
   * @param address The address of an instruction.
   * @returns The step, and where its result is.
   */
  stepAt(address: bigint): { step: Step; resultOffset: number } | undefined {
    const offset = Number(address - this.#place.address);
    const step = this.#known.steps[(offset - HEADER_SIZE) / INSTRUCTION_SIZE];
    return step && { step, resultOffset: offset + RESULT_OFFSET };
  }

  #checkRoom(more: number): void {
    const left = this.#place.room - this.#known.steps.length;
    if (more > left) {
      throw new RangeError(
        `Cannot assemble program: ${more} steps are more than the ${left} ` +
          "that there is room for",
      );
    }
  }

  #checkSize(end: number): void {
    const { size = Infinity } = this.#place;
    if (end > size) {
      throw new RangeError(
        `Cannot assemble program: it needs ${end} bytes of memory, ` +
          `and there are ${size}`,
      );
    }
  }

  /** All names and steps with those of the program, and where buffers end. */
  #learn(program: Program): { known: Known; end: number } {
    const { steps, labels, buffers } = this.#known;
    const known = {
      steps: [...steps, ...program.steps],
      labels: new Map(labels),
      buffers: new Map(buffers),
    };
    program.steps.forEach(({ name }, i) => {
      if (name === undefined) return;
      checkNew("step", known.labels, name);
      known.labels.set(name, steps.length + i);
    });
    let end = this.#dataOffset + this.#used;
    for (const [name, size] of Object.entries(program.buffers ?? {})) {
      checkNew("buffer", known.buffers, name);
      if (!Number.isSafeInteger(size) || size < 0) {
        throw new RangeError(
          `Cannot assemble program: buffer "${name}" of ${size} bytes`,
        );
      }
      this.#checkSize(end + size);
      known.buffers.set(name, { offset: end, size });
      end = aligned(end + size);
    }
    return { known, end };
  }

  #resolve(step: Step, index: number, known: Known, data: Data): Instruction {
    const { call, args, onError, ifZero, blame } = step;
    const goes = (label: string) => find("label", known.labels, label) - index;
    if (blame !== undefined) find("step to blame", known.labels, blame);
    checkForm(step);
    return {
      number: isOwnCall(call) ? OWN[call] : callNumber(call, this.#place.arch),
      args: args.map((arg) => this.#argument(arg, known, data)),
      mask: args.reduce<number>(
        (mask, arg, i) => isResult(arg) ? mask | 1 << i : mask,
        0,
      ),
      ...(onError && {
        onError: {
          away: onError.goto === undefined ? 1 : goes(onError.goto),
          errno: onError.errno === undefined ? 0 : errnoOf(onError.errno),
        },
      }),
      ...(ifZero !== undefined && { ifZero: goes(ifZero) }),
    };
  }

  #argument(arg: Argument, known: Known, data: Data): bigint {
    if (typeof arg === "number" || typeof arg === "bigint") return word(arg);
    if (typeof arg === "string") return data.text(arg);
    if (arg instanceof Uint8Array) {
      return this.#once(arg, () => data.bytes(arg));
    }
    if (isVector(arg)) return data.vector(arg);
    if ("words" in arg) {
      return this.#once(arg, () => {
        const words = arg.words.map((word) => {
          if (isResult(word)) throw new TypeError("a word cannot be a result");
          return this.#argument(word, known, data);
        });
        return data.bytes(new Uint8Array(new BigUint64Array(words).buffer));
      });
    }
    if (isResult(arg)) {
      const index = find("result", known.labels, arg.result);
      return this.#place.address + BigInt(stepOffset(index) + RESULT_OFFSET);
    }
    if ("header" in arg) return this.#place.address + BigInt(arg.header);
    const { offset, size } = find("buffer", known.buffers, arg.buffer);
    const inside = arg.offset ?? 0;
    if (!Number.isSafeInteger(inside) || inside < 0 || inside > size) {
      throw new RangeError(
        `offset ${inside} is not in buffer "${arg.buffer}" of ${size} bytes`,
      );
    }
    return this.#place.address + BigInt(offset + inside);
  }

  /** The same object is in memory once. */
  #once(object: Uint8Array | WordsArgument, put: () => bigint): bigint {
    const address = this.#addresses.get(object) ?? put();
    this.#addresses.set(object, address);
    return address;
  }

  /** The end of a program, where nothing may run on into unwritten memory. */
  #exit(): Uint8Array {
    const number = callNumber("exit_group", this.#place.arch);
    return encodeInstruction({ number, args: [0n], mask: 0 });
  }
}

/** What the names mean. */
interface Known {
  readonly steps: readonly Step[];
  readonly labels: ReadonlyMap<string, number>;
  readonly buffers: ReadonlyMap<string, Extent>;
}

/** For any struct of the kernel. */
function aligned(offset: number): number {
  return Math.ceil(offset / 16) * 16;
}

function stepOffset(index: number): number {
  return HEADER_SIZE + INSTRUCTION_SIZE * index;
}

function find<T>(kind: string, map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined) throw new RangeError(`unknown ${kind} "${name}"`);
  return value;
}

function checkNew(
  kind: string,
  map: ReadonlyMap<string, unknown>,
  name: string,
): void {
  if (map.has(name)) {
    throw new RangeError(
      `Cannot assemble program: there are two ${kind}s "${name}"`,
    );
  }
}

function checkForm({ call, args, onError }: Step): void {
  if (!isOwnCall(call) && !isSystemCall(call)) {
    throw new TypeError(`unknown call "${call}"`);
  }
  const most = isOwnCall(call) ? OWN_CALLS[call] : 6;
  if (args.length > most) {
    throw new TypeError(`${args.length} arguments, and it takes ${most}`);
  }
  if (!isOwnCall(call)) return;
  if (args.length === 0 && most > 0) {
    throw new TypeError(`${call} needs an address`);
  }
  if (onError !== undefined) {
    throw new TypeError(`${call} never fails: leave onError out`);
  }
}

function errnoOf(name: ErrnoName): number {
  const errno = ERRNO[name];
  if (errno === undefined) throw new RangeError(`unknown error "${name}"`);
  return errno;
}

function isVector(arg: Argument): arg is readonly string[] {
  return Array.isArray(arg);
}

function isResult(arg: Argument): arg is { readonly result: string } {
  return typeof arg === "object" && "result" in arg;
}

/** Says in an error which step it is about. */
function explain<T>(step: Step, index: number, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) {
      throw error;
    }
    const name = step.name === undefined ? "" : ` "${step.name}"`;
    error.message =
      `Cannot assemble step ${index}${name} (${step.call}): ${error.message}`;
    throw error;
  }
}
