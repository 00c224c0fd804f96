/**
 * Machine code as text: bytes beside the assembly that they come from.
 *
 * @module
 */

/** Machine code and the assembly that it is made from. */
export interface Listing {
  /** The bytes. */
  readonly code: Uint8Array<ArrayBuffer>;
  /** Input for the GNU assembler that gives these bytes. */
  readonly assembly: string;
}

// Each line: the bytes, and what they are; a comment follows a semicolon.
const LINE = /^ {2}([0-9a-f]*) +(.*?)(?: +; .*)?$/;

/**
 * Reads a listing. A line has two spaces, hexadecimal bytes, what they are,
 * and a comment after a semicolon; labels have lines of their own.
 *
 * @param text The listing.
 * @returns The bytes and the assembly.
 *
 * @example One instruction
 * ```ts
 * import { readListing } from "cage/ffi/code_listing.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const listing = readListing("call:\n  0f05  syscall  ; does it");
 * assertEquals(listing.code, Uint8Array.of(0x0f, 0x05));
 * assertEquals(listing.assembly, "call:\nsyscall\n");
 * ```
 */
export function readListing(text: string): Listing {
  const lines = text.split("\n").filter((line) => line !== "")
    .map((line) => LINE.exec(line) ?? ["", "", line]);
  return {
    code: Uint8Array.fromHex(lines.map(([, bytes]) => bytes).join("")),
    assembly: lines.map(([, , assembly]) => `${assembly}\n`).join(""),
  };
}
