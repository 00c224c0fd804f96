/**
 * What the changes in an upper directory are changes of: the lower layers, kept
 * as an attribute of the work directory, which nothing inside can see.
 *
 * @module
 */

/** The attribute, in the name space in which overlayfs has its own. */
export const KEPT_LOWER = "cage";

/**
 * Most bytes of its value: file systems keep attributes beside an inode, or in
 * one block.
 */
export const KEPT_SIZE = 1024;

/** Says nothing. */
const NOTHING = "y";

/**
 * Writes lower layers as the value of an attribute.
 *
 * @param paths The paths, the first on top.
 * @returns The value, which says nothing of too many or too long ones.
 *
 * @example There and back
 * ```ts
 * import { keptLowerText, parseKeptLower } from "cage/src/kept_lower.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = keptLowerText(["/srv/tools", "/srv/debian"]);
 * assertEquals(parseKeptLower(bytes), ["/srv/tools", "/srv/debian"]);
 * ```
 */
export function keptLowerText(
  paths: readonly string[],
): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(JSON.stringify(paths));
  return bytes.length <= KEPT_SIZE ? bytes : new TextEncoder().encode(NOTHING);
}

/**
 * Reads the value of such an attribute.
 *
 * @param bytes The value.
 * @returns The paths; nothing if it says nothing.
 *
 * @example One that says nothing
 * ```ts
 * import { parseKeptLower } from "cage/src/kept_lower.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseKeptLower(new TextEncoder().encode("y")), undefined);
 * ```
 */
export function parseKeptLower(bytes: Uint8Array): string[] | undefined {
  try {
    const paths = JSON.parse(new TextDecoder().decode(bytes));
    // Whoever has the right to set it may set anything.
    const isPaths = Array.isArray(paths) && paths.length > 0 &&
      paths.every((path) => typeof path === "string");
    return isPaths ? paths : undefined;
  } catch {
    return undefined;
  }
}
