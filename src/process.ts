/**
 * Processes as steps: how one starts, ends with the launcher, and is executed.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLD_EXITED,
  CLONE_PARENT_SETTID,
  CLONE_VFORK,
  CLONE_VM,
  CLOSE_RANGE_CLOEXEC,
  O_PATH,
  P_PID,
  PR_SET_NO_NEW_PRIVS,
  PR_SET_PDEATHSIG,
  SIG_SETMASK,
  SIGACTION_SIZE,
  SIGINFO,
  SIGNALS,
  SIGSET_SIZE,
  WEXITED,
} from "../ffi/constants.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import type { Argument } from "../ffi/step.ts";
import { type CommandLine, searchPath } from "./environment.ts";
import type { Rendezvous } from "./lookup.ts";
import { quote } from "./quote.ts";
import { goTo, NONE, openInside, type PlanStep } from "./step.ts";
import type { ResolvedUser } from "./users.ts";

/** The mask of the files that a command makes: as at a login. */
export const UMASK = 0o022;

/** The name of the first of the steps that execute a command. */
export const EXECUTE = "execute";

/** Descriptors that become 0, 1 and 2, where they are not the caller's. */
export interface Stdio {
  /** Standard input. */
  readonly stdin?: number;
  /** Standard output. */
  readonly stdout?: number;
  /** Standard error. */
  readonly stderr?: number;
}

/** How a command runs. */
export interface Execution {
  /** Who it runs as. */
  readonly user: ResolvedUser;
  /** The directory that it starts in. */
  readonly directory: string;
  /** The program and its arguments. */
  readonly command: CommandLine;
  /** The value of PATH. */
  readonly path: string;
  /** The environment, each `key=value`. */
  readonly env: readonly string[];
  /** What becomes of it when its parent ends; the same as before if absent. */
  readonly afterParent?: "end" | "go on";
  /** Its groups for setgroups(2); those that it has if absent. */
  readonly groups?: readonly number[];
  /** Whether it gets no privileges by executing a program. */
  readonly noNewPrivs: boolean;
  /** What is done before it becomes the user. */
  readonly asRoot?: readonly PlanStep[];
  /** What is done once it is the user. */
  readonly asUser?: readonly PlanStep[];
}

/**
 * Begins a process that shares the launcher's memory: it ends with the
 * launcher, and runs no handler of a signal, which would run in that memory.
 *
 * @param pipes The pipes to the launcher.
 * @param signals The signals that the launcher handles or ignores.
 * @returns The steps.
 *
 * @example The first step
 * ```ts
 * import { beginSteps } from "cage/src/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = beginSteps({ ready: 10, go: 11, goOfLauncher: 12 }, [13]);
 * assertEquals(steps.map(({ call }) => call).slice(0, 2), ["prctl", "close"]);
 * ```
 */
export function beginSteps(
  pipes: Rendezvous,
  signals: readonly number[],
): PlanStep[] {
  return [
    endWithParent(),
    // Or this process would keep the pipe open that tells it of the end of the
    // launcher, should that have come before the step above.
    {
      call: "close",
      args: [pipes.goOfLauncher],
      why: "Cannot close the launcher's end of a pipe",
    },
    {
      call: "close_range",
      args: [3, 0xffffffff, CLOSE_RANGE_CLOEXEC],
      why: "Cannot mark descriptors to be closed",
    },
    ...signals.map((signal): PlanStep => ({
      call: "rt_sigaction",
      args: [signal, new Uint8Array(SIGACTION_SIZE), NONE, SIGSET_SIZE],
      why: `Cannot reset signal ${signal}`,
    })),
    { call: "umask", args: [0] },
  ];
}

/**
 * Has a process end when its parent does. A change of user takes that back,
 * see PR_SET_PDEATHSIG(2const).
 *
 * @returns The step.
 *
 * @example The call
 * ```ts
 * import { endWithParent } from "cage/src/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(endWithParent().call, "prctl");
 * ```
 */
export function endWithParent(): PlanStep {
  return {
    call: "prctl",
    args: [PR_SET_PDEATHSIG, SIGNALS.SIGKILL, NONE, NONE, NONE],
    why: "Cannot tie the process to its parent",
  };
}

/**
 * Has a process go on when its parent ends.
 *
 * @returns The step.
 *
 * @example The call
 * ```ts
 * import { outliveParent } from "cage/src/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(outliveParent().call, "prctl");
 * ```
 */
