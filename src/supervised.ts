/**
 * A supervisor that is not the launcher: steps of a process between the two,
 * which starts what is to be supervised, waits, and executes its own program.
 *
 * The launcher has to end when the command runs, and a process has the parent
 * that started it. So the supervisor is there first: it leaves the launcher's
 * session, has `/dev/null` in place of the launcher's standard descriptors, and
 * starts the container, or the command that attaches, in its place. Nothing
 * inside has had a descriptor or a terminal of the caller.
 *
 * @module
 */

import {
  AT_FDCWD,
  CLONE_PARENT_SETTID,
  CLONE_VM,
  CLOSE_RANGE_CLOEXEC,
  LOCK_UN,
  O_CLOEXEC,
  O_RDWR,
  P_ALL,
  P_PID,
  SIGNALS,
  WEXITED,
} from "../ffi/constants.ts";
import type { Program } from "../ffi/step.ts";
import { keepForNext } from "./enter.ts";
import type { Rendezvous } from "./lookup.ts";
import { endWithParent, executeDescriptor, outliveParent } from "./process.ts";
import { goTo, label, NONE, type PlanStep } from "./step.ts";
import { keptBy, nameSupervisor, type Supervision } from "./supervisor.ts";

/** The buffer with the id of the process that is started, in four bytes. */
export const SUPERVISED = "supervised";

/** The name of the step that starts it. */
export const START_SUPERVISED = "start-supervised";

/** What the launcher writes to a supervisor that waits. */
export const ORDER = { callOff: 0, handOver: 1 } as const;

/** Descriptors between the supervisor and the launcher. */
export interface SupervisorPipes {
  /** The supervisor's end of the pipe on which it tells that it has begun. */
  readonly begun: number;
  /** The supervisor's end of the pipe on which it waits for an order. */
  readonly order: number;
  /** The launcher's end of that pipe, of which the supervisor has a copy. */
  readonly orderOfLauncher: number;
  /** The file in which the launcher puts the program of the supervisor. */
  readonly file: number;
}

/**
 * Puts a supervisor before a program, as the parent of the process that does
 * what the program says.
 *
 * The supervisor ends with the launcher until it is told to go on without. The
 * pipe on which it has told that it has begun ends when it is on its own.
 *
 * @param program The program.
 * @param flags Flags of clone(2) for the process that does it.
 * @param pipes The pipes between that process and the launcher.
 * @param own The pipes between the supervisor and the launcher.
 * @param supervision What the supervisor is to do.
 * @returns The program of both, to be run by clone(2) without flags.
 *
 * @example Who is whose child
 * ```ts
 * import { supervisedProgram } from "cage/src/supervised.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const program = { steps: [{ call: "getpid", args: [] }] } as const;
 * const pipes = { ready: 10, go: 11, goOfLauncher: 12 };
 * const own = { begun: 13, order: 14, orderOfLauncher: 15, file: 16 };
 * const { steps } = supervisedProgram(program, 0, pipes, own, {});
 * assertEquals(steps.filter(({ call }) => call === "clone").length, 1);
 * assertEquals(steps.at(-1)?.call, "getpid");
 * ```
 */
export function supervisedProgram(
  program: Program,
  flags: number,
  pipes: Rendezvous,
  own: SupervisorPipes,
  supervision: Supervision,
): Program {
  const isAttached = supervision.pidFile === undefined;
  return {
    buffers: { ...program.buffers, zero: 8, [SUPERVISED]: 8, order: 8 },
    steps: [
      nameSupervisor(),
      endWithParent(),
      // Or this process would keep the pipe open that tells it of the end of
      // the launcher, should that have come before the step above.
      close(own.orderOfLauncher),
      leaveSession(),
      ...takeNothing(),
      startSupervised(flags),
      // Those of the two that wait for each other's end.
      close(pipes.ready),
      close(pipes.goOfLauncher),
      {
        call: "write",
        args: [own.begun, { buffer: "order" }, 1],
        why: "Cannot tell the launcher that the supervisor has begun",
      },
      ...waitForOrder(own.order),
      ...(isAttached ? collectSupervised() : []),
      ...handOver(own, supervision),
      label("called-off"),
      ...collectAll(),
      label(SUPERVISED),
      // Nor in the supervisor's group, which it could signal all at once.
      leaveSession(),
      ...program.steps,
    ],
  };
}

