/**
 * A directory that changes are carried over to. Each file is made whole beside
 * its place, and takes it by one call, so that nobody ever finds half of one.
 * Others may write there meanwhile, and give its name to something else: so
 * owner, permissions and attributes go to what a descriptor is of.
 *
 * @module
 */

import {
  O_CREAT,
  O_EXCL,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
} from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import {
  listAttributes,
  listNames,
  openEntry,
  statEntry,
} from "../ffi/entries.ts";
import {
  linkEntry,
  makeEntryDirectory,
  makeLink,
  makeNode,
  removeAttribute,
  removeEntry,
  renameEntry,
  setAttribute,
  setMode,
  setOwner,
  setTimes,
} from "../ffi/entry_changes.ts";
import { close, hasErrno, syscall, SyscallError } from "../ffi/libc.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import { typeOf } from "./changes.ts";
import { copyContent } from "./copy_content.ts";
import { Descriptors } from "./descriptors.ts";
import { reasonOf } from "./failure.ts";
import {
  attributesOf,
  type Found,
  isSameBytes,
  MergedDirectory,
  openContent,
} from "./layer_view.ts";
import { isOfFile, type Marks } from "./overlay_marks.ts";

/** The name that files have until they are whole. */
export const UNFINISHED = ".cage-apply~";

/** A directory on the way to the last entry. */
interface Level {
  readonly path: string;
  readonly fd: number;
  /** The directory whose times it is to have in the end. */
  times?: Found["stat"];
}

/** What a file is to be. */
export interface Wanted {
  /** What it is to be like. */
  readonly is: Found;
  /** What has its content. */
  readonly content: Found;
  /** What it points to, if it is a link. */
  readonly target?: string | undefined;
  /** The path of a file that it is to be another name of. */
  readonly link?: string | undefined;
}

/** The directory. Paths are given in the order of a walk. */
export class TargetTree implements Disposable {
  readonly #levels: Level[];
  readonly #failed: Map<string, string>;
  readonly #marks: Marks;

  /**
   * Begins.
   *
   * @param root A descriptor of the directory.
   * @param marks How attributes of overlayfs are named, which are not copied.
   * @param failed Takes the paths of directories whose time cannot be set, and
   * why.
   */
  constructor(root: number, marks: Marks, failed: Map<string, string>) {
    this.#levels = [{ path: "", fd: openEntry(root, ".", PLACE) }];
    this.#marks = marks;
    this.#failed = failed;
  }

  /** How attributes of overlayfs are named. */
  get marks(): Marks {
    return this.#marks;
  }

  /**
   * Removes an entry and everything below.
   *
   * @param path The path.
   * @throws {SyscallError} If it cannot be removed.
   */
  remove(path: string): void {
    const [directory, name] = this.#place(path);
    removeTree(directory, name);
  }

  /**
   * Makes a directory, or gives one that is there what it is to have.
   *
   * @param path The path.
   * @param is What it is to be like; its times it gets in the end.
   * @param was What was there, if anything was.
   * @throws {SyscallError} If it cannot be done.
   */
  makeDirectory(path: string, is: Found, was?: Found): void {
    if (path === "/") {
      this.#copyAttributes(this.#levels[0].fd, is);
      this.enter(path, is);
      return;
    }
    const [directory, name] = this.#place(path);
    const there = statEntry(directory, name);
    if (there === undefined) makeEntryDirectory(directory, name);
    else if (typeOf(there) !== "directory") {
      const make = () => makeEntryDirectory(directory, UNFINISHED);
      this.#makeBeside(directory, name, make);
    }
    using kept = new Descriptors();
    const made = kept.keep(openEntry(directory, name, PLACE));
    checkDirectory(made, was);
    this.#copyAttributes(made, is);
    this.enter(path, is);
  }

