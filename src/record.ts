/**
 * The record of an instance: whose it is, and what was taken from root inside.
 * Only root can write it, so that a pid file need not be believed.
 *
 * @module
 */

import type { Layout } from "./layout.ts";
import type { Storage } from "./storage.ts";

/** What an instance was started with, for those who list instances. */
export interface Origin {
  /** The path of its pid file. */
  readonly pidFile: string;
  /** The paths of the lower layers, the first on top. */
  readonly root: readonly string[];
  /** The upper directory, or the image in its place; none if in memory. */
  readonly changes?: string;
  /** Whether the user named that, and it is opened with their rights. */
  readonly isNamed: boolean;
  /** The command, if one was given. */
  readonly command?: readonly string[];
}

/** What is recorded of an instance that runs. */
export interface InstanceRecord {
  /** The id of the user who started it. */
  readonly uid: number;
  /** Whether nothing was taken from root inside. */
  readonly privileged: boolean;
  /** Whether nothing inside gets privileges by executing a program. */
  readonly noNewPrivs: boolean;
  /** What it was started with, if that is not too long. */
  readonly origin?: Origin;
}

/** Most bytes of a record. */
export const RECORD_SIZE = 16_384;

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
  { noNewPrivs, privileged, origin, uid }: InstanceRecord,
): string {
  const text = (origin?: Origin) =>
    `${JSON.stringify({ uid, privileged, noNewPrivs, origin })}\n`;
  if (origin === undefined) return text();
  // The words of a command are what can be long.
  const { command: _, ...short } = origin;
  const texts = [text(origin), text(short), text({ ...short, root: [] })];
  return texts.find(fits) ?? text();
}

function fits(text: string): boolean {
  return new TextEncoder().encode(text).length <= RECORD_SIZE;
}

/**
 * Tells what an instance is started with.
 *
 * @param layout Where its files are.
 * @param storage What keeps the changes.
 * @param command The command, if one was given.
 * @returns What is recorded of that.
 *
 * @example In memory
 * ```ts
 * import { layoutOf } from "cage/src/layout.ts";
 * import { originOf } from "cage/src/record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const layout = layoutOf({ name: "web" }, "/");
 * assertEquals(originOf(layout, { kind: "memory" }, ["ls"]), {
 *   pidFile: "/run/microcontainer/web.pid",
 *   root: ["/"],
 *   isNamed: false,
 *   command: ["ls"],
 * });
 * ```
 */
export function originOf(
  { image, lower, named, pidFile, upper }: Layout,
  { kind }: Pick<Storage, "kind">,
  command?: readonly string[],
): Origin {
  const changes = { image, directories: upper, fuse: upper, memory: undefined };
  return {
    ...{ pidFile, root: lower, isNamed: named.upper },
    ...(changes[kind] === undefined ? {} : { changes: changes[kind] }),
    ...(command === undefined ? {} : { command }),
  };
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
    const { noNewPrivs, origin, privileged, uid } = JSON.parse(text);
    const isRecord = Number.isInteger(uid) &&
      typeof privileged === "boolean" && typeof noNewPrivs === "boolean";
    if (!isRecord) return undefined;
    const record = { uid, privileged, noNewPrivs };
    return isOrigin(origin) ? { ...record, origin } : record;
  } catch {
    return undefined;
  }
}

/** Whoever has the right to write a record may write anything. */
function isOrigin(origin: unknown): origin is Origin {
  if (typeof origin !== "object" || origin === null) return false;
  const { changes, command, isNamed, pidFile, root } = origin as Origin;
  return typeof pidFile === "string" && typeof isNamed === "boolean" &&
    isTexts(root) && (command === undefined || isTexts(command)) &&
    (changes === undefined || isPath(changes));
}

/** It is opened, and the kernel takes no others. */
function isPath(value: unknown): boolean {
  return typeof value === "string" && value.startsWith("/") &&
    value.isWellFormed() && !value.includes("\0");
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) &&
    value.every((text) => typeof text === "string");
}
