/**
 * Programs that run in children of this process.
 *
 * @module
 */

import { Assembly } from "./assemble.ts";
import { CLONE_VM, SIGNALS } from "./constants.ts";
import { SyscallError } from "./errors.ts";
import {
  HEADER_FAILED,
  HEADER_SIZE,
  HEADER_STOPPED,
  INSTRUCTION_SIZE,
} from "./instruction.ts";
import { HOST_ARCH } from "./arch.ts";
import { Mapping, spawn } from "./native.ts";
import type { Program, Step } from "./step.ts";

/** What failed in a program. */
export interface Failure {
  /** The step: the one to blame, if it stopped the program. */
  readonly step: Step;
  /** The number of its error, 1 to 4095; 0 if that is not known. */
  readonly errno: number;
  /** Whether the program ended here; if not, it went on as it says. */
  readonly stopped: boolean;
}

/** Memory for a program; pages that nothing touches cost nothing. */
const DEFAULT_SIZE = 1 << 20;

/** The machine uses no stack; a signal handler of the runtime would. */
const STACK_SIZE = 0x4000;

/** `CSIGNAL` of linux/sched.h: the bits of the flags that are a signal. */
const CSIGNAL = 0xff;

/**
 * Memory with programs in it, shared with the children that run them.
 *
 * A child is a process of its own that has this process's memory: it must have
 * ended, or have executed something else, before the block is disposed.
 *
 * @example A child that exits with 7
 * ```ts
 * import { Block } from "cage/ffi/block.ts";
 * import { pidfdOpen, waitPidfd, close } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * using block = new Block();
 * block.append({ steps: [{ call: "exit_group", args: [7] }] });
 * const pidfd = pidfdOpen(block.start(0));
 * assertEquals(waitPidfd(pidfd)?.status, 7);
 * close(pidfd);
 * ```
 */
export class Block implements Disposable {
  readonly #memory: Mapping;
  readonly #assembly: Assembly;

  /**
   * Maps memory.
   *
   * @param size How many bytes; a quarter of them are for the steps.
   * @param map What maps the memory; nobody else has it if absent.
   * @throws {RangeError} If it is too small, or there is not so much.
   */
  constructor(
    size: number = DEFAULT_SIZE,
    map: (size: number) => Mapping = (size) => new Mapping(size),
  ) {
    const usable = Math.floor((size - STACK_SIZE) / 16) * 16;
    const room = Math.floor(usable / 4 / INSTRUCTION_SIZE) - 1;
    if (!Number.isSafeInteger(size) || room < 1) {
      throw new RangeError(`Cannot make a block of ${size} bytes: too few`);
    }
    this.#memory = map(usable + STACK_SIZE);
    const { address } = this.#memory;
    this.#assembly = new Assembly({
      arch: HOST_ARCH,
      address,
      room,
      size: usable,
    });
    // Even a block without a step has an end.
    this.append({ steps: [] });
  }

  /**
   * Puts a program right after those that are there. A child that waits in the
   * last step goes on into it; the names of earlier programs can be used.
   *
   * @param program The program.
   * @throws {TypeError} If a call or an argument is not one.
   * @throws {RangeError} If a name is unknown or not new, a number does not
   * fit, or there is not enough room.
   */
  append(program: Program): void {
    for (const { offset, bytes } of this.#assembly.add(program)) {
      this.#memory.bytes.set(bytes, offset);
    }
  }

  /**
   * Makes a child that runs the steps from the first one on. With
   * `CLONE_VFORK` this waits until the child has ended or executed something.
   *
   * The child handles signals as this process does: they are to be blocked
   * around this call, since a handler of the runtime must not run in it.
   *
   * @param flags Flags of clone(2); `CLONE_VM` and SIGCHLD are added.
   * @returns The id of the child.
   * @throws {SyscallError} If there is no child.
   * @throws {RangeError} If the flags are none, or have another signal.
   */
  start(flags: number): number {
    const signal = flags % (CSIGNAL + 1);
    if (
      !Number.isSafeInteger(flags) || flags < 0 || flags >= 2 ** 32 ||
      (signal !== 0 && signal !== SIGNALS.SIGCHLD)
    ) {
      throw new RangeError(`Cannot start a child with flags ${flags}`);
    }
    const { address, bytes } = this.#memory;
    bytes.fill(0, 0, HEADER_SIZE);
    const all = BigInt(flags) | BigInt(CLONE_VM | SIGNALS.SIGCHLD);
    const pid = Number(spawn(all, address + BigInt(bytes.length), address));
    if (pid < 0) throw new SyscallError("clone", -pid);
    return pid;
  }

  /**
   * Reads the result of a step.
   *
   * @param name The name of the step.
   * @returns The result as it is now; 0 before the step has run.
   * @throws {RangeError} If no step has this name.
   */
  result(name: string): bigint {
    return this.#view().getBigInt64(this.#assembly.resultOffset(name), true);
  }

  /**
   * Reads the error of a step.
   *
   * @param name The name of the step.
   * @returns The number of the error, 1 to 4095; 0 if there is none.
   * @throws {RangeError} If no step has this name.
   */
  errno(name: string): number {
    return errnoOf(this.result(name));
  }

  /**
   * The memory of a buffer.
   *
   * @param name The name of the buffer.
   * @returns A live view, which is empty after the block is disposed.
   * @throws {RangeError} If no buffer has this name.
   */
  buffer(name: string): Uint8Array {
    const { offset, size } = this.#assembly.buffer(name);
    return this.#memory.bytes.subarray(offset, offset + size);
  }

  /**
   * Says what failed: the step that stopped the program, or else the last one
   * after whose error it went on.
   *
   * @returns The failure, if there was one since the start.
   */
  failure(): Failure | undefined {
    const stop = this.#failed(HEADER_STOPPED);
    if (stop === undefined) {
      const failed = this.#failed(HEADER_FAILED);
      return failed && { ...failed, stopped: false };
    }
    const { blame } = stop.step;
    if (blame === undefined) return { ...stop, stopped: true };
    const step = this.#assembly.steps.find(({ name }) => name === blame)!;
    const errno = this.errno(blame) || stop.errno;
    return { step, errno, stopped: true };
  }

  /** Gives the memory back. No child may be using it. */
  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }

  #failed(word: number): { step: Step; errno: number } | undefined {
    const view = this.#view();
    const found = this.#assembly.stepAt(view.getBigUint64(word, true));
    return found && {
      step: found.step,
      errno: errnoOf(view.getBigInt64(found.resultOffset, true)),
    };
  }

  #view(): DataView {
    return new DataView(this.#memory.bytes.buffer);
  }
}

/** 0 for what is no error: others may write to memory that is shared. */
function errnoOf(result: bigint): number {
  return result < 0n && result >= -4095n ? -Number(result) : 0;
}
