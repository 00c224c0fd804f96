/**
 * The text of a pid file, and how a process is known again.
 *
 * A pid file holds the id alone, as other programs expect. When the process
 * began is kept as the time of the last change of its record: as many seconds
 * as the kernel counts ticks since the machine started, which takes no
 * arithmetic to compare. An id that the kernel gave to another process since
 * then is found out, whatever becomes of the clock. The nanoseconds are the id
 * of the parent where pid 1 ends with it.
 *
 * @module
 */

const NANOSECONDS = 1_000_000_000n;

/** Bit of SIGKILL in a set of signals, see proc_pid_status(5). */
const SIGKILL_BIT = 1n << 8n;

/** What a process has besides its id, so that it is known again. */
export interface Birth {
  /** When it began, in clock ticks since the machine started. */
  readonly start: bigint;
  /**
   * The id of its parent, less than 2^22; 0 where no file keeps it, or where it
   * outlives that.
   */
  readonly parent: number;
}

/**
 * Reads the text of a pid file.
 *
 * @param text The text.
 * @returns The id; `undefined` if the file is empty; `NaN` if it is no pid
 * file.
 *
 * @example Three files
 * ```ts
 * import { parsePid } from "cage/src/pid_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parsePid("17\n"), 17);
 * assertEquals(parsePid(""), undefined);
 * assertEquals(parsePid("root:x:0"), NaN);
 * ```
 */
export function parsePid(text: string): number | undefined {
  if (text === "") return undefined;
  return /^[1-9][0-9]{0,9}\n?$/.test(text) ? Number(text) : NaN;
}

/**
 * Reads when a process began, and whose child it is.
 *
 * @param stat The text of `/proc/PID/stat`, see proc_pid_stat(5).
 * @returns Fields 22 and 4.
 *
 * @example They are counted after the name, which may hold anything
 * ```ts
 * import { parseBirth } from "cage/src/pid_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const fields = Array.from({ length: 50 }, (_, i) => i + 3);
 * const birth = parseBirth(`7 (a) b) ${fields.join(" ")}`);
 * assertEquals(birth, { start: 22n, parent: 4 });
 * ```
 */
export function parseBirth(stat: string): Birth {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // The first of these is field 3.
  return { start: BigInt(fields[22 - 3]), parent: Number(fields[4 - 3]) };
}

/**
 * Writes a birth as the time of a file.
 *
 * @param birth The birth.
 * @returns Nanoseconds: a tick is kept as a second.
 *
 * @example There and back
 * ```ts
 * import { birthOf, timeOfBirth } from "cage/src/pid_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const birth = { start: 22n, parent: 4 };
 * assertEquals(timeOfBirth(birth), 22_000_000_004n);
 * assertEquals(birthOf(timeOfBirth(birth)), birth);
 * ```
 */
export function timeOfBirth({ parent, start }: Birth): bigint {
  return start * NANOSECONDS + BigInt(parent);
}

/**
 * Reads the time of a file as a birth.
 *
 * @param time Nanoseconds.
 * @returns The birth. File systems that keep no nanoseconds say nothing of the
 * parent.
 *
 * @example A file of ext3
 * ```ts
 * import { birthOf } from "cage/src/pid_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(birthOf(22_000_000_000n), { start: 22n, parent: 0 });
 * ```
 */
export function birthOf(time: bigint): Birth {
  return { start: time / NANOSECONDS, parent: Number(time % NANOSECONDS) };
}

/**
 * Tells whether a process is about to end or has ended.
 *
 * @param status The text of `/proc/PID/status`, see proc_pid_status(5).
 * @returns Whether SIGKILL waits for it, or it has given its memory back.
 *
 * @example A process that is killed
 * ```ts
 * import { isEnding } from "cage/src/pid_file.ts";
 * import { assert } from "@std/assert";
 *
 * assert(isEnding("VmSize:\t8 kB\nShdPnd:\t0000000000000100\n"));
 * assert(isEnding("State:\tZ (zombie)\n"));
 * assert(!isEnding("VmSize:\t8 kB\nShdPnd:\t0000000000000001\n"));
 * ```
 */
export function isEnding(status: string): boolean {
  const pending = [...status.matchAll(/^(?:Sig|Shd)Pnd:\t([0-9a-f]+)$/gm)]
    .some(([, set]) => (BigInt(`0x${set}`) & SIGKILL_BIT) !== 0n);
  return pending || !/^VmSize:/m.test(status);
}

/**
 * Writes a time as `struct timespec` of 64 bits: seconds and nanoseconds.
 *
 * @param time Nanoseconds.
 * @returns 16 bytes.
 *
 * @example A second and a half
 * ```ts
 * import { timespec } from "cage/src/pid_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const words = new BigUint64Array(timespec(1_500_000_000n).buffer);
 * assertEquals([...words], [1n, 500_000_000n]);
 * ```
 */
export function timespec(time: bigint): Uint8Array<ArrayBuffer> {
  const words = new BigUint64Array([time / NANOSECONDS, time % NANOSECONDS]);
  return new Uint8Array(words.buffer);
}
