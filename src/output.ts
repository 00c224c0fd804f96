/**
 * Text and bytes on the standard output, with few calls.
 *
 * @module
 */

import { bytesOf } from "../ffi/entries.ts";
import { hasErrno, SyscallError, writeAll } from "../ffi/libc.ts";
import { CageError } from "./errors.ts";
import { refusalOf } from "./failure.ts";

const ENCODER = new TextEncoder();

/** So much is written at once. */
const ENOUGH = 0x10000;

/** Whoever read the output reads no more: as SIGPIPE would end a program. */
const STATUS_PIPE = 128 + 13;

/**
 * Collects what is written to a descriptor.
 *
 * @example Nothing
 * ```ts
 * import { Output } from "cage/src/output.ts";
 *
 * new Output().end();
 * ```
 */
export class Output {
  readonly #descriptor: number;
  #parts: Uint8Array[] = [];
  #length = 0;

  /**
   * Begins.
   *
   * @param descriptor Where to; the standard output if absent.
   */
  constructor(descriptor = 1) {
    this.#descriptor = descriptor;
  }

  /**
   * Writes a line of text, and a newline.
   *
   * @param line The text.
   */
  line(line: string): void {
    this.#add(ENCODER.encode(`${line}\n`));
  }

  /**
   * Writes bytes.
   *
   * @param bytes The bytes, one character for each.
   */
  bytes(bytes: string): void {
    this.#add(bytesOf(bytes));
  }

  #add(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= ENOUGH) this.end();
  }

  /** Writes what is left. */
  end(): void {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    this.#length = 0;
    try {
      writeAll(this.#descriptor, all);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (!hasErrno(error, "EPIPE")) {
        throw refusalOf("Cannot write the output", error);
      }
      throw new CageError("Cannot go on: nobody reads the output", STATUS_PIPE);
    }
  }
}
