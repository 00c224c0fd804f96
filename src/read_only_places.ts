/**
 * What of a composed view can only be read, in words.
 *
 * @module
 */

import { dirname } from "@std/path";
import type { Composition, Part } from "./compose.ts";
import { PART } from "./compose_steps.ts";
import { reasonOf } from "./failure.ts";
import { quote } from "./quote.ts";

/** How many places a sentence names. */
const NAMED = 4;

/**
 * Tells which places of a composed view can only be read, and why.
 *
 * @param composition The view.
 * @param errnoOf Gives the number of the error of a step, 0 if there is none.
 * @returns Sentences, each about all places with the same reason.
 *
 * @example A file beside a mount, and a file system that cannot be a layer
 * ```ts
 * import { readOnlyPlaces } from "cage/src/read_only_places.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const sentences = readOnlyPlaces({
 *   skeleton: [],
 *   parts: [
 *     { path: "/a", kind: "file", lower: ["/a"], hindrance: "file" },
 *     { path: "/mnt", kind: "overlay", lower: ["/mnt"] },
 *     { path: "/usr", kind: "overlay", lower: ["/usr"] },
 *   ],
 *   upper: [],
 * }, (step) => step === "part:/mnt" ? 22 : 0);
 * assertEquals(sentences, [
 *   '"/a" can only be read: something is mounted beside, and it cannot be copied',
 *   '"/mnt" can only be read: no overlay of it is possible: invalid argument',
 * ]);
 * ```
 */
export function readOnlyPlaces(
  { parts }: Composition,
  errnoOf: (step: string) => number,
): string[] {
  const places = parts.flatMap((part) => {
    const reason = whyReadOnly(part, errnoOf);
    return reason === undefined ? [] : [{ part, reason }];
  });
  return [...Map.groupBy(places, ({ reason }) => reason)]
    .map(([reason, group]) =>
      `${list(group.map(({ part }) => part))} can only be read: ${reason}`
    );
}

function whyReadOnly(
  { hindrance, path }: Part,
  errnoOf: (step: string) => number,
): string | undefined {
  switch (hindrance) {
    case "closed":
      return "something is mounted below, and you may not look into it";
    case "file":
      return "something is mounted beside, and it cannot be copied";
    case "many":
      return "something is mounted below, beside too much else";
    case "mounted":
      return "mounted read-only outside";
    case undefined: {
      const errno = errnoOf(`${PART}${path}`);
      if (errno === 0) return undefined;
      return `no overlay of it is possible: ${reasonOf(errno)}`;
    }
  }
}

/** Few by their names, many files by the directories that they are in. */
function list(parts: readonly Part[]): string {
  const paths = parts.map(({ path }) => path);
  const named = paths.slice(0, NAMED).map(quote).join(", ");
  if (paths.length <= NAMED) return named;
  const directories = [...new Set(paths.map((path) => dirname(path)))];
  const areFiles = parts.every(({ kind }) => kind === "file");
  if (areFiles && directories.length <= NAMED) {
    return `${paths.length} files in ${directories.map(quote).join(", ")}`;
  }
  return `${named} and ${paths.length - NAMED} others`;
}
