/**
 * System calls of this process.
 *
 * @module
 */

import type { SystemCall } from "./calls.ts";
import { Data, word } from "./data.ts";
import { SyscallError } from "./errors.ts";
import { Mapping, rawCall } from "./native.ts";

/**
 * An argument of a call: a number; a text, bytes or a vector of texts, of which
 * the kernel gets the address of a copy; or bytes that it may change.
 */
export type Value =
  | number
  | bigint
  | string
  | Uint8Array
  | readonly string[]
  | Changed;

/** Bytes that the kernel reads and may change. */
export interface Changed {
  /** The bytes, which are other ones after the call. */
  readonly into: Uint8Array;
}

/** What calls that cannot be done from JavaScript would do. */
const NOT_HERE: Readonly<Partial<Record<SystemCall, string>>> = {
  clone: "the child would run JavaScript without its other threads",
  exit: "it would end a single thread of the runtime",
};

/** Enough for most calls; what needs more gets memory of its own. */
const ARENA_SIZE = 0x10000;

let arena: Mapping | undefined;

/**
 * Does a system call, now, on this thread.
 *
 * @param call The name of the call.
 * @param args At most six arguments; those that are missing are 0.
 * @returns The result.
 * @throws {SyscallError} If the call fails.
 * @throws {TypeError} If a text has a NUL in it, there are more than six
 * arguments, or the call would break the runtime.
 * @throws {RangeError} If a number does not fit.
 *
 * @example The mask of the process
 * ```ts
 * import { syscall } from "cage/ffi/syscall.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const old = syscall("umask", 0o27);
 * assertEquals(syscall("umask", old), 0o27);
 * ```
 *
 * @example Bytes that come back
 * ```ts
 * import { syscall } from "cage/ffi/syscall.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const ids = new Uint32Array(3);
 * const [real, effective, saved] = [0, 4, 8].map((at) => ({
 *   into: new Uint8Array(ids.buffer, at, 4),
 * }));
 * syscall("getresuid", real, effective, saved);
 * assertEquals(ids[0], Deno.uid());
 * ```
 */
export function syscall(call: SystemCall, ...args: readonly Value[]): number {
  if (args.length > 6) {
    throw new TypeError(
      `Cannot do ${call}: ${args.length} arguments are more than 6`,
    );
  }
  const reason = NOT_HERE[call];
  if (reason !== undefined) throw new TypeError(`Cannot do ${call}: ${reason}`);
  const result = Number(
    args.every(isNumber)
      ? rawCall(call, args.map(word))
      : callWithMemory(call, args),
  );
  if (result < 0 && result >= -4095) throw new SyscallError(call, -result);
  return result;
}

function callWithMemory(call: SystemCall, args: readonly Value[]): bigint {
  const size = args.reduce<number>((sum, arg) => sum + mostBytes(arg), 0);
  if (size <= ARENA_SIZE) {
    arena ??= new Mapping(ARENA_SIZE);
    return callIn(arena, call, args);
  }
  using memory = new Mapping(size);
  return callIn(memory, call, args);
}

function callIn(
  memory: Mapping,
  call: SystemCall,
  args: readonly Value[],
): bigint {
  const data = new Data(memory.address);
  const words = args.map((arg) => place(arg, data));
  memory.bytes.set(data.contents());
  const result = rawCall(call, words);
  args.forEach((arg, i) => {
    if (!isChanged(arg)) return;
    const start = Number(words[i] - memory.address);
    arg.into.set(memory.bytes.subarray(start, start + arg.into.length));
  });
  return result;
}

function place(arg: Value, data: Data): bigint {
  if (isNumber(arg)) return word(arg);
  if (typeof arg === "string") return data.text(arg);
  if (arg instanceof Uint8Array) return data.bytes(arg);
  return isChanged(arg) ? data.bytes(arg.into) : data.vector(arg);
}

/** How much memory an argument can need: 3 bytes a character, and alignment. */
function mostBytes(arg: Value): number {
  if (isNumber(arg)) return 0;
  if (typeof arg === "string") return 3 * arg.length + 1;
  if (arg instanceof Uint8Array) return arg.length + 8;
  if (isChanged(arg)) return arg.into.length + 8;
  return arg.reduce((sum, text) => sum + mostBytes(text) + 8, 16);
}

function isNumber(arg: Value): arg is number | bigint {
  return typeof arg === "number" || typeof arg === "bigint";
}

function isChanged(arg: Value): arg is Changed {
  return typeof arg === "object" && "into" in arg;
}
