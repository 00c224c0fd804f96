/**
 * System calls on processes.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  P_PIDFD,
  SIGINFO,
  WEXITED,
} from "./constants.ts";
import { syscall, type Value } from "./syscall.ts";

/** How a child ended: `siginfo_t`, asm-generic/siginfo.h, Linux 6.1. */
export interface Ended {
  /** The id of the child. */
  readonly pid: number;
  /** `CLD_EXITED`, `CLD_KILLED` and so on. */
  readonly code: number;
  /** The exit status, or the number of the signal. */
  readonly status: number;
}

/** A descriptor to wait for, and what for: `POLLIN` and so on. */
export interface Poll {
  /** The descriptor. */
  readonly fd: number;
  /** What to wait for; `POLLIN`, 1, if absent. */
  readonly events?: number;
}

/** The ids of this process. */
export interface Ids {
  /** The ids of the user: real, effective, saved. */
  readonly uid: readonly [number, number, number];
  /** The ids of the group: real, effective, saved. */
  readonly gid: readonly [number, number, number];
  /** The supplementary groups. */
  readonly groups: readonly number[];
}

/**
 * Opens a process, pidfd_open(2), Linux 5.3.
 *
 * @param pid The id of the process.
 * @param flags `PIDFD_NONBLOCK` or 0.
 * @returns The descriptor, which is closed on execve(2).
 * @throws {SyscallError} If it fails.
 */
export function pidfdOpen(pid: number, flags = 0): number {
  return syscall("pidfd_open", pid, flags);
}

/**
 * Signals a process, pidfd_send_signal(2), Linux 5.1.
 *
 * @param pidfd The descriptor of the process.
 * @param signal The number of the signal; 0 only asks.
 * @throws {SyscallError} If it fails: `ESRCH` if the process has ended.
 */
export function pidfdSendSignal(pidfd: number, signal: number): void {
  syscall("pidfd_send_signal", pidfd, signal, 0, 0);
}

/**
 * Waits for a child, waitid(2) with `P_PIDFD`, Linux 5.4.
 *
 * @param pidfd The descriptor of the child.
 * @param options `WEXITED` if absent.
 * @returns How it ended; `undefined` if it has not and `WNOHANG` is given.
 * @throws {SyscallError} If it fails: `ECHILD` if it is not a child.
 */
export function waitPidfd(
  pidfd: number,
  options: number = WEXITED,
): Ended | undefined {
  const into = new Uint8Array(SIGINFO.size);
  syscall("waitid", P_PIDFD, pidfd, { into }, options, 0);
  const view = new DataView(into.buffer);
  const pid = view.getInt32(SIGINFO.pid, true);
  return pid === 0 ? undefined : {
    pid,
    code: view.getInt32(SIGINFO.code, true),
    status: view.getInt32(SIGINFO.status, true),
  };
}

/**
 * Waits for descriptors, ppoll(2).
 *
 * @param polls The descriptors.
 * @param milliseconds How long; for ever if absent.
 * @returns Those that something happened to.
 * @throws {SyscallError} If it fails: `EINTR` if a signal came.
 *
 * @example A pipe that is closed
 * ```ts
 * import { poll } from "cage/ffi/processes.ts";
 * import { close, pipe2 } from "cage/ffi/files.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { reader, writer } = pipe2();
 * assertEquals(poll([{ fd: reader }], 0), []);
 * close(writer);
 * assertEquals(poll([{ fd: reader }]), [reader]);
 * close(reader);
 * ```
 */
export function poll(polls: readonly Poll[], milliseconds?: number): number[] {
  // struct pollfd: s32 descriptor, s16 events, s16 what happened.
  const view = new DataView(new ArrayBuffer(8 * polls.length));
  polls.forEach(({ fd, events = 1 }, i) => {
    view.setInt32(8 * i, fd, true);
    view.setInt16(8 * i + 4, events, true);
  });
  const into = new Uint8Array(view.buffer);
  const time = milliseconds === undefined ? 0 : timespec(milliseconds);
  syscall("ppoll", { into }, polls.length, time, 0, 0);
  return polls.filter((_, i) => view.getInt16(8 * i + 6, true) !== 0)
    .map(({ fd }) => fd);
}

/** `struct timespec`: seconds and nanoseconds. */
function timespec(milliseconds: number): Uint8Array {
  const seconds = Math.floor(milliseconds / 1000);
  const rest = Math.round((milliseconds - 1000 * seconds) * 1e6);
  return new Uint8Array(new BigInt64Array([seconds, rest].map(BigInt)).buffer);
}

/**
 * Signals a process by its id, kill(2). Ids are used again: for a process that
 * is not a child, {@linkcode pidfdSendSignal} is the one to use.
 *
 * @param pid The id of the process.
 * @param signal The number of the signal; 0 only asks.
 * @throws {SyscallError} If it fails.
 */
export function kill(pid: number, signal: number): void {
  syscall("kill", pid, signal);
}

/**
 * Sets a property of this thread or process, prctl(2).
 *
 * @param option `PR_…`.
 * @param args The arguments.
 * @returns The result.
 * @throws {SyscallError} If it fails.
 */
export function prctl(option: number, ...args: readonly Value[]): number {
  return syscall("prctl", option, ...args);
}

/**
 * Becomes another program, execveat(2). Nothing of this one is left.
 *
 * @param file The path of the program, or a descriptor of it.
 * @param argv The arguments, the name of the program first.
 * @param envp The environment.
 * @returns Never.
 * @throws {SyscallError} If it fails.
 */
export function execveat(
  file: string | number,
  argv: readonly string[],
  envp: readonly string[],
): never {
  const [fd, path, flags] = typeof file === "number"
    ? [file, "", AT_EMPTY_PATH]
    : [AT_FDCWD, file, 0];
  syscall("execveat", fd, path, argv, envp, flags);
  throw new Error("execveat returned");
}

/**
 * Who this process is: getresuid(2), getresgid(2), getgroups(2).
 *
 * @returns The ids.
 *
 * @example A process without privileges of a file
 * ```ts
 * import { ids } from "cage/ffi/processes.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ids().uid[0], Deno.uid());
 * ```
 */
export function ids(): Ids {
  return {
    uid: three("getresuid"),
    gid: three("getresgid"),
    groups: groups(),
  };
}

function three(
  call: "getresuid" | "getresgid",
): readonly [number, number, number] {
  const found = new Uint32Array(3);
  const into = (i: number) => ({
    into: new Uint8Array(found.buffer, 4 * i, 4),
  });
  syscall(call, into(0), into(1), into(2));
  return [found[0], found[1], found[2]];
}

function groups(): number[] {
  const found = new Uint32Array(syscall("getgroups", 0, 0));
  const into = new Uint8Array(found.buffer);
  syscall("getgroups", found.length, { into });
  return [...found];
}
