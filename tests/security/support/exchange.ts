/**
 * Names that change while `cage` starts.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Child } from "../../e2e/support/mod.ts";
import type { Attack } from "./attack.ts";
import { pack } from "./packed.ts";
import type { Person } from "./people.ts";

/** `RENAME_EXCHANGE` of linux/fs.h, Linux 3.15. */
const RENAME_EXCHANGE = 2;
const AT_FDCWD = -100;

/**
 * Exchanges the names of pairs as fast as the kernel can, until it is killed.
 *
 * @param attack The attack.
 * @param person The user who does it.
 * @param pairs The names.
 * @returns The running program, after the first exchange.
 */
export async function exchange(
  attack: Attack,
  person: Person,
  pairs: readonly (readonly [one: string, other: string])[],
): Promise<Child> {
  const renames = pairs.map(([one, other], index) => ({
    name: `exchange-${index}`,
    call: "renameat2" as const,
    args: [AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE],
  }));
  const program = pack(attack, [
    // What cannot be exchanged at first would be no race.
    ...renames.map((step) => ({ ...step, name: `first-${step.name}` })),
    { call: "write", args: [1, "ready\n", 6] },
    ...renames.map((step) => ({ ...step, onError: {} })),
    {
      call: "load",
      args: [{ buffer: "zero" }, 0],
      ifZero: "exchange-0",
    },
  ], { zero: 8 });
  const child = attack.spawn(person, [program]);
  await child.seen("ready");
  return child;
}

/**
 * Ends an exchange, which must have gone on until then: one that had ended
 * would have been none.
 *
 * @param swapper The running program.
 */
export async function stopExchange(swapper: Child): Promise<void> {
  swapper.kill("SIGKILL");
  assertEquals((await swapper.result).status, 137, "The exchange had ended");
}
