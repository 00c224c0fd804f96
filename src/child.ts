/**
 * Carries a plan out.
 *
 * A child is cloned that shares this process's memory and runs the first
 * program of the plan. Where users can be looked up it tells so on a pipe and
 * waits, while this process puts the second program into the memory. When
 * everything has been executed, the pipe ends.
 *
 * Programs of the root file system are executed by processes that have other
 * memory, see `enter.ts`. What is in there may be anything: it makes the words
 * of an error, and decides nothing else.
 *
 * @module
 */

import {
  CLD_EXITED,
  CLONE_NEWUSER,
  O_CLOEXEC,
  PR_GET_DUMPABLE,
  PR_SET_DUMPABLE,
  SIGINFO,
  SIGNALS,
} from "../ffi/constants.ts";
import { Block, type Failure } from "../ffi/block.ts";
import {
  ALL_SIGNALS,
  close,
  hasErrno,
  prctl,
  read,
  rtSigprocmask,
  sealedFile,
  syscall,
  SyscallError,
  waitPidfd,
  write,
} from "../ffi/libc.ts";
import { ERRNO } from "../ffi/errno.ts";
import { SharedBlock } from "../ffi/shared_block.ts";
import type { Program } from "../ffi/step.ts";
import type { Detachment } from "./detach.ts";
import { ENTERED, type Entry, TURN } from "./enter.ts";
import { CageError, InitScriptError } from "./errors.ts";
import { contextMessage, type PlanFailure, refusalOf } from "./failure.ts";
import { findNamespaceReadings } from "./find_userns.ts";
import { SCRIPT_INFO } from "./init_script.ts";
import type { LaunchPlan } from "./launch_plan.ts";
import { databaseText } from "./lookup.ts";
import { OVERLAY, OVERLAY_MESSAGE } from "./overlay.ts";
import { Pipe } from "./pipe.ts";
import { COMMAND, type CommandPrograms, commandPrograms } from "./plan.ts";
import { EXECUTE } from "./process.ts";
import { endChild, openChild } from "./open_child.ts";
import { signal } from "./signal.ts";
import type { Trace } from "./trace.ts";
import { usernsRefusal } from "./userns_refusal.ts";
import { untilReadable, type Waiting } from "./wait.ts";

/** A plan, whose second program depends on what the first one finds. */
export interface Plan extends LaunchPlan {
  /** Called with the id of the child while it waits. */
  readonly ready?: (pid: number) => void;
  /**
   * Gives the child what it waits for, if it begins in a user namespace of its
   * own: at least its ids.
   */
  readonly prepare?: ((child: Process) => Waiting<void>) | undefined;
  /** What is to supervise the process, if it is not this one. */
  readonly detachment?: Detachment;
  /** What is to tell how it went; it is disposed of. */
  readonly trace?: Trace;
}

/** A process that a plan started, a child of its supervisor. */
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
  using shared = new SharedBlock(BLOCK_SIZE);
  using executable = new Executable(shared);
  using ready = new Pipe();
  using go = new Pipe();
  const memory = { block, shared };
  const entry = {
    executable: executable.descriptor,
    memory: shared.descriptor,
  };
  const pipes = {
    ready: ready.writer,
    go: go.reader,
    goOfLauncher: go.writer,
  };
  const { detachment } = plan;
  const isAttached = plan.facts.parent.kind === "attached";
  using trace = plan.trace;
  const put = (to: Block, program: Program, phase: string) =>
    to.append(trace?.follow(to, program, phase) ?? program);
  const first = plan.first(pipes, entry);
  put(
    block,
    detachment?.before(first, plan.flags, pipes) ?? first,
    isAttached ? "attach" : "create",
  );
  put(shared, plan.entered, "enter");
  using child = yield* startChild(block, plan);
  if (plan.prepare !== undefined) letGo(go);
  ready.closeWriter();
  go.closeReader();
  yield* untilReadable(ready.reader);
  if (isAtEnd(ready)) throw failedBefore(memory);
  const { run, start } = secondPrograms(block, plan, entry, pipes.ready);
  put(shared, run, "command");
  shared.buffer(TURN)[0] = 1;
  put(block, start, "start");
  plan.ready?.(child.process.pid);
  letGo(go);
  // Signals are the command's from here on, by way of the supervisor.
  yield { kind: "readable", descriptor: ready.reader, signalsLater: true };
  const error = commandFailure(memory, run);
  if (error !== undefined) {
    if (isAttached) endCommand(block, detachment === undefined);
    throw error;
  }
  const process = isAttached
    ? attachedProcess(block, detachment === undefined)
    : child.process;
  if (detachment !== undefined) yield* handOver(detachment, block, process);
  if (!isAttached) child.release();
  return process;
}

