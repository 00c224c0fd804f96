/**
 * Lower layers of the overlay.
 *
 * @module
 */

import { splitAtColons } from "./colons.ts";
import { UsageError } from "./errors.ts";
import { quote } from "./quote.ts";

/**
 * Splits a value of `-l` into its directories.
 *
 * @param text Directories separated by colons, the first on top; `\:` stands
 * for a colon and `\\` for a backslash.
 * @returns The directories, in order, at least one.
 * @throws {UsageError} If one of them is empty.
 *
 * @example Two layers
 * ```ts
 * import { splitLayers } from "cage/src/layers.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(splitLayers("/srv/tools:/srv/base"), [
 *   "/srv/tools",
 *   "/srv/base",
 * ]);
 * ```
 */
export function splitLayers(text: string): string[] {
  const layers = splitAtColons(text);
  if (layers.includes("")) {
    throw new UsageError(
      `Cannot use lower directory ${quote(text)}: an element is empty: ` +
        'write top:bottom, and "\\:" for a colon in a path',
    );
  }
  return layers;
}
