/**
 * Instances that run, known by their pid files.
 *
 * Whoever starts, joins or stops an instance holds the lock of the file while
 * doing so: of two starts at once, one creates and the other attaches. A file
 * is never used again but replaced, so that the supervisor of an instance that
 * ended sees that the file it locked is no longer there to be removed.
 *
 * @module
 */

import { dirname } from "@std/path";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_NONBLOCK,
  O_RDWR,
} from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import {
  close,
  open,
  pidfdOpen,
  read,
  type Stat,
  statx,
  syscall,
  SyscallError,
  writeAll,
} from "../ffi/libc.ts";
import { O_NOFOLLOW } from "../ffi/open_flags.ts";
import { LaunchError, UsageError } from "./errors.ts";
import { reasonOf } from "./failure.ts";
import { parsePid, timespec } from "./pid_file.ts";
import { identify, openSupervisor, stateOf } from "./process_state.ts";
import { quote } from "./quote.ts";
import { prefixes } from "./step.ts";
import { untilLocked, untilReadable, type Waiting } from "./wait.ts";

/** An instance that runs. */
export interface Running {
  /** The id of its pid 1, as the host counts. */
  readonly pid: number;
  /** A pidfd of it. */
  readonly pidfd: number;
}

/** A pid file that is locked by this process, and empty. */
export interface Claim {
  /** The path. */
  readonly path: string;
  /** The descriptor that has the lock. */
  readonly descriptor: number;
}

/** How long an end may take that was asked for, in milliseconds. */
export const GRACE = 5_000;

/** Room for the largest id, and for a byte that should not be there. */
const PID_TEXT_SIZE = 32;

/**
 * Finds the instance of a pid file, or takes the file for a new one.
 *
 * @param path The path of the pid file.
 * @returns The instance that runs, or the claim.
 * @throws {UsageError} If the file is something else.
 * @throws {LaunchError} If the file cannot be made or opened.
 */
export function* claimInstance(path: string): Waiting<Running | Claim> {
  makeStateDirectory(dirname(path));
  for (;;) {
    const descriptor = openPidFile(path, O_CREAT);
    const found = yield* lockPidFile(path, descriptor);
    if (found.kind === "empty") return { path, descriptor };
    close(descriptor);
    if (found.kind === "running") return found.instance;
    yield* untilEnded(found.supervisor);
  }
}

/**
 * Finds the instance of a pid file.
 *
 * @param path The path of the pid file.
 * @returns The instance, if one runs.
 * @throws {UsageError} If the file is something else.
 * @throws {LaunchError} If the file cannot be opened.
 */
export function* findInstance(path: string): Waiting<Running | undefined> {
  for (;;) {
    let descriptor: number;
    try {
      descriptor = openPidFile(path, 0);
    } catch (error) {
      if (error instanceof LaunchError && isMissing(error)) return undefined;
      throw error;
    }
    const found = yield* lockPidFile(path, descriptor);
    if (found.kind === "empty") syscall("unlinkat", AT_FDCWD, path, 0);
    close(descriptor);
    if (found.kind === "empty") return undefined;
    if (found.kind === "running") return found.instance;
    yield* untilEnded(found.supervisor);
  }
}

/**
 * Writes the id of a process into a claimed pid file.
 *
 * @param claim The claim.
 * @param pid The id.
 */
export function writePidFile(claim: Claim, pid: number): void {
  const { start } = identify(pid);
  writeAll(claim.descriptor, new TextEncoder().encode(`${pid}\n`));
  const time = timespec(start);
  const times = new Uint8Array([...time, ...time]);
  syscall("utimensat", claim.descriptor, 0, times, 0);
}

/**
 * Gives a claim up, and removes the file.
 *
 * @param claim The claim, whose lock this process has.
 */
export function releaseClaim({ descriptor, path }: Claim): void {
  if (statx(descriptor, "", AT_EMPTY_PATH).nlink > 0) {
    syscall("unlinkat", AT_FDCWD, path, 0);
  }
  close(descriptor);
}

/**
 * Looks at a pid file, without waiting for its lock.
 *
 * @param path The path of the pid file.
 * @returns The id of pid 1, if the instance runs and is not being started.
 *
 * @example No such file
 * ```ts
 * import { peekInstance } from "cage/src/instances.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(peekInstance("/nowhere/pid"), undefined);
 * ```
 */
export function peekInstance(path: string): number | undefined {
  let descriptor: number;
  try {
    descriptor = openPidFile(path, 0);
  } catch {
    return undefined;
  }
  try {
    const pid = parsePid(readPidFile(descriptor));
    const isSame = pid !== undefined && !Number.isNaN(pid) &&
      identify(pid).start === modified(descriptor);
    return isSame ? pid : undefined;
  } catch {
    // No such process any more.
    return undefined;
  } finally {
    close(descriptor);
  }
}

