/**
 * What is known of an instance, running or stored.
 *
 * @module
 */

import { dirname } from "@std/path";

/** An instance that runs, or of which changes are kept. */
export interface Instance {
  /**
   * Whether it runs, or what was changed in it is kept for the next time it is
   * started.
   */
  readonly state: "running" | "stored";
  /** Its name; absent for the one without. */
  readonly name?: string;
  /** The id of the user whose it is. */
  readonly uid: number;
  /** The id of its pid 1, as the host counts, if it runs. */
  readonly pid?: number;
  /** The path of its pid file, if it runs. */
  readonly pidFile?: string;
  /** When it was started; when it was last used, if it is stored. */
  readonly since?: Date;
  /** The paths of the lower layers, the first on top, of the last start. */
  readonly root?: readonly string[];
  /**
   * The command that it was started with, if it runs; the name of its process
   * alone if none was given, or too long a one.
   */
  readonly command?: readonly string[];
  /**
   * The path of the upper directory, or of the image in its place, that keeps
   * what was changed; absent if that is in memory.
   */
  readonly changes?: string;
  /** What the changes take on the disk, or in memory, in bytes. */
  readonly size?: number;
}

/**
 * Tells the name of an instance by its pid file.
 *
 * @param pidFile The path of the pid file.
 * @param states The directories of pid files that nobody gave another place.
 * @returns The name; none for the instance without one, or if the file is
 * elsewhere.
 *
 * @example By name, without one, and elsewhere
 * ```ts
 * import { nameOfPidFile } from "cage/src/instance.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const states = ["/run/microcontainer"];
 * assertEquals(nameOfPidFile("/run/microcontainer/web.pid", states), "web");
 * assertEquals(nameOfPidFile("/run/microcontainer/pid", states), undefined);
 * assertEquals(nameOfPidFile("/tmp/web.pid", states), undefined);
 * ```
 */
export function nameOfPidFile(
  pidFile: string,
  states: readonly string[],
): string | undefined {
  const directory = dirname(pidFile);
  if (!states.includes(directory)) return undefined;
  return /^(.+)\.pid$/s.exec(pidFile.slice(directory.length + 1))?.[1];
}

/** What is kept of one instance, in a directory of application directories. */
export interface StoredFiles {
  /** The name of the instance; absent for the one without. */
  readonly name?: string;
  /** The name of its application directory. */
  readonly directory: string;
}

/**
 * Tells of which instance a file in a directory of application directories is.
 *
 * @param file The name of the file.
 * @param isDirectory Whether it is a directory, or else may be an image.
 * @returns The instance; none if the file is something else.
 *
 * @example An application directory, and an image
 * ```ts
 * import { storedOf } from "cage/src/instance.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const web = { name: "web", directory: "app-web" };
 * assertEquals(storedOf("app-web", true), web);
 * assertEquals(storedOf("app-web.ext4", false), web);
 * assertEquals(storedOf("default", true), { directory: "default" });
 * assertEquals(storedOf("user", true), undefined);
 * ```
 */
export function storedOf(
  file: string,
  isDirectory: boolean,
): StoredFiles | undefined {
  const suffix = isDirectory ? "" : IMAGE_SUFFIX;
  if (!file.endsWith(suffix)) return undefined;
  const directory = file.slice(0, file.length - suffix.length);
  if (directory === "default") return { directory };
  const [, name] = /^app-(.+)$/s.exec(directory) ?? [];
  return name === undefined ? undefined : { name, directory };
}

/** What `imageOf` in `layout.ts` puts after the application directory. */
export const IMAGE_SUFFIX = ".ext4";

/**
 * Puts instances in order: those that run first, those without a name before
 * the others.
 *
 * @param instances The instances.
 * @returns The same, in order.
 *
 * @example One that runs
 * ```ts
 * import { inOrder } from "cage/src/instance.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const stored = { state: "stored", name: "a", uid: 0 } as const;
 * const running = { state: "running", name: "b", uid: 0 } as const;
 * assertEquals(inOrder([stored, running]), [running, stored]);
 * ```
 */
export function inOrder(instances: readonly Instance[]): Instance[] {
  const keyOf = ({ name, pid = 0, state, uid }: Instance) => [
    ...[state, name ?? ""],
    ...[uid, pid].map((number) => `${number}`.padStart(10, "0")),
  ];
  return instances.map((instance) => ({ instance, key: keyOf(instance) }))
    .sort((a, b) => compare(a.key, b.key)).map(({ instance }) => instance);
}

function compare(a: readonly string[], b: readonly string[]): number {
  const at = a.findIndex((text, index) => text !== b[index]);
  if (at === -1) return 0;
  return a[at] < b[at] ? -1 : 1;
}
