/**
 * Layers as overlayfs merges them, without a mount: directories are opened by
 * descriptor, one name at a time, and no link is followed.
 *
 * @module
 */

import { O_NONBLOCK, O_PATH, O_RDONLY } from "../ffi/constants.ts";
import {
  type EntryStat,
  listAttributes,
  listNames,
  nameOf,
  openEntry,
  readAttribute,
  statEntry,
} from "../ffi/entries.ts";
import { close, hasErrno, openat, SyscallError } from "../ffi/libc.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import { typeOf } from "./changes.ts";
import { Descriptors } from "./descriptors.ts";
import {
  isOfFile,
  isWhiteoutNode,
  markName,
  type Marks,
  OPAQUE_FILE,
  WHITEOUT_PREFIX,
} from "./overlay_marks.ts";

/** An entry of an open directory: where it is, and what. */
export interface Found {
  /** A descriptor of the directory. */
  readonly directory: number;
  /** The name. */
  readonly name: string;
  /** What it is. */
  readonly stat: EntryStat;
}

/** A layer of a directory that is merged. */
interface Part {
  readonly fd: number;
  /** Whether overlayfs looks for its attributes here: not in the last layer. */
  readonly isMarked: boolean;
}

/**
 * A directory of several layers, the first on top.
 *
 * @example One layer
 * ```ts
 * import { MergedDirectory } from "cage/src/layer_view.ts";
 * import { close, open } from "cage/ffi/libc.ts";
 * import { assert } from "@std/assert";
 *
 * const marks = { space: "trusted", isFuse: false } as const;
 * using root = MergedDirectory.ofLayers([open("/", 0)], marks);
 * assert(root.names().includes("proc"));
 * ```
 */
export class MergedDirectory implements Disposable {
  readonly #parts: readonly Part[];
  readonly #marks: Marks;

  private constructor(parts: readonly Part[], marks: Marks) {
    this.#parts = parts;
    this.#marks = marks;
  }

  /**
   * Merges the roots of layers.
   *
   * @param layers Descriptors of the layers, the first on top; they are closed
   * with it.
   * @param marks How they keep what is not there.
   * @returns The root.
   */
  static ofLayers(layers: readonly number[], marks: Marks): MergedDirectory {
    const parts = layers.map((fd, at) => ({
      fd,
      isMarked: at < layers.length - 1,
    }));
    return new MergedDirectory(parts, marks);
  }

  /** What tells it from all others in each of the layers that have it. */
  get ids(): string[] {
    return this.#parts.flatMap(({ fd }) => statEntry(fd, ".")?.id ?? []);
  }

  /** A descriptor of the directory on top. */
  get top(): number {
    return this.#parts[0].fd;
  }

