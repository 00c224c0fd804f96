/**
 * Programs that run in processes which have nothing else of this one.
 *
 * @module
 */

import { HOST_ARCH } from "./arch.ts";
import { Block } from "./block.ts";
import { enterElf } from "./enter.ts";
import { close } from "./files.ts";
import type { Mapping } from "./native.ts";
import { shareMemory } from "./shared_memory.ts";

/**
 * Memory with programs in it, shared with whoever executes
 * {@linkcode SharedBlock.executable}: that process has this memory and no
 * other of this process, and is not this process's program.
 *
 * What is read back may be anything, if such a process is not to be trusted;
 * {@linkcode Block.failure} gives a step of the block and an errno whatever it
 * finds.
 *
 * @example A child that executes the file and exits with 7
 * ```ts
 * import { Block } from "cage/ffi/block.ts";
 * import { AT_EMPTY_PATH, F_SETFD } from "cage/ffi/constants.ts";
 * import { SharedBlock } from "cage/ffi/shared_block.ts";
 * import { close, pidfdOpen, sealedFile, waitPidfd } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * using shared = new SharedBlock(1 << 20);
 * shared.append({ steps: [{ call: "exit_group", args: [7] }] });
 * const file = sealedFile("example", shared.executable());
 * using block = new Block();
 * block.append({
 *   steps: [
 *     { call: "fcntl", args: [shared.descriptor, F_SETFD, 0] },
 *     { call: "execveat", args: [file, "", ["x"], [], AT_EMPTY_PATH] },
 *   ],
 * });
 * const pidfd = pidfdOpen(block.start(0));
 * assertEquals(waitPidfd(pidfd)?.status, 7);
 * close(pidfd);
 * close(file);
 * ```
 */
export class SharedBlock extends Block {
  /** The file with the memory, to be left open for the executable. */
  readonly descriptor: number;
  readonly #executable: Uint8Array;
  #isOpen = true;

  /**
   * Makes the file and maps it.
   *
   * @param size How many bytes; a quarter of them are for the steps.
   * @throws {SyscallError} If the file cannot be made.
   * @throws {RangeError} If it is too small, or there is not so much.
   */
  constructor(size: number) {
    let descriptor = -1;
    let mapped: Mapping | undefined;
    super(size, (size) => {
      const shared = shareMemory(size);
      descriptor = shared.descriptor;
      return mapped = shared.memory;
    });
    this.descriptor = descriptor;
    const { address, bytes } = mapped!;
    const shared = { address, size: bytes.length, descriptor };
    this.#executable = enterElf(shared, HOST_ARCH);
  }

  /**
   * Gives what is to be executed, see {@linkcode enterElf}, by a process that
   * has {@linkcode SharedBlock.descriptor} open under the same number.
   *
   * @returns The file.
   */
  executable(): Uint8Array {
    return this.#executable;
  }

  /** Gives the memory and the file back. Others that have it keep it. */
  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    if (this.#isOpen) close(this.descriptor);
    this.#isOpen = false;
  }
}
