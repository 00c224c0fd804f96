/**
 * Texts, bytes and vectors laid out in memory of a known address.
 *
 * @module
 */

const ENCODER = new TextEncoder();

/**
 * Memory that grows, whose address is known beforehand.
 *
 * @example Two texts and their addresses
 * ```ts
 * import { Data } from "cage/ffi/data.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const data = new Data(0x1000n);
 * assertEquals(data.text("ab"), 0x1000n);
 * assertEquals(data.text("c"), 0x1003n);
 * assertEquals([...data.contents()], [97, 98, 0, 99, 0]);
 * ```
 */
export class Data {
  readonly #address: bigint;
  #bytes = new Uint8Array(512);
  #length = 0;
  readonly #texts = new Map<string, bigint>();

  /**
   * Makes empty memory.
   *
   * @param address The address that its first byte will have, aligned to 16.
   */
  constructor(address: bigint) {
    this.#address = address;
  }

  /** How many bytes are in use. */
  get length(): number {
    return this.#length;
  }

  /**
   * The bytes in use.
   *
   * @returns A view, which is good until something is added.
   */
  contents(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /**
   * Adds zeroed bytes.
   *
   * @param size How many.
   * @param alignment What the address is to be a multiple of, 16 at most.
   * @returns The address.
   */
  space(size: number, alignment = 16): bigint {
    const start = Math.ceil(this.#length / alignment) * alignment;
    const end = start + size;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.contents());
      this.#bytes = grown;
    }
    this.#length = end;
    return this.#address + BigInt(start);
  }

  /**
   * Adds a copy of bytes, aligned for any struct of the kernel.
   *
   * @param bytes The bytes.
   * @returns The address.
   */
  bytes(bytes: Uint8Array): bigint {
    return this.#put(bytes, this.space(bytes.length, 8));
  }

  /**
   * Adds a text and the NUL that ends it, unless it is there.
   *
   * @param text The text.
   * @returns The address.
   * @throws {TypeError} If the kernel would read something else: at a NUL it
   * stops, and half of a surrogate pair has no bytes.
   */
  text(text: string): bigint {
    if (text.includes("\0") || !text.isWellFormed()) {
      throw new TypeError(
        `Cannot pass ${JSON.stringify(text)} to the kernel: it has a NUL or ` +
          "half a character in it",
      );
    }
    const there = this.#texts.get(text);
    if (there !== undefined) return there;
    const bytes = ENCODER.encode(text);
    const address = this.#put(bytes, this.space(bytes.length + 1, 1));
    this.#texts.set(text, address);
    return address;
  }

  /**
   * Adds a vector of texts that ends with a null, as execve(2) takes it.
   *
   * @param texts The texts.
   * @returns The address of the vector.
   * @throws {TypeError} If one cannot be a text of the kernel.
   */
  vector(texts: readonly string[]): bigint {
    const addresses = texts.map((text) => this.text(text));
    const words = new BigUint64Array([...addresses, 0n]);
    return this.bytes(new Uint8Array(words.buffer));
  }

  #put(bytes: Uint8Array, address: bigint): bigint {
    this.#bytes.set(bytes, Number(address - this.#address));
    return address;
  }
}

/**
 * A number as the kernel gets it: 64 bits, two's complement.
 *
 * @param value The number.
 * @returns The same bits as an unsigned number.
 * @throws {RangeError} If it is no integer, or not exact, or needs more bits.
 *
 * @example AT_FDCWD
 * ```ts
 * import { word } from "cage/ffi/data.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(word(-100), 0xffffffffffffff9cn);
 * ```
 */
export function word(value: number | bigint): bigint {
  const exact = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!exact || value < -(2n ** 63n) || value >= 2n ** 64n) {
    throw new RangeError(
      `Cannot pass ${value} to the kernel: it is no integer of 64 bits`,
    );
  }
  return BigInt.asUintN(64, BigInt(value));
}