  /**
   * Goes into a directory, which gets its times in the end.
   *
   * @param path The path.
   * @param is What has the times.
   * @throws {SyscallError} If it cannot be opened.
   */
  enter(path: string, is: Found): void {
    if (path === "/") this.#levels[0].times = is.stat;
    else {
      const [directory, name] = this.#place(path);
      const fd = openEntry(directory, name, PLACE);
      this.#levels.push({ path, fd, times: is.stat });
    }
    // What a run that was stopped has left there.
    removeTree(this.#levels.at(-1)!.fd, UNFINISHED);
  }

  /**
   * Makes anything else.
   *
   * @param path The path.
   * @param wanted What it is to be.
   * @throws {SyscallError} If it cannot be made.
   */
  make(path: string, wanted: Wanted): void {
    const [directory, name] = this.#place(path);
    const { content, is, link } = wanted;
    this.#makeBeside(directory, name, () => {
      if (link !== undefined) {
        return this.#linkUnfinished(directory, link, is.stat);
      }
      using kept = new Descriptors();
      const made = kept.keep(makeUnfinished(directory, wanted));
      this.#copyAttributes(made, is);
      setTimes(made, "", is.stat);
      // What it replaces is not to be lost if the machine stops now.
      const isReplaced = statEntry(directory, name) !== undefined;
      if (isReplaced && content.stat.size > 0 && typeOf(is.stat) === "file") {
        syscall("fsync", made);
      }
    });
  }

  #makeBeside(directory: number, name: string, make: () => void): void {
    removeTree(directory, UNFINISHED);
    try {
      make();
      this.#takePlace(directory, name);
    } catch (error) {
      // Nobody may come here again, who would remove it.
      removeTree(directory, UNFINISHED);
      throw error;
    }
  }

  /** The other name may be in a directory that is no longer open. */
  #linkUnfinished(directory: number, link: string, is: Found["stat"]): void {
    const names = link.slice(1).split("/");
    const last = names.pop()!;
    using root = MergedDirectory.ofLayers(
      [openEntry(this.#levels[0].fd, ".", PLACE)],
      this.#marks,
    );
    using above = root.openBelow(names);
    linkEntry(above?.top ?? -1, last, directory, UNFINISHED);
    // Who may write there can have put a file of theirs in its place.
    const { gid, mode, uid } = statEntry(directory, UNFINISHED) ?? {};
    if (uid === is.uid && gid === is.gid && mode === is.mode) return;
    throw new SyscallError("linkat", ERRNO.EEXIST);
  }

  /** A directory cannot be replaced by a file, and so it changes places. */
  #takePlace(directory: number, name: string): void {
    const there = statEntry(directory, name);
    const made = statEntry(directory, UNFINISHED);
    // Somebody who may write there has taken it away.
    if (made === undefined) throw new SyscallError("renameat2", ERRNO.ENOENT);
    const isDirectory = (stat: Found["stat"]) => typeOf(stat) === "directory";
    const isExchange = there !== undefined &&
      isDirectory(there) !== isDirectory(made);
    if (isExchange) exchange(directory, name);
    else renameEntry(directory, UNFINISHED, name, false);
    // Two names of one file stay both: rename(2).
    removeTree(directory, UNFINISHED);
  }

  /** The owner first: a change of it takes set-user-ID bits and capabilities. */
  #copyAttributes(made: number, is: Found): void {
    const stat = statEntry(made, "")!;
    if (stat.uid !== is.stat.uid || stat.gid !== is.stat.gid) {
      setOwner(made, is.stat);
    }
    const wanted = attributesOf(is, this.#marks);
    const own = attributesOf({ directory: made, name: "", stat }, this.#marks);
    for (const attribute of listAttributes(made, "")) {
      if (!isOfFile(this.#marks, attribute)) continue;
      if (!wanted.has(attribute)) removeAttribute(made, attribute);
    }
    for (const [attribute, value] of wanted) {
      const old = own.get(attribute);
      if (old !== undefined && isSameBytes(old, value)) continue;
      setAttribute(made, attribute, value);
    }
    if (typeOf(is.stat) !== "link") setMode(made, is.stat.mode);
  }

  /** The open directory that a path is in, and its name there. */
  #place(path: string): [directory: number, name: string] {
    const names = path.slice(1).split("/");
    const name = names.pop()!;
    this.#leave(path);
    let above = this.#levels.at(-1)!;
    const way = names.slice(above.path.split("/").length - 1);
    for (const next of way) {
      const fd = openEntry(above.fd, next, PLACE);
      above = { path: `${above.path}/${next}`, fd };
      this.#levels.push(above);
    }
    return [above.fd, name];
  }

  /** Leaves the directories that a path is not in. */
  #leave(path: string): void {
    for (;;) {
      const last = this.#levels.at(-1)!;
      if (path.startsWith(`${last.path}/`)) return;
      this.#levels.pop();
      this.#finish(last);
    }
  }

  /** Gives all directories their times, has everything written, and closes. */
  [Symbol.dispose](): void {
    const [root, ...others] = this.#levels.splice(0);
    others.reverse().forEach((level) => this.#finish(level));
    syncAll(root.fd);
    this.#finish(root);
  }

  #finish({ fd, path, times }: Level): void {
    try {
      if (times !== undefined) setTimes(fd, ".", times);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.#failed.set(path || "/", `its time: ${reasonOf(error.errno)}`);
    } finally {
      close(fd);
    }
  }
}

