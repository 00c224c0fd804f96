/**
 * Instances that run, known by their pid files.
 *
 * Whoever starts, joins or stops an instance holds the lock of the file while
 * doing so: of two starts at once, one creates and the other attaches. A file
 * is never used again but replaced, so that the supervisor of an instance that
 * ended sees that the file it locked is no longer there to be removed.
 *
 * A pid file can be its owner's own. What it says is believed only as far as
 * the record of the process goes (`record.ts`).
 *
 * @module
 */

import { basename, dirname } from "@std/path";
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_NONBLOCK,
  O_PATH,
  O_RDWR,
} from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { isOfType, S_IFREG } from "../ffi/file_types.ts";
import {
  close,
  hasErrno,
  openat,
  pidfdOpen,
  read,
  type Stat,
  statx,
  syscall,
  SyscallError,
  writeAll,
} from "../ffi/libc.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import { asCaller, openNamed, ROOT } from "./as_caller.ts";
import { type Caller, isLent } from "./caller.ts";
import { CageError, LaunchError, UsageError } from "./errors.ts";
import { refusalOf } from "./failure.ts";
import type { Layout } from "./layout.ts";
import { makeDirectories, makeOwnDirectory } from "./make_directories.ts";
import { parsePid } from "./pid_file.ts";
import { openSupervisor, stateOf } from "./process_state.ts";
import { quote } from "./quote.ts";
import {
  findRecord,
  type FoundRecord,
  removeRecord,
  writeRecord,
} from "./record_file.ts";
import type { InstanceRecord } from "./record.ts";
import { untilLocked, untilReadable, type Waiting } from "./wait.ts";

/** An instance that runs. */
export interface Running {
  /** The id of its pid 1, as the host counts. */
  readonly pid: number;
  /** A pidfd of it. */
  readonly pidfd: number;
  /** What was recorded of it. */
  readonly record: FoundRecord;
}

/** A place for a pid file, and who may do what there. */
export interface PidFilePlace {
  /** The path, for messages. */
  readonly path: string;
  /** A descriptor of the directory. */
  readonly directory: number;
  /** The name of the file in it. */
  readonly name: string;
  /** Whose rights the file is made and removed with; this program's if absent. */
  readonly owner?: Pick<Caller, "gid" | "standing" | "uid">;
  /** Where the record of the instance is. */
  readonly records: string;
}

/** Who may look for a pid file. */
export type PlaceCaller = Pick<Caller, "bases" | "gid" | "standing" | "uid">;

/** A pid file that is locked by this process, and empty. */
export interface Claim extends PidFilePlace {
  /** The descriptor that has the lock. */
  readonly descriptor: number;
}

/** A process that is recorded. */
export interface Recorded {
  /** Its id. */
  readonly pid: number;
  /** When it began, in clock ticks since the machine started. */
  readonly start: bigint;
}

/** How long an end may take that was asked for, in milliseconds. */
export const GRACE = 5_000;

/** Room for the largest id, and for a byte that should not be there. */
const PID_TEXT_SIZE = 32;

/**
 * Finds the instance of a pid file, or takes the file for a new one.
 *
 * @param layout Tells where the pid file is.
 * @param caller Who calls.
 * @returns The instance that runs, or the claim.
 * @throws {UsageError} If the file is something else.
 * @throws {LaunchError} If the file cannot be made or opened.
 * @throws {CageError} If the instance is somebody else's.
 */
export function* claimInstance(
  layout: Pick<Layout, "named" | "pidFile">,
  caller: Caller,
): Waiting<Running | Claim> {
  const place = openPlace(layout, caller, true);
  let claimed = false;
  try {
    for (;;) {
      const descriptor = openPidFile(place, O_CREAT);
      const found = yield* lockPidFile(place, descriptor, caller);
      claimed = found.kind === "empty";
      if (claimed) {
        as(place.owner, () => setMode(descriptor));
        return { ...place, descriptor };
      }
      close(descriptor);
      if (found.kind === "running") return found.instance;
      if (found.kind === "gone") yield* untilEnded(found.supervisor);
    }
  } finally {
    if (!claimed) close(place.directory);
  }
}

/**
 * Finds the instance of a pid file.
 *
 * @param layout Tells where the pid file is.
 * @param caller Who calls.
 * @returns The instance, if one runs.
 * @throws {UsageError} If the file is something else.
 * @throws {LaunchError} If the file cannot be opened.
 * @throws {CageError} If the instance is somebody else's.
 */
export function* findInstance(
  layout: Pick<Layout, "named" | "pidFile">,
  caller: Caller,
): Waiting<Running | undefined> {
  const place = unlessMissing(() => openPlace(layout, caller, false));
  if (place === undefined) return undefined;
  try {
    return yield* findAt(place, caller);
  } finally {
    close(place.directory);
  }
}

