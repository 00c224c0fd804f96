/**
 * The init script of a compiled container, which is part of the program.
 *
 * @module
 */

import {
  CLD_EXITED,
  F_ADD_SEALS,
  F_SEAL_ALL,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  O_CLOEXEC,
  SIGINFO,
} from "../ffi/constants.ts";
import type { CompiledEnvironment } from "./compiled_command.ts";
import { closeRange, type CompiledStep } from "./compiled_step.ts";
import {
  type InitScript,
  initScriptSteps,
  runScriptSteps,
  SCRIPT_FAILED,
  SCRIPT_INFO,
} from "./init_script.ts";
import { quote } from "./quote.ts";
import { label } from "./step.ts";

/** The number of the descriptor of the script. */
const SCRIPT = 39;

/** A script that is in a program. */
export interface CompiledScript extends Omit<InitScript, "descriptor"> {
  /** What it is, if it was found outside. */
  readonly bytes?: Uint8Array;
  /** Whether it is a program. */
  readonly isProgram: boolean;
}

/**
 * Runs the script, and waits for it.
 *
 * @param script The script.
 * @param env Its environment.
 * @returns The steps.
 *
 * @example A script of a line
 * ```ts
 * import { scriptSteps } from "cage/src/compiled_script.ts";
 * import { assert } from "@std/assert";
 *
 * const steps = scriptSteps({
 *   path: "/init.sh",
 *   bytes: new TextEncoder().encode("mkdir /x\n"),
 *   isProgram: false,
 *   outside: true,
 *   inside: false,
 * }, { vector: { words: [0] }, steps: [] });
 * assert(steps.some(({ call }) => call === "memfd_create"));
 * ```
 */
export function scriptSteps(
  { bytes, isProgram, ...found }: CompiledScript,
  env: CompiledEnvironment,
): CompiledStep[] {
  const script = { ...found, descriptor: SCRIPT };
  const run = runScriptSteps(script, []).map((step) => {
    const [file, ...rest] = step.args;
    if (step.call === "execve") {
      return { ...step, args: [file, rest[0], env.vector] };
    }
    if (step.call !== "execveat") return step;
    return { ...step, args: [file, rest[0], rest[1], env.vector, rest[3]] };
  });
  const why = `Cannot read init script ${quote(found.path)}`;
  const copy = { result: "script-copy" };
  return [
    {
      name: copy.result,
      call: "memfd_create",
      args: ["cage-init-script", MFD_ALLOW_SEALING | MFD_CLOEXEC],
      why,
    },
    ...(bytes === undefined
      ? []
      : [{ call: "write", args: [copy, bytes, bytes.length], why } as const]),
    { call: "fchmod", args: [copy, isProgram ? 0o555 : 0o444], why },
    { call: "fcntl", args: [copy, F_ADD_SEALS, F_SEAL_ALL], why },
    { call: "dup3", args: [copy, SCRIPT, O_CLOEXEC], why },
    ...initScriptSteps(script, [
      closeRange(3, SCRIPT - 1),
      closeRange(SCRIPT + 1),
      ...env.steps,
      ...run,
    ]).flatMap((step) => step.name === SCRIPT_FAILED ? failSteps() : [step]),
  ];
}

/** The status is the script's own. */
function failSteps(): CompiledStep[] {
  const info = { buffer: SCRIPT_INFO };
  const status = { ...info, offset: SIGINFO.status };
  const sorry = "cage: The init script failed: the command was not run\n";
  const end = (name: string, more: number): CompiledStep[] => [
    { name, call: "load", args: [status, more] },
    { call: "exit_group", args: [{ result: name }] },
  ];
  return [
    {
      name: SCRIPT_FAILED,
      call: "write",
      args: [2, sorry, sorry.length],
      onError: {},
    },
    {
      call: "load",
      args: [{ ...info, offset: SIGINFO.code }, -CLD_EXITED],
      ifZero: "script-status",
    },
    ...end("script-signal", 128),
    ...end("script-status", 0),
    label("script-ends"),
  ];
}
