/**
 * Opens what a container was made from and what was changed in it, to be read.
 *
 * @module
 */

import { O_PATH, O_RDONLY, SIG_BLOCK, SIG_UNBLOCK } from "../ffi/constants.ts";
import { statEntry } from "../ffi/entries.ts";
import {
  close,
  open,
  openat,
  rtSigprocmask,
  signalSet,
  SyscallError,
} from "../ffi/libc.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import { openNamed, ROOT } from "./as_caller.ts";
import { nameOfText } from "./byte_names.ts";
import { giveLayers, inMemory, openUpper } from "./change_sources.ts";
import { type Client, findClient } from "./client.ts";
import { Descriptors } from "./descriptors.ts";
import { ENDING } from "./drive.ts";
import { UsageError } from "./errors.ts";
import { findKeptLower } from "./find_kept_lower.ts";
import { claimInstance, findInstance, releaseClaim } from "./instances.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { MergedDirectory } from "./layer_view.ts";
import type { Marks } from "./overlay_marks.ts";
import {
  findOwnIds,
  type Given,
  type OwnIds,
  runWithOwnIds,
} from "./own_ids.ts";
import { quote } from "./quote.ts";
import { openLayers } from "./sources.ts";
import type { ContainerSpec } from "./spec.ts";
import { userNamespaceFor } from "./user_namespace.ts";
import type { Waiting } from "./wait.ts";

/** A container whose changes can be read. */
export interface ChangedCage {
  /** A descriptor of the upper directory; none if nothing was changed. */
  readonly upper?: number;
  /** The lower layers, merged. */
  readonly lower: MergedDirectory;
  /** How overlayfs kept the changes. */
  readonly marks: Marks;
}

/** What is done with the changes of a container. */
export type OnChanges = (
  client: Client,
  found: OwnIds,
) => Waiting<number> | number;

/**
 * Does something with the changes of a container, where its files can be read:
 * as the caller, and where they have namespaces of ids, with all of those.
 *
 * @param option What is asked for, for messages.
 * @param spec Which container.
 * @param isAlone Whether it must not run, nor be started meanwhile.
 * @param act What to do.
 * @returns The exit status.
 * @throws {CageError} If it cannot be done.
 */
export function* onChanges(
  option: string,
  spec: ContainerSpec,
  isAlone: boolean,
  act: OnChanges,
): Waiting<number> {
  const client = findClient(spec);
  if (client.standing === "granted") throw rootsChanges(option);
  const told = findOwnIds(client);
  if (told !== undefined) return yield* interruptibly(client, told, act);
  const { bases, cwd } = client;
  const layout = layoutOf(spec, cwd, bases);
  checkLower(option, spec, layout, client);
  const found = { layout, cwd };
  if (!isAlone) {
    const isRunning = yield* runs(option, layout, client);
    return yield* actThere(option, client, { ...found, isRunning }, act);
  }
  const claim = yield* claimInstance(layout, client);
  if (!("descriptor" in claim)) {
    close(claim.pidfd);
    throw new UsageError(
      `Cannot use ${option}: the instance runs: stop it first, with -k`,
    );
  }
  try {
    const isRunning = false;
    return yield* actThere(option, client, { ...found, isRunning }, act);
  } finally {
    releaseClaim(claim);
  }
}

/**
 * Changes of one root are not to be compared with another, nor carried over to
 * it, because nobody thought of naming the first.
 */
function checkLower(
  option: string,
  { lower }: ContainerSpec,
  layout: Layout,
  client: Client,
): void {
  if (lower !== undefined) return;
  const kept = keptLower(layout, client);
  if (kept === undefined || kept.join("\0") === layout.lower.join("\0")) return;
  const named = kept.map((path) => `-l ${quote(path)}`).join(" ");
  throw new UsageError(
    `Cannot use ${option}: what was changed is not the machine's own root: ` +
      `name the lower directory with ${named}`,
  );
}

function keptLower(
  { named, work }: Layout,
  client: Client,
): string[] | undefined {
  // Where one alone is named, they need not belong together.
  if (named.work !== named.upper) return undefined;
  const space = client.standing === "root" ? "trusted" : "user";
  const owner = named.work ? client : ROOT;
  let directory: number;
  try {
    // To be read: the kernel shows its attributes to nobody else.
    directory = openNamed(owner, work, O_RDONLY | O_DIRECTORY);
  } catch {
    return undefined;
  }
  try {
    const path = `/proc/self/fd/${directory}`;
    return findKeptLower(path, { space, isFuse: false });
  } finally {
    close(directory);
  }
}

/** As themselves they could not read it, and as root they need no `cage`. */
function rootsChanges(option: string): UsageError {
  return new UsageError(
    `Cannot use ${option}: what you changed inside is root's, whose rights ` +
      "are lent for containers alone: run it as root",
  );
}

