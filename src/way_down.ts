/**
 * Paths by way of a directory that is above them.
 *
 * @module
 */

/**
 * Finds the lowest directory that two paths have in common.
 *
 * @param one An absolute path.
 * @param other An absolute path.
 * @returns The directory, which may be one of the two.
 *
 * @example Two directories of one
 * ```ts
 * import { commonDirectory } from "cage/src/way_down.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(commonDirectory("/srv/upper", "/srv/work"), "/srv");
 * ```
 */
export function commonDirectory(one: string, other: string): string {
  const parts = one.split("/");
  const others = other.split("/");
  const end = parts.findIndex((part, index) => part !== others[index]);
  return (end === -1 ? parts : parts.slice(0, end)).join("/") || "/";
}

/**
 * Tells the way from a directory to a path in it.
 *
 * @param above The directory.
 * @param path The path.
 * @returns The relative path.
 *
 * @example A directory, and the same
 * ```ts
 * import { wayDown } from "cage/src/way_down.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(wayDown("/srv", "/srv/upper"), "upper");
 * assertEquals(wayDown("/srv", "/srv"), ".");
 * ```
 */
export function wayDown(above: string, path: string): string {
  return path.slice(above.length).replace(/^\//, "") || ".";
}
