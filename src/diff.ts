/**
 * Tells what was changed in a container.
 *
 * @module
 */

import { nameOf, readLink } from "../ffi/entries.ts";
import { close, read } from "../ffi/libc.ts";
import { changeJson, changeLine, ChangeSummary } from "./change_text.ts";
import { type Change, typeOf } from "./changes.ts";
import {
  type ChangedCage,
  onChanges,
  openChanged,
  pathsOf,
} from "./changed_cage.ts";
import { Descriptors } from "./descriptors.ts";
import {
  type Found,
  ifThere,
  type MergedDirectory,
  openReadable,
} from "./layer_view.ts";
import { Output } from "./output.ts";
import { type Contents, isText, patchOf } from "./patch.ts";
import { Progress } from "./progress.ts";
import type { ContainerSpec } from "./spec.ts";
import type { Waiting } from "./wait.ts";
import { type FoundChange, walkChanges } from "./walk_changes.ts";

/** How changes are told. */
export interface DiffWish {
  /** The paths that are asked for, of the container; all if there are none. */
  readonly paths: readonly string[];
  /** Whether sums are told, and not each change. */
  readonly isStat: boolean;
  /** Whether the lines of text files are told. */
  readonly isPatch: boolean;
  /** Whether it is for tools. */
  readonly isJson: boolean;
}

/**
 * Prints what was changed in a container against its lower layers.
 *
 * @param spec Which container.
 * @param wish How it is told.
 * @returns The exit status.
 * @throws {CageError} If it cannot be told.
 */
export function diff(spec: ContainerSpec, wish: DiffWish): Waiting<number> {
  const paths = pathsOf(wish.paths);
  return onChanges(OPTION, spec, false, (client, found) => {
    using kept = new Descriptors();
    const cage = openChanged(OPTION, found, client, kept);
    using _lower = cage.lower;
    print(cage, { ...wish, paths });
    return 0;
  });
}

const OPTION = "--diff";

function print(cage: ChangedCage, wish: DiffWish): void {
  const output = new Output();
  const summary = new ChangeSummary();
  // Lines on a terminal are their own progress.
  const isSeen = wish.isStat || !Deno.stdout.isTerminal();
  using progress = isSeen ? new Progress("changes") : undefined;
  for (const change of changesOf(cage, wish.paths)) {
    progress?.next();
    if (wish.isStat) summary.add(change);
    else if (wish.isPatch) printPatch(change, output);
    else output.line(wish.isJson ? changeJson(change) : changeLine(change));
  }
  progress?.end();
  if (wish.isStat) output.line(wish.isJson ? summary.json() : summary.text());
  output.end();
}

function* changesOf(
  { lower, marks, upper }: ChangedCage,
  paths: readonly string[],
): Generator<FoundChange> {
  if (upper === undefined) return;
  for (const change of walkChanges({ upper, lower, marks, paths })) {
    if (!change.isWay) yield change;
  }
}

function printPatch(change: FoundChange, output: Output): void {
  const { above, after, before, kind, was } = change;
  if (kind === "deleted" && typeOf(before!) === "directory") {
    for (const gone of filesBelow(change.path, was!, above!)) {
      printFile(gone, output);
    }
    return;
  }
  const isPatched = (entry?: Change["before"]) =>
    entry !== undefined && ["file", "link"].includes(typeOf(entry));
  if (before && after && typeOf(before) !== typeOf(after)) {
    const { is: _is, after: _after, ...gone } = change;
    const { was: _was, before: _before, ...made } = change;
    if (typeOf(before) === "directory") {
      // It is replaced, and all that was in it is gone.
      for (const one of filesBelow(change.path, was!, above!)) {
        printFile(one, output);
      }
    } else if (isPatched(before)) {
      printFile({ ...gone, kind: "deleted" }, output);
    }
    if (isPatched(after)) {
      printFile({ ...made, kind: "added" }, output);
    }
  } else if (isPatched(after ?? before)) {
    printFile(change, output);
  }
}

function printFile(change: FoundChange, output: Output): void {
  const contents = change.is === undefined
    ? contentsOf(change)
    : ifThere(change.is, () => contentsOf(change));
  if (contents !== undefined) output.bytes(patchOf(change, contents));
}

/** What a directory had in it that is gone. */
function* filesBelow(
  path: string,
  was: Found,
  above: MergedDirectory,
): Generator<FoundChange> {
  using directory = above.open(was.name);
  if (directory === undefined) return;
  for (const name of directory.names()) {
    const found = directory.lookup(name);
    if (found === undefined) continue;
    const where = `${path}/${name}`;
    const type = typeOf(found.stat);
    if (type === "directory") yield* filesBelow(where, found, directory);
    else if (type === "file" || type === "link") {
      yield {
        ...{ kind: "deleted", path: where, aspects: [], isStale: false },
        ...{ before: found.stat, was: found, isWay: false },
      };
    }
  }
}

/** As much as is read at once. */
const CHUNK = 0x10000;

/** Longer files are told of as those that are no text. */
const MOST = 8 << 20;

function contentsOf(
  { aspects, content, is, was }: Pick<
    FoundChange,
    "aspects" | "content" | "is" | "was"
  >,
): Contents {
  const isSame = was !== undefined && is !== undefined &&
    !aspects.some((aspect) => aspect === "content" || aspect === "type");
  if (isSame) return { before: "", after: "" };
  const found = [was, is === undefined ? undefined : content ?? is];
  const isLong = found.some((one) => one !== undefined && one.stat.size > MOST);
  if (isLong) return binary(was, is);
  const [before, after] = found.map((one) => one && textOf(one));
  const isClosed = (one?: Found, text?: string) =>
    one !== undefined && text === undefined;
  if (isClosed(found[0], before) || isClosed(found[1], after)) {
    return binary(was, is);
  }
  const isBinary = [before, after].some((text) => text && !isText(text));
  if (!isBinary || before === after) return { before, after };
  return binary(was, is);
}

function binary(was: Found | undefined, is: Found | undefined): Contents {
  const mark = (found?: Found) => found && "";
  return { before: mark(was), after: mark(is), isBinary: true };
}

/** What is in it, unless the caller may not read that. */
function textOf(found: Found): string | undefined {
  if (typeOf(found.stat) === "link") {
    return readLink(found.directory, found.name);
  }
  const file = openReadable(found);
  if (file === undefined) return undefined;
  try {
    const parts: string[] = [];
    // Most files are small; one byte more tells that there is no more.
    const buffer = new Uint8Array(Math.min(found.stat.size + 1, CHUNK));
    for (;;) {
      const size = read(file, buffer);
      if (size === 0) return parts.join("");
      parts.push(nameOf(buffer.subarray(0, size)));
    }
  } finally {
    close(file);
  }
}