export function outliveParent(): PlanStep {
  return {
    call: "prctl",
    args: [PR_SET_PDEATHSIG, NONE, NONE, NONE, NONE],
    why: "Cannot untie the process from its parent",
  };
}

/**
 * Starts a process that shares the memory of its parent, which waits until it
 * executes something or ends.
 *
 * @param name The name of the step, and of the buffer that gets the id.
 * @param flags More flags of clone(2).
 * @param label The step at which the child goes on.
 * @param why The sentence for a failure.
 * @returns The step.
 *
 * @example A child
 * ```ts
 * import { startProcess } from "cage/src/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(startProcess("command", 0, "enter", "").ifZero, "enter");
 * ```
 */
export function startProcess(
  name: string,
  flags: number,
  label: string,
  why: string,
): PlanStep {
  const all = flags | CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID |
    SIGNALS.SIGCHLD;
  return {
    name,
    call: "clone",
    args: [all, NONE, { buffer: name }, NONE, NONE],
    ifZero: label,
    why,
    hints: { EAGAIN: "too many processes run: raise the limit (ulimit -u)" },
  };
}

/**
 * Waits for the end of a process of {@linkcode startProcess}. If it has failed,
 * it has told why, and this one ends too.
 *
 * @param name The name that it was started by, also that of a buffer with its
 * id. One with `-info` after it is of the size of `SIGINFO`.
 * @param ended The step to go on with.
 * @param why The sentence for a failure.
 * @returns The steps; `zero` must be a buffer of the program.
 *
 * @example What is waited for
 * ```ts
 * import { waitForProcess } from "cage/src/process.ts";
 * import { assert } from "@std/assert";
 *
 * const steps = waitForProcess("mounter", "mounted", "Cannot wait");
 * assert(steps.some(({ call }) => call === "waitid"));
 * ```
 */
export function waitForProcess(
  name: string,
  ended: string,
  why: string,
): PlanStep[] {
  const [id, wait] = [`${name}-id`, `wait-for-${name}`];
  const [exited, failed] = [`${name}-exited`, `${name}-failed`];
  const info = { buffer: `${name}-info` };
  return [
    { name: id, call: "load", args: [{ buffer: name }, 0] },
    {
      name: wait,
      call: "waitid",
      args: [P_PID, { result: id }, info, WEXITED, NONE],
      onError: { errno: "EINTR", goto: wait },
      why,
    },
    {
      call: "load",
      args: [{ ...info, offset: SIGINFO.code }, -CLD_EXITED],
      ifZero: exited,
    },
    goTo(failed),
    {
      name: exited,
      call: "load",
      args: [{ ...info, offset: SIGINFO.status }, 0],
      ifZero: ended,
    },
    { name: failed, call: "exit_group", args: [1] },
  ];
}

/**
 * Takes the standard descriptors, while there are others.
 *
 * @param stdio The descriptors.
 * @returns The steps.
 *
 * @example Standard error
 * ```ts
 * import { stdioSteps } from "cage/src/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(stdioSteps({ stderr: 9 })[0].args, [9, 2, 0]);
 * ```
 */
export function stdioSteps({ stdin, stdout, stderr }: Stdio): PlanStep[] {
  return [stdin, stdout, stderr].flatMap((from, to): PlanStep[] =>
    from === undefined ? [] : [{
      call: "dup3",
      args: [from, to, 0],
      why: `Cannot use descriptor ${from} as descriptor ${to}`,
    }]
  );
}

/**
 * Becomes the user, and executes the command: the last steps of a process,
 * which has its standard descriptors by then and no other of the host.
 *
 * @param execution How the command runs.
 * @returns The steps. Those that execute are named {@linkcode EXECUTE} and a
 * number, one for each file to try; none of them returns if it can be run.
 *
 * @example A command that is searched in two directories
 * ```ts
 * import { executeSteps } from "cage/src/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = executeSteps({
 *   user: { uid: 1000, gid: 1000, groups: [1000] },
 *   groups: [1000],
 *   directory: "/",
 *   command: { file: "ls", argv: ["ls"] },
 *   path: "/bin:/usr/bin",
 *   env: [],
 *   noNewPrivs: false,
 * });
 * assertEquals(steps.at(-1)?.args[0], "/usr/bin/ls");
 * ```
 */
export function executeSteps(execution: Execution): PlanStep[] {
  const { afterParent, asRoot = [], asUser = [], directory, noNewPrivs } =
    execution;
  return [
    ...homeSteps(execution),
    ...asRoot,
    ...userSteps(execution),
    ...asUser,
    ...directorySteps(directory),
    // After the change of user, which takes it back.
    ...(afterParent === "end" ? [endWithParent()] : []),
    ...(afterParent === "go on" ? [outliveParent()] : []),
    ...(noNewPrivs ? [noMorePrivileges()] : []),
    { call: "umask", args: [UMASK] },
    unblockSignals(),
    ...executionAttempts(execution),
  ];
}

