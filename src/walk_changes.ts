/**
 * Walks the upper layer of a container, and finds what was changed.
 *
 * @module
 */

import { type EntryStat, readLink } from "../ffi/entries.ts";
import { close, read } from "../ffi/libc.ts";
import {
  aspectsOf,
  type Change,
  checkDepth,
  selects,
  typeOf,
} from "./changes.ts";
import {
  attributesOf,
  type Found,
  ifReadable,
  ifThere,
  isSameBytes,
  isWhiteout,
  type MergedDirectory,
  openDirectory,
  openReadable,
  type UpperEntry,
  upperEntry,
  upperNames,
} from "./layer_view.ts";
import { Descriptors } from "./descriptors.ts";
import { belowOf, contentOf } from "./upper_files.ts";
import { markName, type Marks, WHITEOUT_PREFIX } from "./overlay_marks.ts";

/** A change, and where to read what it is about: good until the next one. */
export interface FoundChange extends Change {
  /** What was there. */
  readonly was?: Found;
  /** What is there. */
  readonly is?: Found;
  /** The file with the content, where it is another one. */
  readonly content?: Found;
  /** The directory that had what was there, if that is gone. */
  readonly above?: MergedDirectory;
  /** When the container copied or hid what was there. */
  readonly since?: bigint;
  /** Whether it is not asked for itself, but on the way to what is. */
  readonly isWay: boolean;
}

/** What is compared. */
export interface Compared {
  /** A descriptor of the upper directory. */
  readonly upper: number;
  /** The lower layers, merged. */
  readonly lower: MergedDirectory;
  /** How overlayfs keeps things. */
  readonly marks: Marks;
  /** The paths that are asked for; all if there are none. */
  readonly paths: readonly string[];
  /**
   * Whether directories that are not changed are told of too: they have their
   * own time.
   */
  readonly hasAll?: boolean;
}

/** What is known of an entry beside what it is and was. */
interface More {
  readonly above?: MergedDirectory | undefined;
  readonly content?: Found | undefined;
  readonly from?: string | undefined;
}

/** A directory, in the upper and in the lower layers. */
interface Place {
  readonly upper: number;
  /** What the upper one is merged with. */
  readonly lower?: MergedDirectory;
  /** What the upper one hides. */
  readonly hidden?: MergedDirectory;
  /** When it came to hide that. */
  readonly since?: bigint;
  readonly path: string;
  /** The path that it has in the lower layers. */
  readonly pathBelow: string;
}

/**
 * Finds what was changed: the entries of a directory in the order of their
 * bytes, each directory before what is in it.
 *
 * @param compared What is compared.
 * @returns The changes, one after the other.
 * @throws {SyscallError} If something cannot be read.
 */
export function* walkChanges(compared: Compared): Generator<FoundChange> {
  const walk = new Walk(compared);
  yield* walk.root();
}

class Walk {
  readonly #compared: Compared;
  /** Paths of files that have more than one name, by what they are. */
  readonly #links = new Map<string, { path: string; was?: string }>();

  constructor(compared: Compared) {
    this.#compared = compared;
  }

  *root(): Generator<FoundChange> {
    const { lower, upper } = this.#compared;
    const is = upperEntry(upper, ".")!;
    const was = lower.lookup(".");
    yield* this.#compare("", is, was);
    yield* this.#directory({ upper, lower, path: "", pathBelow: "" });
  }

