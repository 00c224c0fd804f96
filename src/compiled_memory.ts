/**
 * Memory that the processes of a compiled container give back before they wait:
 * of a program of some hundred steps they need a few dozen then. These are the
 * first in the program, their buffers the last of all, and so their texts are
 * beside their buffers:
 *
 * ```text
 * header, parts in which they stay │ other steps, other buffers │ theirs, texts │ …
 *                                  └──────── given back ────────┘               └─
 * ```
 *
 * @module
 */

import { HOST_ARCH } from "../ffi/arch.ts";
import { packElf, PROGRAM_ADDRESS, PROGRAM_OFFSET } from "../ffi/elf.ts";
import { HEADER_SIZE, INSTRUCTION_SIZE } from "../ffi/instruction.ts";
import type { Argument, Program, Step } from "../ffi/step.ts";
import type { CompiledStep } from "./compiled_step.ts";

/**
 * The smallest page there is. Where pages are larger, munmap(2) refuses what
 * does not begin with one, and all is kept.
 */
const PAGE = 4096;

/** More than all texts take. Behind them is nothing for a long way. */
const ALL_TEXTS = 256 * PAGE;

/** What is given back. */
const FREED = ["steps", "texts"] as const;

/**
 * Writes a part of a program in which a process stays.
 *
 * @param part Its name.
 * @param results The names of results from elsewhere that are used in it.
 * @param make Makes its steps, given what the results are called there.
 * @returns The steps, the first of which has a name.
 *
 * @example Results are taken along
 * ```ts
 * import { stay } from "cage/src/compiled_memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = stay("wait", ["child"], ([child]) => [
 *   { call: "waitid", args: [1, child] },
 * ]);
 * assertEquals(steps[0].args[0], { result: "child" });
 * assertEquals(steps.at(-1)?.args[1], { result: "wait-child" });
 * ```
 */
export function stay(
  part: string,
  results: readonly string[],
  make: (results: Argument[]) => readonly CompiledStep[],
): CompiledStep[] {
  const names = results.map((result) => `${part}-${result}`);
  return [
    ...results.map((result, index): CompiledStep => ({
      name: names[index],
      call: "subtract",
      args: [{ result }, 0, 0],
    })),
    ...FREED.map((what): CompiledStep => ({
      name: `${part}-frees-${what}`,
      call: "munmap",
      args: [0, 0],
      onError: {},
    })),
    ...make(names.map((result) => ({ result }))),
  ];
}

/**
 * Works out what is given back, once it is known where everything is.
 *
 * @param program The program. Parts of {@linkcode stay} are its first steps.
 * @param first The name of the step after them.
 * @param own The name of their first buffer.
 * @returns The program.
 *
 * @example A small program is kept whole
 * ```ts
 * import { stay, withFreed } from "cage/src/compiled_memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { steps } = withFreed({
 *   steps: [
 *     ...stay("wait", [], () => []),
 *     { name: "begin", call: "exit_group", args: [0] },
 *   ],
 *   buffers: { own: 8 },
 * }, "begin", "own");
 * assertEquals(steps[0].args, [0, 0]);
 * ```
 */
export function withFreed(
  program: Program,
  first: string,
  own: string,
): Program {
  const { bytes, offsets } = packElf(program, HOST_ARCH);
  const atOffset = (offset: number) =>
    PROGRAM_ADDRESS + offset - PROGRAM_OFFSET;
  const next = program.steps.findIndex(({ name }) => name === first);
  const steps = PROGRAM_ADDRESS + HEADER_SIZE + INSTRUCTION_SIZE * next;
  const texts = atOffset(
    packElf(withoutTexts(program, next), HOST_ARCH).bytes.length,
  );
  const ranges = {
    steps: pagesIn(steps, atOffset(offsets[own])),
    texts: atOffset(bytes.length) > texts
      ? pagesIn(texts, texts + ALL_TEXTS)
      : NOTHING,
  };
  return {
    ...program,
    steps: program.steps.map((step) => {
      const what = FREED.find((what) => step.name?.endsWith(`-frees-${what}`));
      return what === undefined ? step : { ...step, args: ranges[what] };
    }),
  };
}

/** The same up to a step, and no texts of all others: where the first ones end. */
function withoutTexts(program: Program, next: number): Program {
  const steps = program.steps.map((step, index): Step => {
    if (index < next) return step;
    const { name } = step;
    return {
      call: "getpid",
      args: [],
      ...(name === undefined ? {} : { name }),
    };
  });
  return { ...program, steps };
}

const NOTHING = [0, 0] as const;

/** Pages that are whole between two addresses. */
function pagesIn(from: number, to: number): readonly [number, number] {
  const start = Math.ceil(from / PAGE) * PAGE;
  const end = Math.floor(to / PAGE) * PAGE;
  return end > start ? [start, end - start] : NOTHING;
}
