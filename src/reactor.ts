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
}

/** Those who wait, by the descriptor that they wait for. */
const waiters = new Map<number, () => void>();

let watch: Watch | undefined;

async function waitFor(wait: Wait): Promise<void> {
  if (wait.kind === "module") return await wait.module;
  const { atMost, descriptor, kind } = wait;
  if (kind === "lock") return await lockLater(descriptor);
  const { promise, resolve } = Promise.withResolvers<void>();
  waiters.set(descriptor, resolve);
  const isFirst = watch === undefined;
  watch ??= new Watch();
  watch.add(descriptor);
  if (isFirst) turnUntilNobodyWaits(watch);
  const timer = atMost === undefined ? undefined : setTimeout(() => {
    if (!waiters.delete(descriptor)) return;
    watch?.remove(descriptor);
    resolve();
  }, atMost);
  await promise;
  clearTimeout(timer);
}

/** The set is given back when nobody waits, so that the program can end. */
async function turnUntilNobodyWaits(current: Watch): Promise<void> {
  while (waiters.size > 0) {
    for (const descriptor of await current.wait()) {
      waiters.get(descriptor)?.();
      waiters.delete(descriptor);
    }
  }
  watch = undefined;
  current[Symbol.dispose]();
}