/** Whoever shares the memory must have left it before it is given back. */
function* handOver(
  detachment: Detachment,
  block: Block,
  { pid, pidfd }: Process,
): Waiting<void> {
  const failure = yield* detachment.handOver(block, pid);
  if (failure === undefined) return;
  signal(pidfd, SIGNALS.SIGKILL);
  throw new PlanError(failure);
}

/** The memory that a child has of this process, and the other one. */
interface Memories {
  readonly block: Block;
  readonly shared: SharedBlock;
}

/** What is executed to have the other memory. */
class Executable implements Disposable {
  readonly descriptor: number;

  constructor(shared: SharedBlock) {
    this.descriptor = sealedFile("cage-enter", shared.executable());
    // Not to be read, see `enterSteps`.
    syscall("fchmod", this.descriptor, 0o111);
  }

  [Symbol.dispose](): void {
    close(this.descriptor);
  }
}

/** Whoever enters its namespaces, or writes their ids, has to reach it. */
function* startChild(block: Block, plan: Plan): Waiting<Child> {
  const { prepare } = plan;
  const isOpen = prepare !== undefined;
  yield* Memory.untilFree(isOpen ? ["open", "hidden"] : ["open"]);
  if (prepare === undefined) return new Child(block, plan, "hidden");
  const child = new Child(block, plan, "open");
  try {
    yield* prepare(child.process);
    child.hide();
    return child;
  } catch (error) {
    child[Symbol.dispose]();
    throw error;
  }
}

/** The child, which is killed and waited for unless it is released. */
class Child implements Disposable {
  readonly process: Process;
  readonly #detachment: Detachment | undefined;
  #memory: Memory;
  #isReleased = false;

  constructor(
    block: Block,
    { detachment, flags }: Plan,
    kind: Memory["kind"],
  ) {
    this.#detachment = detachment;
    this.#memory = new Memory(kind);
    // No handler of the runtime may run in the child, see signal-safety(7).
    const mask = rtSigprocmask(ALL_SIGNALS);
    try {
      const pid = detachment?.start(block) ?? block.start(flags);
      this.process = { pid, pidfd: openChild(pid, detachment === undefined) };
    } catch (error) {
      detachment?.callOff();
      this.#memory[Symbol.dispose]();
      if (!(error instanceof SyscallError)) throw error;
      throw cannotClone(error, flags);
    } finally {
      rtSigprocmask(mask);
    }
  }

  /** Hides the memory that it shares, at once: nobody waits in between. */
  hide(): void {
    this.#memory[Symbol.dispose]();
    this.#memory = new Memory("hidden");
  }

  release(): void {
    this.#isReleased = true;
  }

