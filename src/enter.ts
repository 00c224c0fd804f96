/**
 * Out of the launcher's memory: what a process does before it has anything to
 * do with programs, interpreters and paths of the root file system.
 *
 * As long as it shares that memory, `/proc/self/exe` of it is a file of the
 * host, and its descriptors are the launcher's. A link inside could lead there
 * (CVE-2019-5736, CVE-2024-21626). So it executes a file without a path first,
 * see `ffi/enter.ts`, that goes on with a program in other memory, which holds
 * nothing else. Nobody inside may trace that process or open its descriptors.
 *
 * @module
 */

import { F_SETFD, FD_CLOEXEC, PR_SET_DUMPABLE } from "../ffi/constants.ts";
import { HEADER_STOPPED } from "../ffi/instruction.ts";
import type { Program } from "../ffi/step.ts";
import { executeDescriptor } from "./process.ts";
import { CAPABILITY_VERSION } from "./restrictions.ts";
import { goTo, label, NONE, type PlanStep } from "./step.ts";

/** Descriptors of what is executed, see `ffi/shared_block.ts`. */
export interface Entry {
  /** The file to execute. */
  readonly executable: number;
  /** The file with the memory. */
  readonly memory: number;
}

/** Bytes of two `struct __user_cap_data_struct` of linux/capability.h. */
const CAPABILITY_DATA = 24;

/** Buffers of a plan with {@linkcode enterSteps}. */
export const ENTER_BUFFERS = { capabilities: CAPABILITY_DATA } as const;

/**
 * The buffer that tells what a process is that enters: zero for the init
 * script, anything else for the command.
 */
export const TURN = "turn";

/** The name of the step whose result is not 0 once the command has entered. */
export const ENTERED = "entered";

/**
 * Leaves the launcher's memory and goes on in {@linkcode enteredProgram}.
 *
 * @param entry The way.
 * @param kept Descriptors to be kept besides.
 * @param why The sentence for a failure.
 * @returns The steps, the last ones of a process in this memory.
 *
 * @example The last step
 * ```ts
 * import { enterSteps } from "cage/src/enter.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = enterSteps({ executable: 3, memory: 4 }, [], "");
 * assertEquals(steps.at(-1)?.call, "execveat");
 * ```
 */
export function enterSteps(
  { executable, memory }: Entry,
  kept: readonly number[],
  why: string,
): PlanStep[] {
  return [
    ...blindSteps(memory),
    ...[memory, ...kept].map((descriptor) => keepForNext(descriptor, true)),
    executeDescriptor(executable, ["cage-enter"], [], { why }),
  ];
}

/**
 * Writes what a process does that has entered, up to the command.
 *
 * @param script The steps of the init script, the last of which executes it.
 * @returns The program, after which that of the command is to be put.
 *
 * @example Nobody traces it
 * ```ts
 * import { enteredProgram } from "cage/src/enter.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(enteredProgram([]).steps[0].call, "prctl");
 * ```
 */
export function enteredProgram(script: readonly PlanStep[]): Program {
  const steps: PlanStep[] = [
    {
      call: "prctl",
      args: [PR_SET_DUMPABLE, 0, NONE, NONE, NONE],
      why: "Cannot keep others from tracing the process",
    },
    ...(script.length === 0 ? [] : [
      {
        call: "load",
        args: [{ buffer: TURN }, 0],
        ifZero: "script",
      } as const,
      goTo("command"),
      label("script"),
      ...script,
      label("command"),
    ]),
  ];
  return { buffers: { zero: 8, [TURN]: 8 }, steps };
}

/**
 * Says whether a descriptor is there still when something is executed.
 *
 * @param descriptor The descriptor.
 * @param isKept Whether it is.
 * @returns The step.
 *
 * @example One that is closed
 * ```ts
 * import { keepForNext } from "cage/src/enter.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(keepForNext(9, false).args, [9, 2, 1]);
 * ```
 */
export function keepForNext(descriptor: number, isKept: boolean): PlanStep {
  return {
    call: "fcntl",
    args: [descriptor, F_SETFD, isKept ? 0 : FD_CLOEXEC],
    why: `Cannot mark descriptor ${descriptor}`,
  };
}

/** The effective capabilities of the two structs: 0 to 31, and the others. */
const EFFECTIVE = [0, 12];

/** Where the memory is zero: no program has stopped there yet. */
const ZERO = HEADER_STOPPED;

/**
 * Has no capability for a moment, so that it may not read what it executes:
 * such a process is not dumpable from its first instruction on, see
 * PR_SET_DUMPABLE(2const). Root gets them back by that, see capabilities(7).
 * Where this fails, it is dumpable until {@linkcode enteredProgram} begins.
 */
function blindSteps(memory: number): PlanStep[] {
  const version = new Uint32Array([CAPABILITY_VERSION, 0]);
  const header = new Uint8Array(version.buffer);
  const data = { buffer: "capabilities" };
  const onError = {};
  return [
    { call: "capget", args: [header, data], onError },
    ...EFFECTIVE.map((offset): PlanStep => ({
      call: "pread64",
      args: [memory, { ...data, offset }, 4, ZERO],
      onError,
    })),
    { call: "capset", args: [header, data], onError },
  ];
}
