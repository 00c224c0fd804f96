/**
 * What is mounted where, as files and not as file systems.
 *
 * @module
 */

import { unescapeOctal } from "./mount_table.ts";

/** Of which file system, and which part of it. */
export interface MountRoot {
  /** The device of the file system, major and minor. */
  readonly device: readonly [number, number];
  /** The path in the file system. */
  readonly root: string;
}

/** A file of the host. */
export interface HostPlace {
  /** The device that it is on, major and minor. */
  readonly device: readonly [number, number];
  /** Its path on the host. */
  readonly path: string;
}

/**
 * Reads what is mounted from a table of mounts.
 *
 * @param text The text, see proc_pid_mountinfo(5).
 * @returns By the path that it is mounted on, the last one of those at a place.
 *
 * @example A socket
 * ```ts
 * import { mountRoots } from "cage/src/mount_roots.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const line = "36 35 0:9 /wayland-0 /run/user/7/wayland-0 rw - tmpfs x rw\n";
 * assertEquals(mountRoots(line).get("/run/user/7/wayland-0"), {
 *   device: [0, 9],
 *   root: "/wayland-0",
 * });
 * ```
 */
export function mountRoots(text: string): Map<string, MountRoot> {
  const lines = text.split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => {
    const [, , device, root, path] = line.split(" ");
    const [major, minor] = device.split(":").map(Number);
    return [unescapeOctal(path), {
      device: [major, minor],
      root: unescapeOctal(root),
    }];
  }));
}

/**
 * Tells whether a file of the host is mounted at a place. One that was removed
 * and made again is another one: the kernel says so of the first.
 *
 * @param roots What is mounted.
 * @param inside The place.
 * @param file The file.
 * @returns Whether it is.
 *
 * @example A socket, and one that was removed
 * ```ts
 * import { isShownAt } from "cage/src/mount_roots.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const file = { device: [0, 9], path: "/run/user/7/bus" } as const;
 * const shown = (root: string) =>
 *   isShownAt(new Map([["/x", { device: [0, 9], root }]]), "/x", file);
 * assertEquals(["/bus", "/bus//deleted"].map(shown), [true, false]);
 * ```
 */
export function isShownAt(
  roots: ReadonlyMap<string, MountRoot>,
  inside: string,
  { device, path }: HostPlace,
): boolean {
  const found = roots.get(inside);
  return found !== undefined && path.endsWith(found.root) &&
    found.device[0] === device[0] && found.device[1] === device[1];
}
