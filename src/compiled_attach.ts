/**
 * Compiled containers that run already: a further command joins them.
 *
 * @module
 */

import {
  CLONE_PARENT,
  P_PID,
  SIGINFO,
  SIGNALS,
  WEXITED,
} from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import type { Program } from "../ffi/step.ts";
import { LAUNCHER, SHARED } from "./compiled_record.ts";
import {
  ENDING,
  PATIENCE,
  RUNNING,
  RUNNING_PIDFD,
} from "./compiled_running.ts";
import { hideStep } from "./compiled_start.ts";
import {
  type CompiledStep,
  ifSame,
  prefixed,
  refuse,
} from "./compiled_step.ts";
import type { UserNamespace } from "./facts.ts";
import { NAMESPACES } from "./plan.ts";
import { endWithParent, startProcess } from "./process.ts";
import { goTo, label, NONE, type PlanStep } from "./step.ts";
import { supervisorProgram } from "./supervisor.ts";
import { enterUserNamespace } from "./user_namespace_steps.ts";

/** What joining a container takes. */
export interface Joining {
  /** The user namespace of the container, if it has one. */
  readonly namespace?: Pick<UserNamespace, "inside">;
  /** What is taken from root inside. */
  readonly restrictions: readonly PlanStep[];
  /** The step at which the command goes on. */
  readonly command: string;
}

/**
 * Joins the instance that runs.
 *
 * @param joining What it takes.
 * @returns The steps, from {@linkcode RUNNING} on, and their buffers.
 *
 * @example All namespaces
 * ```ts
 * import { joinProgram } from "cage/src/compiled_attach.ts";
 * import { assert } from "@std/assert";
 *
 * const { steps } = joinProgram({ restrictions: [], command: "run" });
 * assert(steps.some(({ call }) => call === "setns"));
 * ```
 */
export function joinProgram(
  { command, namespace, restrictions }: Joining,
): Program {
  const why = "Cannot start the command";
  const pidfd = { result: RUNNING_PIDFD };
  const supervisor = prefixed(
    supervisorProgram({ result: "attached" }),
    "attached-",
  );
  const start = startProcess("attached", CLONE_PARENT, "attached-begins", why);
  const [flags] = start.args;
  const steps: CompiledStep[] = [
    label(RUNNING),
    {
      name: "attacher",
      call: "clone",
      args: [SIGNALS.SIGCHLD, NONE, NONE, NONE, NONE],
      ifZero: "attach",
      why,
    },
    ...untilAttached(),
    // Neither is the lock of the pid file needed any more.
    { call: "close_range", args: [3, 0xffffffff, 0], onError: {} },
    { name: "attached", call: "load", args: [SHARED, 0] },
    ...supervisor.steps,
    label("attach"),
    endWithParent(),
    { name: "attacher-parent", call: "getppid", args: [] },
    ifSame({ result: "attacher-parent" }, LAUNCHER, "attacher-tied"),
    { call: "exit_group", args: [1] },
    label("attacher-tied"),
    hideStep(),
    ...(namespace === undefined ? [] : [
      ...enterOpened({ descriptor: pidfd, ...namespace }),
      endWithParent(),
    ]),
    {
      call: "setns",
      args: [pidfd, NAMESPACES],
      onError: { errno: "ESRCH", goto: "has-ended" },
      why: "Cannot enter the running instance",
    },
    ...restrictions,
    // The command is a child of the launcher, which it tells its id.
    {
      ...start,
      name: "attached-command",
      args: [flags, NONE, SHARED, NONE, NONE],
      // The kernel's word for a pid namespace that ends: pid_namespaces(7).
      onError: { errno: "ENOMEM", goto: "has-ended" },
    },
    { call: "exit_group", args: [0] },
    { name: "has-ended", call: "exit_group", args: [HAS_ENDED] },
    { name: "is-closed", call: "exit_group", args: [IS_CLOSED] },
    label("attached-begins"),
    endWithParent(),
    goTo(command),
  ];
  return {
    buffers: { "attach-info": SIGINFO.size, ...supervisor.buffers },
    steps,
  };
}

/** The status of who finds that the instance has just ended. */
const HAS_ENDED = 99;
/** The status of who finds that it lets nobody in. */
const IS_CLOSED = 98;

/**
 * A command that is pid 1 is closed until it is executed, and gives the lock
 * back before.
 */
function enterOpened(
  entry: Parameters<typeof enterUserNamespace>[0],
): CompiledStep[] {
  const entered = { result: "user-entered" };
  return enterUserNamespace(entry).flatMap((step): CompiledStep[] =>
    step.call !== "setns" ? [step] : [
      { ...step, name: entered.result, onError: { goto: "not-entered" } },
      goTo("is-entered"),
      label("not-entered"),
      ifSame(entered, -ERRNO.ESRCH, "has-ended"),
      ifSame(entered, -ERRNO.EPERM, "is-closed"),
      // To fail in the same way.
      step,
      label("is-entered"),
    ]
  );
}

/** Until the command is executed; or it is told why it is not. */
function untilAttached(): CompiledStep[] {
  const info = { buffer: "attach-info" };
  const status = { result: "attacher-status" };
  return [
    {
      name: "wait-for-attacher",
      call: "waitid",
      args: [P_PID, { result: "attacher" }, info, WEXITED, NONE],
      onError: { errno: "EINTR", goto: "wait-for-attacher" },
      why: "Cannot wait for the command",
    },
    {
      name: status.result,
      call: "load",
      args: [{ ...info, offset: SIGINFO.status }, 0],
      ifZero: "is-attached",
    },
    ifSame(status, HAS_ENDED, ENDING),
    ifSame(status, IS_CLOSED, "try-again"),
    { call: "exit_group", args: [status] },
    { name: "try-again", call: "load", args: [{ buffer: "waited" }, 0] },
    ifSame({ result: "try-again" }, PATIENCE - 1, "stays-closed"),
    goTo(ENDING),
    refuse(
      "Cannot enter the running instance: operation not permitted: stop it " +
        "with -k first",
      { name: "stays-closed" },
    ),
    label("is-attached"),
  ];
}
