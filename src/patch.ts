/**
 * Changes of text files as a patch, as git writes it, for patch(1) and git.
 * Texts are bytes, one character for each.
 *
 * @module
 */

import { shownName } from "./byte_names.ts";
import { type Change, typeOf } from "./changes.ts";
import { type Difference, differences } from "./line_diff.ts";

/** Lines around a difference. */
const CONTEXT = 3;

/** How far a NUL is looked for, as git does: `FIRST_FEW_BYTES`, 2.39. */
const LOOKED_AT = 8_000;

/**
 * Tells whether something is a text.
 *
 * @param content Its bytes.
 * @returns Whether it is: there is no NUL near its beginning.
 *
 * @example Neither
 * ```ts
 * import { isText } from "cage/src/patch.ts";
 * import { assert } from "@std/assert";
 *
 * assert(isText("a\n"));
 * assert(!isText("\x7fELF\0"));
 * ```
 */
export function isText(content: string): boolean {
  return !content.slice(0, LOOKED_AT).includes("\0");
}

/** The contents of a change: nothing where there is no such file. */
export interface Contents {
  /** What was in the file, or what the link pointed to. */
  readonly before?: string | undefined;
  /** What is in it. */
  readonly after?: string | undefined;
  /** Whether one of them is not a text, or too long. */
  readonly isBinary?: boolean;
}

/**
 * Writes a change as a part of a patch.
 *
 * @param change The change of a regular file or a symbolic link.
 * @param contents What is in it.
 * @returns The lines, as UTF-8 would not always be: one character a byte.
 *
 * @example A new file
 * ```ts
 * import { patchOf } from "cage/src/patch.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = patchOf({
 *   ...{ kind: "added", path: "/x", aspects: [], isStale: false },
 *   after: {
 *     ...{ mode: 0o100644, uid: 0, gid: 0, size: 2, modified: 1n },
 *     rdev: [0, 0],
 *   },
 * }, { after: "a\n" });
 * assertEquals(text.split("\n").slice(1), [
 *   "new file mode 100644",
 *   "--- /dev/null",
 *   "+++ b/x",
 *   "@@ -0,0 +1,1 @@",
 *   "+a",
 *   "",
 * ]);
 * ```
 */
export function patchOf(change: Change, contents: Contents): string {
  const { after, before, from, kind, path } = change;
  const [a, b] = [shownPath("a", from ?? path), shownPath("b", path)];
  const head = [`diff --git ${a} ${b}`];
  if (kind === "added") head.push(`new file mode ${gitMode(after!.mode)}`);
  else if (kind === "deleted") {
    head.push(`deleted file mode ${gitMode(before!.mode)}`);
  } else if (gitMode(before!.mode) !== gitMode(after!.mode)) {
    head.push(`old mode ${gitMode(before!.mode)}`);
    head.push(`new mode ${gitMode(after!.mode)}`);
  }
  if (kind === "renamed") {
    head.push(`rename from ${a.replace("a/", "")}`);
    head.push(`rename to ${b.replace("b/", "")}`);
  }
  const body = bodyOf(contents, [
    contents.before === undefined ? "/dev/null" : a,
    contents.after === undefined ? "/dev/null" : b,
  ]);
  const isNews = head.length > 1 || body !== "";
  return isNews ? `${head.join("\n")}\n${body}` : "";
}

/** In the form of bytes: what is shown may have other letters than ASCII. */
function shownPath(side: string, path: string): string {
  const shown = shownName(`${side}${path}`);
  return [...new TextEncoder().encode(shown)]
    .map((byte) => String.fromCharCode(byte)).join("");
}

/** What git has of a mode: whether its owner may execute it. */
function gitMode(mode: number): string {
  if (typeOf({ mode }) === "link") return "120000";
  return (mode & 0o100) === 0 ? "100644" : "100755";
}

function bodyOf(
  { after, before, isBinary }: Contents,
  [a, b]: readonly [string, string],
): string {
  if (isBinary) return `Binary files ${a} and ${b} differ\n`;
  const [old, now] = [linesOf(before ?? ""), linesOf(after ?? "")];
  const hunks = hunksOf(differences(old, now), old.length);
  if (hunks.length === 0) return "";
  const end = (path: string) => / /.test(path) ? `${path}\t` : path;
  const text = hunks.map((hunk) => hunkText(hunk, old, now)).join("");
  return `--- ${end(a)}\n+++ ${end(b)}\n${text}`;
}

/** Each with the newline that ends it, which the last may lack. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** Differences that are near enough to share the lines between them. */
function hunksOf(all: readonly Difference[], size: number): Difference[][] {
  const hunks: Difference[][] = [];
  for (const one of all) {
    const last = hunks.at(-1);
    const end = last?.at(-1)?.before[1] ?? -size - 2 * CONTEXT - 1;
    if (last !== undefined && one.before[0] - end <= 2 * CONTEXT) {
      last.push(one);
    } else hunks.push([one]);
  }
  return hunks;
}

function hunkText(
  hunk: readonly Difference[],
  old: readonly string[],
  now: readonly string[],
): string {
  const [first, last] = [hunk[0], hunk.at(-1)!];
  const lead = Math.min(CONTEXT, first.before[0]);
  const tail = Math.min(CONTEXT, old.length - last.before[1]);
  const range = (start: number, end: number) => {
    const count = end - start;
    return `${count === 0 ? start : start + 1},${count}`;
  };
  const before = range(first.before[0] - lead, last.before[1] + tail);
  const after = range(first.after[0] - lead, last.after[1] + tail);
  const lines: string[] = [];
  let at = first.before[0] - lead;
  for (const { after, before } of hunk) {
    lines.push(...old.slice(at, before[0]).map((line) => ` ${line}`));
    lines.push(...old.slice(...before).map((line) => `-${line}`));
    lines.push(...now.slice(...after).map((line) => `+${line}`));
    at = before[1];
  }
  lines.push(...old.slice(at, at + tail).map((line) => ` ${line}`));
  const ended = lines.map((line) =>
    line.endsWith("\n") ? line : `${line}\n\\ No newline at end of file\n`
  );
  return `@@ -${before} +${after} @@\n${ended.join("")}`;
}
