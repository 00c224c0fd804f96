/**
 * A filter by which groups are kept.
 *
 * Where a user namespace denies setgroups(2), so that nobody leaves a group
 * that the host uses to forbid, programs that give up rights would fail:
 * apt(8), su(1) and daemons. For them the call says that it was done, and
 * changes nothing. The kernel denies it all the same; this is no protection
 * but a convenience, and so it is a filter of its own beside the other one.
 *
 * @module
 */

import type { Arch } from "../ffi/arch.ts";
import { callNumber } from "../ffi/calls.ts";
import {
  CODES,
  DATA,
  encodeFilter,
  SUCCESS,
  verdictValue,
} from "./filter_bpf.ts";
import { installFilter } from "./filter_steps.ts";
import type { PlanStep } from "./step.ts";

/**
 * Installs the filter. Of two filters the stricter verdict counts, and an
 * error, also that of 0, is stricter than to allow (seccomp(2)).
 *
 * @param arch The architecture.
 * @returns The steps.
 *
 * @example The call
 * ```ts
 * import { keepGroupsSteps } from "cage/src/keep_groups.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(keepGroupsSteps("x86_64")[0].call, "seccomp");
 * ```
 */
export function keepGroupsSteps(arch: Arch): PlanStep[] {
  return installFilter(keepGroupsFilter(arch));
}

/**
 * Writes the filter. Calls by other doors are the other filter's to refuse.
 *
 * @param arch The architecture.
 * @returns The bytes that the filter of a `struct sock_fprog` points to.
 *
 * @example Four instructions
 * ```ts
 * import { keepGroupsFilter } from "cage/src/keep_groups.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(keepGroupsFilter("aarch64").length, 4 * 8);
 * ```
 */
export function keepGroupsFilter(arch: Arch): Uint8Array {
  return encodeFilter([
    { code: CODES.load, k: DATA.number },
    { code: CODES.equal, k: callNumber("setgroups", arch), jf: 1 },
    { code: CODES.give, k: SUCCESS },
    { code: CODES.give, k: verdictValue("allow") },
  ]);
}
