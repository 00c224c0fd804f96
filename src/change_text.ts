/**
 * Changes as text: a line each, for people or for tools, and a summary.
 *
 * @module
 */

import { safeJson } from "../ffi/json.ts";
import { jsonName, shownName } from "./byte_names.ts";
import { type Change, type Entry, typeOf } from "./changes.ts";

const LETTERS = { added: "A", changed: "C", deleted: "D", renamed: "R" };

/**
 * Writes a change as a line for people: as `docker diff`, with type and mode,
 * owner and size as `ls -l` has them. `!` after the letter: the file below was
 * changed after the container had copied it.
 *
 * @param change The change.
 * @returns The line, without a newline.
 *
 * @example A file with another mode
 * ```ts
 * import { changeLine } from "cage/src/change_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const before = {
 *   ...{ mode: 0o100644, uid: 0, gid: 0, size: 5, modified: 1n },
 *   rdev: [0, 0],
 * } as const;
 * const line = changeLine({
 *   ...{ kind: "changed", path: "/x", aspects: ["mode"], isStale: false },
 *   ...{ before, after: { ...before, mode: 0o100600 } },
 * });
 * assertEquals(line, "C  -rw------- 0:0 5 /x (mode was 0644)");
 * ```
 */
export function changeLine(change: Change): string {
  const { after, before, from, isStale, kind, link, path, target } = change;
  const entry = (after ?? before)!;
  const notes = [
    ...change.aspects.map((aspect) => aspectText(aspect, before!)),
    ...(isStale ? ["changed below since"] : []),
  ];
  return [
    `${LETTERS[kind]}${isStale ? "!" : " "}`,
    modeText(entry.mode),
    `${entry.uid}:${entry.gid}`,
    sizeText(entry),
    shownName(path),
    ...(target === undefined ? [] : ["->", shownName(target)]),
    ...(link === undefined ? [] : ["=", shownName(link)]),
    ...(from === undefined ? [] : ["<-", shownName(from)]),
    ...(notes.length === 0 ? [] : [`(${notes.join(", ")})`]),
  ].join(" ");
}

