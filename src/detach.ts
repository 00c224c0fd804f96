/**
 * Starts what is to go on when the launcher has ended.
 *
 * @module
 */

import type { Block, Failure } from "../ffi/block.ts";
import {
  F_ADD_SEALS,
  F_SEAL_ALL,
  MFD_ALLOW_SEALING,
} from "../ffi/constants.ts";
import { packElf } from "../ffi/elf.ts";
import {
  close,
  hasErrno,
  HOST_ARCH,
  memfdCreate,
  poll,
  read,
  syscall,
  SyscallError,
  waitPidfd,
  write,
  writeAll,
} from "../ffi/libc.ts";
import type { Program } from "../ffi/step.ts";
import { CageError } from "./errors.ts";
import { errorOf } from "./failure.ts";
import type { Rendezvous } from "./lookup.ts";
import { Pipe } from "./pipe.ts";
import { startQuietly } from "./quiet_start.ts";
import {
  ORDER,
  START_SUPERVISED,
  SUPERVISED,
  supervisedProgram,
} from "./supervised.ts";
import { type Supervision, supervisorProgram } from "./supervisor.ts";
import type { Waiting } from "./wait.ts";

/**
 * A supervisor of its own for a container, or for a command that attaches. It
 * has the memory of a block until that is handed over or called off.
 */
export class Detachment implements Disposable {
  readonly #supervision: Supervision;
  readonly #begun: Pipe;
  readonly #order: Pipe;
  readonly #file: number;
  #supervisor: number | undefined;
  #isAlone = false;

  /**
   * Prepares a supervisor.
   *
   * @param supervision What it is to do.
   * @throws {SyscallError} If there are no descriptors left.
   */
  constructor(supervision: Supervision) {
    this.#supervision = supervision;
    using stack = new DisposableStack();
    this.#begun = stack.use(new Pipe());
    this.#order = stack.use(new Pipe());
    this.#file = memfdCreate("cage", MFD_ALLOW_SEALING);
    stack.move();
  }

  /**
   * Puts the supervisor before a program, see {@linkcode supervisedProgram}.
   *
   * @param program What the supervised process does.
   * @param flags Flags of clone(2) for it.
   * @param pipes The pipes between it and the launcher.
   * @returns The program of both.
   */
  before(program: Program, flags: number, pipes: Rendezvous): Program {
    const own = {
      begun: this.#begun.writer,
      order: this.#order.reader,
      orderOfLauncher: this.#order.writer,
      file: this.#file,
    };
    return supervisedProgram(program, flags, pipes, own, this.#supervision);
  }

  /**
   * Starts the supervisor, and what is supervised.
   *
   * @param block The memory, with the program of both.
   * @returns The id of the supervised process.
   * @throws {SyscallError} If a process cannot be started.
   * @throws {CageError} If there can be no supervisor.
   */
  start(block: Block): number {
    const { pidfd } = startQuietly(block, 0);
    this.#supervisor = pidfd;
    this.#begun.closeWriter();
    this.#order.closeReader();
    // Others that are being started may have the pipe too: it need not end.
    const begun = this.#begun.reader;
    if (!poll([{ fd: begun }, { fd: pidfd }]).includes(begun)) {
      throw notBegun(block);
    }
    if (read(begun, new Uint8Array(1)) === 0) throw notBegun(block);
    return new DataView(block.buffer(SUPERVISED).slice().buffer)
      .getInt32(0, true);
  }

  /**
   * Lets the supervisor go on without the launcher.
   *
   * @param block The memory that it leaves by that.
   * @param child The process to supervise: pid 1 of a container, or a command.
   * @returns What failed, if it has not left.
   */
  *handOver(block: Block, child: number): Waiting<Failure | undefined> {
    const { held, pidFile } = this.#supervision;
    const program = supervisorProgram(child, pidFile, held);
    writeAll(this.#file, packElf(program, HOST_ARCH).bytes);
    syscall("fcntl", this.#file, F_ADD_SEALS, F_SEAL_ALL);
    this.#tell(ORDER.handOver);
    const descriptor = this.#begun.reader;
    yield { kind: "readable", descriptor, signalsLater: true };
    const failure = block.failure();
    if (failure?.stopped) return failure;
    this.#isAlone = true;
    return undefined;
  }

  /** Ends the supervisor, whose children are about to end, if it waits. */
  callOff(): void {
    if (this.#supervisor === undefined || this.#isAlone) return;
    this.#tell(ORDER.callOff);
    waitPidfd(this.#supervisor);
    close(this.#supervisor);
    this.#supervisor = undefined;
  }

  /**
   * Gives the supervisor away.
   *
   * @returns A pidfd of it.
   */
  release(): number {
    const supervisor = this.#supervisor!;
    this.#supervisor = undefined;
    return supervisor;
  }

  /** Closes what was between the supervisor and the launcher. */
  [Symbol.dispose](): void {
    this.#begun[Symbol.dispose]();
    this.#order[Symbol.dispose]();
    close(this.#file);
  }

  /** One that was killed meanwhile no longer reads. */
  #tell(order: number): void {
    try {
      write(this.#order.writer, new Uint8Array([order]));
    } catch (error) {
      if (!hasErrno(error, "EPIPE")) throw error;
    }
  }
}

function notBegun(block: Block): Error {
  const failure = block.failure();
  if (!failure?.stopped) {
    return new CageError(
      "Cannot start the supervisor: it was killed meanwhile",
    );
  }
  const { errno, step } = failure;
  return step.name === START_SUPERVISED
    ? new SyscallError("clone", errno)
    : errorOf({ step, errno });
}
