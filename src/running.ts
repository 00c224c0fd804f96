/**
 * Finds out about instances that run what the kernel knows. The memory of what
 * runs inside is never read, since its reading could be made to wait.
 *
 * @module
 */

import { O_PATH, O_RDONLY } from "../ffi/constants.ts";
import {
  close,
  ioctl,
  open,
  pidfdOpen,
  syscall,
  SyscallError,
} from "../ffi/libc.ts";
import type { Owner } from "./instance_owners.ts";
import { parseMounts } from "./mount_table.ts";
import { isOfEnded, stateOf } from "./process_state.ts";
import { findRecord, type FoundRecord } from "./record_file.ts";
import { INIT_NAME } from "./supervisor.ts";

/** An instance that runs. */
export interface RunningInstance extends Pick<FoundRecord, "origin"> {
  /** The id of its pid 1. */
  readonly pid: number;
  /** The id of the user who started it. */
  readonly uid: number;
  /** When it was started. */
  readonly since: Date;
  /** The name of the process of its command, if that is there. */
  readonly process?: string;
}

/**
 * Finds an instance by its record.
 *
 * @param records The directory of records.
 * @param pid The id that the record has.
 * @param owner Whose the directory is. What users write themselves is believed
 * only as far as the kernel says the same.
 * @returns The instance, if it runs.
 */
export function findRunning(
  records: string,
  pid: number,
  { isForeign, uid }: Pick<Owner, "isForeign" | "uid">,
): RunningInstance | undefined {
  let pidfd: number | undefined;
  try {
    const record = findRecord(records, pid);
    if (record === undefined) return undefined;
    pidfd = pidfdOpen(pid);
    if (stateOf(pid, record) !== "running") return undefined;
    if (isForeign && ownerOfNamespace(pid) !== uid) return undefined;
    const process = nameOfCommand(pid);
    return {
      ...{ pid, uid: isForeign ? uid : record.uid },
      ...{ since: timeOf(record.start), origin: record.origin },
      ...(process === undefined ? {} : { process }),
    };
  } catch (error) {
    // No such process any more, or no record.
    if (isMissing(error)) return undefined;
    throw error;
  } finally {
    if (pidfd !== undefined) close(pidfd);
  }
}

/**
 * Tells what the changes take of an instance that keeps them in memory.
 *
 * @param pid The id of its pid 1.
 * @returns The size in bytes; nothing if the caller cannot look.
 *
 * @example No such process
 * ```ts
 * import { memoryOf } from "cage/src/running.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(memoryOf(0), undefined);
 * ```
 */
export function memoryOf(pid: number): number | undefined {
  try {
    const mounts = parseMounts(textOf(pid, "mountinfo"));
    const root = mounts.findLast(({ path }) => path === "/");
    // Another file system could be one that waits for somebody's answer.
    if (root?.type !== "overlay") return undefined;
    return usedOf(`/proc/${pid}/root`);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** An overlay tells about the file system of its upper directory. */
function usedOf(path: string): number {
  const root = open(path, O_PATH);
  try {
    // struct statfs of asm-generic/statfs.h: type, size of a block, blocks,
    // free ones.
    const into = new Uint8Array(120);
    syscall("fstatfs", root, { into });
    const [, block, blocks, free] = new BigUint64Array(into.buffer);
    return Number(block * (blocks - free));
  } finally {
    close(root);
  }
}

/** `NS_GET_OWNER_UID` of linux/nsfs.h, Linux 4.11. */
const NS_GET_OWNER_UID = 0xb704;

/** A record that a user wrote can name a process of somebody else. */
function ownerOfNamespace(pid: number): number {
  const namespace = open(`/proc/${pid}/ns/user`, O_RDONLY);
  try {
    const into = new Uint8Array(4);
    ioctl(namespace, NS_GET_OWNER_UID, into);
    return new DataView(into.buffer).getUint32(0, true);
  } finally {
    close(namespace);
  }
}

/** Of pid 1, if that is the command, or else of its first child. */
function nameOfCommand(pid: number): string | undefined {
  const name = textOf(pid, "comm").slice(0, -1);
  if (name !== INIT_NAME) return name;
  try {
    const [first] = textOf(pid, `task/${pid}/children`).split(" ");
    return first === ""
      ? undefined
      : textOf(Number(first), "comm").slice(0, -1);
  } catch {
    // It has just ended, or the kernel was built without such a list.
    return undefined;
  }
}

/** Clock ticks of proc(5) in a second: `USER_HZ` of asm-generic/param.h. */
const TICKS = 100;

/** The time of something that is counted from the start of the machine. */
function timeOf(start: bigint): Date {
  const [up] = Deno.readTextFileSync("/proc/uptime").split(" ");
  const age = (Number(up) - Number(start) / TICKS) * 1000;
  return new Date(Date.now() - age);
}

function textOf(pid: number, file: string): string {
  return Deno.readTextFileSync(`/proc/${pid}/${file}`);
}

function isMissing(error: unknown): boolean {
  return error instanceof SyscallError ||
    error instanceof Deno.errors.PermissionDenied || isOfEnded(error);
}
