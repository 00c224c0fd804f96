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
}

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
 * const line = "36 35 98:0 / /a\\040b rw - ext4 /dev/sda rw\n";
 * assertEquals(parseMounts(line), [{ id: 36n, parent: 35n, path: "/a b" }]);
 * ```
 */
export function parseMounts(text: string): Mount[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [id, parent, , , path] = line.split(" ");
    return { id: BigInt(id), parent: BigInt(parent), path: unescape(path) };
  });
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
  mounts: readonly Mount[],
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

/** The kernel writes space, tab, newline and backslash as octal numbers. */
function unescape(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, digits) => String.fromCharCode(parseInt(digits, 8)),
  );
}
