/**
 * Holds directories that two overlays cannot share: overlayfs says itself that
 * what it does then is undefined.
 *
 * @module
 */

import { LOCK_EX, LOCK_NB, LOCK_UN, O_RDONLY } from "../ffi/constants.ts";
import { close, flock, hasErrno, open, SyscallError } from "../ffi/libc.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import { UsageError } from "./errors.ts";
import type { Layout } from "./layout.ts";
import { quote } from "./quote.ts";

/** The upper and the work directory of a container, as long as it runs. */
export class Hold implements Disposable {
  readonly #held = new Map<string, number>();

  /** Descriptors that hold the locks; whoever has them open holds them. */
  get descriptors(): readonly number[] {
    return [...this.#held.values()];
  }

  /**
   * Takes the directories, those that are there by now.
   *
   * @param layout The paths of the container.
   * @throws {UsageError} If another instance has one of them.
   */
  take({ upper, work }: Layout): void {
    this.#take("upper", upper, "-U");
    this.#take("work", work, "-w");
  }

  /** Gives the directories back. */
  [Symbol.dispose](): void {
    for (const descriptor of this.descriptors) {
      // A child that is being started may have a copy of the descriptor.
      flock(descriptor, LOCK_UN);
      close(descriptor);
    }
    this.#held.clear();
  }

  #take(kind: string, path: string, option: string): void {
    if (this.#held.has(path)) return;
    const descriptor = openDirectory(path);
    if (descriptor === undefined) return;
    try {
      flock(descriptor, LOCK_EX | LOCK_NB);
      this.#held.set(path, descriptor);
    } catch (error) {
      close(descriptor);
      // Where a file system has no locks, there is nothing to be held.
      if (!hasErrno(error, "EAGAIN")) return;
      throw new UsageError(
        `Cannot use ${kind} directory ${quote(path)}: another instance uses ` +
          `it: stop that one with -k, or use ${option} to put it elsewhere`,
      );
    }
  }
}

/** What is wrong with one that cannot be opened is for the plan to find. */
function openDirectory(path: string): number | undefined {
  try {
    return open(path, O_RDONLY | O_DIRECTORY);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}
