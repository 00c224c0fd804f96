/**
 * How many instances a user has, counted by the kernel: each holds the lock of
 * a file, which ends with the last process that has it open.
 *
 * @module
 */

import { LOCK_EX, LOCK_NB, O_CREAT, O_RDWR } from "../ffi/constants.ts";
import { close, flock, hasErrno, open, syscall } from "../ffi/libc.ts";
import { O_NOFOLLOW } from "../ffi/open_flags.ts";
import { CageError } from "./errors.ts";
import { ROOT_BASES } from "./layout.ts";
import { POLICY_FILE } from "./policy.ts";
import { makeDirectories } from "./make_directories.ts";
import { parsePid } from "./pid_file.ts";
import { stateOf } from "./process_state.ts";
import { findRecord, removeRecord } from "./record_file.ts";

/**
 * Takes a slot for an instance.
 *
 * @param directory Where the files of the user's slots are, root's own.
 * @param limit How many slots there are.
 * @returns The descriptor that has the lock.
 * @throws {CageError} If all slots are taken.
 */
export function takeSlot(directory: string, limit: number): number {
  const hint = "it is where cage counts what runs";
  makeDirectories(directory, (path) => ({
    mode: path === directory ? 0o700 : 0o755,
  }), hint);
  for (let slot = 0; slot < limit; slot++) {
    const flags = O_RDWR | O_CREAT | O_NOFOLLOW;
    const file = open(`${directory}/${slot}`, flags, 0o600);
    try {
      flock(file, LOCK_EX | LOCK_NB);
      forgetLast(file);
      return file;
    } catch (error) {
      close(file);
      if (!hasErrno(error, "EAGAIN")) throw error;
    }
  }
  throw new CageError(
    `Cannot start another instance: ${limit} of yours run, and ` +
      `${POLICY_FILE} allows no more: stop one with -k`,
  );
}

/**
 * Notes which instance has a slot, so that its record goes with it if its
 * supervisor is killed.
 *
 * @param slot The descriptor that has the lock.
 * @param pid The id of pid 1 of the instance.
 */
export function markSlot(slot: number, pid: number): void {
  const bytes = new TextEncoder().encode(`${pid}\n`);
  syscall("ftruncate", slot, 0);
  syscall("pwrite64", slot, bytes, bytes.length, 0);
}

/** Room for the largest id. */
const PID_TEXT_SIZE = 32;

/** An instance does not outlive the lock. Its id may be another's by now. */
function forgetLast(slot: number): void {
  const bytes = new Uint8Array(PID_TEXT_SIZE);
  const size = syscall("pread64", slot, { into: bytes }, bytes.length, 0);
  const pid = parsePid(new TextDecoder().decode(bytes.subarray(0, size)));
  if (pid === undefined || Number.isNaN(pid)) return;
  const record = findRecord(ROOT_BASES.records, pid);
  if (record === undefined) return;
  if (stateOf(pid, record) === "other") {
    removeRecord(ROOT_BASES.records, pid, record);
  }
}
