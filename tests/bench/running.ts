/**
 * Many containers that one program launched: how many there are, and what they
 * take.
 *
 * @module
 */

import { descendants, readProcess } from "../e2e/support/descendants.ts";
import { type Child, spawn, until } from "../e2e/support/process.ts";
import type { Answer, Orders } from "./crowd.ts";
import type { CrowdEntry, CrowdState } from "./measurements.ts";
import { kill, payloadsOf, pssOf, settled } from "./processes.ts";
import type { Within } from "./site.ts";

/** Longer than all that is measured beside them, in milliseconds. */
const PATIENCE = 3_600_000;

/** Bounds the launch of all, in milliseconds. */
const LAUNCHING = 120_000;

/** How often memory is looked at until it is steady. */
const LOOKS = 10;

/** Between two looks, in milliseconds. */
const BETWEEN_LOOKS = 500;

/** By how many kB the memory of a machine may change that is steady. */
const STEADY = 2048;

/** Containers that run, as long as they are not removed. */
export class Crowd implements AsyncDisposable {
  readonly #name: string;
  readonly #child: Child;
  #available?: number;
  #running = 0;
  #descriptors = 0;
  readonly #launches: number[] = [];
  readonly #states: CrowdState[] = [];

  /**
   * Starts the program that launches them, and nothing else.
   *
   * @param name What it launches with.
   * @param orders What it launches.
   * @param where Where.
   */
  constructor(name: string, orders: Orders, { place, within }: Within) {
    this.#name = name;
    this.#child = spawn([
      ...[place.deno, "run", "-A", ...place.denoFlags],
      `${place.checkout}/tests/bench/crowd.ts`,
      JSON.stringify(orders),
    ], { within, patience: PATIENCE });
  }

  /** What was seen of it up to now. */
  get entry(): CrowdEntry {
    return {
      name: this.#name,
      launches: this.#launches,
      states: this.#states,
    };
  }

  /**
   * Launches more.
   *
   * @param count How many are to run then.
   */
  async growTo(count: number): Promise<void> {
    const answered = this.#child.output.length;
    await this.#child.write(`${count}\n`);
    const { descriptors, launches } = await this.#answer(answered);
    this.#launches.push(...launches);
    this.#running = count;
    this.#descriptors = descriptors;
    const { pid } = this.#child;
    await until(
      () => payloadsOf(descendants(pid)).length === count,
      `${count} containers`,
      LAUNCHING,
    );
  }

  /** Looks at what there is. */
  async look(): Promise<void> {
    const { pid } = this.#child;
    const { processes, pss } = await settled(() => descendants(pid));
    const rest = await settledAvailable();
    this.#available ??= rest;
    this.#states.push({
      running: this.#running,
      processes,
      pss,
      descriptors: this.#descriptors,
      launcher: pssOf(pid),
      machine: this.#available - rest,
    });
  }

  /** Ends all of them. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { pid } = this.#child;
    const family = descendants(pid);
    await this.#child.end().catch(() => {});
    await until(() => {
      const left = family.flatMap(({ pid }) => readProcess(pid))
        .filter(({ state }) => state !== "Z");
      for (const { pid } of left) kill(pid);
      return left.length === 0;
    }, "the end of all containers");
  }

  async #answer(from: number): Promise<Answer> {
    let hasEnded = false;
    this.#child.result.finally(() => hasEnded = true).catch(() => {});
    const line = await until(
      () => {
        if (hasEnded) return "";
        const text = this.#child.output.slice(from);
        return text.includes("\n") && text.split("\n")[0];
      },
      "an answer",
      LAUNCHING,
    );
    if (line !== "") return JSON.parse(line);
    const { stderr } = await this.#child.result;
    throw new Error(`Cannot launch many with ${this.#name}: ${stderr}`);
  }
}

/** The kernel is late to give back what it does not need any more. */
async function settledAvailable(): Promise<number> {
  let last = available();
  for (let look = 0; look < LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS));
    const now = available();
    if (Math.abs(now - last) < STEADY) return now;
    last = now;
  }
  return last;
}

/** What programs could still have, in kB, see proc_meminfo(5). */
function available(): number {
  const text = Deno.readTextFileSync("/proc/meminfo");
  return Number(text.match(/^MemAvailable:\s+([0-9]+) kB$/m)?.[1] ?? 0);
}