function close(descriptor: number): PlanStep {
  return {
    call: "close",
    args: [descriptor],
    why: `Cannot close descriptor ${descriptor}`,
  };
}

function leaveSession(): PlanStep {
  return {
    call: "setsid",
    args: [],
    why: "Cannot leave the session of the caller",
  };
}

/** What the caller redirected may be a pipe, and somebody wait for its end. */
function takeNothing(): PlanStep[] {
  const name = "nothing";
  return [
    {
      name,
      call: "openat",
      args: [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC],
      why: 'Cannot open "/dev/null"',
    },
    ...[0, 1, 2].map((to): PlanStep => ({
      call: "dup3",
      args: [{ result: name }, to, 0],
      why: `Cannot use "/dev/null" as descriptor ${to}`,
    })),
  ];
}

/** The id is in the buffer before either of the two goes on, see clone(2). */
function startSupervised(flags: number): PlanStep {
  const all = flags | CLONE_VM | CLONE_PARENT_SETTID | SIGNALS.SIGCHLD;
  return {
    name: START_SUPERVISED,
    call: "clone",
    args: [all, NONE, { buffer: SUPERVISED }, NONE, NONE],
    ifZero: SUPERVISED,
    why: "Cannot start a process",
  };
}

/** The end of the pipe is the launcher's, and no order to go on without it. */
function waitForOrder(order: number): PlanStep[] {
  const wait = "wait-for-order";
  return [
    {
      name: wait,
      call: "read",
      args: [order, { buffer: "order" }, 1],
      onError: { errno: "EINTR", goto: wait },
      ifZero: "called-off",
      why: "Cannot wait for the launcher",
    },
    {
      call: "load",
      args: [{ buffer: "order" }, -ORDER.handOver],
      ifZero: "handed-over",
    },
    goTo("called-off"),
    label("handed-over"),
  ];
}

/** It has started the command, beside it, and ended. */
function collectSupervised(): PlanStep[] {
  const id = "supervised-id";
  return [
    { name: id, call: "load", args: [{ buffer: SUPERVISED }, 0] },
    {
      call: "waitid",
      args: [P_PID, { result: id }, NONE, WEXITED, NONE],
      onError: {},
    },
  ];
}

function handOver(
  { file }: SupervisorPipes,
  supervision: Supervision,
): PlanStep[] {
  const why = "Cannot become the supervisor";
  const { pidFile } = supervision;
  return [
    outliveParent(),
    // The launcher may be where file systems come and go.
    { call: "chdir", args: ["/"], why },
    { call: "close_range", args: [3, 0xffffffff, CLOSE_RANGE_CLOEXEC], why },
    ...keptBy(supervision).map((kept) => keepForNext(kept, true)),
    // From here on others may join, or stop what runs.
    ...(pidFile === undefined ? [] : [
      {
        call: "flock",
        args: [pidFile.descriptor, LOCK_UN],
        why,
      } as const,
    ]),
    executeDescriptor(file, ["cage"], [], { why }),
  ];
}

/** All that it started has been killed, or sees the end of the launcher. */
function collectAll(): PlanStep[] {
  const collect = "collect-all";
  return [
    {
      name: collect,
      call: "waitid",
      args: [P_ALL, 0, NONE, WEXITED, NONE],
      onError: { goto: "all-collected" },
    },
    goTo(collect),
    { name: "all-collected", call: "exit_group", args: [1] },
  ];
}