  *#directory(place: Place): Generator<FoundChange> {
    const { hidden, path, upper } = place;
    const { gone, names } = upperNames(upper, this.#compared.marks);
    const all = hidden === undefined ? names : united(names, namesOf(hidden));
    for (const name of all) {
      const where = `${path}/${name}`;
      if (this.#selects(where) === "none") continue;
      const is = gone.has(name) ? undefined : upperEntry(upper, name);
      const was = (place.lower ?? hidden)?.lookup(name);
      if (is === undefined || isWhiteout(is, this.#compared.marks)) {
        if (was === undefined) continue;
        const above = place.lower ?? hidden;
        // Whiteouts share a file, which is as old as the first of them: what
        // was changed below since then may not be what was deleted. When that
        // file was last changed says less, as each other name changes it.
        const mark = is ?? upperEntry(upper, `${WHITEOUT_PREFIX}${name}`);
        const since = mark === undefined ? place.since : bornOf(mark.stat);
        yield this.#deleted(where, was, above!, since);
      } else {
        yield* this.#entry(where, is, was, place);
      }
    }
  }

  #selects(path: string): "all" | "way" | "none" {
    return selects(path || "/", this.#compared.paths);
  }

  #deleted(
    path: string,
    was: Found,
    above: MergedDirectory,
    since: bigint | undefined,
  ): FoundChange {
    const isStale = since !== undefined && isNewer(was, since);
    return {
      ...(since === undefined ? {} : { since }),
      ...{ kind: "deleted", path, aspects: [], before: was.stat, was, above },
      ...{ isStale, isWay: this.#selects(path) === "way" },
    };
  }

  *#entry(
    path: string,
    is: UpperEntry,
    was: Found | undefined,
    place: Place,
  ): Generator<FoundChange> {
    if (typeOf(is.stat) !== "directory") {
      yield* this.#file(path, is, was, place);
      return;
    }
    checkDepth(path);
    const fd = openDirectory(is);
    if (fd === undefined) return;
    try {
      using found = belowOf(this.#compared, is, fd, place);
      const { isHidden, lower, source = was } = found;
      const from = found.from && fromOf(found.from, place);
      const above = place.lower ?? place.hidden;
      yield* this.#compare(path, is, source, { above, from });
      const pathBelow = from ?? `${place.pathBelow}/${is.name}`;
      const below = { upper: fd, path, pathBelow };
      yield* this.#directory(
        lower === undefined
          ? below
          : isHidden
          ? { ...below, hidden: lower, since: bornOf(is.stat) }
          : { ...below, lower },
      );
    } finally {
      close(fd);
    }
  }

  *#file(
    path: string,
    is: UpperEntry,
    was: Found | undefined,
    place: Place,
  ): Generator<FoundChange> {
    const { hidden, lower } = place;
    const { marks } = this.#compared;
    if (!is.attributes.includes(markName(marks, "metacopy"))) {
      yield* this.#compare(path, is, was, { above: lower ?? hidden });
      return;
    }
    using found = contentOf(this.#compared, is, lower);
    const { content, source = was } = found;
    const from = found.from && fromOf(found.from, place);
    yield* this.#compare(path, is, source, { content, from });
  }

  /** Yields one change, or none. */
  *#compare(
    path: string,
    is: UpperEntry,
    was: Found | undefined,
    more: More = {},
  ): Generator<FoundChange> {
    const change = ifThere(is, () => this.#changeOf(path, is, was, more));
    if (change !== undefined) yield change;
  }

  #changeOf(
    path: string,
    is: UpperEntry,
    was: Found | undefined,
    { above, content, from }: More,
  ): FoundChange | undefined {
    const { hasAll, marks } = this.#compared;
    const isWay = this.#selects(path) === "way";
    const aspects = was === undefined
      ? []
      : aspectsOf(was.stat, is.stat, lookAt(was, content ?? is, is, marks))
        .filter((aspect) => aspect !== "owner" || !isNobodys(was, marks));
    const isListed = hasAll && typeOf(is.stat) === "directory";
    const isSame = was !== undefined && from === undefined &&
      aspects.length === 0;
    const target = typeOf(is.stat) === "link"
      ? readLink(is.directory, is.name)
      : undefined;
    // What fails is before this: a file that has gone is no first name.
    const { isKnown, link } = this.#linkOf(path, is.stat, was);
    if (isSame && !isListed && isKnown) return;
    return {
      kind: from !== undefined
        ? "renamed"
        : was === undefined
        ? "added"
        : "changed",
      ...{ path: path || "/", aspects, after: is.stat, is, isWay },
      ...(was === undefined ? {} : { before: was.stat, was }),
      ...(above === undefined ? {} : { above }),
      ...(from === undefined ? {} : { from }),
      ...(content === undefined ? {} : { content }),
      ...(link === undefined ? {} : { link }),
      ...(target === undefined ? {} : { target }),
      isStale: was !== undefined && isNewer(was, bornOf(is.stat)),
      since: bornOf(is.stat),
    };
  }

