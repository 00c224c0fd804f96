/**
 * Follows the programs of a launch, for `--debug`.
 *
 * @module
 */

import type { Block } from "../ffi/block.ts";
import type { Program } from "../ffi/step.ts";
import { stepName, timeAt, timed, timedLines, timesOf } from "./timed.ts";

/** Tells what the programs of a launch did. */
export class Trace implements Disposable {
  readonly #tell: (line: string) => void;
  readonly #followed: {
    readonly block: Block;
    readonly program: Program;
    readonly phase: string;
  }[] = [];

  /**
   * Follows nothing yet.
   *
   * @param tell Gets the lines in the end.
   */
  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  /**
   * Follows a program.
   *
   * @param block The memory that it is put into, to be there until the end.
   * @param program The program.
   * @param phase What it is a part of.
   * @returns What is to be put there.
   */
  follow(block: Block, program: Program, phase: string): Program {
    this.#followed.push({ block, program, phase });
    return timed(program, phase);
  }

  /** Tells what ran. */
  [Symbol.dispose](): void {
    const begun = this.#followed.flatMap(({ block, program, phase }) => {
      const times = block.buffer(timesOf(phase));
      return program.steps.map((step, index) => ({
        ...{ phase, step },
        at: timeAt(times, index),
        result: block.result(stepName(step, index, phase)),
      }));
    });
    timedLines(begun).forEach(this.#tell);
  }
}