/**
 * Unblocks all signals, just before execve(2): until then, one that ends the
 * process would be taken for a failure of the step it interrupts.
 *
 * @returns The step.
 *
 * @example The call
 * ```ts
 * import { unblockSignals } from "cage/src/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(unblockSignals().call, "rt_sigprocmask");
 * ```
 */
export function unblockSignals(): PlanStep {
  return {
    call: "rt_sigprocmask",
    args: [SIG_SETMASK, new Uint8Array(SIGSET_SIZE), NONE, SIGSET_SIZE],
    why: "Cannot unblock signals",
  };
}

/**
 * Executes a program by its descriptor.
 *
 * @param descriptor The descriptor.
 * @param argv The arguments, the name first.
 * @param env The environment.
 * @param rest The name of the step, its sentence, and so on.
 * @returns The step.
 *
 * @example A program
 * ```ts
 * import { executeDescriptor } from "cage/src/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(executeDescriptor(9, ["x"], []).call, "execveat");
 * ```
 */
export function executeDescriptor(
  descriptor: Argument,
  argv: readonly string[],
  env: readonly string[],
  rest: Partial<PlanStep> = {},
): PlanStep {
  return {
    call: "execveat",
    args: [descriptor, "", argv, env, AT_EMPTY_PATH],
    ...rest,
  };
}

/**
 * Takes from this process, and from all that it starts, that a set-user-ID or
 * set-group-ID bit or capabilities of a file give it anything.
 *
 * @returns The step.
 *
 * @example The call
 * ```ts
 * import { noMorePrivileges } from "cage/src/process.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(noMorePrivileges().call, "prctl");
 * ```
 */
export function noMorePrivileges(): PlanStep {
  return {
    call: "prctl",
    args: [PR_SET_NO_NEW_PRIVS, 1, NONE, NONE, NONE],
    why: "Cannot give up privileges to come",
  };
}

/**
 * No link of `/proc` is followed, which may lead to a directory of the host.
 * The kernel asks to try again where somebody moved a directory meanwhile, or
 * mounted anything at all: openat2(2).
 */
function directorySteps(directory: string): PlanStep[] {
  const name = "directory";
  const rest = {
    why: `Cannot enter directory ${quote(directory)} inside`,
    hints: { "": "name one inside with -c" },
  };
  return [
    openInside(directory, O_PATH | O_DIRECTORY, {
      name,
      onError: { errno: "EAGAIN", goto: name },
      ...rest,
    }),
    { call: "fchdir", args: [{ result: name }], ...rest },
  ];
}

/** The fall-back home of a user without an entry is nobody's to make. */
function homeSteps({ env, user }: Execution): PlanStep[] {
  const home = "/tmp/.home";
  if (!env.includes(`HOME=${home}`)) return [];
  return [
    { call: "mkdirat", args: [AT_FDCWD, home, 0o700], onError: {} },
    {
      call: "fchownat",
      args: [AT_FDCWD, home, user.uid, user.gid, 0x100],
      onError: {},
    },
  ];
}

/** The groups first: they can be changed only as root. */
function userSteps({ groups, user: { gid, uid } }: Execution): PlanStep[] {
  const list = new Uint8Array(new Uint32Array(groups ?? []).buffer);
  return [
    ...(groups === undefined ? [] : [
      {
        call: "setgroups",
        args: [groups.length, list],
        why: "Cannot set the groups of the command",
      } as const,
    ]),
    {
      call: "setresgid",
      args: [gid, gid, gid],
      why: `Cannot run as group ${gid}`,
    },
    {
      call: "setresuid",
      args: [uid, uid, uid],
      why: `Cannot run as user ${uid}`,
    },
  ];
}

function executionAttempts({ command, env, path }: Execution): PlanStep[] {
  const found = searchPath(command.file, path);
  const files = found.length > 0 ? found : [command.file];
  return files.map((file, index) => ({
    name: `${EXECUTE}${index}`,
    call: "execve",
    args: [file, command.argv, env],
    // The next one is tried, as execvp(3) does; the last one ends the plan.
    ...(index < files.length - 1 ? { onError: {} } : {}),
    why: `Cannot run ${quote(command.file)}`,
  }));
}
