/**
 * Who does what in a launch, in words.
 *
 * @module
 */

import type { Caller } from "./caller.ts";
import type { UserNamespace } from "./facts.ts";

/** Whose rights there are. */
export type Who = Pick<Caller, "gid" | "standing" | "uid">;

/**
 * Says who calls.
 *
 * @param who Who it is.
 * @returns The words.
 *
 * @example A user of the set-user-ID program
 * ```ts
 * import { callerText } from "cage/src/who.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const user = { standing: "user", uid: 1000, gid: 1000 } as const;
 * assertEquals(
 *   callerText(user),
 *   "uid 1000, gid 1000, a user of the set-user-ID program",
 * );
 * ```
 */
export function callerText({ gid, standing, uid }: Who): string {
  return `uid ${uid}, gid ${gid}, ${STANDINGS[standing]}`;
}

const STANDINGS = {
  root: "root",
  granted: "whom the policy grants root inside",
  user: "a user of the set-user-ID program",
  rootless: "with no rights of root",
} as const;

/**
 * Says with whose rights the launcher works.
 *
 * @param who Who calls.
 * @returns The words.
 *
 * @example Without any privilege
 * ```ts
 * import { launcherAs } from "cage/src/who.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const user = { standing: "rootless", uid: 1000, gid: 1000 } as const;
 * assertEquals(launcherAs(user), "uid 1000");
 * ```
 */
export function launcherAs({ standing, uid }: Who): string {
  switch (standing) {
    case "root":
      return "root";
    case "rootless":
      return `uid ${uid}`;
    case "granted":
    case "user":
      return `root, with paths of the caller opened as uid ${uid}`;
  }
}

/**
 * Says with whose rights a container is set up, or joined.
 *
 * @param who Who calls.
 * @param namespace Its user namespace, if it has one.
 * @returns The words.
 *
 * @example Root
 * ```ts
 * import { createdAs } from "cage/src/who.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const root = { standing: "root", uid: 0, gid: 0 } as const;
 * assertEquals(createdAs(root, undefined), "root");
 * ```
 */
export function createdAs(
  { standing }: Who,
  namespace: Pick<UserNamespace, "inside"> | undefined,
): string {
  if (namespace === undefined) return "root";
  const inside = `uid ${namespace.inside.uid} of its user namespace`;
  return standing === "rootless" ? inside : `root, then ${inside}`;
}
