/**
 * The upper and the work directory of a container on a disk: made if they are
 * missing, opened once, and held as long as the container runs, since what
 * overlayfs does with directories that two overlays share is undefined.
 *
 * @module
 */

import { dirname } from "@std/path";
import {
  AT_EMPTY_PATH,
  LOCK_EX,
  LOCK_NB,
  LOCK_UN,
  O_PATH,
  O_RDONLY,
} from "../ffi/constants.ts";
import {
  flock,
  hasErrno,
  open,
  openat,
  statx,
  syscall,
  SyscallError,
} from "../ffi/libc.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import { asCaller, openNamed } from "./as_caller.ts";
import { type Caller, isLent } from "./caller.ts";
import { Descriptors } from "./descriptors.ts";
import { UsageError } from "./errors.ts";
import type { Ownership, StorageSource } from "./facts.ts";
import { refusalOf } from "./failure.ts";
import { type Layout, STORAGE_BASE } from "./layout.ts";
import { pathOf } from "./location.ts";
import {
  makeDirectories,
  makeOwnDirectory,
  type NewDirectory,
  openNewDirectory,
} from "./make_directories.ts";
import { quote } from "./quote.ts";
import { copyOf } from "./sources.ts";
import { commonDirectory, wayDown } from "./way_down.ts";

/**
 * Descriptors that hold something by a lock; whoever has them open holds it.
 *
 * @example Nothing held
 * ```ts
 * import { Hold } from "cage/src/directories.ts";
 * import { assertEquals } from "@std/assert";
 *
 * using hold = new Hold();
 * assertEquals(hold.descriptors, []);
 * ```
 */
export class Hold extends Descriptors {
  /** Gives back what is held. */
  override [Symbol.dispose](): void {
    // A child that is being started may have copies of the descriptors.
    this.descriptors.forEach((file) => flock(file, LOCK_UN));
    super[Symbol.dispose]();
  }
}

/** Directories that nobody else may use as long as these are held. */
export interface Directories {
  /** For the plan. */
  readonly source: StorageSource;
  /** A descriptor of the upper directory, if there is one. */
  readonly upper?: number;
  /** The path of the upper directory, without links. */
  readonly path: string;
}

/**
 * Opens the two directories. Those that the caller named are made and opened as
 * the caller, others as root.
 *
 * @param layout The paths of the container.
 * @param caller Who calls.
 * @param root Owner and mode of a new upper directory, which the root of the
 * overlay has too.
 * @param hold What holds the directories.
 * @param kept Where all others are kept.
 * @returns The directories.
 * @throws {UsageError} If another instance has one of them, or they are not on
 * one file system.
 * @throws {LaunchError} If one cannot be made or opened.
 */
export function openDirectories(
  layout: Layout,
  caller: Caller,
  root: Ownership,
  hold: Hold,
  kept: Descriptors,
): Directories {
  checkNamed(layout, caller);
  if (caller.standing === "rootless" && !layout.named.upper) {
    makeOwnDirectory(caller.bases.storage);
  }
  const upper = openOrMake("upper", layout, caller, root, hold);
  // Who named it has to open it the next time too; root inside can anyway.
  const { gid, uid } = layout.named.work && caller.standing === "granted"
    ? caller
    : root;
  const closed = { mode: 0o700, uid, gid };
  const work = openOrMake("work", layout, caller, closed, hold);
  const isNamed = layout.named.upper || layout.named.work;
  const above = commonDirectory(pathOf(upper), pathOf(work));
  const directory = kept.keep(
    isNamed ? openNamed(caller, above) : open(above, O_PATH),
  );
  const [one, ...others] = [upper, work, directory]
    .map((file) => statx(file, "", AT_EMPTY_PATH).mountId);
  if (others.some((mount) => mount !== one)) throw apart(layout);
  const paths = { upper: pathOf(upper), work: pathOf(work) };
  const source = caller.standing === "rootless" ? paths : {
    mount: kept.keep(copyOf(directory, false)),
    upper: wayDown(above, paths.upper),
    work: wayDown(above, paths.work),
  };
  return { source, upper, path: paths.upper };
}

