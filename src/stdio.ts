/**
 * The standard descriptors of a command that a library starts.
 *
 * @module
 */

import { O_RDWR } from "../ffi/constants.ts";
import { close, open, pipe2 } from "../ffi/libc.ts";
import { UsageError } from "./errors.ts";
import { readableOf, writableOf } from "./pipe_streams.ts";
import type { Stdio } from "./process.ts";
import { quote } from "./quote.ts";

/**
 * What a standard descriptor is: this program's own, `/dev/null`, a pipe to
 * this program, or a descriptor of this program by its number.
 */
export type StdioChoice = "inherit" | "null" | "piped" | number;

/** Choices for the three descriptors; "inherit" where there is none. */
export type StdioChoices = Readonly<Partial<Record<keyof Stdio, StdioChoice>>>;

/** This program's ends of the pipes. */
export interface Streams {
  /** What the command reads. */
  readonly stdin?: WritableStream<Uint8Array<ArrayBuffer>>;
  /** What the command writes. */
  readonly stdout?: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What the command writes as errors. */
  readonly stderr?: ReadableStream<Uint8Array<ArrayBuffer>>;
}

/**
 * Opens what a command gets, and closes it when the command has it.
 *
 * @example Nothing to read
 * ```ts
 * import { StdioPipes } from "cage/src/stdio.ts";
 * import { assert } from "@std/assert";
 *
 * using pipes = new StdioPipes({ stdin: "null" });
 * assert(pipes.inside.stdin !== undefined);
 * ```
 */
export class StdioPipes implements Disposable {
  /** The descriptors for the command. */
  readonly inside: Stdio;
  readonly #own = new Map<keyof Stdio, number>();
  readonly #toClose = new Set<number>();

  /**
   * Opens them.
   *
   * @param choices What each is.
   * @throws {UsageError} If a choice is none.
   * @throws {SyscallError} If there are no descriptors left.
   */
  constructor({ stderr, stdin, stdout }: StdioChoices) {
    using stack = new DisposableStack();
    stack.use(this);
    this.inside = {
      ...this.#choose("stdin", stdin),
      ...this.#choose("stdout", stdout),
      ...this.#choose("stderr", stderr),
    };
    stack.move();
  }

  /**
   * Gives this program's ends away.
   *
   * @returns A stream for each pipe.
   */
  takeStreams(): Streams {
    const streams = {
      stdin: this.#take("stdin", writableOf),
      stdout: this.#take("stdout", readableOf),
      stderr: this.#take("stderr", readableOf),
    };
    return Object.fromEntries(
      Object.entries(streams).filter(([, stream]) => stream !== undefined),
    );
  }

  /** Closes what is not a stream of this program by now. */
  [Symbol.dispose](): void {
    this.#toClose.forEach(close);
  }

  #choose(name: keyof Stdio, choice: StdioChoice = "inherit"): Stdio {
    if (isDescriptor(choice)) return { [name]: choice };
    if (choice === "inherit") return {};
    if (choice === "null") {
      return { [name]: this.#later(open("/dev/null", O_RDWR)) };
    }
    if (choice !== "piped") throw noChoice(name, choice);
    const { reader, writer } = pipe2();
    const [inside, own] = name === "stdin"
      ? [reader, writer]
      : [writer, reader];
    this.#own.set(name, this.#later(own));
    return { [name]: this.#later(inside) };
  }

  #later(descriptor: number): number {
    this.#toClose.add(descriptor);
    return descriptor;
  }

  #take<T>(name: keyof Stdio, streamOf: (end: number) => T): T | undefined {
    const descriptor = this.#own.get(name);
    if (descriptor === undefined) return undefined;
    this.#toClose.delete(descriptor);
    return streamOf(descriptor);
  }
}

function isDescriptor(choice: StdioChoice): choice is number {
  return Number.isInteger(choice) && choice as number >= 0;
}

/** Programs without types may give anything. */
function noChoice(name: string, choice: unknown): UsageError {
  return new UsageError(
    `Cannot use ${quote(String(choice))} as ${name}: use "inherit", "null", ` +
      '"piped" or the number of a descriptor',
  );
}
