/**
 * Finds out what the changes in an upper directory are changes of.
 *
 * @module
 */

import { syscall } from "../ffi/libc.ts";
import { KEPT_LOWER, KEPT_SIZE, parseKeptLower } from "./kept_lower.ts";
import { markName, type Marks } from "./overlay_marks.ts";

/**
 * Reads which lower layers a work directory was used with last.
 *
 * @param work A path that leads to the work directory.
 * @param marks Where the attributes are.
 * @returns The paths of the layers, the first on top; nothing if that is not
 * known.
 *
 * @example No work directory of an overlay
 * ```ts
 * import { findKeptLower } from "cage/src/find_kept_lower.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const marks = { space: "user", isFuse: false } as const;
 * assertEquals(findKeptLower("/proc", marks), undefined);
 * ```
 */
export function findKeptLower(
  work: string,
  marks: Marks,
): string[] | undefined {
  const into = new Uint8Array(KEPT_SIZE);
  try {
    const name = markName(marks, KEPT_LOWER);
    const size = syscall("getxattr", work, name, { into }, into.length);
    return parseKeptLower(into.subarray(0, size));
  } catch {
    // There is none, or no attribute at all.
    return undefined;
  }
}
