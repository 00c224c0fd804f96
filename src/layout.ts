/**
 * Where the files of a container are.
 *
 * @module
 */

import { dirname } from "@std/path";
import { UsageError } from "./errors.ts";
import { quote } from "./quote.ts";
import type { ContainerSpec } from "./spec.ts";

/** Where application directories are by default. */
export const STORAGE_BASE = "/var/lib/microcontainer";

/** Where pid files are by default. */
export const STATE_BASE = "/run/microcontainer";

/** Where the files of containers are that nobody gave another place. */
export interface Bases {
  /** Application directories. */
  readonly storage: string;
  /** Pid files. */
  readonly state: string;
  /** Records of instances that run. */
  readonly records: string;
}

/** Where they are for root. */
export const ROOT_BASES: Bases = {
  storage: STORAGE_BASE,
  state: STATE_BASE,
  records: `${STATE_BASE}/record`,
};

/** The paths of a container, all absolute. */
export interface Layout {
  /** The lower layers, the first on top. */
  readonly lower: readonly string[];
  /** The application directory. */
  readonly appDir: string;
  /** The upper directory. */
  readonly upper: string;
  /** The work directory. */
  readonly work: string;
  /** The pid file. */
  readonly pidFile: string;
  /** The image that takes the place of an upper directory where none can be. */
  readonly image: string;
  /** What of these the caller named, by path or by a directory above. */
  readonly named: Readonly<Record<"upper" | "work" | "pidFile", boolean>>;
}

/**
 * Works out where the files of a container are.
 *
 * @param spec What is wanted.
 * @param cwd The directory of the caller, from which relative paths start.
 * @param bases Where files are that the spec gives no place.
 * @returns The paths. `..` stays in them: what it means is the kernel's to say.
 * @throws {UsageError} If a path contains a NUL byte, which ends a path.
 *
 * @example The defaults of a named container
 * ```ts
 * import { layoutOf } from "cage/src/layout.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(layoutOf({ name: "web", lower: ["roots/web"] }, "/srv"), {
 *   lower: ["/srv/roots/web"],
 *   appDir: "/var/lib/microcontainer/app-web",
 *   upper: "/var/lib/microcontainer/app-web/upper",
 *   work: "/var/lib/microcontainer/app-web/work",
 *   pidFile: "/run/microcontainer/web.pid",
 *   image: "/var/lib/microcontainer/app-web.ext4",
 *   named: { upper: false, work: false, pidFile: false },
 * });
 * ```
 */
export function layoutOf(
  spec: ContainerSpec,
  cwd: string,
  bases: Pick<Bases, "state" | "storage"> = ROOT_BASES,
): Layout {
  const at = (path: string) => absolute(path, cwd);
  const { name } = spec;
  const appDir = at(
    spec.appDir ??
      `${bases.storage}/${name === undefined ? "default" : `app-${name}`}`,
  );
  const upper = at(spec.upper ?? `${appDir}/upper`);
  const isNamed = (path?: string) =>
    path !== undefined || spec.appDir !== undefined;
  const pidFile = name === undefined ? "pid" : `${name}.pid`;
  return {
    lower: (spec.lower ?? ["/"]).map(at),
    appDir,
    upper,
    work: at(spec.work ?? `${appDir}/work`),
    pidFile: at(spec.pidFile ?? `${bases.state}/${pidFile}`),
    image: imageOf(upper),
    named: {
      upper: isNamed(spec.upper),
      work: isNamed(spec.work),
      pidFile: spec.pidFile !== undefined,
    },
  };
}

/**
 * Makes a path absolute without touching the rest of it.
 *
 * @param path The path as it was given.
 * @param cwd The directory of the caller.
 * @returns The absolute path.
 * @throws {UsageError} If the path contains a NUL byte.
 *
 * @example A relative path
 * ```ts
 * import { absolute } from "cage/src/layout.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(absolute("../x", "/srv"), "/srv/../x");
 * assertEquals(absolute("/x", "/srv"), "/x");
 * ```
 */
export function absolute(path: string, cwd: string): string {
  if (path.includes("\0")) {
    throw new UsageError(
      `Cannot use path ${quote(path)}: it contains a NUL byte: ` +
        "no path of the kernel does",
    );
  }
  if (path.startsWith("/")) return path;
  return cwd.endsWith("/") ? `${cwd}${path}` : `${cwd}/${path}`;
}

/**
 * The seed's `${upperdir}/../..`, or beside a directory of the root. The root
 * itself has nothing beside it: an image of its own is in it, as `.ext4`.
 */
function imageOf(upper: string): string {
  const parent = dirname(upper);
  return `${parent === "/" ? upper.replace(/\/+$/, "") || "/" : parent}.ext4`;
}
