/**
 * LZ4 blocks, as the machine unpacks them: "LZ4 Block Format Description",
 * lz4_Block_format.md of LZ4 1.9.
 *
 * @module
 */

/** Fewest bytes of a match. */
const LEAST = 4;

/** The last bytes are literals, and no match begins close to the end. */
const LAST_LITERALS = 5;
const LAST_START = 12;

/** Farthest that a match is away. */
const FARTHEST = 0xffff;

/**
 * Packs bytes.
 *
 * @param bytes The bytes.
 * @returns A block.
 *
 * @example There and back
 * ```ts
 * import { packLz4, unpackLz4 } from "cage/ffi/lz4.ts";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const bytes = new Uint8Array(1000);
 * const packed = packLz4(bytes);
 * assert(packed.length < 20);
 * assertEquals(unpackLz4(packed), bytes);
 * ```
 */
export function packLz4(bytes: Uint8Array): Uint8Array {
  const packed: number[] = [];
  const seen = new Map<number, number>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let literals = 0;
  let at = 0;
  while (at + LAST_START <= bytes.length) {
    const word = view.getUint32(at, true);
    const from = seen.get(word);
    seen.set(word, at);
    if (from === undefined || at - from > FARTHEST) {
      at++;
      continue;
    }
    const length = matchLength(bytes, from, at);
    writeSequence(packed, bytes.subarray(literals, at), at - from, length);
    for (let next = at + 1; next < at + length; next++) {
      if (next + LEAST <= bytes.length) {
        seen.set(view.getUint32(next, true), next);
      }
    }
    at += length;
    literals = at;
  }
  writeSequence(packed, bytes.subarray(literals));
  return new Uint8Array(packed);
}

/**
 * Unpacks bytes.
 *
 * @param packed A block.
 * @param most How many bytes there may be: a block can say 255 times as many as
 * it has.
 * @returns The bytes.
 * @throws {RangeError} If it is no block, or there are more.
 *
 * @example A literal
 * ```ts
 * import { unpackLz4 } from "cage/ffi/lz4.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(unpackLz4(new Uint8Array([0x10, 7])), new Uint8Array([7]));
 * ```
 */
export function unpackLz4(
  packed: Uint8Array,
  most: number = Infinity,
): Uint8Array {
  const bytes: number[] = [];
  let at = 0;
  const next = () => {
    if (at >= packed.length) throw new RangeError("The block is cut off");
    return packed[at++];
  };
  const longer = (length: number) => {
    if (length < 15) return length;
    for (;;) {
      const more = next();
      length += more;
      if (more < 255) return length;
    }
  };
  for (;;) {
    const token = next();
    for (let left = longer(token >> 4); left > 0; left--) bytes.push(next());
    if (at === packed.length) return new Uint8Array(bytes);
    const away = next() + 256 * next();
    const length = longer(token & 15) + LEAST;
    if (bytes.length + length > most) {
      throw new RangeError("The block is too long");
    }
    if (away === 0 || away > bytes.length) {
      throw new RangeError("The block repeats what it has not");
    }
    for (let left = length; left > 0; left--) {
      bytes.push(bytes[bytes.length - away]);
    }
  }
}

function matchLength(bytes: Uint8Array, from: number, at: number): number {
  const end = bytes.length - LAST_LITERALS;
  let length = LEAST;
  while (at + length < end && bytes[from + length] === bytes[at + length]) {
    length++;
  }
  return length;
}

/** A token, literals, and what is repeated unless it is the last sequence. */
function writeSequence(
  packed: number[],
  literals: Uint8Array,
  away?: number,
  length: number = LEAST,
): void {
  const [first, second] = [literals.length, length - LEAST];
  packed.push(Math.min(first, 15) << 4 | Math.min(second, 15));
  writeLonger(packed, first);
  packed.push(...literals);
  if (away === undefined) return;
  packed.push(away & 0xff, away >> 8);
  writeLonger(packed, second);
}

function writeLonger(packed: number[], length: number): void {
  if (length < 15) return;
  let left = length - 15;
  for (; left >= 255; left -= 255) packed.push(255);
  packed.push(left);
}
