/**
 * Waits for what a launch waits for: beside the rest of a program, as a
 * library does. All containers together take one thread for waiting.
 *
 * @module
 */

import { Watch } from "../ffi/libc.ts";
import { lockLater } from "../ffi/lock.ts";
import type { Wait, Waiting } from "./wait.ts";

/**
 * Runs to the end of something that waits now and then, while the rest of the
 * program goes on.
 *
 * @param waiting What waits.
 * @returns Its result.
 *
 * @example Nothing to wait for
 * ```ts
 * import { driveLater } from "cage/src/reactor.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await driveLater(function* () { return 7; }()), 7);
 * ```
 */
export async function driveLater<T>(waiting: Waiting<T>): Promise<T> {
  running++;
  try {
    let turn = waiting.next();
    while (!turn.done) {
      try {
        await waitFor(turn.value);
      } catch (error) {
        turn = waiting.throw(error);
        continue;
      }
      turn = waiting.next();
    }
    return turn.value;
  } finally {
    if (--running === 0) await endWatch();
  }
}

/** How many may wait, now or later. */
let running = 0;

/** Those who wait, by the descriptor that they wait for. */
const waiters = new Map<number, () => void>();

/** What they wait with, kept as long as somebody may wait again. */
let watch: Watch | undefined;

/** The one that a thread waits with, and the end of that. */
let turning: Watch | undefined;
let turned: Promise<void> | undefined;

async function waitFor(wait: Wait): Promise<void> {
  if (wait.kind === "module") return await wait.module;
  const { atMost, descriptor, kind } = wait;
  if (kind === "lock") return await lockLater(descriptor);
  const { promise, resolve } = Promise.withResolvers<void>();
  waiters.set(descriptor, resolve);
  watch ??= new Watch();
  watch.add(descriptor);
  if (turning !== watch) turned = turnUntilNobodyWaits(watch);
  const timer = atMost === undefined ? undefined : setTimeout(() => {
    if (!waiters.delete(descriptor)) return;
    watch?.remove(descriptor);
    resolve();
  }, atMost);
  await promise;
  clearTimeout(timer);
}

/** Nothing is under way when nobody waits, so that the program can end. */
async function turnUntilNobodyWaits(current: Watch): Promise<void> {
  turning = current;
  while (turning === current && waiters.size > 0) {
    for (const descriptor of await current.wait()) {
      waiters.get(descriptor)?.();
      waiters.delete(descriptor);
    }
  }
  if (turning === current) turning = undefined;
}

/** Also where somebody waits in vain: who waited for so long has given up. */
async function endWatch(): Promise<void> {
  watch?.[Symbol.dispose]();
  watch = turning = undefined;
  await turned;
}
