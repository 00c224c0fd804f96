/**
 * Marks in generated words for what differs from run to run, so that a case is
 * the same everywhere.
 *
 * @module
 */

/** Stands for the directory that a case runs in. */
export const PLACE = "\ue000";

/** Stands for the directory with what nobody may read or change. */
export const OUTSIDE = "\ue001";

/** Stands for the root file system. */
export const ROOT = "\ue002";

/** Stands for a name of an instance that nobody else has. */
export const NAME = "\ue003";

/** The first of 128 characters that stand for the bytes from 0x80 on. */
const FIRST_BYTE = 0xf700;

/** What the marks stand for. */
export interface Meaning {
  /** See {@linkcode PLACE}. */
  readonly place: string;
  /** See {@linkcode OUTSIDE}. */
  readonly outside: string;
  /** See {@linkcode ROOT}. */
  readonly root: string;
  /** See {@linkcode NAME}. */
  readonly name: string;
}

/**
 * Puts what they stand for in the place of marks; bytes are left.
 *
 * @param text A text with marks.
 * @param meaning What they stand for.
 * @returns The text.
 */
export function fill(text: string, meaning: Meaning): string {
  return text.replaceAll(PLACE, meaning.place)
    .replaceAll(OUTSIDE, meaning.outside)
    .replaceAll(ROOT, meaning.root)
    .replaceAll(NAME, meaning.name);
}

/**
 * Makes the mark of a byte that is no character by itself.
 *
 * @param byte The byte, from 0x80 on.
 * @returns A character.
 */
export function byteMark(byte: number): string {
  return String.fromCharCode(FIRST_BYTE + byte - 0x80);
}

/**
 * Encodes a text as UTF-8 but for marks of bytes, which are those bytes.
 *
 * @param text The text.
 * @returns The bytes.
 */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  if (!hasBytes(text)) return encoder.encode(text);
  const bytes = [...text].flatMap((character) =>
    hasBytes(character)
      ? [character.charCodeAt(0) - FIRST_BYTE + 0x80]
      : [...encoder.encode(character)]
  );
  return new Uint8Array(bytes);
}

/**
 * Tells whether a text has bytes that are no text.
 *
 * @param text The text.
 * @returns Whether it has.
 */
export function hasBytes(text: string): boolean {
  return /[\uf700-\uf77f]/.test(text);
}

/**
 * Decodes what the runtime makes of a word with bytes that are no text.
 *
 * @param text The text with marks.
 * @returns The text without.
 */
export function asText(text: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytesOf(text));
}
