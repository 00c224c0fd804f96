/**
 * The machine in this process: the one place that calls foreign code.
 *
 * System calls go through the machine's `sys`, not through the C library:
 * `errno` would have to be read by a second call, and what the runtime does on
 * the same thread in between could change it. `sys` returns it instead.
 *
 * @module
 */

import { HOST_ARCH } from "./arch.ts";
import { callNumber, type SystemCall } from "./calls.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from "./constants.ts";
import { machineOf } from "./machine.ts";

/** Largest page of either architecture. */
const PAGE = 0x10000;

const MMAP = {
  parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"],
  result: "pointer",
} as const;

const MPROTECT = {
  parameters: ["pointer", "usize", "i32"],
  result: "i32",
} as const;

const SYS = {
  parameters: ["i64", "u64", "u64", "u64", "u64", "u64", "u64"],
  result: "i64",
} as const;

const SYS_LATER = { ...SYS, nonblocking: true } as const;

const SPAWN = { parameters: ["u64", "u64", "u64"], result: "i64" } as const;

interface Native {
  readonly sys: Deno.UnsafeFnPointer<typeof SYS>;
  readonly sysLater: Deno.UnsafeFnPointer<typeof SYS_LATER>;
  readonly spawn: Deno.UnsafeFnPointer<typeof SPAWN>;
}

let loaded: Native | undefined;

/** Loaded at the first call: a command line that is wrong needs none of it. */
function native(): Native {
  return loaded ??= load();
}

function load(): Native {
  const start = mapMachine();
  const { entry } = machineOf(HOST_ARCH);
  const at = (offset: number) => Deno.UnsafePointer.offset(start, offset);
  return {
    sys: callable(at(entry.sys), SYS),
    sysLater: callable(at(entry.sys), SYS_LATER),
    spawn: callable(at(entry.spawn), SPAWN),
  };
}

function callable<const F extends Deno.ForeignFunction>(
  address: Deno.PointerValue,
  type: F,
): Deno.UnsafeFnPointer<F> {
  return new Deno.UnsafeFnPointer(
    address as Deno.PointerObject<NoInfer<Omit<F, "nonblocking">>>,
    type,
  );
}

/**
 * Puts the machine into memory, never writable and executable at once. On
 * aarch64 the kernel makes the instruction cache see fresh pages when they
 * become executable (`__sync_icache_dcache`).
 */
function mapMachine(): Deno.PointerObject {
  // As data, of which the address is given: for functions the runtime would
  // compile code, which takes it longer than all else here.
  const libc = Deno.dlopen("libc.so.6", {
    mmap: { type: "pointer" },
    mprotect: { type: "pointer" },
  });
  try {
    const mmap = callable(libc.symbols.mmap, MMAP);
    const mprotect = callable(libc.symbols.mprotect, MPROTECT);
    const size = BigInt(PAGE);
    const flags = MAP_PRIVATE | MAP_ANONYMOUS;
    const start = mmap.call(null, size, PROT_READ | PROT_WRITE, flags, -1, 0n);
    if (start === null || Deno.UnsafePointer.value(start) > MAX_ADDRESS) {
      throw new Error("Cannot map memory for machine code: there is none left");
    }
    const memory = Deno.UnsafePointerView.getArrayBuffer(start, PAGE);
    new Uint8Array(memory).set(machineOf(HOST_ARCH).code);
    memory.transfer();
    if (mprotect.call(start, size, PROT_READ | PROT_EXEC) !== 0) {
      throw new Error(
        "Cannot make machine code executable: this system does not allow it",
      );
    }
    return start;
  } finally {
    libc.close();
  }
}

/** Above it are errors: `MAP_FAILED` is (void *) -1. */
const MAX_ADDRESS = 0x7fff_ffff_ffff_ffffn;

/**
 * Does a system call with numbers as they are.
 *
 * @param call The name of the call.
 * @param args Six words, or fewer.
 * @returns The result; -4095 to -1 is an error.
 */
export function rawCall(call: SystemCall, args: readonly bigint[]): bigint {
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = args;
  return native().sys.call(numberOf(call), a, b, c, d, e, f);
}

/**
 * Does a system call on another thread. All memory that it uses must be mapped
 * memory, and must stay: buffers of JavaScript may move.
 *
 * @param call The name of the call.
 * @param args Six words, or fewer.
 * @returns The result; -4095 to -1 is an error.
 */
