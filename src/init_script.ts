/**
 * The init script: run as root inside, once, before the command.
 *
 * @module
 */

import {
  AT_FDCWD,
  CLD_EXITED,
  F_SETFD,
  O_CLOEXEC,
  O_RDONLY,
  P_PID,
  SIGINFO,
  WEXITED,
} from "../ffi/constants.ts";
import {
  executeDescriptor,
  startProcess,
  UMASK,
  unblockSignals,
} from "./process.ts";
import { quote } from "./quote.ts";
import { goTo, label, NONE, openInside, type PlanStep } from "./step.ts";

/** The buffer with the `siginfo_t` of the script when it has ended. */
export const SCRIPT_INFO = "script-info";

/** The name of the step that ends the launch after a script that failed. */
export const SCRIPT_FAILED = "script-failed";

/** Buffers of a plan with {@linkcode initScriptSteps}. */
export const SCRIPT_BUFFERS = {
  script: 8,
  [SCRIPT_INFO]: SIGINFO.size,
} as const;

/** A script, and where it was found outside. */
export interface InitScript {
  /** The path, as it was given. */
  readonly path: string;
  /** A descriptor for the script, of the launcher. */
  readonly descriptor: number;
  /** Whether the descriptor is the script, as it was found outside. */
  readonly outside: boolean;
  /** Whether the path is looked up in the root file system first. */
  readonly inside: boolean;
}

/**
 * Starts the script and waits for it.
 *
 * @param script The script.
 * @param run What the process does that runs it: {@linkcode runScriptSteps}, or
 * what leads there.
 * @returns The steps. A script that fails ends the plan at
 * {@linkcode SCRIPT_FAILED}.
 *
 * @example A script on a descriptor
 * ```ts
 * import { initScriptSteps } from "cage/src/init_script.ts";
 * import { assert } from "@std/assert";
 *
 * const steps = initScriptSteps(
 *   { path: "/init.sh", descriptor: 3, outside: false, inside: true },
 *   [{ call: "execve", args: ["/init.sh", ["/init.sh"], []] }],
 * );
 * assert(steps.some(({ call }) => call === "waitid"));
 * ```
 */
export function initScriptSteps(
  script: InitScript,
  run: readonly PlanStep[],
): PlanStep[] {
  const why = "Cannot start the init script";
  return [
    ...findScript(script),
    startProcess("script", 0, "run-script", why),
    ...waitForScript(script),
    label("run-script"),
    ...run,
    label("script-done"),
  ];
}

/**
 * Runs the script: as a program if it is one, else with the shell, as
 * execvp(3) does.
 *
 * @param script The script, whose descriptor is open.
 * @param env The environment that it runs with.
 * @returns The steps, the last ones of a process that has entered.
 *
 * @example The shell
 * ```ts
 * import { runScriptSteps } from "cage/src/init_script.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = runScriptSteps({ path: "/init.sh", descriptor: 3 }, []);
 * assertEquals(steps.at(-1)?.args[0], "/bin/sh");
 * ```
 */
export function runScriptSteps(
  { descriptor, path }: Pick<InitScript, "descriptor" | "path">,
  env: readonly string[],
): PlanStep[] {
  const why = `Cannot run init script ${quote(path)}`;
  const file = `/dev/fd/${descriptor}`;
  const input = "script-input";
  return [
    {
      name: input,
      call: "openat",
      args: [AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC],
      why,
    },
    // Standard input is the command's, and only once there to be read.
    { call: "dup3", args: [{ result: input }, 0, 0], why },
    { call: "umask", args: [UMASK] },
    unblockSignals(),
    executeDescriptor(descriptor, [path], env, { onError: {}, why }),
    { call: "execve", args: ["/bin/sh", ["sh", file], env], why },
  ];
}

/** Inside first, since it is a script for the inside. */
function findScript(
  { descriptor, inside, outside, path }: InitScript,
): PlanStep[] {
  const why = `Cannot read init script ${quote(path)}`;
  const keepOpen: PlanStep = {
    name: "script-found",
    call: "fcntl",
    args: [descriptor, F_SETFD, 0],
    why,
  };
  if (!inside) return [keepOpen];
  const found = { result: "script-inside" };
  return [
    openInside(path, O_RDONLY, {
      name: found.result,
      ...(outside ? { onError: { goto: keepOpen.name } } : {}),
      why,
      hints: {
        ENOENT: "name a file inside the root file system or on the host",
      },
    }),
    { call: "dup3", args: [found, descriptor, O_CLOEXEC], why },
    keepOpen,
  ];
}

function waitForScript({ descriptor }: InitScript): PlanStep[] {
  const info = { buffer: SCRIPT_INFO };
  return [
    // Its copy is the child's; this one would be the command's too.
    { call: "close", args: [descriptor], why: "Cannot close the init script" },
    { name: "script-id", call: "load", args: [{ buffer: "script" }, 0] },
    {
      name: "wait-for-script",
      call: "waitid",
      args: [P_PID, { result: "script-id" }, info, WEXITED, NONE],
      onError: { errno: "EINTR", goto: "wait-for-script" },
      why: "Cannot wait for the init script",
    },
    {
      call: "load",
      args: [{ ...info, offset: SIGINFO.code }, -CLD_EXITED],
      ifZero: "script-exited",
    },
    goTo(SCRIPT_FAILED),
    {
      name: "script-exited",
      call: "load",
      args: [{ ...info, offset: SIGINFO.status }, 0],
      ifZero: "script-done",
    },
    { name: SCRIPT_FAILED, call: "exit_group", args: [1] },
  ];
}
