/**
 * Counts what directories of containers take on the disk.
 *
 * @module
 */

import { Block } from "../ffi/block.ts";
import { O_RDWR } from "../ffi/constants.ts";
import { close, open, pipe2, poll, read, SyscallError } from "../ffi/libc.ts";
import type { Client } from "./client.ts";
import { Descriptors } from "./descriptors.ts";
import { InterruptedError } from "./drive.ts";
import { CageError } from "./errors.ts";
import type { LaterNamespace } from "./facts.ts";
import { Helper } from "./helper.ts";
import {
  measureSteps,
  type MeasureWish,
  parseMeasure,
} from "./measure_steps.ts";
import { copyOf } from "./sources.ts";
import { userNamespaceFor } from "./user_namespace.ts";
import type { Waiting } from "./wait.ts";

/**
 * Counts with the rights of a caller: what belongs to the ids of a user is
 * counted in a user namespace that has those ids and no others.
 *
 * @example Nothing counted
 * ```ts
 * import { findClient } from "cage/src/client.ts";
 * import { Measure } from "cage/src/measure.ts";
 *
 * using _measure = new Measure(findClient({}));
 * ```
 */
export class Measure implements Disposable {
  readonly #client: Client;
  readonly #kept = new Descriptors();
  readonly #nothing: number;
  #namespace?: { readonly made?: LaterNamespace };

  /**
   * Prepares to count.
   *
   * @param client Who calls.
   */
  constructor(client: Client) {
    this.#client = client;
    this.#nothing = this.#kept.keep(open("/dev/null", O_RDWR));
  }

  /**
   * Counts what is in a directory, hard links once.
   *
   * @param directory A descriptor of the directory.
   * @param atMost How long it may take, in milliseconds.
   * @returns The size in bytes; nothing if it cannot be counted, or not in
   * time.
   */
  *size(directory: number, atMost?: number): Waiting<number | undefined> {
    const { gid, groups, standing } = this.#client;
    using kept = new Descriptors();
    try {
      const namespace = this.#findNamespace();
      // What is mounted below is not in a copy of the mount, and so cannot be
      // asked for anything.
      const copy = standing === "rootless"
        ? directory
        : kept.keep(copyOf(directory, false));
      return yield* count({
        ...{ directory: copy, nothing: this.#nothing },
        ...(namespace === undefined ? {} : { namespace }),
        ...(standing === "user" ? { groups: [gid, ...groups] } : {}),
      }, atMost);
    } catch (error) {
      const isRefused = error instanceof SyscallError ||
        error instanceof CageError && !(error instanceof InterruptedError);
      if (!isRefused) throw error;
      return undefined;
    }
  }

  /** Root has all ids. */
  #findNamespace(): LaterNamespace | undefined {
    const { standing } = this.#client;
    if (standing === "root" || standing === "granted") return undefined;
    this.#namespace ??= {
      made: userNamespaceFor({}, this.#client, this.#kept),
    };
    return this.#namespace.made;
  }

  /** Gives back what is needed for counting. */
  [Symbol.dispose](): void {
    this.#kept[Symbol.dispose]();
  }
}

/** Room for what du(1) answers. */
const ANSWER_SIZE = 64;

function* count(
  wish: Omit<MeasureWish, "answer">,
  atMost: number | undefined,
): Waiting<number | undefined> {
  using block = new Block();
  const { reader, writer } = pipe2();
  try {
    block.append({ steps: measureSteps({ ...wish, answer: writer }) });
    {
      // Ended with the waiting, also by a signal: it has the memory of this one.
      using helper = new Helper(block);
      const wait = { kind: "readable", descriptor: helper.pidfd } as const;
      yield atMost === undefined ? wait : { ...wait, atMost };
    }
    const answer = new Uint8Array(ANSWER_SIZE);
    // With an end of it here, an empty pipe would be waited for.
    if (poll([{ fd: reader }], 0).length === 0) return undefined;
    const size = read(reader, answer);
    return parseMeasure(new TextDecoder().decode(answer.subarray(0, size)));
  } finally {
    close(reader);
    close(writer);
  }
}
