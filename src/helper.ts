/**
 * A process that runs a program in this process's memory, and soon ends.
 *
 * @module
 */

import type { Block } from "../ffi/block.ts";
import { SIGNALS } from "../ffi/constants.ts";
import { close, type Ended, pidfdSendSignal, waitPidfd } from "../ffi/libc.ts";
import { errorOf } from "./failure.ts";
import { startQuietly } from "./quiet_start.ts";
import { untilReadable, type Waiting } from "./wait.ts";

/**
 * Such a process. The memory must not go before it has ended.
 *
 * @example One that does nothing
 * ```ts
 * import { Block } from "cage/ffi/block.ts";
 * import { Helper } from "cage/src/helper.ts";
 * import { assertEquals } from "@std/assert";
 *
 * using block = new Block();
 * block.append({ steps: [] });
 * using helper = new Helper(block);
 * assertEquals(helper.wait().status, 0);
 * ```
 */
export class Helper implements Disposable {
  /** A pidfd, which can be read when the process has ended. */
  readonly pidfd: number;
  readonly #block: Block;
  #hasEnded = false;

  /**
   * Starts it.
   *
   * @param block The memory with the program.
   * @param flags Flags of clone(2).
   */
  constructor(block: Block, flags = 0) {
    this.#block = block;
    this.pidfd = startQuietly(block, flags).pidfd;
  }

  /**
   * Waits for its end.
   *
   * @returns How it ended.
   */
  wait(): Ended {
    const ended = waitPidfd(this.pidfd)!;
    this.#hasEnded = true;
    return ended;
  }

  /**
   * Lets others go on until its end.
   *
   * @returns How it ended.
   * @throws {LaunchError | CommandError} If a step of its program failed.
   */
  *untilEnded(): Waiting<Ended> {
    yield* untilReadable(this.pidfd);
    const ended = this.wait();
    const failure = this.#block.failure();
    if (failure?.stopped) throw errorOf(failure);
    return ended;
  }

  /** Ends it, if it has not ended by itself. */
  [Symbol.dispose](): void {
    if (!this.#hasEnded) {
      pidfdSendSignal(this.pidfd, SIGNALS.SIGKILL);
      this.wait();
    }
    close(this.pidfd);
  }
}
