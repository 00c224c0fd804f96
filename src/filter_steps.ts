/**
 * The filter of system calls as a step of a plan.
 *
 * @module
 */

import type { Arch } from "../ffi/arch.ts";
import { INSTRUCTION_SIZE } from "./filter_bpf.ts";
import { filterCode } from "./filter_code.ts";
import type { PlanStep } from "./step.ts";

/** linux/seccomp.h: `SECCOMP_SET_MODE_FILTER`, Linux 3.17. */
const SET_MODE_FILTER = 1;

/**
 * The same header: `SECCOMP_FILTER_FLAG_SPEC_ALLOW`, Linux 4.17. Until Linux
 * 5.16 a process with a filter would run slowly without it, for the sake of
 * programs that run hostile code inside themselves; they ask for that with
 * prctl(2). runc and crun set it too.
 */
const SPEC_ALLOW = 4;

/**
 * Installs the filter in the process, and so in all that it starts. It takes
 * `CAP_SYS_ADMIN` in the user namespace, or `no_new_privs`: so capabilities
 * are dropped afterwards.
 *
 * @param arch The architecture.
 * @returns The steps.
 *
 * @example The length of the filter
 * ```ts
 * import { filterCode } from "cage/src/filter_code.ts";
 * import { filterSteps } from "cage/src/filter_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const code = filterCode("x86_64");
 * const [{ args }] = filterSteps("x86_64");
 * assertEquals(args[2], { words: [code.length / 8, code] });
 * ```
 */
export function filterSteps(arch: Arch): PlanStep[] {
  return installFilter(filterCode(arch));
}

/**
 * Installs a filter, under the same conditions.
 *
 * @param code Its instructions.
 * @returns The steps.
 *
 * @example Everything is allowed
 * ```ts
 * import { CODES, encodeFilter, verdictValue } from "cage/src/filter_bpf.ts";
 * import { installFilter } from "cage/src/filter_steps.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { give: code } = CODES;
 * const bytes = encodeFilter([{ code, k: verdictValue("allow") }]);
 * assertEquals(installFilter(bytes)[0].call, "seccomp");
 * ```
 */
export function installFilter(code: Uint8Array): PlanStep[] {
  // `struct sock_fprog` of linux/filter.h: a length in 16 bits, a pointer.
  const program = { words: [code.length / INSTRUCTION_SIZE, code] };
  return [{
    call: "seccomp",
    args: [SET_MODE_FILTER, SPEC_ALLOW, program],
    why: "Cannot install the filter of system calls",
    hints: {
      EINVAL: "use a kernel that has CONFIG_SECCOMP_FILTER",
      ENOSYS: "use a kernel that has CONFIG_SECCOMP",
    },
  }];
}