export function rawCallLater(
  call: SystemCall,
  args: readonly bigint[],
): Promise<bigint> {
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = args;
  return native().sysLater.call(numberOf(call), a, b, c, d, e, f);
}

function numberOf(call: SystemCall): bigint {
  return BigInt(callNumber(call, HOST_ARCH));
}

/**
 * Makes a child that runs the machine.
 *
 * @param flags The flags of clone(2), and the signal of its end.
 * @param stack The end of the memory for its stack, aligned to 16.
 * @param header The address of the program's header.
 * @returns The id of the child; -4095 to -1 is an error.
 */
export function spawn(flags: bigint, stack: bigint, header: bigint): bigint {
  return native().spawn.call(flags, stack, header);
}

/**
 * Maps memory of this process alone, anywhere: mmap(2).
 *
 * @param size How many bytes.
 * @returns The address; -4095 to -1 is an error.
 */
export function mapPrivate(size: number): bigint {
  const rights = BigInt(PROT_READ | PROT_WRITE);
  const flags = BigInt(MAP_PRIVATE | MAP_ANONYMOUS);
  const none = 0xffff_ffff_ffff_ffffn;
  return rawCall("mmap", [0n, BigInt(size), rights, flags, none, 0n]);
}

/**
 * Maps a file at an address where nothing is, to be shared with whoever maps
 * it too: mmap(2) with `MAP_FIXED_NOREPLACE`, Linux 4.17.
 *
 * @param descriptor The file.
 * @param size How many bytes.
 * @param address The address.
 * @returns The address; -4095 to -1 is an error.
 */
export function mapShared(
  descriptor: number,
  size: number,
  address: bigint,
): bigint {
  const rights = BigInt(PROT_READ | PROT_WRITE);
  const flags = BigInt(MAP_SHARED | MAP_FIXED_NOREPLACE);
  const file = BigInt(descriptor);
  return rawCall("mmap", [address, BigInt(size), rights, flags, file, 0n]);
}

/**
 * Puts other machine code into memory, for as long as this process has it.
 *
 * @param code The code, at most 64 kB, which runs wherever it is.
 * @returns Its address.
 * @throws {Error} If there is no memory, or none that may be executable.
 */
export function mapCode(code: Uint8Array): bigint {
  const memory = new Mapping(PAGE);
  const { address } = memory;
  memory.bytes.set(code);
  const rights = BigInt(PROT_READ | PROT_EXEC);
  if (rawCall("mprotect", [address, BigInt(PAGE), rights]) === 0n) {
    return address;
  }
  memory[Symbol.dispose]();
  throw new Error(
    "Cannot make machine code executable: this system does not allow it",
  );
}

/** Zeroed memory that never moves. */
export class Mapping implements Disposable {
  #address: bigint;
  #bytes: Uint8Array<ArrayBuffer>;

  /**
   * Maps memory.
   *
   * @param size How many bytes.
   * @param map What maps them, and gives the address.
   * @throws {RangeError} If there is not so much.
   */
  constructor(size: number, map: (size: number) => bigint = mapPrivate) {
    this.#address = map(size);
    if (this.#address < 0n) {
      throw new RangeError(`Cannot map ${size} bytes of memory`);
    }
    const pointer = Deno.UnsafePointer.create(this.#address)!;
    this.#bytes = new Uint8Array(
      Deno.UnsafePointerView.getArrayBuffer(pointer, size),
    );
  }

  /**
   * The address of the first byte.
   *
   * @throws {ReferenceError} If the memory is gone.
   */
  get address(): bigint {
    this.bytes;
    return this.#address;
  }

  /**
   * The memory itself.
   *
   * @throws {ReferenceError} If the memory is gone.
   */
  get bytes(): Uint8Array<ArrayBuffer> {
    if (this.#bytes.buffer.detached) {
      throw new ReferenceError("Cannot use memory that was given back");
    }
    return this.#bytes;
  }

  /** Gives the memory back; views of it that are still there become empty. */
  [Symbol.dispose](): void {
    if (this.#bytes.buffer.detached) return;
    const size = this.#bytes.length;
    // To nothing: else the runtime counts the memory until it collects garbage,
    // which it does the sooner the more there is.
    this.#bytes.buffer.transfer(0);
    rawCall("munmap", [this.#address, BigInt(size)]);
  }
}
