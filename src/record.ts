/**
 * The record of an instance: whose it is, and what was taken from root inside.
 * Only root can write it, so that a pid file need not be believed.
 *
 * @module
 */

/** What is recorded of an instance that runs. */
export interface InstanceRecord {
  /** The id of the user who started it. */
  readonly uid: number;
  /** Whether nothing was taken from root inside. */
  readonly privileged: boolean;
  /** Whether nothing inside gets privileges by executing a program. */
  readonly noNewPrivs: boolean;
}

/**
 * Tells where the record of an instance is.
 *
 * @param records Where records are.
 * @param pid The id of its pid 1, as the host counts.
 * @returns The path.
 *
 * @example A record
 * ```ts
 * import { recordPath } from "cage/src/record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(recordPath("/run/record", 17), "/run/record/17");
 * ```
 */
export function recordPath(records: string, pid: number): string {
  return `${records}/${pid}`;
}

/**
 * Writes a record as text.
 *
 * @param record The record.
 * @returns The text.
 *
 * @example There and back
 * ```ts
 * import { parseRecord, recordText } from "cage/src/record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const record = { uid: 1000, privileged: false, noNewPrivs: true };
 * assertEquals(parseRecord(recordText(record)), record);
 * ```
 */
export function recordText(
  { noNewPrivs, privileged, uid }: InstanceRecord,
): string {
  return `${JSON.stringify({ uid, privileged, noNewPrivs })}\n`;
}

/**
 * Reads the text of a record.
 *
 * @param text The text.
 * @returns The record; nothing if it is none.
 *
 * @example A text that is no record
 * ```ts
 * import { parseRecord } from "cage/src/record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseRecord(""), undefined);
 * ```
 */
export function parseRecord(text: string): InstanceRecord | undefined {
  try {
    const { noNewPrivs, privileged, uid } = JSON.parse(text);
    const isRecord = Number.isInteger(uid) &&
      typeof privileged === "boolean" && typeof noNewPrivs === "boolean";
    return isRecord ? { uid, privileged, noNewPrivs } : undefined;
  } catch {
    return undefined;
  }
}
