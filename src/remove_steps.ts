/**
 * Removes directories as steps.
 *
 * @module
 */

import { CLOSE_RANGE_CLOEXEC } from "../ffi/constants.ts";
import type { LaterNamespace } from "./facts.ts";
import { endWithParent, unblockSignals } from "./process.ts";
import type { PlanStep } from "./step.ts";
import { enterUserNamespace, keepGroups } from "./user_namespace_steps.ts";

/** Where rm(1) is. */
const REMOVERS = ["/usr/bin/rm", "/bin/rm"];

/**
 * Becomes rm(1), with no more rights over files than the ids of a user have.
 *
 * @param directory A descriptor of the directory to remove from.
 * @param names What to remove there, with everything below.
 * @param namespace The user namespace whose ids the files have; root if absent.
 * @param groups Groups to be kept, as the host counts; those that this process
 * has if absent.
 * @returns The steps.
 *
 * @example The last step
 * ```ts
 * import { removeSteps } from "cage/src/remove_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(removeSteps(9, ["upper"]).at(-1)?.args[0], "/bin/rm");
 * ```
 */
export function removeSteps(
  directory: number,
  names: readonly string[],
  namespace?: LaterNamespace,
  groups?: readonly number[],
): PlanStep[] {
  const why = "Cannot remove what was changed";
  // A name may look like an option, and a mount is somebody else's.
  const argv = ["rm", "-rf", "--one-file-system", "--", ...names];
  return [
    { call: "close_range", args: [3, 0xffffffff, CLOSE_RANGE_CLOEXEC], why },
    { call: "fchdir", args: [directory], why },
    ...(groups === undefined ? [] : [keepGroups(groups)]),
    ...(namespace === undefined ? [] : enterUserNamespace(namespace)),
    endWithParent(),
    unblockSignals(),
    ...REMOVERS.map((file, index): PlanStep => ({
      call: "execve",
      args: [file, argv, []],
      ...(index < REMOVERS.length - 1 ? { onError: {} } : {}),
      why,
      hints: { ENOENT: "install rm" },
    })),
  ];
}
