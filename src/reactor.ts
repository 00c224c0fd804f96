/**
 * Waits for what a launch waits for: beside the rest of a program, as a
 * library does. All containers together take one thread for waiting.
 *
 * @module
 */

import { Watch } from "../ffi/libc.ts";
import { lockLater } from "./lock_later.ts";
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
  return await running(() => goThrough(waiting));
}

/**
 * Waits for a descriptor while the rest of the program goes on.
 *
 * @param descriptor The descriptor.
 * @param until What it is waited for: that it can be read, or written to.
 * @returns Nothing, once it can, or somebody forgets it.
 *
 * @example A pipe that can be written to
 * ```ts
 * import { Pipe } from "cage/src/pipe.ts";
 * import { readyLater } from "cage/src/reactor.ts";
 *
 * using pipe = new Pipe();
 * await readyLater(pipe.writer, "writable");
 * ```
 */
export async function readyLater(
  descriptor: number,
  until: "readable" | "writable",
): Promise<void> {
  await running(() => waitForDescriptor(descriptor, until));
}

/**
 * Ends the waiting for a descriptor, which must happen before it is closed.
 *
 * @param descriptor The descriptor.
 *
 * @example Nobody waits
 * ```ts
 * import { forget } from "cage/src/reactor.ts";
 *
 * forget(0);
 * ```
 */
export function forget(descriptor: number): void {
  const resolve = waiters.get(descriptor);
  if (resolve === undefined) return;
  waiters.delete(descriptor);
  watch?.remove(descriptor);
  resolve();
}

/** How many may wait, now or later. */
let count = 0;

async function running<T>(action: () => Promise<T>): Promise<T> {
  count++;
  try {
    return await action();
  } finally {
    if (--count === 0) await endWatch();
  }
}

async function goThrough<T>(waiting: Waiting<T>): Promise<T> {
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

/** What they wait with, kept as long as somebody may wait again. */
let watch: Watch | undefined;

/** The one that a thread waits with, and the end of that. */
let turning: Watch | undefined;
let turned: Promise<void> | undefined;

async function waitFor(wait: Wait): Promise<void> {
  if (wait.kind === "module") return await wait.module;
  const { atMost, descriptor, kind } = wait;
  if (kind === "lock") return await driveLater(lockLater(descriptor));
  await waitForDescriptor(descriptor, kind, atMost);
}

async function waitForDescriptor(
  descriptor: number,
  until: "readable" | "writable",
  atMost?: number,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  watch ??= new Watch();
  watch.add(descriptor, until);
  waiters.set(descriptor, resolve);
  if (turning !== watch) turned = turnUntilNobodyWaits(watch);
  const timer = atMost === undefined ? undefined : setTimeout(() => {
    if (waiters.get(descriptor) === resolve) forget(descriptor);
  }, atMost);
  await promise;
  clearTimeout(timer);
}

/** Nothing is under way when nobody waits, so that the program can end. */
async function turnUntilNobodyWaits(current: Watch): Promise<void> {
  turning = current;
  while (turning === current && waiters.size > 0) {
    for (const descriptor of await current.wait()) {
      const resolve = waiters.get(descriptor);
      waiters.delete(descriptor);
      resolve?.();
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
