/**
 * How an image is known to be one that was made here.
 *
 * @module
 */

/** The name of the file system in an image, at most 16 bytes. */
export const imageLabel = "microcontainer";

/**
 * Where the superblock of ext4 is in the image, in bytes, see
 * Documentation/filesystems/ext4/super.rst of Linux.
 */
export const SUPERBLOCK = { offset: 1024, size: 1024 } as const;

/** `s_magic`, and where it is in the superblock. */
const MAGIC = { offset: 0x38, value: 0xef53 };

/** Where `s_volume_name` is in the superblock, 16 bytes. */
const LABEL_OFFSET = 0x78;

/**
 * Tells whether an image was made here.
 *
 * @param superblock The bytes at {@linkcode SUPERBLOCK} of the image.
 * @returns Whether it is ext4 and has our label.
 *
 * @example Something else
 * ```ts
 * import { isOwnImage } from "cage/src/image_format.ts";
 * import { assert } from "@std/assert";
 *
 * assert(!isOwnImage(new Uint8Array(1024)));
 * ```
 */
export function isOwnImage(superblock: Uint8Array): boolean {
  const { buffer, byteOffset } = superblock;
  const magic = new DataView(buffer, byteOffset).getUint16(MAGIC.offset, true);
  const label = superblock.subarray(LABEL_OFFSET, LABEL_OFFSET + 16);
  const text = new TextDecoder().decode(label).replace(/\0.*$/s, "");
  return magic === MAGIC.value && text === imageLabel;
}
