/**
 * What a launch waits for. A launch is a generator that yields these, so that
 * the command line can wait on its one thread, and the library without
 * stopping the program that it is part of.
 *
 * @module
 */

/** A descriptor that can be read, or the lock of an open file. */
export interface DescriptorWait {
  /** What for. */
  readonly kind: "readable" | "lock";
  /** The descriptor. */
  readonly descriptor: number;
  /** How long to wait for it to be readable, in milliseconds. */
  readonly atMost?: number;
  /** Whether a signal is left for later, since there is no way back. */
  readonly signalsLater?: boolean;
}

/** A part of the program that not every launch needs. */
export interface ModuleWait {
  /** What for. */
  readonly kind: "module";
  /** Kept when it is there. */
  readonly module: Promise<void>;
}

/** One thing that is waited for. */
export type Wait = DescriptorWait | ModuleWait;

/** Something that waits now and then on its way to a result. */
export type Waiting<T> = Generator<Wait, T, void>;

/**
 * Waits until a descriptor can be read; a pidfd can when its process has ended.
 *
 * @param descriptor The descriptor.
 * @returns Nothing, once it can.
 *
 * @example What is waited for
 * ```ts
 * import { untilReadable } from "cage/src/wait.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...untilReadable(7)], [{ kind: "readable", descriptor: 7 }]);
 * ```
 */
export function* untilReadable(descriptor: number): Waiting<void> {
  yield { kind: "readable", descriptor };
}

/**
 * Waits until this process has the exclusive lock of an open file.
 *
 * @param descriptor The descriptor.
 * @returns Nothing, once it has.
 *
 * @example What is waited for
 * ```ts
 * import { untilLocked } from "cage/src/wait.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...untilLocked(7)], [{ kind: "lock", descriptor: 7 }]);
 * ```
 */
export function* untilLocked(descriptor: number): Waiting<void> {
  yield { kind: "lock", descriptor };
}

/**
 * Waits until a part of the program is loaded that not every launch needs, and
 * that would make each of them slower.
 *
 * @param loading The import of it.
 * @returns The module.
 *
 * @example A module
 * ```ts
 * import { drive } from "cage/src/drive.ts";
 * import { untilLoaded } from "cage/src/wait.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { quote } = await drive(untilLoaded(import("cage/src/quote.ts")));
 * assertEquals(quote("a"), '"a"');
 * ```
 */
export function* untilLoaded<T>(loading: Promise<T>): Waiting<T> {
  const loaded: T[] = [];
  yield {
    kind: "module",
    module: loading.then((module) => void loaded.push(module)),
  };
  return loaded[0];
}
