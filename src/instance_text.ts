/**
 * Instances as text: a table for people, JSON for tools.
 *
 * @module
 */

import { safeJson } from "../ffi/json.ts";
import { ageText, sizeText } from "./amounts.ts";
import type { Instance } from "./instance.ts";
import { quote } from "./quote.ts";

/** How a table is written. */
export interface TableOptions {
  /** The time that ages are counted to, in milliseconds since 1970. */
  readonly now: number;
  /** Columns of the terminal; lines are as long as they are if absent. */
  readonly width?: number;
  /** Login names by ids, if it is to be told whose instances are. */
  readonly users?: ReadonlyMap<number, string>;
}

/**
 * Writes instances as a table.
 *
 * @param instances The instances.
 * @param options How.
 * @returns The lines; the first is the heading.
 *
 * @example One that runs
 * ```ts
 * import { instanceTable } from "cage/src/instance_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const about = { state: "running", name: "web", uid: 0, pid: 7 } as const;
 * const running = {
 *   ...{ ...about, size: 2048, since: new Date(0) },
 *   ...{ root: ["/"], command: ["ls", "-l"] },
 * };
 * assertEquals(instanceTable([running], { now: 90_000 }), [
 *   "NAME  STATE    PID  AGE  SIZE  ROOT  COMMAND",
 *   "web   running  7    1m   2.0K  /     ls -l",
 * ]);
 * ```
 */
export function instanceTable(
  instances: readonly Instance[],
  { now, users, width }: TableOptions,
): string[] {
  const rows = instances.map((instance) => [
    labelOf(instance),
    instance.state,
    shown(instance.pid),
    instance.since === undefined ? NOTHING : ageText(ageOf(instance, now)),
    instance.size === undefined ? NOTHING : sizeText(instance.size),
    ...(users === undefined
      ? []
      : [plain(users.get(instance.uid) ?? `${instance.uid}`)]),
    lastPart(rootText(instance), width),
    instance.command?.map(plain).join(" ") ?? NOTHING,
  ]);
  const all = [headOf(users !== undefined), ...rows];
  const widths = all[0].map((_, column) =>
    all.reduce((most, row) => Math.max(most, [...row[column]].length), 0)
  );
  return all.map((row) => line(row, widths, width));
}

/**
 * Writes instances as JSON: an array of objects, each on a line. `null` stands
 * for what is not known. `since` is a time as of ISO 8601, `age` seconds since
 * then, `size` bytes.
 *
 * @param instances The instances.
 * @param now The time that ages are counted to, in milliseconds since 1970.
 * @returns The text, without a newline at its end.
 *
 * @example One that is stored
 * ```ts
 * import { instanceJson } from "cage/src/instance_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const since = new Date(0);
 * const stored = { state: "stored", name: "web", uid: 0, since } as const;
 * assertEquals(JSON.parse(instanceJson([stored], 90_000)), [{
 *   ...{ name: "web", state: "stored", uid: 0, pid: null, pidFile: null },
 *   ...{ since: "1970-01-01T00:00:00.000Z", age: 90, size: null },
 *   ...{ changes: null, root: null, command: null },
 * }]);
 * ```
 */
export function instanceJson(
  instances: readonly Instance[],
  now: number,
): string {
  const lines = instances.map((instance) => {
    const { changes, command, name, pid, pidFile, root, size, since } =
      instance;
    const age = since === undefined ? undefined : ageOf(instance, now);
    return safeJson({
      name: name ?? null,
      ...{ state: instance.state, uid: instance.uid, pid: pid ?? null },
      ...{ pidFile: pidFile ?? null, since: since?.toISOString() ?? null },
      ...{ age: age ?? null, size: size ?? null, changes: changes ?? null },
      ...{ root: root ?? null, command: command ?? null },
    });
  });
  return lines.length === 0 ? "[]" : `[\n${lines.join(",\n")}\n]`;
}

/** What stands for what is not known. */
const NOTHING = "-";

function headOf(hasUser: boolean): string[] {
  const first = ["NAME", "STATE", "PID", "AGE", "SIZE"];
  return [...first, ...(hasUser ? ["USER"] : []), "ROOT", "COMMAND"];
}

/** Without a name it is known by its pid file. */
function labelOf({ name, pidFile }: Instance): string {
  const label = name ?? pidFile;
  return label === undefined ? NOTHING : plain(label);
}

function rootText({ root }: Instance): string {
  return root === undefined || root.length === 0
    ? NOTHING
    : root.map(plain).join(":");
}

function shown(value: number | undefined): string {
  return value === undefined ? NOTHING : `${value}`;
}

/** As it is, if it is one word of a line and means nothing else. */
function plain(text: string): string {
  const isWord = text !== "" && text !== NOTHING &&
    !/[\p{C}\p{Z}"\\]/u.test(text);
  return isWord ? text : quote(text);
}

function ageOf({ since }: Instance, now: number): number {
  return Math.max(0, Math.floor((now - since!.getTime()) / 1000));
}

const GAP = 2;

/** Share of a terminal that a root may take: its end tells most. */
const ROOT_SHARE = 0.25;

function lastPart(text: string, width: number | undefined): string {
  if (width === undefined) return text;
  const most = Math.max(12, Math.floor(width * ROOT_SHARE));
  const characters = [...text];
  return characters.length <= most
    ? text
    : `…${characters.slice(1 - most).join("")}`;
}

/** What a command is cut to at least, however narrow the terminal is. */
const LEAST = 8;

/** Only the last column is cut: half of a name is none. */
function line(
  row: readonly string[],
  widths: readonly number[],
  width: number | undefined,
): string {
  const first = row.slice(0, -1).map((text, column) =>
    text + " ".repeat(widths[column] + GAP - [...text].length)
  ).join("");
  const last = row[row.length - 1];
  if (width === undefined) return first + last;
  const most = Math.max(LEAST, width - [...first].length);
  const characters = [...last];
  return first +
    (characters.length <= most
      ? last
      : `${characters.slice(0, most - 1).join("")}…`);
}