function aspectText(aspect: Change["aspects"][number], before: Entry): string {
  switch (aspect) {
    case "mode":
      return `mode was ${octal(before.mode)}`;
    case "owner":
      return `owner was ${before.uid}:${before.gid}`;
    case "type":
      return `was a ${typeOf(before)}`;
    default:
      return aspect;
  }
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function sizeText({ mode, rdev, size }: Entry): string {
  const type = typeOf({ mode });
  return type === "char" || type === "block" ? rdev.join(",") : String(size);
}

const TYPE_LETTERS = {
  ...{ file: "-", directory: "d", link: "l", fifo: "p", socket: "s" },
  ...{ char: "c", block: "b" },
};

/**
 * Writes a mode as ls(1) does.
 *
 * @param mode Type and permissions, as in inode(7).
 * @returns Ten characters.
 *
 * @example A directory such as /tmp
 * ```ts
 * import { modeText } from "cage/src/change_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(modeText(0o041777), "drwxrwxrwt");
 * ```
 */
export function modeText(mode: number): string {
  const special = (bit: number, index: number) =>
    (mode & bit) !== 0 &&
    (mode >> (6 - 3 * index) & 1) === 1;
  const bits = [0, 1, 2].map((index) => {
    const three = mode >> (6 - 3 * index) & 7;
    const bit = [0o4000, 0o2000, 0o1000][index];
    const [small, large] = index === 2 ? ["t", "T"] : ["s", "S"];
    const last = special(bit, index)
      ? small
      : (mode & bit) !== 0
      ? large
      : (three & 1) !== 0
      ? "x"
      : "-";
    return `${three & 4 ? "r" : "-"}${three & 2 ? "w" : "-"}${last}`;
  });
  return `${TYPE_LETTERS[typeOf({ mode })]}${bits.join("")}`;
}

/**
 * Writes a change as JSON, one object on one line. Paths are as
 * {@linkcode jsonName} has them; times are seconds since 1970 as text, with
 * nine decimals.
 *
 * @param change The change.
 * @returns The line, without a newline.
 *
 * @example A directory that is gone
 * ```ts
 * import { changeJson } from "cage/src/change_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const line = changeJson({
 *   ...{ kind: "deleted", path: "/x", aspects: [], isStale: false },
 *   before: {
 *     ...{ mode: 0o040755, uid: 0, gid: 0, size: 4096, modified: 1n },
 *     rdev: [0, 0],
 *   },
 * });
 * assertEquals(JSON.parse(line), {
 *   ...{ kind: "deleted", path: "/x" },
 *   before: {
 *     ...{ type: "directory", mode: "0755", uid: 0, gid: 0, size: 4096 },
 *     modified: "0.000000001",
 *   },
 * });
 * ```
 */
export function changeJson(change: Change): string {
  const { after, aspects, before, from, isStale, kind, link, path, target } =
    change;
  const name = (key: string, value?: string) =>
    value === undefined ? {} : jsonName(key, value);
  return safeJson({
    kind,
    ...jsonName("path", path),
    ...(aspects.length === 0 ? {} : { aspects }),
    ...name("from", from),
    ...name("target", target),
    ...name("link", link),
    ...(isStale ? { changedBelow: true } : {}),
    ...(before === undefined ? {} : { before: entryJson(before) }),
    ...(after === undefined ? {} : { after: entryJson(after) }),
  });
}

function entryJson(entry: Entry): Record<string, unknown> {
  const { gid, mode, modified, rdev, size, uid } = entry;
  const type = typeOf(entry);
  return {
    ...{ type, mode: octal(mode), uid, gid, size },
    modified: secondsText(modified),
    ...(type === "char" || type === "block" ? { device: rdev } : {}),
  };
}

/**
 * Writes a time in seconds.
 *
 * @param time Nanoseconds since 1970, maybe before.
 * @returns Seconds with nine decimals.
 *
 * @example A moment before 1970
 * ```ts
 * import { secondsText } from "cage/src/change_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(secondsText(-500_000_000n), "-0.500000000");
 * ```
 */
export function secondsText(time: bigint): string {
  const digits = (time < 0n ? -time : time).toString().padStart(10, "0");
  const sign = time < 0n ? "-" : "";
  return `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}

/** How many of one kind, and what is in them. */
interface Count {
  files: number;
  directories: number;
  others: number;
  bytes: number;
}

/**
 * Adds changes up.
 *
 * @example One file
 * ```ts
 * import { ChangeSummary } from "cage/src/change_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const summary = new ChangeSummary();
 * summary.add({
 *   ...{ kind: "added", path: "/x", aspects: [], isStale: false },
 *   after: {
 *     ...{ mode: 0o100644, uid: 0, gid: 0, size: 5, modified: 1n },
 *     rdev: [0, 0],
 *   },
 * });
 * assertEquals(
 *   summary.text(),
 *   "added: 1 file, 0 directories, 0 others, 5 bytes",
 * );
 * ```
 */
export class ChangeSummary {
  readonly #counts = new Map<Change["kind"], Count>();
  #stale = 0;

  /** How many changes there are. */
  get total(): number {
    const sum = (count: Count) =>
      count.files + count.directories + count.others;
    return [...this.#counts.values()].reduce((all, one) => all + sum(one), 0);
  }

  /**
   * Adds a change.
   *
   * @param change The change.
   */
  add({ after, before, isStale, kind }: Change): void {
    const count = this.#counts.get(kind) ??
      { files: 0, directories: 0, others: 0, bytes: 0 };
    this.#counts.set(kind, count);
    const entry = (after ?? before)!;
    const type = typeOf(entry);
    if (type === "file") {
      count.files++;
      count.bytes += entry.size;
    } else if (type === "directory") count.directories++;
    else count.others++;
    if (isStale) this.#stale++;
  }

  /**
   * Writes the sums for people: a line for each kind of change.
   *
   * @returns The lines; "nothing was changed" if there is none.
   */
  text(): string {
    if (this.#counts.size === 0) return "nothing was changed";
    const lines = this.#sorted().map(([kind, count]) => {
      const { bytes, directories, files, others } = count;
      return `${kind}: ${many(files, "file")}, ` +
        `${many(directories, "directory", "directories")}, ` +
        `${many(others, "other")}, ${many(bytes, "byte")}`;
    });
    return [
      ...lines,
      ...(this.#stale === 0
        ? []
        : [`changed below since: ${many(this.#stale, "entry", "entries")}`]),
    ].join("\n");
  }

  /**
   * Writes the sums as JSON.
   *
   * @returns One object on one line, without a newline.
   */
  json(): string {
    return safeJson({
      ...Object.fromEntries(this.#sorted()),
      changedBelow: this.#stale,
    });
  }

  #sorted(): [Change["kind"], Count][] {
    return [...this.#counts].sort(([a], [b]) => a < b ? -1 : 1);
  }
}

function many(number: number, one: string, more = `${one}s`): string {
  return `${number} ${number === 1 ? one : more}`;
}
