/**
 * What a launch would make, and where, without making it.
 *
 * @module
 */

import { dirname } from "@std/path";
import { O_PATH } from "../ffi/constants.ts";
import { hasErrno, open, SyscallError } from "../ffi/libc.ts";
import { openNamed } from "./as_caller.ts";
import type { Client } from "./client.ts";
import type { Descriptors } from "./descriptors.ts";
import type { Directories } from "./directories.ts";
import { refusalOf } from "./failure.ts";
import { absolute, type Layout } from "./layout.ts";
import { pathOf } from "./location.ts";
import { quote } from "./quote.ts";
import type { Volume } from "./spec.ts";
import { prefixes } from "./step.ts";
import { commonDirectory, wayDown } from "./way_down.ts";

/** Directories as they would be, and those that would be made for it. */
export interface Foreseen<T> {
  /** What would be there. */
  readonly found: T;
  /** The paths that are missing, those above first. */
  readonly missing: readonly string[];
}

/**
 * Finds the upper and the work directory, or where they would be.
 *
 * @param layout The paths of the container.
 * @param client Who calls.
 * @param mount The number of their mount, for a plan that is not carried out.
 * @param kept Where descriptors are kept.
 * @returns The directories.
 * @throws {LaunchError} If the caller cannot look.
 */
export function foreseeDirectories(
  { named, upper, work }: Layout,
  client: Client,
  mount: number,
  kept: Descriptors,
): Foreseen<Directories> {
  const at = (kind: "upper" | "work", path: string) => {
    try {
      return foresee(
        path,
        (path) => named[kind] ? openNamed(client, path) : open(path, O_PATH),
        kept,
      );
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      throw refusalOf(`Cannot use ${kind} directory ${quote(path)}`, error);
    }
  };
  const places = [at("upper", upper), at("work", work)];
  const [{ path, descriptor }, other] = places;
  const above = commonDirectory(path, other.path);
  const source = client.standing === "rootless"
    ? { upper: path, work: other.path }
    : {
      mount,
      upper: wayDown(above, path),
      work: wayDown(above, other.path),
    };
  return {
    found: {
      ...{ source, path },
      ...(descriptor === undefined ? {} : { upper: descriptor }),
    },
    missing: [...new Set(places.flatMap(({ missing }) => missing))],
  };
}

/**
 * Gives volumes that are missing another place, which is there.
 *
 * @param volumes The volumes.
 * @param client Who calls.
 * @param kept Where descriptors are kept.
 * @returns The volumes, with the next directory above for one that is missing.
 * Those that the caller cannot look at are as they were.
 */
export function foreseeVolumes(
  volumes: readonly Volume[],
  client: Client,
  kept: Descriptors,
): Foreseen<Volume[]> {
  const all = volumes.map((volume) => {
    const missing = missingOf(absolute(volume.host, client.cwd), client, kept);
    const host = missing.length === 0 ? volume.host : dirname(missing[0]);
    return { volume: { ...volume, host }, missing };
  });
  return {
    found: all.map(({ volume }) => volume),
    missing: [...new Set(all.flatMap(({ missing }) => missing))],
  };
}

/**
 * Finds which directories are missing for a file that this program makes.
 *
 * @param path The path of the file.
 * @param client With whose rights it is made.
 * @param kept Where descriptors are kept.
 * @returns The directories, those above first; none if the caller cannot look.
 */
export function missingAbove(
  path: string,
  client: Pick<Client, "gid" | "standing" | "uid">,
  kept: Descriptors,
): readonly string[] {
  return missingOf(dirname(path), client, kept);
}

function missingOf(
  path: string,
  client: Pick<Client, "gid" | "standing" | "uid">,
  kept: Descriptors,
): readonly string[] {
  try {
    return foresee(path, (path) => openNamed(client, path), kept).missing;
  } catch (error) {
    if (error instanceof SyscallError) return [];
    throw error;
  }
}

/** A path that is there, or would be. */
interface Place {
  /** The path, without links as far as it is there. */
  readonly path: string;
  /** A descriptor of it, if it is there. */
  readonly descriptor?: number;
  /** The paths that are missing, those above first. */
  readonly missing: readonly string[];
}

function foresee(
  path: string,
  openPath: (path: string) => number,
  kept: Descriptors,
): Place {
  const all = ["/", ...prefixes(path)];
  for (let there = all.length; there > 0; there--) {
    const above = all[there - 1];
    try {
      const descriptor = kept.keep(openPath(above));
      const missing = all.slice(there);
      const real = pathOf(descriptor);
      if (missing.length === 0) return { path: real, descriptor, missing };
      const rest = wayDown(above, all.at(-1)!);
      return { path: `${real === "/" ? "" : real}/${rest}`, missing };
    } catch (error) {
      if (!hasErrno(error, "ENOENT") || there === 1) throw error;
    }
  }
  return { path, missing: all };
}
