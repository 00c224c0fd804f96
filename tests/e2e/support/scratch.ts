/**
 * Places for files of tests, and their removal.
 *
 * @module
 */

import { hostMounts } from "./leftovers.ts";
import {
  asRootInside,
  isRootless,
  RUN_DIRECTORY,
  STATE_DIRECTORY,
} from "./mode.ts";
import { run } from "./process.ts";
import { exists } from "./words.ts";

let count = 0;

/**
 * Makes a directory on a real disk, as most /tmp are not.
 *
 * @param parent Where it is made.
 * @returns Its path.
 */
export function makeScratch(parent: string = "/var/tmp"): string {
  return Deno.makeTempDirSync({ dir: parent, prefix: `cage-e2e-${Deno.pid}-` });
}

/**
 * Removes a directory, after unmounting whatever is mounted below.
 *
 * @param path The directory.
 */
export async function removeScratch(path: string): Promise<void> {
  const points = hostMounts()
    .map((line) => unescapeOctal(line.split(" ")[4]))
    .filter((point) => point === path || point.startsWith(`${path}/`));
  for (const point of points.reverse()) await run(["umount", "-l", point]);
  const remove = ["rm", "-rf", "--one-file-system", "--", path];
  await run(remove);
  // What users inside made is theirs.
  if (isRootless && exists(path)) await run([...asRootInside(), ...remove]);
  if (exists(path)) throw new Error(`Cannot remove ${path}`);
}

/** A name for an instance that nobody else has. */
export function uniqueName(): string {
  return `e2e-${Deno.pid}-${++count}`;
}

/**
 * Removes what instances of that name leave: the application directory, an
 * image beside it, the pid file.
 *
 * @param name The name, which no other name contains.
 */
export async function removeInstance(name: string): Promise<void> {
  for (const directory of [STATE_DIRECTORY, RUN_DIRECTORY]) {
    if (!exists(directory)) continue;
    for (const entry of [...Deno.readDirSync(directory)]) {
      const rest = entry.name.split(name);
      if (rest.length !== 2 || /^[0-9]/.test(rest[1])) continue;
      await removeScratch(`${directory}/${entry.name}`);
    }
  }
}

const there = new Set([STATE_DIRECTORY, RUN_DIRECTORY].filter(exists));

// At the end of each file, and not of each test, so that no launch of other
// tests at the same time sees them vanish.
globalThis.addEventListener("unload", () => {
  for (const directory of [STATE_DIRECTORY, RUN_DIRECTORY]) {
    if (there.has(directory)) continue;
    try {
      Deno.removeSync(directory);
    } catch {
      // It is not there, or it is somebody's.
    }
  }
});

/** Decodes `\040` and the like, see proc_pid_mounts(5). */
export function unescapeOctal(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, digits) => String.fromCharCode(parseInt(digits, 8)),
  );
}
