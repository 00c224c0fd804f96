/**
 * Where the instance of a compiled container is known, and the directories that
 * it takes.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_PATH,
} from "../ffi/constants.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import { type CompiledStep, ifSame, refuse } from "./compiled_step.ts";
import { quote } from "./quote.ts";
import { goTo, label, prefixes } from "./step.ts";

/** Where an instance is known. */
export interface InstancePlace {
  /** The directory of the pid file. */
  readonly directory: string;
  /** The name of the pid file. */
  readonly name: string;
  /** The directory of records. */
  readonly records: string;
  /** The text of the record. */
  readonly record: string;
  /** The same without what it was started with: a command joins no others. */
  readonly rights: string;
  /** Whose directories have to be, if not root's: nobody else may make them. */
  readonly owner?: number;
}

/** The steps that open what {@linkcode InstancePlace} names. */
export const PLACE = {
  directory: { result: "pid-directory" },
  /** The pid file, with its lock. */
  file: { result: "pid-file" },
  /** The same file, opened once more: it has no share of the lock. */
  unlocked: { result: "pid-file-unlocked" },
  records: { result: "records" },
} as const;

/** What to do where a place cannot be used. */
export const PLACE_HINT = "use -p to put it elsewhere";

/** Where `stx_uid` is in `struct statx`. */
const STATX_UID_OFFSET = 0x14;

/** `STATX_UID` of linux/stat.h, Linux 4.11. */
const STATX_UID = 8;

/**
 * Opens the directories, which are made if they are missing.
 *
 * @param place Where the instance is known.
 * @returns The steps; {@linkcode PLACE} has their results.
 *
 * @example Two directories
 * ```ts
 * import { openPlaces } from "cage/src/compiled_place.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const [first] = openPlaces({
 *   directory: "/run/x",
 *   name: "pid",
 *   records: "/run/x/record",
 *   record: "{}\n",
 *   rights: '{"uid":0}\n',
 * });
 * assertEquals(first.args[1], "/run/x");
 * ```
 */
export function openPlaces(place: InstancePlace): CompiledStep[] {
  const { directory, owner, records } = place;
  const why = `Cannot open pid file ${quote(`${directory}/${place.name}`)}`;
  return [
    ...openOrMake(PLACE.directory.result, directory, () => 0o755, why, owner),
    ...openOrMake(
      PLACE.records.result,
      records,
      (path) => path === records ? 0o700 : 0o755,
      "Cannot open the records of instances",
      owner,
    ),
  ];
}

function openOrMake(
  name: string,
  path: string,
  modeOf: (path: string) => number,
  why: string,
  owner: number | undefined,
): CompiledStep[] {
  const [make, end] = [`make-${name}`, `made-${name}`];
  const open: CompiledStep = {
    call: "openat",
    args: [AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC],
    why,
    hints: { "": PLACE_HINT },
  };
  return [
    { ...open, name, onError: { errno: "ENOENT", goto: make } },
    goTo(end),
    label(make),
    ...makeDirectorySteps(path, modeOf, PLACE_HINT),
    // Fails where that did not help.
    open,
    goTo(name),
    label(end),
    ...(owner === undefined ? [] : checkOwner(name, path, owner)),
  ];
}

/** In a place where everybody can make directories. */
function checkOwner(
  name: string,
  path: string,
  owner: number,
): CompiledStep[] {
  const own = `own-${name}`;
  const why = `Cannot use directory ${quote(path)}`;
  return [
    ...ownerSteps({ result: name }, why),
    ifSame(ownerOf({ result: name }), owner, own),
    refuse(`${why}: it is somebody else's: ${PLACE_HINT}`),
    label(own),
  ];
}

/**
 * Finds out whose a file is.
 *
 * @param file The open file.
 * @param why What is said if that cannot be found out.
 * @returns The steps, after which {@linkcode ownerOf} is the id.
 *
 * @example Two steps
 * ```ts
 * import { ownerOf, ownerSteps } from "cage/src/compiled_place.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const [, last] = ownerSteps({ result: "file" }, "Cannot read it");
 * assertEquals(last.name, ownerOf({ result: "file" }).result);
 * ```
 */
export function ownerSteps(
  file: { readonly result: string },
  why: string,
): CompiledStep[] {
  const statx = { buffer: "instance-statx" };
  return [
    {
      call: "statx",
      args: [file, "", AT_EMPTY_PATH, STATX_UID, statx],
      why,
    },
    {
      name: ownerOf(file).result,
      call: "load",
      args: [{ ...statx, offset: STATX_UID_OFFSET }, 0],
    },
  ];
}

/**
 * Names the owner of a file.
 *
 * @param file The open file.
 * @returns The id of the user, once {@linkcode ownerSteps} were done.
 *
 * @example An upper directory
 * ```ts
 * import { ownerOf } from "cage/src/compiled_place.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ownerOf({ result: "upper" }), { result: "upper-owner" });
 * ```
 */
export function ownerOf(
  file: { readonly result: string },
): { readonly result: string } {
  return { result: `${file.result}-owner` };
}

/**
 * Makes a directory and those above it, if they are missing.
 *
 * @param path The absolute path.
 * @param modeOf The permission bits of one that is made.
 * @param hint What to do if one cannot be made.
 * @returns The steps.
 *
 * @example Two directories
 * ```ts
 * import { makeDirectorySteps } from "cage/src/compiled_place.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(makeDirectorySteps("/a/b", () => 0o755, "").length, 2);
 * ```
 */
export function makeDirectorySteps(
  path: string,
  modeOf: (path: string) => number,
  hint: string,
): CompiledStep[] {
  return prefixes(path).map((prefix) => ({
    call: "mkdirat",
    args: [AT_FDCWD, prefix, modeOf(prefix)],
    onError: { errno: "EEXIST" },
    why: `Cannot create directory ${quote(prefix)}`,
    hints: { "": hint },
  }));
}
