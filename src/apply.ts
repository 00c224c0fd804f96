/**
 * Carries what was changed in a container over to its lower directory.
 *
 * @module
 */

import { O_RDONLY } from "../ffi/constants.ts";
import { openEntry } from "../ffi/entries.ts";
import { SyscallError } from "../ffi/libc.ts";
import { ask, canAsk } from "./ask.ts";
import { quotedName } from "./byte_names.ts";
import { ChangeSummary } from "./change_text.ts";
import { mergedOf, onChanges, openChanged, pathsOf } from "./changed_cage.ts";
import { type Change, typeOf } from "./changes.ts";
import type { Client } from "./client.ts";
import { Descriptors } from "./descriptors.ts";
import { Hold, lockDirectory } from "./directories.ts";
import { CageError, UsageError } from "./errors.ts";
import { reasonOf } from "./failure.ts";
import { absolute } from "./layout.ts";
import type { Found, MergedDirectory } from "./layer_view.ts";
import { Output } from "./output.ts";
import type { Marks } from "./overlay_marks.ts";
import type { OwnIds } from "./own_ids.ts";
import { Progress } from "./progress.ts";
import { quote } from "./quote.ts";
import type { ContainerSpec } from "./spec.ts";
import { TargetTree, UNFINISHED } from "./target_tree.ts";
import type { Waiting } from "./wait.ts";
import {
  type Compared,
  type FoundChange,
  isNobodys,
  walkChanges,
} from "./walk_changes.ts";

/** What is carried over, and how. */
export interface ApplyWish {
  /** The paths, of the container; everything if there are none. */
  readonly paths: readonly string[];
  /** Another directory than the lower one. */
  readonly to?: string;
  /** Whether nobody is asked. */
  readonly isSure: boolean;
  /** Whether files are replaced that were changed below since. */
  readonly isForced: boolean;
}

/**
 * Carries changes over.
 *
 * @param spec Which container.
 * @param wish Which changes, and where to.
 * @returns The exit status.
 * @throws {UsageError} If the container runs, or it is not to be done.
 * @throws {CageError} If something could not be carried over: all that was not.
 */
export function apply(spec: ContainerSpec, wish: ApplyWish): Waiting<number> {
  const paths = pathsOf(wish.paths);
  return onChanges(OPTION, spec, true, function* (client, found) {
    using kept = new Descriptors();
    using hold = new Hold();
    const cage = openChanged(OPTION, found, client, kept);
    using lower = cage.lower;
    using target = openTarget(wish, found, client, cage.marks, kept);
    if (cage.upper === undefined) return say("nothing was changed");
    // Another open file, with a lock of its own: flock(2).
    const lock = openEntry(cage.upper, ".", O_RDONLY);
    lockDirectory(hold.keep(lock), "upper", found.layout.upper);
    const compared = {
      ...{ upper: cage.upper, marks: cage.marks, paths, hasAll: true },
      lower: target ?? lower,
    };
    const stale = survey(compared, target && lower);
    if (stale.summary.total === 0) return say("nothing was changed");
    const place = placeOf(wish, found);
    if (!wish.isSure) yield* askAbout(stale.summary, place);
    const kind = wish.isForced ? new Set<string>() : stale.paths;
    return carryOver(compared, kind, stale.summary.total, place);
  });
}

const OPTION = "--apply";

function say(line: string): number {
  const output = new Output();
  output.line(line);
  output.end();
  return 0;
}

function placeOf({ to }: ApplyWish, { cwd, layout }: OwnIds): string {
  return to === undefined ? layout.lower[0] : absolute(to, cwd);
}

/** The directory, if it is another than the lower one. */
function openTarget(
  wish: ApplyWish,
  found: OwnIds,
  client: Client,
  marks: Marks,
  kept: Descriptors,
): MergedDirectory | undefined {
  if (wish.to === undefined) {
    if (found.given?.isShared) throw readOnly(placeOf(wish, found));
    if (found.layout.lower.length === 1) return undefined;
    throw new UsageError(
      "Cannot use --apply with more than one lower directory: which of them " +
        "is to be changed: name one with --to",
    );
  }
  return mergedOf([placeOf(wish, found)], client, marks, kept);
}

function readOnly(place: string): UsageError {
  return new UsageError(
    `Cannot use --apply to change ${quote(place)}: all users share it: name ` +
      "a directory of your own with --to",
  );
}

/** What there is to do. */
interface Survey {
  readonly summary: ChangeSummary;
  /** Paths of what was changed below since. */
  readonly paths: ReadonlySet<string>;
}

function survey(compared: Compared, below?: MergedDirectory): Survey {
  const summary = new ChangeSummary();
  const paths = new Set<string>();
  using progress = new Progress("changes");
  for (const change of walkChanges(compared)) {
    progress.next();
    if (!isCarried(change) || !isNews(change)) continue;
    if (change.kind === "renamed") throw renamed(change);
    const isStale = below === undefined
      ? change.isStale || isStaleBelow(change)
      : isOther(change, below);
    if (isStale) paths.add(change.path);
    summary.add({ ...change, isStale });
  }
  return { summary, paths };
}

/** A directory on the way to what is asked for is only made. */
function isCarried({ isWay, kind }: Change & { isWay: boolean }): boolean {
  return !isWay || kind === "added";
}

/** A directory that was only written to has a new time, and is no change. */
function isNews({ aspects, kind, link }: Change): boolean {
  return kind !== "changed" || aspects.length > 0 || link !== undefined;
}

