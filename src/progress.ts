/**
 * How far something is, on a terminal.
 *
 * @module
 */

import { writeAll } from "../ffi/libc.ts";

/** How often it is told, in milliseconds. */
const INTERVAL = 100;

/** Looked at the clock after so many steps. */
const OFTEN = 64;

/**
 * Counts steps on standard error, if that is a terminal.
 *
 * @example Three steps
 * ```ts
 * import { Progress } from "cage/src/progress.ts";
 *
 * using progress = new Progress("files", 3);
 * for (let step = 0; step < 3; step++) progress.next();
 * ```
 */
export class Progress implements Disposable {
  readonly #isShown = Deno.stderr.isTerminal();
  readonly #what: string;
  readonly #total?: number;
  #count = 0;
  #last = performance.now();
  #isThere = false;

  /**
   * Begins.
   *
   * @param what What is counted.
   * @param total How many there are, if that is known: a bar is drawn then.
   */
  constructor(what: string, total?: number) {
    this.#what = what;
    if (total !== undefined) this.#total = total;
  }

  /** One more. */
  next(): void {
    this.#count++;
    if (!this.#isShown || this.#count % OFTEN !== 0) return;
    const now = performance.now();
    if (now - this.#last < INTERVAL) return;
    this.#last = now;
    this.#isThere = true;
    this.#write(`\r\x1b[K${this.#text()}`);
  }

  /** Removes the line. */
  end(): void {
    if (this.#isThere) this.#write("\r\x1b[K");
    this.#isThere = false;
  }

  /** Removes the line. */
  [Symbol.dispose](): void {
    this.end();
  }

  #text(): string {
    if (this.#total === undefined) return `${this.#count} ${this.#what}`;
    const done = Math.round(30 * this.#count / Math.max(1, this.#total));
    return `[${"#".repeat(done).padEnd(30)}] ` +
      `${this.#count} of ${this.#total} ${this.#what}`;
  }

  #write(text: string): void {
    writeAll(2, new TextEncoder().encode(text));
  }
}