function* findAt(
  place: PidFilePlace,
  caller: Caller,
): Waiting<Running | undefined> {
  for (;;) {
    const descriptor = unlessMissing(() => openPidFile(place, 0));
    if (descriptor === undefined) return undefined;
    const found = yield* lockPidFile(place, descriptor, caller);
    if (found.kind === "empty") remove(place);
    close(descriptor);
    if (found.kind === "empty") return undefined;
    if (found.kind === "running") return found.instance;
    yield* untilEnded(found.supervisor);
  }
}

/**
 * Writes the id of a process into a claimed pid file, and records it.
 *
 * @param claim The claim.
 * @param pid The id.
 * @param record What is recorded.
 * @param outlives Whether it goes on when its supervisor is killed.
 * @returns What is to be removed with the file.
 */
export function writePidFile(
  claim: Claim,
  pid: number,
  record: InstanceRecord,
  outlives: boolean,
): Recorded {
  // First: should this process be killed in between, the file tells what to
  // look for, and an id without a record is nobody's.
  writeAll(claim.descriptor, new TextEncoder().encode(`${pid}\n`));
  const { start } = writeRecord(claim.records, pid, record, outlives);
  return { pid, start };
}

/**
 * Gives a claim up, and removes the file and the record.
 *
 * @param claim The claim, whose lock this process has.
 * @param recorded What was written there, if anything was.
 */
export function releaseClaim(claim: Claim, recorded?: Recorded): void {
  const { descriptor, directory, records } = claim;
  try {
    if (recorded !== undefined) removeRecord(records, recorded.pid, recorded);
    if (statx(descriptor, "", AT_EMPTY_PATH).nlink > 0) remove(claim);
  } finally {
    close(descriptor);
    close(directory);
  }
}

/**
 * Looks at the pid file of an instance of the caller, without waiting for its
 * lock.
 *
 * @param layout Where the files of the instance are.
 * @param caller Who calls.
 * @returns The id of pid 1, if the instance runs and is not being started.
 * @throws {CageError} If there is something else than a pid file.
 *
 * @example No such file
 * ```ts
 * import { peekInstance } from "cage/src/instances.ts";
 * import { ROOT_BASES } from "cage/src/layout.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bases = ROOT_BASES;
 * const root = { bases, standing: "root", uid: 0, gid: 0 } as const;
 * const named = { upper: false, work: false, pidFile: true };
 * const layout = { named, pidFile: "/nowhere/pid" };
 * assertEquals(peekInstance(layout, root), undefined);
 * ```
 */
export function peekInstance(
  layout: Pick<Layout, "named" | "pidFile">,
  caller: PlaceCaller,
): number | undefined {
  const place = unlessMissing(() => openPlace(layout, caller, false));
  if (place === undefined) return undefined;
  let descriptor: number | undefined;
  try {
    descriptor = unlessMissing(() => openPidFile(place, 0));
    const pid = descriptor && pidIn(place.path, descriptor);
    const record = pid && findRecord(place.records, pid);
    return record && stateOf(pid, record) === "running" ? pid : undefined;
  } finally {
    if (descriptor !== undefined) close(descriptor);
    close(place.directory);
  }
}

/** Whoever can open a file can lock it: flock(2) takes no right to write. */
const PID_FILE_MODE = 0o600;

const PID_FILE_FLAGS = O_RDWR | O_NOFOLLOW | O_NONBLOCK;

function unlessMissing<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof LaunchError && isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing({ errno }: LaunchError): boolean {
  return errno === ERRNO.ENOENT || errno === ERRNO.ENOTDIR;
}

/** The directory is opened once; what is above it may change then. */
function openPlace(
  { named, pidFile: path }: Pick<Layout, "named" | "pidFile">,
  caller: PlaceCaller,
  isMade: boolean,
): PidFilePlace {
  const above = dirname(path);
  const owner = named.pidFile && isLent(caller) ? caller : undefined;
  if (isMade) {
    if (caller.standing === "rootless") makeOwnDirectory(caller.bases.state);
    as(owner, () => makeDirectories(above, () => ({ mode: 0o755 }), HINT));
  }
  try {
    const directory = openNamed(owner ?? ROOT, above, O_PATH | O_DIRECTORY);
    const { records } = caller.bases;
    const place = { path, directory, name: basename(path), records };
    return owner === undefined ? place : { ...place, owner };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw refusalOf(`Cannot open pid file ${quote(path)}`, error, HINT);
  }
}

const HINT = "use -p to put it elsewhere";

function as<T>(owner: PidFilePlace["owner"], action: () => T): T {
  return asCaller(owner ?? ROOT, action);
}