function* actThere(
  option: string,
  client: Client,
  found: OwnIds,
  act: OnChanges,
): Waiting<number> {
  if (client.standing === "root") {
    return yield* interruptibly(client, found, act);
  }
  using kept = new Descriptors();
  const namespace = userNamespaceFor({}, client, kept);
  const told = client.standing === "rootless" ? found : {
    ...found,
    given: giveLayers({ ...found, option }, client, namespace, kept),
  };
  return yield* runWithOwnIds(client, told, namespace);
}

/** Where nothing waits, a signal has to end the program by itself. */
function* interruptibly(
  client: Client,
  found: OwnIds,
  act: OnChanges,
): Waiting<number> {
  const acting = ending(() => act(client, found));
  if (typeof acting === "number") return acting;
  try {
    for (;;) {
      const turn = ending(() => acting.next());
      if (turn.done) return turn.value;
      yield turn.value;
    }
  } finally {
    // It closes what it has opened, if a signal came while it waited.
    acting.return(0);
  }
}

function ending<T>(action: () => T): T {
  const set = signalSet(...ENDING);
  const blocked = rtSigprocmask() & set;
  rtSigprocmask(set, SIG_UNBLOCK);
  try {
    return action();
  } finally {
    // Others stay as they are, which may be for the time of a question.
    rtSigprocmask(blocked, SIG_BLOCK);
  }
}

/**
 * Opens it.
 *
 * @param option What it is opened for, for messages.
 * @param found Where its files are, and whether it runs.
 * @param client Who calls.
 * @param kept Where descriptors are kept.
 * @returns What was opened.
 * @throws {CageError} If something cannot be opened.
 */
export function openChanged(
  option: string,
  { given, isRunning, layout }: OwnIds,
  client: Client,
  kept: Descriptors,
): ChangedCage {
  if (given !== undefined) return openGiven(given, kept);
  const marks = marksOf(layout, client);
  const upper = openUpper({ isRunning, layout, option }, client, kept);
  return {
    ...(upper === undefined ? {} : { upper }),
    ...{ lower: mergedOf(layout.lower, client, marks, kept), marks },
  };
}

function openGiven({ lower, upper }: Given, kept: Descriptors): ChangedCage {
  const marks = { space: "user", isFuse: false } as const;
  const layers = lower.map((layer) => openat(kept.keep(layer), ".", PLACE));
  return {
    ...(upper === undefined ? {} : { upper: kept.keep(upper) }),
    ...{ lower: MergedDirectory.ofLayers(layers, marks), marks },
  };
}

/**
 * Opens layers.
 *
 * @param paths Their paths, the first on top.
 * @param client Who calls.
 * @param marks How overlayfs keeps things there.
 * @param kept Where descriptors are kept.
 * @returns The layers, merged.
 * @throws {CageError} If one cannot be opened.
 */
export function mergedOf(
  paths: readonly string[],
  client: Client,
  marks: Marks,
  kept: Descriptors,
): MergedDirectory {
  const layers = openLayers(paths, client, kept).map(({ directory, mount }) =>
    // Only the mount that is a layer, and not what is mounted on it.
    openat(typeof mount === "number" ? mount : directory, ".", PLACE)
  );
  return MergedDirectory.ofLayers(layers, marks);
}

const PLACE = O_PATH | O_DIRECTORY;

function* runs(
  option: string,
  layout: Layout,
  client: Client,
): Waiting<boolean> {
  const running = yield* findInstance(layout, client);
  if (running === undefined) return false;
  close(running.pidfd);
  const { origin } = running.record;
  // What is kept beside it is of another time.
  if (origin !== undefined && origin.changes === undefined) {
    throw inMemory(option);
  }
  return true;
}

/**
 * Who has no rights of root has overlays with `userxattr`. fuse-overlayfs makes
 * its directory in the work directory with other permissions than overlayfs.
 */
function marksOf({ work }: Layout, client: Client): Marks {
  if (client.standing !== "rootless") {
    return { space: "trusted", isFuse: false };
  }
  let directory: number;
  try {
    directory = open(work, PLACE);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return { space: "user", isFuse: false };
  }
  try {
    const made = statEntry(directory, "work");
    const isFuse = made !== undefined && (made.mode & 0o777) !== 0;
    return { space: "user", isFuse };
  } finally {
    close(directory);
  }
}

/**
 * Reads paths of the command line: they are of the container, from its root.
 *
 * @param words The words.
 * @returns The paths as bytes, one character for each.
 * @throws {UsageError} If one cannot be such a path.
 *
 * @example A slash at the end, and none at the beginning
 * ```ts
 * import { pathsOf } from "cage/src/changed_cage.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(pathsOf(["etc/apt/", "/"]), ["/etc/apt", "/"]);
 * ```
 */
export function pathsOf(words: readonly string[]): string[] {
  return words.map((word) => {
    const names = word.split("/").filter((name) => name !== "" && name !== ".");
    if (word === "" || names.includes("..")) {
      throw new UsageError(
        `Cannot use path ${quote(word)}: name it from the root of the ` +
          'container, without ".."',
      );
    }
    return nameOfText(`/${names.join("/")}`);
  });
}
