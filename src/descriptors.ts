/**
 * Descriptors that are closed together.
 *
 * @module
 */

import { close } from "../ffi/libc.ts";

/**
 * Keeps descriptors open until they are no longer needed.
 *
 * @example One descriptor
 * ```ts
 * import { Descriptors } from "cage/src/descriptors.ts";
 * import { open } from "cage/ffi/libc.ts";
 * import { assert } from "@std/assert";
 *
 * using descriptors = new Descriptors();
 * assert(descriptors.keep(open("/", 0)) > 2);
 * ```
 */
export class Descriptors implements Disposable {
  readonly #kept: number[] = [];

  /** The descriptors. */
  get descriptors(): readonly number[] {
    return this.#kept;
  }

  /**
   * Keeps a descriptor.
   *
   * @param descriptor The descriptor.
   * @returns The descriptor.
   */
  keep(descriptor: number): number {
    this.#kept.push(descriptor);
    return descriptor;
  }

  /** Closes all of them. */
  [Symbol.dispose](): void {
    this.#kept.splice(0).forEach(close);
  }
}