function openPidFile(place: PidFilePlace, flags: number): number {
  const { directory, name, owner, path } = place;
  try {
    return as(owner, () => {
      const all = PID_FILE_FLAGS | flags;
      const file = openat(directory, name, all, PID_FILE_MODE);
      try {
        checkKind(path, file);
        return file;
      } catch (error) {
        close(file);
        throw error;
      }
    });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw refusalOf(`Cannot open pid file ${quote(path)}`, error, HINT);
  }
}

/** `/dev/null` is as empty as a new one, and would be removed in the end. */
function checkKind(path: string, file: number): void {
  const { mode } = statx(file, "", AT_EMPTY_PATH);
  if (!isOfType(mode, S_IFREG)) throw notAPidFile(path);
}

/** Whatever the umask, unless the file is somebody else's. */
function setMode(file: number): void {
  try {
    syscall("fchmod", file, PID_FILE_MODE);
  } catch (error) {
    if (!hasErrno(error, "EPERM")) throw error;
  }
}

/** Who owns the directory may have moved it away. */
function remove({ directory, name, owner }: PidFilePlace): void {
  try {
    as(owner, () => syscall("unlinkat", directory, name, 0));
  } catch (error) {
    if (!hasErrno(error, "ENOENT")) throw error;
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
function* lockPidFile(
  place: PidFilePlace,
  descriptor: number,
  caller: Caller,
): Waiting<Found> {
  try {
    yield* untilLocked(descriptor);
    if (!isSameFile(place, descriptor)) return { kind: "gone" };
    const pid = pidIn(place.path, descriptor);
    if (pid === undefined) return { kind: "empty" };
    const found = yield* findProcess(place.records, pid);
    if (found.kind === "running") {
      checkOwner(place.path, descriptor, found.instance, caller);
    }
    // Its supervisor removes it, and has the directories until then.
    if (found.kind === "gone" && found.supervisor === undefined) remove(place);
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

function isSameFile(
  { directory, name, owner }: PidFilePlace,
  descriptor: number,
): boolean {
  const mine = statx(descriptor, "", AT_EMPTY_PATH);
  let there: Stat;
  try {
    there = as(owner, () => statx(directory, name, AT_SYMLINK_NOFOLLOW));
  } catch {
    return false;
  }
  return mine.nlink > 0 && mine.ino === there.ino;
}

function pidIn(path: string, descriptor: number): number | undefined {
  const bytes = new Uint8Array(PID_TEXT_SIZE);
  const size = read(descriptor, bytes);
  const pid = parsePid(new TextDecoder().decode(bytes.subarray(0, size)));
  if (Number.isNaN(pid)) throw notAPidFile(path);
  return pid;
}

function notAPidFile(path: string): UsageError {
  return new UsageError(
    `Cannot use pid file ${quote(path)}: it holds something else: ` +
      "name another file with -p",
  );
}

/**
 * Root may do with all of them what their owners may, but is not led to one by
 * the file of somebody else.
 */
function checkOwner(
  path: string,
  descriptor: number,
  { pidfd, record: { uid } }: Running,
  caller: Caller,
): void {
  const { uid: writer } = statx(descriptor, "", AT_EMPTY_PATH);
  const isTold = writer === 0 || writer === uid;
  if (isTold && (caller.standing === "root" || caller.uid === uid)) return;
  close(pidfd);
  throw new CageError(
    `Cannot use pid file ${
      quote(path)
    }: the instance belongs to user ${uid}: ` +
      "name one of your own with -n or -p",
  );
}

const WANT_HINT = "too much is in use: raise the limits (ulimit -n)";

/** Who has no descriptor left knows nothing of the process. */
function isWant(error: unknown): error is SyscallError {
  return (["EMFILE", "ENFILE", "ENOMEM"] as const)
    .some((code) => hasErrno(error, code));
}

/** The process, if it is an instance and is not about to end. */
function* findProcess(records: string, pid: number): Waiting<Found> {
  const record = findRecord(records, pid);
  if (record === undefined) return { kind: "gone" };
  let pidfd: number;
  try {
    pidfd = pidfdOpen(pid);
  } catch (error) {
    if (isWant(error)) {
      throw refusalOf("Cannot look at the instance", error, WANT_HINT);
    }
    removeRecord(records, pid, record);
    return { kind: "gone" };
  }
  // The descriptor first: now the id cannot come to mean another process.
  let state: ReturnType<typeof stateOf>;
  try {
    state = stateOf(pid, record);
  } catch (error) {
    close(pidfd);
    throw new CageError(
      `Cannot look at the instance: ${(error as Error).message}: ${WANT_HINT}`,
    );
  }
  if (state === "running") {
    return { kind: state, instance: { pid, pidfd, record } };
  }
  const supervisor = state === "ending" ? openSupervisor(pid) : undefined;
  if (state === "ending") yield* untilReadable(pidfd);
  close(pidfd);
  removeRecord(records, pid, record);
  return { kind: "gone", ...(supervisor === undefined ? {} : { supervisor }) };
}
