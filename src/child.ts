/**
 * Carries a plan out.
 *
 * A child is cloned that shares this process's memory and runs the first
 * program of the plan. Where users can be looked up it tells so on a pipe and
 * waits, while this process puts the second program into the memory. When
 * everything has been executed, the pipe ends.
 *
 * @module
 */

import {
  CLD_EXITED,
  P_PID,
  PR_GET_DUMPABLE,
  PR_SET_DUMPABLE,
  SIGINFO,
  SIGNALS,
  WEXITED,
} from "../ffi/constants.ts";
import { Block } from "../ffi/block.ts";
import {
  ALL_SIGNALS,
  close,
  hasErrno,
  kill,
  pidfdOpen,
  pidfdSendSignal,
  pipe2,
  prctl,
  read,
  rtSigprocmask,
  syscall,
  SyscallError,
  waitPidfd,
  write,
} from "../ffi/libc.ts";
import { ERRNO } from "../ffi/errno.ts";
import type { Program } from "../ffi/step.ts";
import { CageError, InitScriptError, LaunchError } from "./errors.ts";
import { contextMessage, type PlanFailure, reasonOf } from "./failure.ts";
import { SCRIPT_INFO } from "./init_script.ts";
import { databaseText, type Rendezvous } from "./lookup.ts";
import { OVERLAY, OVERLAY_MESSAGE } from "./overlay.ts";
import { COMMAND, type CommandFacts, commandProgram } from "./plan.ts";
import { EXECUTE } from "./process.ts";
import type { ContainerSpec } from "./spec.ts";
import type { PlanStep } from "./step.ts";
import { untilReadable, type Waiting } from "./wait.ts";

/** A plan, whose second program depends on what the first one finds. */
export interface Plan {
  /** Flags of clone(2) for the child. */
  readonly flags: number;
  /** Makes the first program. */
  readonly first: (pipes: Rendezvous) => Program;
  /** What is wanted. */
  readonly spec: ContainerSpec;
  /** What the second program needs beside what the first one finds. */
  readonly facts: Omit<CommandFacts, "passwd" | "group">;
  /** Called with the id of the child while it waits. */
  readonly ready?: (pid: number) => void;
}

/** A process that a plan started, a child of this one. */
export interface Process {
  /** The id. */
  readonly pid: number;
  /** A pidfd of it. */
  readonly pidfd: number;
}

/** A step ended the plan. `errorOf` makes the error for a user. */
export class PlanError extends Error {
  /** The name of the class. */
  override name = "PlanError";
  /** What failed. */
  readonly failure: PlanFailure;

  /**
   * Makes an error.
   *
   * @param failure What failed.
   */
  constructor(failure: PlanFailure) {
    super(failure.step.why);
    this.failure = failure;
  }
}

/**
 * Memory of a plan: a quarter of it for the steps. Pages that nothing touches
 * cost nothing.
 */
const BLOCK_SIZE = 8 << 20;

/**
 * Carries a plan out.
 *
 * @param plan The plan.
 * @returns The process of the command, or pid 1 of the container around it.
 * @throws {PlanError} If a step fails. No process is left then.
 * @throws {CageError} If something else is wrong.
 */
export function* runPlan(plan: Plan): Waiting<Process> {
  using block = new Block(BLOCK_SIZE);
  using ready = new Pipe();
  using go = new Pipe();
  block.append(plan.first({
    ready: ready.writer,
    go: go.reader,
    goOfLauncher: go.writer,
  }));
  using child = new Child(block, plan.flags);
  ready.closeWriter();
  go.closeReader();
  yield* untilReadable(ready.reader);
  if (isAtEnd(ready)) throw failed(block, []);
  const second = secondProgram(block, plan);
  block.append(second);
  plan.ready?.(child.pid);
  letGo(go);
  // Signals are the command's from here on, by way of the supervisor.
  yield { kind: "readable", descriptor: ready.reader, signalsLater: true };
  if (block.failure()?.stopped) {
    if (plan.facts.parent.kind === "attached") collectCommand(block);
    throw failed(block, second.steps);
  }
  return plan.facts.parent.kind === "attached"
    ? attachedProcess(block)
    : child.release();
}

/** Both ends of a pipe, each closed once. */
class Pipe implements Disposable {
  readonly reader: number;
  readonly writer: number;
  readonly #open: Set<number>;

  constructor() {
    ({ reader: this.reader, writer: this.writer } = pipe2());
    this.#open = new Set([this.reader, this.writer]);
  }

  closeReader(): void {
    this.#close(this.reader);
  }

  closeWriter(): void {
    this.#close(this.writer);
  }

  [Symbol.dispose](): void {
    this.#open.forEach((end) => this.#close(end));
  }

  #close(end: number): void {
    if (this.#open.delete(end)) close(end);
  }
}

/** The child, which is killed and waited for unless it is released. */
class Child implements Disposable {
  readonly pid: number;
  readonly #pidfd: number;
  readonly #memory: PrivateMemory;
  #isReleased = false;

