/**
 * The two programs that stay while a container runs, a page of memory each:
 * pid 1 inside, and the supervisor outside that the launcher becomes.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLD_EXITED,
  LOCK_EX,
  LOCK_UN,
  P_ALL,
  P_PID,
  SI_KERNEL,
  SIG_SETMASK,
  SIGINFO,
  SIGNALS,
  SIGSET_SIZE,
  STATX_NLINK,
  STATX_NLINK_OFFSET,
  STATX_SIZE,
  WEXITED,
  WNOHANG,
  WNOWAIT,
} from "../ffi/constants.ts";
import type { Argument, Program } from "../ffi/step.ts";
import { recordPath } from "./record.ts";
import { goTo, label, NONE, type PlanStep } from "./step.ts";

/** The buffer of {@linkcode initProgram} for the id of the first command. */
export const COMMAND_ID = "command";

/** The name of the process that supervises a command, see ps(1). */
export const SUPERVISOR_NAME = "cage";

/** The name of the process that is pid 1, see ps(1). */
export const INIT_NAME = "cage-init";

/** `PR_SET_NAME` of linux/prctl.h, Linux 2.6.9. */
const PR_SET_NAME = 15;

/** A pid file that is removed when the container has ended. */
export interface PidFile<D extends Argument = number> {
  /** A descriptor of its directory. */
  readonly directory: D;
  /** Its name there. */
  readonly name: string;
  /** An open descriptor of the file. */
  readonly descriptor: D;
  /** Where the record is. */
  readonly records: string;
  /** The record, where its path is not known: a directory, and a name there. */
  readonly record?: readonly [directory: Argument, name: Argument];
  /** Whose rights it is removed with; root's if absent. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** What a supervisor has to do in the end. */
export interface Supervision {
  /** The pid file to remove, if a container is supervised. */
  readonly pidFile?: PidFile;
  /** Descriptors whose locks are given back before that. */
  readonly held?: readonly number[];
}

/**
 * Lists the descriptors that a supervisor has to have.
 *
 * @param supervision What it has to do.
 * @returns The descriptors.
 *
 * @example An attached command
 * ```ts
 * import { keptBy } from "cage/src/supervisor.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(keptBy({}), []);
 * ```
 */
export function keptBy({ held = [], pidFile }: Supervision): number[] {
  if (pidFile === undefined) return [...held];
  return [pidFile.descriptor, pidFile.directory, ...held];
}

/**
 * Gives a process the name by which a supervisor is known.
 *
 * @returns The step.
 *
 * @example The call
 * ```ts
 * import { nameSupervisor } from "cage/src/supervisor.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nameSupervisor().call, "prctl");
 * ```
 */
export function nameSupervisor(): PlanStep {
  return {
    call: "prctl",
    args: [PR_SET_NAME, SUPERVISOR_NAME, NONE, NONE, NONE],
  };
}

/**
 * Writes pid 1: it collects orphans, passes signals on to the first command,
 * and ends as that ends, which ends everything else inside.
 *
 * @param lock A descriptor whose lock is given back: pid 1 is complete.
 * @returns The program; {@linkcode COMMAND_ID} is to be filled in.
 *
 * @example The buffer
 * ```ts
 * import { COMMAND_ID, initProgram } from "cage/src/supervisor.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(initProgram().buffers?.[COMMAND_ID], 8);
 * ```
 */
export function initProgram(lock?: Argument): Program {
  const orphan = { buffer: "orphan" };
  return {
    buffers: { ...BUFFERS, [COMMAND_ID]: 8, orphan: SIGINFO.size },
    steps: [
      { call: "prctl", args: [PR_SET_NAME, INIT_NAME, NONE, NONE, NONE] },
      ...(lock === undefined ? [] : [unlock(lock)]),
      // A pipe must end with the command, though pid 1 is there a bit longer.
      { call: "close_range", args: [0, 0xffffffff, 0], onError: {} },
      { name: "command", call: "load", args: [{ buffer: COMMAND_ID }, 0] },
      blockSignals(),
      ...waitFor({ result: "command" }, WNOHANG, "collect"),
      // A look first: an orphan can be collected, the command must not be.
      {
        name: "collect",
        call: "waitid",
        args: [P_ALL, 0, orphan, WEXITED | WNOHANG | WNOWAIT, NONE],
        onError: { goto: "next-signal" },
      },
      {
        name: "orphan",
        call: "load",
        args: [{ ...orphan, offset: SIGINFO.pid }, 0],
        ifZero: "next-signal",
      },
      ...collectUnlessCommand(),
      ...passSignals({ result: "command" }, fromKernel("next-signal")),
      ...exitSteps([]),
    ],
  };
}

/**
 * Writes the supervisor: it passes signals on to the container, and ends as
 * the container ends.
 *
 * @param child The id of the child: pid 1 of a container, or an attached
 * command.
 * @param pidFile The pid file to remove, if the child is a container.
 * @param held Descriptors whose locks are given back before that: whoever finds
 * no pid file begins a container with what they hold.
 * @param notes A descriptor to read signals from that came before, each a
 * `siginfo_t`, if there is one.
 * @returns The program.
 *
 * @example Without a pid file
 * ```ts
 * import { supervisorProgram } from "cage/src/supervisor.ts";
 * import { assert } from "@std/assert";
 *
 * const { steps } = supervisorProgram(17);
 * assert(!steps.some(({ call }) => call === "unlinkat"));
 * ```
 */
export function supervisorProgram(
  child: Argument,
  pidFile?: PidFile<Argument>,
  held: readonly Argument[] = [],
  notes?: number,
): Program {
  return {
    buffers: { ...BUFFERS, statx: STATX_SIZE },
    steps: [
      nameSupervisor(),
      blockSignals(),
      ...(notes === undefined ? [] : passNotes(child, notes)),
      // A look: the child is to be seen until all else is given back.
      ...waitFor(child, WNOHANG | WNOWAIT, "next-signal"),
      ...passSignals(child, ofOthers("pass", "next-signal")),
      ...exitSteps([
        ...held.map(unlock),
        ...(pidFile === undefined ? [] : forget(child, pidFile)),
        { call: "close_range", args: [3, 0xffffffff, 0], onError: {} },
        {
          call: "waitid",
          args: [P_PID, child, NONE, WEXITED, NONE],
          onError: {},
        },
      ]),
    ],
  };
}

/** Buffers that both programs have. */
const BUFFERS = {
  zero: 8,
  info: SIGINFO.size,
  signal: SIGINFO.size,
} as const;

const INFO = { buffer: "info" };

/**
 * Signals that stop and continue are left to the terminal and the shell: a
 * supervisor that is stopped is how a shell sees that a job is stopped.
 */
const UNBLOCKED: readonly number[] = [
  SIGNALS.SIGTSTP,
  SIGNALS.SIGTTIN,
  SIGNALS.SIGTTOU,
  SIGNALS.SIGCONT,
];

function signalSet(): Uint8Array {
  const set = UNBLOCKED.reduce(
    (set, signal) => set & ~(1n << BigInt(signal - 1)),
    (1n << 64n) - 1n,
  );
  return new Uint8Array(new BigUint64Array([set]).buffer);
}

function blockSignals(): PlanStep {
  return {
    call: "rt_sigprocmask",
    args: [SIG_SETMASK, signalSet(), NONE, SIGSET_SIZE],
  };
}

function unlock(descriptor: Argument): PlanStep {
  return { call: "flock", args: [descriptor, LOCK_UN], onError: {} };
}

/** Goes to `exit` when the child has ended, else to a label. */
function waitFor(
  child: Argument,
  options: number,
  otherwise: string,
): PlanStep[] {
  return [
    {
      name: "look",
      call: "waitid",
      args: [P_PID, child, INFO, WEXITED | options, NONE],
      onError: { goto: "lost" },
    },
    {
      call: "load",
      args: [{ ...INFO, offset: SIGINFO.pid }, 0],
      ifZero: otherwise,
    },
    goTo("ended"),
  ];
}

/** By its id: the command may have ended since it was looked at. */
function collectUnlessCommand(): PlanStep[] {
  return [
    {
      call: "waitid",
      args: [P_PID, { result: "command" }, INFO, WEXITED | WNOHANG, NONE],
      onError: { goto: "lost" },
    },
    {
      call: "load",
      args: [{ ...INFO, offset: SIGINFO.pid }, 0],
      ifZero: "collect-orphan",
    },
    goTo("ended"),
    {
      name: "collect-orphan",
      call: "waitid",
      args: [
        P_PID,
        { result: "orphan" },
        { buffer: "orphan" },
        WEXITED | WNOHANG,
        NONE,
      ],
      onError: {},
    },
    goTo("collect"),
  ];
}

/** What a terminal sends to its foreground has reached the command too. */
function fromKernel(label: string): PlanStep[] {
  return [{
    call: "load",
    args: [{ buffer: "signal", offset: SIGINFO.code }, -SI_KERNEL],
    ifZero: label,
  }];
}

/** When a terminal is gone, the leader of its session is told for all. */
function ofOthers(pass: string, next: string): PlanStep[] {
  return [
    {
      call: "load",
      args: [{ buffer: "signal", offset: SIGINFO.signo }, -SIGNALS.SIGHUP],
      ifZero: pass,
    },
    ...fromKernel(next),
  ];
}

/** Nobody writes to the pipe any more, so it ends. */
function passNotes(child: Argument, notes: number): PlanStep[] {
  const info = { buffer: "signal" };
  return [
    {
      name: "next-note",
      call: "read",
      args: [notes, info, SIGINFO.size],
      onError: { goto: "look" },
      ifZero: "look",
    },
    ...ofOthers("pass-note", "next-note"),
    {
      name: "pass-note",
      call: "load",
      args: [{ ...info, offset: SIGINFO.signo }, 0],
    },
    { call: "kill", args: [child, { result: "pass-note" }], onError: {} },
    goTo("next-note"),
  ];
}

/**
 * Waits for a signal, and passes it on unless the filter goes elsewhere. Who is
 * stopped, as a job of a shell, is to end by SIGTERM too.
 */
function passSignals(
  child: Argument,
  filter: readonly PlanStep[],
): PlanStep[] {
  const info = { buffer: "signal" };
  return [
    {
      name: "next-signal",
      call: "rt_sigtimedwait",
      args: [signalSet(), info, NONE, SIGSET_SIZE],
      onError: { goto: "next-signal" },
    },
    {
      call: "load",
      args: [{ ...info, offset: SIGINFO.signo }, -SIGNALS.SIGCHLD],
      ifZero: "look",
    },
    ...filter,
    {
      name: "pass",
      call: "kill",
      args: [child, { result: "next-signal" }],
      onError: {},
    },
    {
      call: "load",
      args: [{ ...info, offset: SIGINFO.signo }, -SIGNALS.SIGTERM],
      ifZero: "continue",
    },
    goTo("next-signal"),
    {
      name: "continue",
      call: "kill",
      args: [child, SIGNALS.SIGCONT],
      onError: {},
    },
    goTo("next-signal"),
  ];
}

/** Ends with the code of the child, or with 128 and its signal. */
function exitSteps(before: readonly PlanStep[]): PlanStep[] {
  const status = { ...INFO, offset: SIGINFO.status };
  return [
    label("ended"),
    ...before,
    {
      call: "load",
      args: [{ ...INFO, offset: SIGINFO.code }, -CLD_EXITED],
      ifZero: "exited",
    },
    { name: "signalled", call: "load", args: [status, 128] },
    { call: "exit_group", args: [{ result: "signalled" }] },
    { name: "exited", call: "load", args: [status, 0] },
    { call: "exit_group", args: [{ result: "exited" }] },
    { name: "lost", call: "exit_group", args: [127] },
  ];
}

/**
 * The pid file stays if it was replaced already, which is done under the same
 * lock. The record goes first: without one, the file means nothing.
 */
function forget(
  child: Argument,
  { descriptor, directory, name, owner, record, records }: PidFile<Argument>,
): PlanStep[] {
  const [at, path] = record ??
    [AT_FDCWD, recordPath(records, Number(child))];
  const statx = { buffer: "statx" };
  return [
    { call: "flock", args: [descriptor, LOCK_EX], onError: {} },
    {
      call: "unlinkat",
      args: [at, path, 0],
      onError: {},
    },
    {
      call: "statx",
      args: [descriptor, "", AT_EMPTY_PATH, STATX_NLINK, statx],
      onError: {},
    },
    {
      call: "load",
      args: [{ ...statx, offset: STATX_NLINK_OFFSET }, 0],
      ifZero: "removed",
    },
    // Nothing is left to be done as root.
    ...(owner === undefined ? [] : becomeOwner(owner)),
    { call: "unlinkat", args: [directory, name, 0], onError: {} },
    label("removed"),
  ];
}

/** If that failed, the file would be removed with the rights of root. */
function becomeOwner({ gid, uid }: NonNullable<PidFile["owner"]>): PlanStep[] {
  return [
    {
      call: "setresgid",
      args: [gid, gid, gid],
      onError: { goto: "removed" },
    },
    {
      call: "setresuid",
      args: [uid, uid, uid],
      onError: { goto: "removed" },
    },
  ];
}
