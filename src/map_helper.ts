/**
 * Runs the programs that write the ids of a user namespace, which can do so
 * with the rights of root.
 *
 * @module
 */

import { Block } from "../ffi/block.ts";
import {
  AT_FDCWD,
  CLD_EXITED,
  CLONE_VFORK,
  CLOSE_RANGE_CLOEXEC,
  O_CLOEXEC,
  O_RDWR,
} from "../ffi/constants.ts";
import { close, type Ended, SyscallError, waitPidfd } from "../ffi/libc.ts";
import { CageError } from "./errors.ts";
import { errorOf, refusalOf } from "./failure.ts";
import { unblockSignals } from "./process.ts";
import { startQuietly } from "./quiet_start.ts";
import { quote } from "./quote.ts";
import { Said } from "./said.ts";
import type { PlanStep } from "./step.ts";

/** A program that runs, beside others. */
export class MapHelper implements Disposable {
  readonly #block: Block;
  readonly #cannot: string;
  readonly #file: string;
  readonly #pidfd: number;
  readonly #said: Said;
  #hasEnded = false;

  /**
   * Starts it.
   *
   * @param program The path of newuidmap(1) or newgidmap(1).
   * @param args Its arguments.
   * @param file The path of the file by which it judges.
   * @throws {CageError} If it cannot be started.
   */
  constructor(program: string, args: readonly string[], file: string) {
    this.#cannot = `Cannot map the ids of the container with ${quote(program)}`;
    this.#file = file;
    using stack = new DisposableStack();
    this.#block = stack.use(new Block());
    this.#said = stack.use(new Said("map"));
    this.#block.append({
      steps: stepsOf(program, args, this.#said.descriptor, this.#cannot),
    });
    this.#pidfd = startHelper(this.#block, this.#cannot);
    stack.move();
  }

  /**
   * Waits until it has ended.
   *
   * @throws {CageError} If it has failed, in its own words.
   */
  wait(): void {
    const { code, status } = this.#end();
    const failure = this.#block.failure();
    if (failure?.stopped) {
      throw errorOf({ step: failure.step, errno: failure.errno });
    }
    if (code === CLD_EXITED && status === 0) return;
    const words = this.#said.text().trim().split("\n").join("; ");
    throw new CageError(
      `${this.#cannot}: ${words || `it failed with status ${status}`}: see ` +
        `what ${this.#file} gives you, and that the program is set-user-ID root`,
    );
  }

  /** Gives back what it holds, once it has ended. */
  [Symbol.dispose](): void {
    // The other one may not have been started.
    if (!this.#hasEnded) this.#end();
    close(this.#pidfd);
    this.#said[Symbol.dispose]();
    this.#block[Symbol.dispose]();
  }

  #end(): Ended {
    this.#hasEnded = true;
    return waitPidfd(this.#pidfd)!;
  }
}

function startHelper(block: Block, cannot: string): number {
  try {
    return startQuietly(block, CLONE_VFORK).pidfd;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw refusalOf(cannot, error, "raise the limits (ulimit -u, ulimit -n)");
  }
}

function stepsOf(
  program: string,
  args: readonly string[],
  words: number,
  why: string,
): PlanStep[] {
  const flags = O_RDWR | O_CLOEXEC;
  const nothing = { result: "nothing" };
  return [
    {
      name: nothing.result,
      call: "openat",
      args: [AT_FDCWD, "/dev/null", flags],
      why,
    },
    ...[nothing, words, words].map((from, to): PlanStep => ({
      call: "dup3",
      args: [from, to, 0],
      why,
    })),
    { call: "close_range", args: [3, 0xffffffff, CLOSE_RANGE_CLOEXEC], why },
    unblockSignals(),
    {
      call: "execve",
      args: [program, [program, ...args], []],
      why,
      hints: { "": "reinstall the package uidmap" },
    },
  ];
}
