/**
 * Pipes between a launcher and what it starts.
 *
 * @module
 */

import { close, pipe2 } from "../ffi/libc.ts";

/**
 * Both ends of a pipe, each closed once.
 *
 * @example Nobody writes any more
 * ```ts
 * import { Pipe } from "cage/src/pipe.ts";
 * import { read } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * using pipe = new Pipe();
 * pipe.closeWriter();
 * assertEquals(read(pipe.reader, new Uint8Array(1)), 0);
 * ```
 */
export class Pipe implements Disposable {
  /** The descriptor to read from. */
  readonly reader: number;
  /** The descriptor to write to. */
  readonly writer: number;
  readonly #open: Set<number>;

  /**
   * Makes a pipe, whose ends are closed on execve(2).
   *
   * @throws {SyscallError} If there are no descriptors left.
   */
  constructor() {
    ({ reader: this.reader, writer: this.writer } = pipe2());
    this.#open = new Set([this.reader, this.writer]);
  }

  /** Closes the end to read from. */
  closeReader(): void {
    this.#close(this.reader);
  }

  /** Closes the end to write to. */
  closeWriter(): void {
    this.#close(this.writer);
  }

  /** Closes what is still open. */
  [Symbol.dispose](): void {
    this.#open.forEach((end) => this.#close(end));
  }

  #close(end: number): void {
    if (this.#open.delete(end)) close(end);
  }
}