function renamed({ from, path }: Change): UsageError {
  return new UsageError(
    `Cannot use --apply: ${
      quotedName(path)
    } is in the lower directory under the ` +
      `name ${
        quotedName(from!)
      }, as overlayfs has it with redirect_dir: copy it ` +
      "inside to have it whole",
  );
}

/** With a directory goes what is in it, which may be newer than itself. */
function isStaleBelow({ above, since, was, ...change }: FoundChange): boolean {
  const isGone = change.kind === "deleted" || change.aspects.includes("type");
  if (!isGone || since === undefined || above === undefined) return false;
  return hasNewer(above, was!, since);
}

function hasNewer(
  above: MergedDirectory,
  { name, stat }: Found,
  since: bigint,
): boolean {
  if (typeOf(stat) !== "directory") return stat.changed > since;
  using directory = above.open(name);
  return directory?.names().some((name) => {
    const found = directory.lookup(name);
    return found !== undefined && hasNewer(directory, found, since);
  }) ?? false;
}

/**
 * In another directory all files are newer: what was in it must be what is in
 * the lower directory, and that must not have been changed since.
 */
function isOther(
  { above: wasAbove, aspects, kind, path, since, was }: FoundChange,
  below: MergedDirectory,
): boolean {
  if (was === undefined) return false;
  const names = path.slice(1).split("/");
  const name = names.pop()!;
  using above = below.openBelow(names);
  const there = above?.lookup(name || ".");
  if (there === undefined || typeOf(there.stat) !== typeOf(was.stat)) {
    return true;
  }
  if (typeOf(was.stat) !== "directory") return isOtherFile(there, was, since);
  if (kind !== "deleted" && !aspects.includes("type")) return false;
  using inTarget = wasAbove?.open(name);
  using inLower = above!.open(name);
  return hasOthers(inTarget, inLower, since);
}

function isOtherFile(
  { stat: there }: Found,
  { stat: was }: Found,
  since: bigint | undefined,
): boolean {
  const isNewer = since !== undefined && there.changed > since;
  return isNewer || there.size !== was.size || there.modified !== was.modified;
}

/** With a directory goes what is in it, which may be in the target alone. */
function hasOthers(
  target: MergedDirectory | undefined,
  lower: MergedDirectory | undefined,
  since: bigint | undefined,
): boolean {
  return target?.names().some((name) => {
    const [was, there] = [target.lookup(name), lower?.lookup(name)];
    if (was === undefined) return false;
    if (there === undefined || typeOf(there.stat) !== typeOf(was.stat)) {
      return true;
    }
    if (typeOf(was.stat) !== "directory") return isOtherFile(there, was, since);
    using inTarget = target.open(name);
    using inLower = lower?.open(name);
    return hasOthers(inTarget, inLower, since);
  }) ?? false;
}

function* askAbout(summary: ChangeSummary, place: string): Waiting<void> {
  if (!canAsk()) {
    throw new UsageError(
      `Cannot use --apply to change ${quote(place)}: there is no terminal to ` +
        "ask on: use --yes, after a look with --diff",
    );
  }
  const question = `${summary.text()}\nCarry this over to ${quote(place)}?`;
  if (yield* ask(question)) return;
  throw new UsageError("Cannot use --apply: the answer was not yes");
}

function carryOver(
  compared: Compared,
  stale: ReadonlySet<string>,
  total: number,
  place: string,
): number {
  const failed = new Map<string, string>();
  {
    using tree = new TargetTree(compared.lower.top, compared.marks, failed);
    using progress = new Progress("changes", total);
    for (const change of walkChanges(compared)) {
      if (!isCarried(change)) continue;
      if (isNews(change)) progress.next();
      if (isBelowOne(change.path, failed)) continue;
      const why = stale.has(change.path) ? STALE : carry(change, tree, failed);
      if (why !== undefined) failed.set(change.path, why);
    }
  }
  if (failed.size === 0) {
    return say(`${total} ${total === 1 ? "change" : "changes"} carried over`);
  }
  const list = [...failed].map(([path, why]) =>
    `  ${quotedName(path)}: ${why}`
  );
  throw new CageError(
    `Cannot carry all of ${total} changes over to ${quote(place)}: these ` +
      `were left out:\n${list.join("\n")}`,
  );
}

const STALE = "it was changed below since the container copied it: look at " +
  "both, and use --force to replace it";

const OURS = "files that are not whole yet have this name: give it another";

/** What is in a directory that could not be made is no news. */
function isBelowOne(path: string, failed: ReadonlyMap<string, string>) {
  if (failed.size === 0) return false;
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    if (end < path.length && failed.has(path.slice(0, end))) return true;
  }
  return false;
}

/** Carries one change over, or tells why not. */
function carry(
  change: FoundChange,
  tree: TargetTree,
  failed: ReadonlyMap<string, string>,
): string | undefined {
  const { content, is, kind, link, path, target, was } = change;
  if (kind !== "deleted" && path.endsWith(`/${UNFINISHED}`)) return OURS;
  try {
    if (kind === "deleted") tree.remove(path);
    else if (typeOf(is!.stat) === "directory") {
      if (isNews(change)) tree.makeDirectory(path, is!, was);
      else if (!isNobodys(was!, tree.marks)) tree.enter(path, is!);
    } else if (link !== undefined && failed.has(link)) {
      return `it is the same file as ${quotedName(link)}`;
    } else tree.make(path, { is: is!, content: content ?? is!, target, link });
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return `${error.call}: ${reasonOf(error.errno)}`;
  }
}