  constructor(block: Block, flags: number) {
    this.#memory = new PrivateMemory();
    // No handler of the runtime may run in the child, see signal-safety(7).
    const mask = rtSigprocmask(ALL_SIGNALS);
    try {
      this.pid = block.start(flags);
      this.#pidfd = openChild(this.pid);
    } catch (error) {
      this.#memory[Symbol.dispose]();
      if (!(error instanceof SyscallError)) throw error;
      throw cannotClone(error, flags);
    } finally {
      rtSigprocmask(mask);
    }
  }

  release(): Process {
    this.#isReleased = true;
    return { pid: this.pid, pidfd: this.#pidfd };
  }

  [Symbol.dispose](): void {
    if (!this.#isReleased) {
      pidfdSendSignal(this.#pidfd, SIGNALS.SIGKILL);
      waitPidfd(this.#pidfd);
      close(this.#pidfd);
    }
    this.#memory[Symbol.dispose]();
  }
}

/** A child that cannot be held is not left alone. */
function openChild(pid: number): number {
  try {
    return pidfdOpen(pid);
  } catch (error) {
    kill(pid, SIGNALS.SIGKILL);
    syscall("waitid", P_PID, pid, 0, WEXITED, 0);
    throw error;
  }
}

const TOO_MANY = "too many run: stop some, or raise the limits of processes " +
  "(ulimit -u) and of namespaces (user.max_pid_namespaces)";

const CLONE_HINTS: Readonly<Record<number, string>> = {
  [ERRNO.EAGAIN]: TOO_MANY,
  [ERRNO.ENOSPC]: TOO_MANY,
  [ERRNO.EMFILE]: "too many descriptors are open: raise the limit (ulimit -n)",
  [ERRNO.EPERM]: "root inside a container may not: run it outside",
};

function cannotClone({ call, errno }: SyscallError, flags: number) {
  const what = flags === 0
    ? "Cannot start a process"
    : "Cannot create a container";
  const hint = CLONE_HINTS[errno] ??
    "the kernel must have mount, pid, ipc, uts and cgroup namespaces";
  const sentence = `${what}: ${reasonOf(errno)}: ${hint}`;
  return new LaunchError(sentence, call, errno);
}

/**
 * While a child inside a container has this process's memory, nobody inside
 * may trace it or open its descriptors: the flag is the memory's, see
 * PR_SET_DUMPABLE(2const), and is a new one after execve(2).
 */
class PrivateMemory implements Disposable {
  static #users = 0;
  static #wasDumpable = false;

  constructor() {
    if (PrivateMemory.#users++ > 0) return;
    PrivateMemory.#wasDumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) === 1;
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  }

  [Symbol.dispose](): void {
    if (--PrivateMemory.#users > 0 || !PrivateMemory.#wasDumpable) return;
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  }
}

/** A byte tells that the child waits, the end of the pipe that it has ended. */
function isAtEnd({ reader }: Pipe): boolean {
  return read(reader, new Uint8Array(1)) === 0;
}

/** A child that was killed meanwhile no longer reads: its end tells. */
function letGo({ writer }: Pipe): void {
  try {
    write(writer, new Uint8Array(1));
  } catch (error) {
    if (!hasErrno(error, "EPIPE")) throw error;
  }
}

function secondProgram(block: Block, { facts, spec }: Plan): Program {
  const text = (file: "passwd" | "group") =>
    databaseText(file, block.buffer(file), block.result(`read-${file}`));
  return commandProgram(spec, {
    ...facts,
    passwd: text("passwd"),
    group: text("group"),
  });
}

/** The command is a sibling of the child that started it. */
function attachedProcess(block: Block): Process {
  const pid = commandId(block);
  return { pid, pidfd: pidfdOpen(pid) };
}

function collectCommand(block: Block): void {
  const pid = commandId(block);
  if (pid > 0) syscall("waitid", P_PID, pid, 0, WEXITED, 0);
}

function commandId(block: Block): number {
  return view(block.buffer(COMMAND)).getInt32(0, true);
}

function failed(
  block: Block,
  second: readonly PlanStep[],
): PlanError | CageError {
  const failure = block.failure();
  if (!failure?.stopped) {
    return scriptFailure(block) ??
      new CageError("Cannot start the container: it was killed meanwhile");
  }
  const { errno, step } = failure;
  const attempts = second
    .filter(({ name }) => name?.startsWith(EXECUTE))
    .map(({ name }) => -Number(block.result(name!)));
  const isOverlay = step.name?.startsWith(OVERLAY);
  return new PlanError({
    step,
    errno,
    attempts,
    ...(isOverlay
      ? { message: contextMessage(block.buffer(OVERLAY_MESSAGE)) }
      : {}),
  });
}

function scriptFailure(block: Block): InitScriptError | undefined {
  const info = view(block.buffer(SCRIPT_INFO));
  const code = info.getInt32(SIGINFO.code, true);
  const status = info.getInt32(SIGINFO.status, true);
  if (code === 0) return undefined;
  return code === CLD_EXITED
    ? new InitScriptError(
      `The init script failed with status ${status}: the command was not run`,
      status,
    )
    : new InitScriptError(
      `The init script was ended by signal ${status}: ` +
        "the command was not run",
      128 + status,
    );
}

function view({ buffer, byteLength, byteOffset }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