const PLACE = O_PATH | O_DIRECTORY;

/**
 * Network and FUSE file systems often have no exchange, renameat2(2): there is
 * neither for a moment then.
 */
function exchange(directory: number, name: string): void {
  try {
    renameEntry(directory, UNFINISHED, name, true);
  } catch (error) {
    if (!hasErrno(error, "EINVAL")) throw error;
    removeTree(directory, name);
    renameEntry(directory, UNFINISHED, name, false);
  }
}

/** It is what was there, or new: nobody has exchanged it for another one. */
function checkDirectory(made: number, was: Found | undefined): void {
  const isExpected = was !== undefined && typeOf(was.stat) === "directory"
    ? statEntry(made, "")?.id === was.stat.id
    : listNames(made).length === 0;
  if (!isExpected) throw new SyscallError("openat", ERRNO.EEXIST);
}

/** Has the disk hold all of the file system. */
function syncAll(directory: number): void {
  const fd = openEntry(directory, ".", O_RDONLY);
  try {
    syscall("syncfs", fd);
  } finally {
    close(fd);
  }
}

/** Makes what is no directory, and gives a descriptor of it. */
function makeUnfinished(
  directory: number,
  { content, is: { stat }, target = "" }: Wanted,
): number {
  const type = typeOf(stat);
  if (type === "file") return copyFile(content, directory);
  if (type === "link") makeLink(target, directory, UNFINISHED);
  else makeNode(directory, UNFINISHED, stat);
  const made = openEntry(directory, UNFINISHED, O_PATH);
  if (typeOf(statEntry(made, "")!) === type) return made;
  // Somebody who may write there has exchanged it.
  close(made);
  throw new SyscallError("openat", ERRNO.EEXIST);
}

function copyFile(content: Found, directory: number): number {
  const from = openContent(content);
  try {
    const flags = O_WRONLY | O_CREAT | O_EXCL;
    const to = openEntry(directory, UNFINISHED, flags, 0o600);
    try {
      copyContent(from, to, content.stat.size);
      return to;
    } catch (error) {
      close(to);
      throw error;
    }
  } finally {
    close(from);
  }
}

/** Removes what is there, if anything is, and never goes through a link. */
function removeTree(directory: number, name: string): void {
  const stat = statEntry(directory, name);
  if (stat === undefined) return;
  const isDirectory = typeOf(stat) === "directory";
  if (isDirectory) {
    const fd = openEntry(directory, name, PLACE);
    try {
      for (const below of listNames(fd)) removeTree(fd, below);
    } finally {
      close(fd);
    }
  }
  removeEntry(directory, name, isDirectory);
}
