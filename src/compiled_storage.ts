/**
 * The directories for what is changed in a compiled container.
 *
 * @module
 */

import { basename, dirname } from "@std/path";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  LOCK_EX,
  LOCK_NB,
  O_CLOEXEC,
  O_PATH,
  O_RDONLY,
} from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import { makeDirectorySteps, ownerOf, ownerSteps } from "./compiled_place.ts";
import { STORAGE, takeMount } from "./compiled_sources.ts";
import { CALLER_USER } from "./compiled_start.ts";
import { type CompiledStep, ifSame, refuse } from "./compiled_step.ts";
import type { Ownership } from "./facts.ts";
import { quote } from "./quote.ts";
import { goTo, label } from "./step.ts";
import { wayDown } from "./way_down.ts";

/** Directories for what is changed. */
export interface StoragePlace {
  /** A directory that has both. */
  readonly above: string;
  /** The path of the upper directory. */
  readonly upper: string;
  /** The path of the work directory. */
  readonly work: string;
  /** Owner and mode of a new upper directory. */
  readonly root: Ownership;
  /** Directories that are made private. */
  readonly private: readonly string[];
  /** Whether the plan opens both by itself, with the caller's rights. */
  readonly isPlans?: boolean;
}

/** The steps that open the two, whose locks are held. */
export const HELD = [{ result: "upper-held" }, {
  result: "work-held",
}] as const;

/**
 * Takes the two directories, which are made if they are missing.
 *
 * @param place Where they are.
 * @returns The steps.
 *
 * @example A lock for each
 * ```ts
 * import { takeStorage } from "cage/src/compiled_storage.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = takeStorage({
 *   above: "/srv",
 *   upper: "/srv/upper",
 *   work: "/srv/work",
 *   root: { mode: 0o755, uid: 0, gid: 0 },
 *   private: ["/srv"],
 * });
 * assertEquals(steps.filter(({ call }) => call === "flock").length, 2);
 * ```
 */
export function takeStorage(place: StoragePlace): CompiledStep[] {
  const { above } = place;
  const why = "Cannot use the upper directory";
  const open: CompiledStep = {
    call: "openat",
    args: [AT_FDCWD, above, O_PATH | O_DIRECTORY | O_CLOEXEC],
    why,
    hints: { "": "use -U to put it elsewhere" },
  };
  return [
    {
      ...open,
      name: ABOVE.result,
      onError: { errno: "ENOENT", goto: "make-storage" },
    },
    ...openKept("upper", place),
    ...openKept("work", place),
    goTo("storage-made"),
    label("make-storage"),
    ...makeStorage(place),
    goTo(ABOVE.result),
    label("storage-made"),
    ...lockKept("upper", place.upper),
    ...lockKept("work", place.work),
    ...(place.isPlans
      ? []
      : takeMount(STORAGE, ABOVE, "", false, why, "storage")),
  ];
}

const ABOVE = { result: "storage-above" };

/** `RESOLVE_NO_XDEV` of linux/openat2.h, Linux 5.6: no other mount. */
const RESOLVE_NO_XDEV = 1;

/** Both must be in what is taken: what is mounted in between is not. */
function openKept(kind: "upper" | "work", place: StoragePlace): CompiledStep[] {
  const path = place[kind];
  const how = new BigUint64Array([
    BigInt(O_RDONLY | O_DIRECTORY | O_CLOEXEC),
    0n,
    BigInt(RESOLVE_NO_XDEV),
  ]);
  return [{
    name: `${kind}-held`,
    call: "openat2",
    args: [ABOVE, wayDown(place.above, path), new Uint8Array(how.buffer), 24],
    onError: { errno: "ENOENT", goto: "make-storage" },
    why: `Cannot use ${kind} directory ${quote(path)}`,
    hints: {
      EXDEV: "another file system is mounted on the way to it: use -U and -w " +
        "to put both on one",
      "": `use ${kind === "upper" ? "-U" : "-w"} to put it elsewhere`,
    },
  }];
}

function makeStorage(place: StoragePlace): CompiledStep[] {
  const { root: { mode }, upper, work } = place;
  return ([["upper", upper, mode], ["work", work, 0o700]] as const).flatMap((
    [kind, path, bits],
  ): CompiledStep[] => [
    ...makeNew(kind, path, bits, place),
    // Fails where that did not help.
    {
      call: "openat",
      args: [AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC],
      why: `Cannot use ${kind} directory ${quote(path)}`,
    },
  ]);
}

/**
 * Whoever the directory above belongs to may put something else in the place of
 * what was made: so that is opened, and changed by its descriptor.
 */
function makeNew(
  kind: "upper" | "work",
  path: string,
  bits: number,
  { private: own, root: { gid, uid } }: StoragePlace,
): CompiledStep[] {
  const why = `Cannot create ${kind} directory ${quote(path)}`;
  const hint = "use -a, or -U and -w, to put it elsewhere";
  const hints = { "": hint };
  const [directory, name] = [dirname(path), basename(path)];
  const [above, made] = ["above", "made"].map((result) => ({
    result: `${kind}-${result}`,
  }));
  const [checked, end] = [`${kind}-checked`, `${kind}-is-made`];
  const flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  return [
    ...makeDirectorySteps(
      directory,
      (path) => own.includes(path) ? 0o700 : 0o755,
      hint,
    ),
    {
      name: above.result,
      call: "openat",
      args: [AT_FDCWD, directory, flags],
      why,
      hints,
    },
    {
      call: "mkdirat",
      args: [above, name, bits],
      onError: { errno: "EEXIST", goto: end },
      why,
      hints,
    },
    {
      name: made.result,
      call: "openat",
      args: [above, name, flags | O_NOFOLLOW],
      why,
      hints,
    },
    ...checkOwner(made, checked, why),
    label(checked),
    ...(uid === 0 && gid === 0 ? [] : [
      {
        call: "fchownat",
        args: [made, "", uid, gid, AT_EMPTY_PATH],
        why,
      } as const,
    ]),
    // A set-group-ID bit of the directory above is not to be inherited.
    { call: "fchmodat", args: [made, ".", bits], why },
    label(end),
  ];
}

/** What was made is this user's, and not anything else. */
function checkOwner(
  made: { readonly result: string },
  checked: string,
  why: string,
): CompiledStep[] {
  return [
    ...ownerSteps(made, why),
    ifSame(ownerOf(made), CALLER_USER, checked),
    refuse(`${why}: another one took its place: try again`),
  ];
}

function lockKept(kind: "upper" | "work", path: string): CompiledStep[] {
  const lock = { result: `${kind}-lock` };
  const [busy, end] = [`${kind}-busy`, `${kind}-locked`];
  return [
    {
      name: lock.result,
      call: "flock",
      args: [{ result: `${kind}-held` }, LOCK_EX | LOCK_NB],
      // Where a file system has no locks, there is nothing to be held.
      onError: {},
    },
    ifSame(lock, -ERRNO.EAGAIN, busy),
    goTo(end),
    refuse(
      `Cannot use ${kind} directory ${quote(path)}: another instance uses ` +
        `it: stop that one with -k, or use ${
          kind === "upper" ? "-U" : "-w"
        } to put it elsewhere`,
      { name: busy },
    ),
    label(end),
  ];
}
