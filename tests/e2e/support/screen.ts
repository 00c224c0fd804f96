/**
 * Pictures of X servers: XWDFile.h of X11, version 7.
 *
 * @module
 */

/** Places of 32-bit numbers in the header, all big-endian. */
const HEADER = { size: 0, height: 20, bytesPerLine: 48, colors: 76 };

/** Bytes of an entry of the colour map. */
const COLOR_SIZE = 12;

/**
 * Counts the pixels of each colour.
 *
 * @param dump The file, with 32 bits for each pixel.
 * @returns The counts by colour.
 */
export function countColors(
  dump: Uint8Array<ArrayBuffer>,
): Map<number, number> {
  const view = new DataView(dump.buffer, dump.byteOffset, dump.byteLength);
  const at = (field: keyof typeof HEADER) => view.getUint32(HEADER[field]);
  const start = at("size") + at("colors") * COLOR_SIZE;
  const end = start + at("height") * at("bytesPerLine");
  const counts = new Map<number, number>();
  for (let pixel = start; pixel < end; pixel += 4) {
    const color = view.getUint32(pixel, true) & 0xffffff;
    counts.set(color, (counts.get(color) ?? 0) + 1);
  }
  return counts;
}
