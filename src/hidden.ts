/**
 * What mounts of the host hide, and must stay hidden.
 *
 * A lower layer is one mount: without those that are mounted on it, it shows
 * what they hide on the host. The kernel takes that for a secret between user
 * namespaces (mount_namespaces(7)), so it is covered for a user.
 *
 * @module
 */

import { MS_BIND, MS_RDONLY, MS_REMOUNT } from "../ffi/constants.ts";
import { isCovered } from "./compose.ts";
import type { Hidden } from "./facts.ts";
import { returnToRoot } from "./mounts.ts";
import { quote } from "./quote.ts";
import { MASK_FILE } from "./restrictions.ts";
import { attachMount, copyMount, INERT, NONE, type PlanStep } from "./step.ts";
import { SCRATCH } from "./storage.ts";

/**
 * Makes what covers hidden places, after what covers masked ones, while the
 * scratch tmpfs is in sight.
 *
 * @param hidden The places.
 * @returns The steps.
 *
 * @example Nothing is hidden
 * ```ts
 * import { prepareCovers } from "cage/src/hidden.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(prepareCovers([]), []);
 * ```
 */
export function prepareCovers(hidden: readonly Hidden[]): PlanStep[] {
  const at = { result: SCRATCH };
  const why = "Cannot make a cover";
  // One for each: a volume may get its place in there.
  return uncovered(hidden).flatMap(({ kind, path }, index): PlanStep[] => {
    const cover = { name: coverName(path), why };
    if (kind === "file") return [copyMount(at, MASK_FILE, false, cover)];
    const name = `cover${index}`;
    return [
      { call: "mkdirat", args: [at, name, 0o755], why },
      copyMount(at, name, false, cover),
    ];
  });
}

/**
 * Covers hidden places with what is empty.
 *
 * @param hidden The places.
 * @returns The steps. A place that no layer has is left alone.
 *
 * @example A directory
 * ```ts
 * import { attachCovers } from "cage/src/hidden.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const [first] = attachCovers([{ path: "/home", kind: "directory" }]);
 * assertEquals(first.call, "move_mount");
 * ```
 */
export function attachCovers(hidden: readonly Hidden[]): PlanStep[] {
  return uncovered(hidden).map(({ path }) =>
    attachMount(coverName(path), path, {
      onError: { errno: "ENOENT" },
      why: whyOf(path),
    })
  );
}

/**
 * Makes the covers read-only, since what is written there would be lost. Until
 * then, places for volumes can be made there.
 *
 * @param hidden The places.
 * @returns The steps.
 *
 * @example A directory
 * ```ts
 * import { closeCovers } from "cage/src/hidden.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = closeCovers([{ path: "/home", kind: "directory" }]);
 * assertEquals(steps.map(({ call }) => call), ["fchdir", "mount", "chdir"]);
 * assertEquals(closeCovers([]), []);
 * ```
 */
export function closeCovers(hidden: readonly Hidden[]): PlanStep[] {
  const flags = MS_REMOUNT | MS_BIND | MS_RDONLY | INERT;
  const places = uncovered(hidden).filter(({ kind }) => kind === "directory");
  if (places.length === 0) return [];
  return [
    ...places.flatMap(({ path }): PlanStep[] => [
      // By descriptor: a volume may be mounted on it.
      { call: "fchdir", args: [{ result: coverName(path) }], why: whyOf(path) },
      {
        call: "mount",
        args: [NONE, ".", NONE, flags, NONE],
        // It was left alone.
        onError: { errno: "EINVAL" },
        why: whyOf(path),
      },
    ]),
    returnToRoot(),
  ];
}

function whyOf(path: string): string {
  return `Cannot cover ${quote(path)}, which a mount hides outside`;
}

function coverName(path: string): string {
  return `hidden:${path}`;
}

function uncovered(hidden: readonly Hidden[]): readonly Hidden[] {
  return hidden.filter(({ path }) => !isCovered(path));
}