  /** The first name of the same file, and whether it was that one before. */
  #linkOf(
    path: string,
    { id, mode, nlink }: EntryStat,
    was: Found | undefined,
  ): { link?: string; isKnown: boolean } {
    if (nlink < 2 || typeOf({ mode }) === "directory") return { isKnown: true };
    const first = this.#links.get(id);
    if (first !== undefined) {
      const isKnown = was !== undefined && was.stat.id === first.was;
      return { link: first.path, isKnown };
    }
    const before = was === undefined ? {} : { was: was.stat.id };
    this.#links.set(id, { path, ...before });
    return { isKnown: true };
  }
}

/** Overlayfs keeps the name alone where the directory is the same one. */
function fromOf(redirect: string, { pathBelow }: Place): string {
  return redirect.startsWith("/") ? redirect : `${pathBelow}/${redirect}`;
}

/** When overlayfs made the copy, which is its birth. */
function bornOf({ born, changed }: EntryStat): bigint {
  return born ?? changed;
}

/** Directories change with what is in them. */
function isNewer({ stat }: Found, time: bigint): boolean {
  return typeOf(stat) !== "directory" && stat.changed > time;
}

/**
 * Tells whether something is a directory of an id that there is not inside. It
 * is never copied up: a container has one of its own there from the beginning
 * (`skeletonOf`), which is no change.
 *
 * @param found What is below.
 * @param marks Where overlayfs has its attributes.
 * @returns Whether it is.
 */
export function isNobodys({ stat }: Found, { space }: Marks): boolean {
  return space === "user" && typeOf(stat) === "directory" &&
    (stat.uid === OVERFLOW || stat.gid === OVERFLOW);
}

/** `DEFAULT_OVERFLOWUID` of linux/highuid.h, Linux 2.4. */
const OVERFLOW = 65_534;

function united(some: readonly string[], others: readonly string[]): string[] {
  return [...new Set([...some, ...others])].sort();
}

/** What the caller may not look at is not theirs to be told of. */
function namesOf(directory: MergedDirectory): string[] {
  return ifReadable(() => directory.names()) ?? [];
}

function lookAt(was: Found, content: Found, is: Found, marks: Marks) {
  return {
    isSameContent: () =>
      typeOf(was.stat) === "link"
        ? readLink(was.directory, was.name) === readLink(is.directory, is.name)
        : isSameFile(was, content),
    isSameAttributes: () => isSameAttributes(was, is, marks),
  };
}

function isSameAttributes(was: Found, is: Found, marks: Marks): boolean {
  const before = attributesOf(was, marks);
  const after = attributesOf(is, marks);
  return before.size === after.size &&
    [...before].every(([name, value]) => {
      const other = after.get(name);
      return other !== undefined && isSameBytes(value, other);
    });
}

/** As much as is compared at once. */
const CHUNK = 0x40000;

function isSameFile(one: Found, other: Found): boolean {
  if (one.stat.id === other.stat.id) return true;
  using kept = new Descriptors();
  const files = [one, other].map((found) => {
    const file = openReadable(found);
    return file === undefined ? undefined : kept.keep(file);
  });
  const [first, second] = files;
  // What the caller may not read below is not what they have made.
  if (first === undefined || second === undefined) return false;
  return isSameRest(first, second, Math.min(one.stat.size + 1, CHUNK));
}

/** Files are read in parts that are as long as most files are. */
function isSameRest(one: number, other: number, part: number): boolean {
  const [a, b] = [new Uint8Array(part), new Uint8Array(part)];
  for (;;) {
    const size = read(one, a);
    if (read(other, b) !== size) return false;
    if (size === 0) return true;
    if (!isSameBytes(a.subarray(0, size), b.subarray(0, size))) return false;
  }
}
