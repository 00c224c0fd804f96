/**
 * Walks what a container has: its lower layers with its changes, or its changes
 * alone as a layer for others.
 *
 * @module
 */

import { close } from "../ffi/libc.ts";
import { checkDepth, typeOf } from "./changes.ts";
import {
  type Found,
  ifReadable,
  isWhiteout,
  type MergedDirectory,
  openDirectory,
  type UpperEntry,
  upperEntry,
  upperNames,
} from "./layer_view.ts";
import { markName, type Marks } from "./overlay_marks.ts";
import { belowOf, contentOf } from "./upper_files.ts";

/** An entry: good until the next one. */
export interface MergedEntry {
  /** The path, as bytes, one character for each; empty for the root. */
  readonly path: string;
  /** What it is; nothing if it is no more, in a layer of changes. */
  readonly is?: Found;
  /** What has the content of a file. */
  readonly content?: Found;
  /** Whether a directory hides all that is below, in a layer of changes. */
  readonly isOpaque?: boolean;
}

/** What is walked. */
export interface Walked {
  /** A descriptor of the upper directory; none if nothing was changed. */
  readonly upper?: number;
  /** The lower layers, merged. */
  readonly lower: MergedDirectory;
  /** How overlayfs keeps things. */
  readonly marks: Marks;
  /** Whether only changes are told. */
  readonly isLayer: boolean;
  /** Tells whether what is in a directory is left out. */
  readonly isClosed: (directory: Found) => boolean;
}

/** A directory; without an upper one, nothing was changed in it. */
interface Place {
  readonly path: string;
  readonly upper?: number;
  readonly lower?: MergedDirectory;
  /** Whether it is told whole, as it is no change of one below. */
  readonly isWhole: boolean;
}

/**
 * Walks the entries: those of a directory in the order of their bytes, each
 * directory before what is in it.
 *
 * @param walked What is walked.
 * @returns The entries, one after the other.
 * @throws {SyscallError} If something cannot be read.
 */
export function* walkMerged(walked: Walked): Generator<MergedEntry> {
  const { isLayer, lower, upper } = walked;
  if (upper === undefined && isLayer) return;
  const is = upper === undefined ? lower.lookup(".") : upperEntry(upper, ".");
  yield { path: "", is: is! };
  yield* directory(walked, {
    ...{ path: "", lower, isWhole: !isLayer },
    ...(upper === undefined ? {} : { upper }),
  });
}

function* directory(walked: Walked, place: Place): Generator<MergedEntry> {
  const { isWhole, lower, path, upper } = place;
  checkDepth(path);
  const { gone, names } = upper === undefined
    ? { names: [], gone: new Set<string>() }
    : upperNames(upper, walked.marks);
  const below = isWhole && lower !== undefined ? namesOf(lower) : [];
  for (const name of [...new Set([...names, ...below])].sort()) {
    const where = path === "" ? name : `${path}/${name}`;
    const is = upper === undefined || gone.has(name)
      ? undefined
      : upperEntry(upper, name);
    if (gone.has(name) || (is && isWhiteout(is, walked.marks))) {
      // One of what there is not is what a file left that came and went.
      if (!isWhole && lower?.lookup(name)) yield { path: where };
    } else if (is !== undefined) yield* changed(walked, where, is, place);
    else yield* unchanged(walked, where, name, lower);
  }
}

function* changed(
  walked: Walked,
  path: string,
  is: UpperEntry,
  place: Place,
): Generator<MergedEntry> {
  const { marks } = walked;
  const above = place.lower === undefined ? {} : { lower: place.lower };
  if (typeOf(is.stat) !== "directory") {
    if (!is.attributes.includes(markName(marks, "metacopy"))) {
      yield { path, is, content: is };
      return;
    }
    using found = contentOf(walked, is, place.lower);
    yield { path, is, content: found.content ?? is };
    return;
  }
  const fd = openDirectory(is);
  if (fd === undefined) return;
  try {
    using found = belowOf(walked, is, fd, above);
    const { from, isHidden, lower } = found;
    const isRenamed = from !== undefined;
    const isOpaque = !place.isWhole && place.lower?.lookup(is.name) !==
        undefined &&
      (isHidden || isRenamed);
    yield { path, is, ...(isOpaque ? { isOpaque } : {}) };
    if (walked.isClosed(is)) return;
    yield* directory(walked, {
      ...{ path, upper: fd, isWhole: place.isWhole || isRenamed },
      ...(lower === undefined || isHidden ? {} : { lower }),
    });
  } finally {
    close(fd);
  }
}

function* unchanged(
  walked: Walked,
  path: string,
  name: string,
  above: MergedDirectory | undefined,
): Generator<MergedEntry> {
  const found = above?.lookup(name);
  if (above === undefined || found === undefined) return;
  if (typeOf(found.stat) !== "directory") {
    yield { path, is: found, content: above.lookupContent(name) ?? found };
    return;
  }
  yield { path, is: found };
  if (walked.isClosed(found)) return;
  using lower = above.open(name);
  if (lower === undefined) return;
  yield* directory(walked, { path, lower, isWhole: true });
}

/** What the caller may not look into is empty for them inside, too. */
function namesOf(directory: MergedDirectory): string[] {
  return ifReadable(() => directory.names()) ?? [];
}
