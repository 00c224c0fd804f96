/**
 * User namespaces as steps: how a process becomes what it is there.
 *
 * @module
 */

import { CLONE_NEWUSER } from "../ffi/constants.ts";
import type { UserNamespace } from "./facts.ts";
import type { Argument } from "../ffi/step.ts";
import { NONE, type PlanStep } from "./step.ts";

/** Who a process becomes in a user namespace, and where that is. */
export type NamespaceEntry = Pick<UserNamespace, "inside"> & {
  /** A descriptor of the namespace, or a pidfd of a process in it. */
  readonly descriptor: Argument;
};

/**
 * Has files made with the ids of the owner of the container, and looked up
 * with no more rights than theirs. Mounting still takes root's.
 *
 * @param namespace The user namespace of the container.
 * @returns The steps.
 *
 * @example The order
 * ```ts
 * import { ownerSteps } from "cage/src/user_namespace_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const owner = { uid: 1000, gid: 100, groups: [] };
 * assertEquals(ownerSteps({ owner }).map(({ args }) => args), [[100], [1000]]);
 * ```
 */
export function ownerSteps(
  { owner }: Pick<UserNamespace, "owner">,
): PlanStep[] {
  return [
    { call: "setfsgid", args: [owner.gid] },
    // The kernel takes the capabilities for files with it: capabilities(7).
    { call: "setfsuid", args: [owner.uid] },
  ];
}

/**
 * Keeps the groups of the owner, the primary one among them, so that whatever
 * the process becomes, it cannot leave one that the host uses to forbid.
 *
 * @param groups The ids of the groups on the host.
 * @returns The step.
 *
 * @example Two groups
 * ```ts
 * import { keepGroups } from "cage/src/user_namespace_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(keepGroups([100, 27]).args[0], 2);
 * ```
 */
export function keepGroups(groups: readonly number[]): PlanStep {
  const list = new Uint8Array(new Uint32Array(groups).buffer);
  return {
    call: "setgroups",
    args: [groups.length, list],
    why: "Cannot keep the groups of the caller",
  };
}

/**
 * Becomes root of the machine, whoever called.
 *
 * @returns The steps.
 *
 * @example The last step
 * ```ts
 * import { rootIdSteps } from "cage/src/user_namespace_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(rootIdSteps().at(-1)?.call, "setresuid");
 * ```
 */
export function rootIdSteps(): PlanStep[] {
  return [
    { call: "setgroups", args: [0, NONE], why: WHY },
    ...idSteps({ uid: 0, gid: 0 }),
  ];
}

/**
 * Enters a user namespace. All capabilities are those of the namespace then.
 *
 * @param entry The namespace, and who to be there.
 * @returns The steps.
 *
 * @example The first step
 * ```ts
 * import { enterUserNamespace } from "cage/src/user_namespace_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const inside = { uid: 0, gid: 0 };
 * assertEquals(enterUserNamespace({ descriptor: 9, inside })[0].call, "setns");
 * ```
 */
export function enterUserNamespace(
  { descriptor, inside }: NamespaceEntry,
): PlanStep[] {
  return [
    {
      call: "setns",
      args: [descriptor, CLONE_NEWUSER],
      why: "Cannot enter the user namespace of the container",
    },
    ...idSteps(inside),
  ];
}

const WHY = "Cannot take on the ids of the container";

/**
 * Takes on ids.
 *
 * @param ids The ids, as the user namespace of the process counts.
 * @returns The steps.
 *
 * @example The order
 * ```ts
 * import { idSteps } from "cage/src/user_namespace_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const calls = idSteps({ uid: 0, gid: 0 }).map(({ call }) => call);
 * assertEquals(calls, ["setresgid", "setresuid"]);
 * ```
 */
export function idSteps({ gid, uid }: UserNamespace["inside"]): PlanStep[] {
  return [
    { call: "setresgid", args: [gid, gid, gid], why: WHY },
    { call: "setresuid", args: [uid, uid, uid], why: WHY },
  ];
}
