/**
 * What this process may do.
 *
 * @module
 */

/**
 * Finds the effective capabilities of this process.
 *
 * @returns A set, a bit for each by its number in linux/capability.h.
 *
 * @example A set of bits
 * ```ts
 * import { effectiveCapabilities } from "cage/src/capabilities.ts";
 * import { assert } from "@std/assert";
 *
 * assert(effectiveCapabilities() >= 0n);
 * ```
 */
export function effectiveCapabilities(): bigint {
  const status = Deno.readTextFileSync("/proc/self/status");
  return BigInt(`0x${/^CapEff:\t(.*)$/m.exec(status)?.[1] ?? "0"}`);
}
