/**
 * The table of mounts, as `/proc/PID/mountinfo` shows it.
 *
 * @module
 */

/** A mount. */
export interface Mount {
  /** Its id, as statx(2) has it. */
  readonly id: bigint;
  /** The id of the mount that it is mounted on. */
  readonly parent: bigint;
  /** Where it is mounted. */
  readonly path: string;
  /** Whether nothing can be written through it. */
  readonly isReadOnly: boolean;
  /** The type of the file system. */
  readonly type: string;
}

/** The place of a mount in the table. */
export type MountPlace = Pick<Mount, "id" | "parent" | "path">;

/**
 * What is mounted below a directory; its path goes from there on, beginning
 * with a slash.
 */
export type MountBelow = Pick<Mount, "isReadOnly" | "path" | "type">;

/**
 * Reads a table of mounts.
 *
 * @param text The text, see proc_pid_mountinfo(5).
 * @returns The mounts, in their order.
 *
 * @example A path with a space
 * ```ts
 * import { parseMounts } from "cage/src/mount_table.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const line = "36 35 98:0 / /a\\040b rw - ext4 /dev/sda ro\n";
 * assertEquals(parseMounts(line), [{
 *   id: 36n,
 *   parent: 35n,
 *   path: "/a b",
 *   isReadOnly: true,
 *   type: "ext4",
 * }]);
 * ```
 */
export function parseMounts(text: string): Mount[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const words = line.split(" ");
    const [id, parent, , , path, options] = words;
    // Of the mount, and of the file system, which other mounts may show too.
    const isReadOnly = [options, words.at(-1)!].some((list) =>
      list.split(",").includes("ro")
    );
    return {
      id: BigInt(id),
      parent: BigInt(parent),
      path: unescapeOctal(path),
      isReadOnly,
      // Whatever is optional ends with a hyphen.
      type: words[words.indexOf("-", 6) + 1],
    };
  });
}

/**
 * Finds what is mounted below a directory, and not hidden by another mount.
 *
 * @param mounts The table of mounts.
 * @param directory The real path of the directory.
 * @returns The mounts, in their order; the last one of those at one place.
 *
 * @example A mount that another one hides
 * ```ts
 * import { mountsBelow } from "cage/src/mount_table.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const rest = { isReadOnly: false, type: "tmpfs" };
 * const mounts = [
 *   { id: 1n, parent: 0n, path: "/", ...rest },
 *   { id: 2n, parent: 1n, path: "/srv/a/b", ...rest },
 *   { id: 3n, parent: 1n, path: "/srv/a", ...rest },
 * ];
 * assertEquals(mountsBelow(mounts, "/srv"), [{ path: "/a", ...rest }]);
 * ```
 */
export function mountsBelow(
  mounts: readonly Mount[],
  directory: string,
): MountBelow[] {
  const prefix = directory === "/" ? "" : directory;
  const found = visible(mounts)
    .filter(({ path }) => path !== "/" && path.startsWith(`${prefix}/`))
    .map(({ isReadOnly, path, type }): [string, MountBelow] => {
      const below = path.slice(prefix.length);
      return [below, { path: below, isReadOnly, type }];
    });
  return [...new Map(found).values()];
}

/**
 * Finds what a copy of a mount without those below it would show, though they
 * hide it.
 *
 * @param mounts The table of mounts.
 * @param mount The id of the mount.
 * @param directory The directory of it that is copied.
 * @returns Paths below the directory, beginning with a slash.
 *
 * @example A mount below the root
 * ```ts
 * import { hiddenBelow } from "cage/src/mount_table.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const mounts = [{ id: 2n, parent: 1n, path: "/home" }];
 * assertEquals(hiddenBelow(mounts, 1n, "/"), ["/home"]);
 * ```
 */
export function hiddenBelow(
  mounts: readonly MountPlace[],
  mount: bigint,
  directory: string,
): string[] {
  const prefix = directory === "/" ? "" : directory;
  return mounts
    .filter(({ parent, path }) =>
      parent === mount && path.startsWith(`${prefix}/`)
    )
    .map(({ path }) => path.slice(prefix.length));
}

/** Those with a way to them, the ones at the same place from below to the top. */
function visible(mounts: readonly Mount[]): Mount[] {
  // The first root of a machine has itself for a parent.
  const children = Map.groupBy(
    mounts.filter(({ id, parent }) => id !== parent),
    ({ parent }) => parent,
  );
  const ids = new Set(mounts.map(({ id }) => id));
  const found: Mount[] = [];
  const visit = (mount: Mount) => {
    found.push(mount);
    const below = children.get(mount.id) ?? [];
    // One at the same place hides all others.
    below.filter(({ path }) => !below.some((other) => hides(other.path, path)))
      .forEach(visit);
  };
  // The root of a process may be below that of its mount namespace.
  mounts.filter(({ id, parent }) => id === parent || !ids.has(parent))
    .forEach(visit);
  return found;
}

function hides(above: string, path: string): boolean {
  return path.startsWith(above === "/" ? "/" : `${above}/`) && path !== above;
}

/**
 * Reads a path of a table: the kernel writes space, tab, newline and backslash
 * as octal numbers.
 *
 * @param text The path, as it is there.
 * @returns The path.
 *
 * @example A space
 * ```ts
 * import { unescapeOctal } from "cage/src/mount_table.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(unescapeOctal("/a\\040b"), "/a b");
 * ```
 */
export function unescapeOctal(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, digits) => String.fromCharCode(parseInt(digits, 8)),
  );
}