/**
 * Takes the lock of a directory, which every instance has that uses it.
 *
 * @param file The descriptor of the directory.
 * @param kind What it is for.
 * @param path Its path, for messages.
 * @throws {UsageError} If another instance has it.
 */
export function lockDirectory(
  file: number,
  kind: "upper" | "work",
  path: string,
): void {
  try {
    flock(file, LOCK_EX | LOCK_NB);
  } catch (error) {
    // Where a file system has no locks, there is nothing to be held.
    if (!hasErrno(error, "EAGAIN")) return;
    throw new UsageError(
      `Cannot use ${kind} directory ${quote(path)}: another instance uses ` +
        `it: stop that one with -k, or use ${
          OPTIONS[kind]
        } to put it elsewhere`,
    );
  }
}

/** Nobody but root can go through what is between the two. */
function checkNamed({ named }: Layout, caller: Caller): void {
  if (caller.standing !== "user" || named.upper === named.work) return;
  const [given, missing] = named.upper ? ["-U", "-w"] : ["-w", "-U"];
  throw new UsageError(
    `Cannot use ${given} without ${missing}: the other directory is where ` +
      "only root may go: use both, or -a",
  );
}

type Kind = "upper" | "work";

const OPTIONS = { upper: "-U", work: "-w" } as const;

function openOrMake(
  kind: Kind,
  layout: Layout,
  caller: Caller,
  root: Ownership,
  hold: Hold,
): number {
  const { [kind]: path, named: { [kind]: isNamed } } = layout;
  const option = dirname(path) === layout.appDir ? "-a" : OPTIONS[kind];
  const hint = `use ${option} to put it elsewhere`;
  const cannot = (what: string) =>
    `Cannot ${what} ${kind} directory ${quote(path)}`;
  const by = <T>(action: () => T) =>
    isNamed ? asCaller(caller, action) : action();
  using kept = new Descriptors();
  const made = by(() => {
    makeDirectories(dirname(path), newAbove(path, isNamed, caller), hint);
    const { mode } = root;
    return openNewDirectory(path, { mode }, cannot("create"), hint);
  });
  if (made !== undefined) kept.keep(made);
  try {
    const flags = O_RDONLY | O_DIRECTORY;
    // What is new is not named again: it may be another one by now.
    const file = hold.keep(
      made !== undefined
        ? by(() => openat(made, ".", flags))
        : isNamed
        ? openNamed(caller, path, flags)
        : open(path, flags),
    );
    const isOwn = isNamed || !isLent(caller);
    if (made !== undefined) giveTo(file, root, isOwn ? caller.uid : 0);
    lockDirectory(file, kind, path);
    return file;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw refusalOf(cannot("use"), error, hint);
  }
}

/** Application directories are private, what holds them is not. */
function newAbove(
  path: string,
  isNamed: boolean,
  caller: Caller,
): (above: string) => NewDirectory {
  const directory = dirname(path);
  if (isNamed || caller.standing !== "user") {
    const isShared = (above: string) =>
      above !== directory || STORAGE_BASE.startsWith(above);
    return (above) => ({ mode: isShared(above) ? 0o755 : 0o700 });
  }
  // Nobody gets at what belongs to the ids of a user but from inside.
  const { storage } = caller.bases;
  return (above) => {
    if (above === directory) return { mode: 0o700, owner: caller };
    if (above === storage) return { mode: 0o700 };
    return { mode: above === dirname(storage) ? 0o711 : 0o755 };
  };
}

/**
 * One that belongs to somebody else than to who made it is not the new one: the
 * caller has put it in its place.
 */
function giveTo(file: number, { gid, mode, uid }: Ownership, maker: number) {
  const made = statx(file, "", AT_EMPTY_PATH);
  if (made.uid !== maker) return;
  if (made.uid === uid && made.gid === gid) return;
  syscall("fchown", file, uid, gid);
  syscall("fchmod", file, mode);
}

function apart({ upper, work }: Layout): UsageError {
  return new UsageError(
    `Cannot use work directory ${quote(work)}: it is not on the file system ` +
      `of ${quote(upper)}: use -w to put it there`,
  );
}
