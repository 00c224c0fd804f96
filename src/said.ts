/**
 * What another program has to say, for a sentence about its failure.
 *
 * @module
 */

import { close, memfdCreate, syscall } from "../ffi/libc.ts";

/** More than anybody reads, in bytes. */
const MOST = 4096;

/**
 * A file in memory for the words of a program. Unlike a pipe, it need not be
 * read while it is written.
 *
 * @example Nothing is said
 * ```ts
 * import { Said } from "cage/src/said.ts";
 * import { assertEquals } from "@std/assert";
 *
 * using said = new Said("true");
 * assertEquals(said.text(), "");
 * ```
 */
export class Said implements Disposable {
  /** The descriptor, for the program's standard output and error. */
  readonly descriptor: number;

  /**
   * Makes an empty one.
   *
   * @param name The name of the program.
   * @throws {SyscallError} If there are no descriptors left.
   */
  constructor(name: string) {
    this.descriptor = memfdCreate(name);
  }

  /**
   * Reads what was said.
   *
   * @returns The text.
   */
  text(): string {
    const into = new Uint8Array(MOST);
    const size = syscall("pread64", this.descriptor, { into }, MOST, 0);
    return new TextDecoder().decode(into.subarray(0, size));
  }

  /** Gives the memory back. */
  [Symbol.dispose](): void {
    close(this.descriptor);
  }
}