function isMissing({ errno }: LaunchError): boolean {
  return errno === ERRNO.ENOENT || errno === ERRNO.ENOTDIR;
}

/** 0755 whatever the umask, as only the effective mode of mkdir(2) is not. */
function makeStateDirectory(path: string): void {
  for (const directory of prefixes(path)) {
    const failed = attempt("mkdirat", AT_FDCWD, directory, 0o755);
    if (failed === undefined) {
      syscall("fchmodat", AT_FDCWD, directory, 0o755);
    } else if (failed.errno !== ERRNO.EEXIST) {
      throw refusal(`Cannot create directory ${quote(directory)}`, failed);
    }
  }
}

function attempt(
  ...args: Parameters<typeof syscall>
): SyscallError | undefined {
  try {
    syscall(...args);
  } catch (error) {
    if (error instanceof SyscallError) return error;
    throw error;
  }
}

function refusal(what: string, error: SyscallError): LaunchError {
  const { call, errno } = error;
  const hint = "use -p to put it elsewhere";
  return new LaunchError(`${what}: ${reasonOf(errno)}: ${hint}`, call, errno);
}

function openPidFile(path: string, flags: number): number {
  try {
    return open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | flags, 0o644);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw refusal(`Cannot open pid file ${quote(path)}`, error);
  }
}

/**
 * What a pid file says: an instance; nothing; or that it was replaced, or was
 * of an instance that ended and is removed, and maybe whose supervisor is
 * about to end too, which gives the directories free.
 */
type Found =
  | { readonly kind: "running"; readonly instance: Running }
  | { readonly kind: "empty" }
  | { readonly kind: "gone"; readonly supervisor?: number };

/** Looks at a pid file once this process has its lock. */
function* lockPidFile(path: string, descriptor: number): Waiting<Found> {
  try {
    yield* untilLocked(descriptor);
    if (!isSameFile(path, descriptor)) return { kind: "gone" };
    const pid = parsePid(readPidFile(descriptor));
    if (pid === undefined) return { kind: "empty" };
    if (Number.isNaN(pid)) throw notAPidFile(path);
    const found = yield* findProcess(pid, modified(descriptor));
    if (found.kind === "gone") syscall("unlinkat", AT_FDCWD, path, 0);
    return found;
  } catch (error) {
    close(descriptor);
    throw error;
  }
}

/** Unless it is stopped, as a job of a shell, and does not see the end. */
function* untilEnded(supervisor: number | undefined): Waiting<void> {
  if (supervisor === undefined) return;
  yield { kind: "readable", descriptor: supervisor, atMost: GRACE };
  close(supervisor);
}

function isSameFile(path: string, descriptor: number): boolean {
  const mine = statx(descriptor, "", AT_EMPTY_PATH);
  let there: Stat;
  try {
    there = statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  } catch {
    return false;
  }
  return mine.nlink > 0 && mine.ino === there.ino;
}

function readPidFile(descriptor: number): string {
  const bytes = new Uint8Array(PID_TEXT_SIZE);
  return new TextDecoder().decode(
    bytes.subarray(0, read(descriptor, bytes)),
  );
}

function notAPidFile(path: string): UsageError {
  return new UsageError(
    `Cannot use pid file ${quote(path)}: it holds something else: ` +
      "name another file with -p",
  );
}

/** The process, if it is the one that is meant and is not about to end. */
function* findProcess(pid: number, start: bigint): Waiting<Found> {
  let pidfd: number;
  try {
    pidfd = pidfdOpen(pid);
  } catch {
    return { kind: "gone" };
  }
  // The descriptor first: now the id cannot come to mean another process.
  const state = stateOf(pid, start);
  if (state === "running") return { kind: state, instance: { pid, pidfd } };
  const supervisor = state === "ending" ? openSupervisor(pid) : undefined;
  if (state === "ending") yield* untilReadable(pidfd);
  close(pidfd);
  return { kind: "gone", ...(supervisor === undefined ? {} : { supervisor }) };
}

/** The time of the last change, `stx_mtime` of statx(2), in nanoseconds. */
function modified(descriptor: number): bigint {
  const STATX_MTIME = 0x40;
  const MTIME_OFFSET = 112;
  const into = new Uint8Array(256);
  syscall("statx", descriptor, "", AT_EMPTY_PATH, STATX_MTIME, { into });
  const view = new DataView(into.buffer);
  const seconds = view.getBigInt64(MTIME_OFFSET, true);
  const nanoseconds = view.getUint32(MTIME_OFFSET + 8, true);
  return seconds * 1_000_000_000n + BigInt(nanoseconds);
}
