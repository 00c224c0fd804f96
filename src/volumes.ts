/**
 * Volumes: directories and files of the host, seen inside.
 *
 * @module
 */

import { normalize } from "@std/path";
import { splitAtColons } from "./colons.ts";
import { UsageError } from "./errors.ts";
import { quote } from "./quote.ts";
import type { Volume } from "./spec.ts";

/**
 * Reads a value of `-v`: `HOST:INSIDE`, `HOST:INSIDE:ro`, `HOST:INSIDE:rw`, or
 * `HOST` alone for the same path on both sides.
 *
 * @param text The volume; `\:` stands for a colon and `\\` for a backslash.
 * @returns The volume, with the path of the host as it was given and the path
 * inside absolute and normalised.
 * @throws {UsageError} If a part is empty or too many, the path inside is not
 * absolute, is the root or is very long, or the mode is unknown.
 *
 * @example A read-only volume
 * ```ts
 * import { parseVolume } from "cage/src/volumes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseVolume("src:/usr/src/:ro"), {
 *   host: "src",
 *   inside: "/usr/src",
 *   readOnly: true,
 * });
 * ```
 */
export function parseVolume(text: string): Volume {
  const parts = splitAtColons(text);
  if (parts.includes("")) throw refusal(text, "a part of it is empty");
  if (parts.length > 3) throw refusal(text, "it has more than three parts");
  const [host, given = host, mode = "rw"] = parts;
  if (mode !== "ro" && mode !== "rw") {
    throw refusal(text, `its mode ${quote(mode)} is neither "ro" nor "rw"`);
  }
  if (!given.startsWith("/")) {
    throw refusal(text, `the path inside, ${quote(given)}, is not absolute`);
  }
  const inside = normalizeInside(given);
  if (inside === "/") {
    throw refusal(text, "the path inside is the root, which the layers make");
  }
  checkDepth(text, inside);
  return { host, inside, readOnly: mode === "ro" };
}

/**
 * Checks a volume that was not read by {@linkcode parseVolume}.
 *
 * @param volume The volume.
 * @throws {UsageError} If its path inside is not absolute and normalised, is
 * the root, or is very long.
 *
 * @example A path that leaves
 * ```ts
 * import { checkVolume } from "cage/src/volumes.ts";
 * import { assertThrows } from "@std/assert";
 *
 * const volume = { host: "/srv", inside: "/a/../../etc", readOnly: true };
 * assertThrows(() => checkVolume(volume), Error, "is not normalised");
 * ```
 */
export function checkVolume({ host, inside }: Volume): void {
  const isNormal = inside.startsWith("/") && inside !== "/" &&
    normalizeInside(inside) === inside;
  if (isNormal) return checkDepth(`${host}:${inside}`, inside);
  throw refusal(
    `${host}:${inside}`,
    `the path inside, ${quote(inside)}, is not normalised`,
  );
}

/** Each directory on the way takes memory of the plan. */
const MAX_DEPTH = 200;

function checkDepth(text: string, inside: string): void {
  if (inside.split("/").length - 1 <= MAX_DEPTH) return;
  throw refusal(text, `the path inside has more than ${MAX_DEPTH} parts`);
}

/** `..` at the root stays at the root, as in path_resolution(7). */
function normalizeInside(path: string): string {
  const normal = normalize(path);
  return normal.length > 1 ? normal.replace(/\/$/, "") : normal;
}

function refusal(text: string, why: string): UsageError {
  return new UsageError(
    `Cannot map volume ${quote(text)}: ${why}: ` +
      'write HOST, HOST:INSIDE or HOST:INSIDE:ro, and "\\:" for a colon in a ' +
      "path",
  );
}