  [Symbol.dispose](): void {
    if (!this.#isReleased) {
      const { pidfd } = this.process;
      // The supervisor has waited for it, if there is another one.
      signal(pidfd, SIGNALS.SIGKILL);
      if (this.#detachment === undefined) waitPidfd(pidfd);
      else this.#detachment.callOff();
      close(pidfd);
    }
    this.#memory[Symbol.dispose]();
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

function cannotClone(error: SyscallError, flags: number): CageError {
  if ((flags & CLONE_NEWUSER) !== 0) {
    return new CageError(usernsRefusal(
      { what: "clone", errno: error.errno },
      findNamespaceReadings(),
    ));
  }
  const what = flags === 0
    ? "Cannot start a process"
    : "Cannot create a container";
  const hint = CLONE_HINTS[error.errno] ??
    "the kernel must have mount, pid, ipc, uts and cgroup namespaces";
  return refusalOf(what, error, hint);
}

/**
 * While a child inside a container has this process's memory, nobody inside
 * may trace it or open its descriptors: the flag is the memory's, see
 * PR_SET_DUMPABLE(2const), and is a new one after execve(2). But whoever gives
 * a child the ids of its user namespace must be able to: it is one or the other.
 */
class Memory implements Disposable {
  static readonly #users = { hidden: 0, open: 0 };
  static readonly #waiters: number[] = [];
  static #wasDumpable = false;

  /** Waits until nobody needs it in these ways. */
  static *untilFree(kinds: readonly Memory["kind"][]): Waiting<void> {
    while (kinds.some((kind) => Memory.#users[kind] > 0)) {
      const free = syscall("eventfd2", 0, O_CLOEXEC);
      Memory.#waiters.push(free);
      try {
        yield* untilReadable(free);
      } finally {
        const index = Memory.#waiters.indexOf(free);
        if (index >= 0) Memory.#waiters.splice(index, 1);
        close(free);
      }
    }
  }

  readonly kind: "hidden" | "open";

  constructor(kind: "hidden" | "open") {
    this.kind = kind;
    if (Memory.#users[kind]++ > 0 || kind === "open") return;
    Memory.#wasDumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) === 1;
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  }

  [Symbol.dispose](): void {
    if (--Memory.#users[this.kind] > 0) return;
    if (this.kind === "hidden" && Memory.#wasDumpable) {
      prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    }
    const one = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);
    Memory.#waiters.splice(0).forEach((free) => write(free, one));
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

function secondPrograms(
  block: Block,
  { facts, spec }: Plan,
  entry: Entry,
  ready: number,
): CommandPrograms {
  const text = (file: "passwd" | "group") =>
    databaseText(file, block.buffer(file), block.result(`read-${file}`));
  return commandPrograms(spec, {
    ...facts,
    passwd: text("passwd"),
    group: text("group"),
    entry,
    ready,
  });
}

/** The command is a sibling of the child that started it. */
function attachedProcess(block: Block, isOwn: boolean): Process {
  const pid = commandId(block);
  return { pid, pidfd: openChild(pid, isOwn) };
}

/** It may run still, whatever its memory says. */
function endCommand(block: Block, isOwn: boolean): void {
  const pid = commandId(block);
  if (pid > 0) endChild(pid, isOwn);
}

/** From the memory that nobody inside has. */
function commandId(block: Block): number {
  return view(block.buffer(COMMAND)).getInt32(0, true);
}

/** What ended the plan before the command was to be run. */
function failedBefore({ block, shared }: Memories): CageError | PlanError {
  const failure = stopOf(block) ?? stopOf(shared);
  if (failure === undefined) {
    return scriptFailure(block) ??
      new CageError("Cannot start the container: it was killed meanwhile");
  }
  const { errno, step } = failure;
  const isOverlay = step.name?.startsWith(OVERLAY);
  return new PlanError({
    step,
    errno,
    ...(isOverlay
      ? { message: contextMessage(block.buffer(OVERLAY_MESSAGE)) }
      : {}),
  });
}

function commandFailure(
  { block, shared }: Memories,
  { steps }: Program,
): CageError | PlanError | undefined {
  const failure = stopOf(block) ?? stopOf(shared);
  if (failure === undefined) {
    if (shared.result(ENTERED) !== 0n) return undefined;
    return new CageError("Cannot start the command: it was killed meanwhile");
  }
  const { errno, step } = failure;
  const attempts = steps.filter(({ name }) => name?.startsWith(EXECUTE))
    .map(({ name }) => shared.errno(name!));
  return new PlanError({ step, errno, attempts });
}

function stopOf(block: Block): Failure | undefined {
  const failure = block.failure();
  return failure?.stopped ? failure : undefined;
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
