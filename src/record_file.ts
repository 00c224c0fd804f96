/**
 * Writes, finds and removes records of instances, as root.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  O_CREAT,
  O_EXCL,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
} from "../ffi/constants.ts";
import {
  close,
  hasErrno,
  open,
  read,
  statx,
  syscall,
  writeAll,
} from "../ffi/libc.ts";
import { O_NOFOLLOW, O_TMPFILE } from "../ffi/open_flags.ts";
import { makeDirectories } from "./make_directories.ts";
import { type Birth, birthOf, timeOfBirth, timespec } from "./pid_file.ts";
import { identify } from "./process_state.ts";
import {
  type InstanceRecord,
  parseRecord,
  RECORD_SIZE,
  recordPath,
  recordText,
} from "./record.ts";

/** A record, and which process it is of: its pid 1. */
export interface FoundRecord extends InstanceRecord, Birth {}

/**
 * Records an instance. The time of the last change of the file is the birth of
 * its pid 1: an id that is given to another process later means nothing. Should
 * this process be killed meanwhile, there is all of the record, or none.
 *
 * @param pid The id of its pid 1.
 * @param record What is recorded.
 * @param outlives Whether it goes on when its parent is killed.
 * @returns What {@linkcode findRecord} finds then.
 * @throws {LaunchError} If the directory of records cannot be made.
 */
export function writeRecord(
  records: string,
  pid: number,
  record: InstanceRecord,
  outlives: boolean,
): FoundRecord {
  makeDirectories(records, (path) => ({
    mode: path === records ? 0o700 : 0o755,
  }), "it is where cage keeps what runs");
  const path = recordPath(records, pid);
  // What is there is of a process that had the id before.
  remove(path);
  const { file, isNamed } = openNew(records, path);
  try {
    syscall("fchmod", file, 0o600);
    writeAll(file, new TextEncoder().encode(recordText(record)));
    const { parent, start } = identify(pid);
    const birth = { start, parent: outlives ? 0 : parent };
    const time = timespec(timeOfBirth(birth));
    const times = new Uint8Array([...time, ...time]);
    syscall("utimensat", file, 0, times, 0);
    if (!isNamed) {
      const self = `/proc/self/fd/${file}`;
      syscall("linkat", AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
    }
    return { ...record, ...birth };
  } finally {
    close(file);
  }
}

/** Some file systems have no files without a name, NFS among them. */
function openNew(
  records: string,
  path: string,
): { readonly file: number; readonly isNamed: boolean } {
  try {
    const file = open(records, O_WRONLY | O_TMPFILE, 0o600);
    return { file, isNamed: false };
  } catch (error) {
    if (!hasErrno(error, "EOPNOTSUPP")) throw error;
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    return { file: open(path, flags, 0o600), isNamed: true };
  }
}

/**
 * Finds the record of a process.
 *
 * @param pid The id of the process.
 * @returns The record; nothing if the process is not known.
 */
export function findRecord(
  records: string,
  pid: number,
): FoundRecord | undefined {
  let file: number;
  try {
    // Where the directory is a user's, there may be anything.
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    file = open(recordPath(records, pid), flags);
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  }
  try {
    const bytes = new Uint8Array(RECORD_SIZE);
    const size = read(file, bytes);
    const text = new TextDecoder().decode(bytes.subarray(0, size));
    const record = parseRecord(text);
    const { modified } = statx(file, "", AT_EMPTY_PATH);
    return record && { ...record, ...birthOf(modified) };
  } finally {
    close(file);
  }
}

/**
 * Removes the record of an instance that has ended.
 *
 * @param pid The id of its pid 1.
 * @param found What was found: the record of a process which has got the id
 * since then stays.
 */
export function removeRecord(
  records: string,
  pid: number,
  { start }: Pick<FoundRecord, "start">,
): void {
  if (findRecord(records, pid)?.start === start) {
    remove(recordPath(records, pid));
  }
}

function remove(path: string): void {
  try {
    syscall("unlinkat", AT_FDCWD, path, 0);
  } catch (error) {
    if (!hasErrno(error, "ENOENT")) throw error;
  }
}