  /**
   * Finds an entry.
   *
   * @param name Its name.
   * @returns The entry; nothing if there is none.
   */
  lookup(name: string): Found | undefined {
    for (const part of this.#parts) {
      const stat = seenEntry(part.fd, name);
      if (stat === undefined) continue;
      if (this.#hides(part, name, stat)) return undefined;
      return { directory: part.fd, name, stat };
    }
  }

  /**
   * Finds the regular file that has the content of an entry: a file of which
   * the attributes alone were copied up has it further below.
   *
   * @param name Its name.
   * @returns The file; nothing if there is none.
   */
  lookupContent(name: string): Found | undefined {
    for (const part of this.#parts) {
      const stat = seenEntry(part.fd, name);
      if (stat === undefined) continue;
      if (typeOf(stat) !== "file") return undefined;
      const found = { directory: part.fd, name, stat };
      if (!part.isMarked || !this.#has(found, "metacopy")) return found;
    }
  }

  /**
   * Opens a directory that is in it.
   *
   * @param name Its name.
   * @returns The directory; nothing if it is none, or may not be opened.
   */
  open(name: string): MergedDirectory | undefined {
    const kept = new Descriptors();
    const parts: Part[] = [];
    for (const part of this.#parts) {
      const stat = seenEntry(part.fd, name);
      if (stat === undefined) continue;
      if (typeOf(stat) !== "directory") break;
      const found = { directory: part.fd, name, stat };
      const fd = openDirectory(found);
      if (fd === undefined) continue;
      parts.push({ fd: kept.keep(fd), isMarked: part.isMarked });
      if (part.isMarked && isOpaque(fd, this.#marks)) break;
    }
    if (parts.length === 0) return undefined;
    return new MergedDirectory(parts, this.#marks);
  }

  /**
   * Opens a directory some levels below.
   *
   * @param names The names on the way.
   * @returns The directory; nothing if there is none.
   */
  openBelow(names: readonly string[]): MergedDirectory | undefined {
    let directory: MergedDirectory | undefined = this.again();
    for (const name of names) {
      using above: MergedDirectory = directory;
      directory = above.open(name);
      if (directory === undefined) return undefined;
    }
    return directory;
  }

  /** Opens it once more. */
  again(): MergedDirectory {
    const parts = this.#parts.map((part) => ({
      ...part,
      fd: openat(part.fd, ".", O_PATH | O_DIRECTORY),
    }));
    return new MergedDirectory(parts, this.#marks);
  }

  /**
   * Lists it.
   *
   * @returns The names, in the order of their bytes.
   */
  names(): string[] {
    const [first, ...others] = this.#parts;
    const names = listNames(first.fd);
    if (others.length === 0) return names;
    const all = new Set([
      ...names,
      ...others.flatMap(({ fd }) => listNames(fd)),
    ]);
    return [...all].sort().filter((name) => this.lookup(name) !== undefined);
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.#parts.forEach(({ fd }) => close(fd));
  }

  #hides(part: Part, name: string, stat: EntryStat): boolean {
    if (isWhiteoutNode(stat)) return true;
    if (!part.isMarked) return false;
    const found = { directory: part.fd, name, stat };
    return isEmptyFile(stat) && this.#has(found, "whiteout");
  }

  #has(found: Found, mark: string): boolean {
    const { directory, name } = found;
    const attribute = markName(this.#marks, mark);
    const read = () => readMark(directory, name, attribute);
    return ifThere(found, read) !== undefined;
  }
}

/** The kernel lets nobody read a mark who may not read what has it. */
function readMark(
  directory: number,
  name: string,
  attribute: string,
): Uint8Array | undefined {
  return ifReadable(() => readAttribute(directory, name, attribute));
}

/** What may not be looked at is not there inside either. */
function seenEntry(directory: number, name: string): EntryStat | undefined {
  return ifReadable(() => statEntry(directory, name));
}

/** An entry of the upper layer. */
export interface UpperEntry extends Found {
  /** The names of all of its attributes. */
  readonly attributes: readonly string[];
}

/**
 * Looks at an entry of the upper layer.
 *
 * @param directory A descriptor of the directory.
 * @param name The name.
 * @returns The entry; nothing if it has just gone.
 */
export function upperEntry(
  directory: number,
  name: string,
): UpperEntry | undefined {
  const stat = statEntry(directory, name);
  if (stat === undefined) return;
  try {
    const attributes = listAttributes(directory, name);
    return { directory, name, stat, attributes };
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return;
    throw error;
  }
}

/**
 * Opens a directory.
 *
 * @param found The directory.
 * @returns The descriptor; nothing if it has just gone.
 */
export function openDirectory(found: Found): number | undefined {
  const { directory, name } = found;
  return ifThere(found, () => openEntry(directory, name, O_PATH | O_DIRECTORY));
}

/**
 * Does something with an entry, which a container that runs may remove
 * meanwhile, or put another one in its place.
 *
 * @param found The entry.
 * @param action What to do.
 * @returns What it gives; nothing if it failed and the entry has gone.
 *
 * @example One that is there no more
 * ```ts
 * import { ifThere, openContent } from "cage/src/layer_view.ts";
 * import { statEntry } from "cage/ffi/entries.ts";
 * import { close, open } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = open("/", 0);
 * const stat = statEntry(directory, ".")!;
 * const found = { directory, name: "has-just-gone", stat };
 * assertEquals(ifThere(found, () => openContent(found)), undefined);
 * close(directory);
 * ```
 */
export function ifThere<T>(
  { directory, name, stat }: Found,
  action: () => T,
): T | undefined {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    // Another one often has the same number at once, but not the same birth.
    const now = statEntry(directory, name);
    if (now?.id === stat.id && now.born === stat.born) throw error;
    return undefined;
  }
}

/**
 * Tells whether an entry of the upper layer says that there is none.
 *
 * @param entry The entry.
 * @param marks How that is kept.
 * @returns Whether it does.
 */
export function isWhiteout(entry: UpperEntry, marks: Marks): boolean {
  return isWhiteoutNode(entry.stat) ||
    isEmptyFile(entry.stat) &&
      entry.attributes.includes(markName(marks, "whiteout"));
}

/**
 * Tells whether a directory hides what is below.
 *
 * @param directory A descriptor of it.
 * @param marks How that is kept.
 * @returns Whether it does.
 */
export function isOpaque(directory: number, marks: Marks): boolean {
  const value = readMark(directory, "", markName(marks, "opaque"));
  if (value !== undefined && nameOf(value) === "y") return true;
  if (!marks.isFuse) return false;
  const own = readMark(directory, "", "user.fuseoverlayfs.opaque");
  return own !== undefined || statEntry(directory, OPAQUE_FILE) !== undefined;
}

/**
 * Reads a mark that is a path.
 *
 * @param entry The entry.
 * @param marks Where marks are.
 * @returns The path; nothing if it has none.
 */
export function redirectOf(
  entry: UpperEntry,
  marks: Marks,
): string | undefined {
  const { attributes, directory, name } = entry;
  const attribute = markName(marks, "redirect");
  if (!attributes.includes(attribute)) return;
  const read = () => readAttribute(directory, name, attribute);
  const value = ifThere(entry, read);
  return value && nameOf(value);
}

/**
 * Lists the names that the upper layer says something of.
 *
 * @param directory A descriptor of the directory.
 * @param marks How it is kept.
 * @returns The names, and those of them that are no more.
 */
export function upperNames(
  directory: number,
  { isFuse }: Marks,
): { readonly names: string[]; readonly gone: ReadonlySet<string> } {
  const all = listNames(directory);
  if (!isFuse) return { names: all, gone: new Set() };
  const gone = new Set(
    all.filter((name) => name.startsWith(WHITEOUT_PREFIX))
      .filter((name) => name !== OPAQUE_FILE)
      .map((name) => name.slice(WHITEOUT_PREFIX.length)),
  );
  const names = all.filter((name) => !name.startsWith(WHITEOUT_PREFIX));
  return { names: [...new Set([...names, ...gone])].sort(), gone };
}

/**
 * Reads the attributes of a file that are not overlayfs's.
 *
 * @param found The file.
 * @param marks Where overlayfs has its own.
 * @returns The values by their names.
 */
export function attributesOf(
  { directory, name }: Found,
  marks: Marks,
): Map<string, Uint8Array> {
  const own = listAttributes(directory, name)
    .filter((attribute) => isOfFile(marks, attribute));
  return new Map(own.flatMap((attribute) => {
    const value = ifReadable(() => readAttribute(directory, name, attribute));
    return value === undefined ? [] : [[attribute, value.slice()] as const];
  }));
}

/**
 * Does something, unless the caller may not read what it takes.
 *
 * @param action What to do.
 * @returns What it gives; nothing if the kernel refuses.
 *
 * @example Refused
 * ```ts
 * import { ifReadable } from "cage/src/layer_view.ts";
 * import { ERRNO } from "cage/ffi/errno.ts";
 * import { SyscallError } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const refused = ifReadable(() => {
 *   throw new SyscallError("openat", ERRNO.EACCES);
 * });
 * assertEquals(refused, undefined);
 * ```
 */
export function ifReadable<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (hasErrno(error, "EACCES")) return undefined;
    throw error;
  }
}

/**
 * Opens a regular file, if the caller may read it.
 *
 * @param found The file.
 * @returns The descriptor; nothing if the kernel refuses.
 */
export function openReadable(found: Found): number | undefined {
  return ifReadable(() => openContent(found));
}

/**
 * Opens a regular file to be read. Should it have become a FIFO, nobody is
 * waited for.
 *
 * @param found The file.
 * @returns The descriptor.
 */
export function openContent({ directory, name }: Found): number {
  return openEntry(directory, name, O_RDONLY | O_NONBLOCK);
}

function isEmptyFile(stat: EntryStat): boolean {
  return stat.size === 0 && typeOf(stat) === "file";
}

/** The bytes of a value, for a comparison. */
export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
