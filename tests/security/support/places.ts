/**
 * Where users have something, and what is whose.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { filesBelow, output, STATE_DIRECTORY } from "../../e2e/support/mod.ts";
import type { Attack } from "./attack.ts";
import { type Person, RANGE } from "./people.ts";

/**
 * Makes a home that is seen inside, as one in /var/tmp is not.
 *
 * @param t The test.
 * @param person Whose it is.
 * @returns How programs of theirs are run, so that it is their home.
 */
export function homeInside(
  t: Attack,
  person: Person,
): { readonly cwd: string; readonly env: { readonly HOME: string } } {
  const place = t.newScratch("/var/cache");
  Deno.chmodSync(place, 0o755);
  const home = `${place}/home`;
  makeOwn(home, person);
  return { cwd: home, env: { HOME: home } };
}

/**
 * Makes a directory of a user's.
 *
 * @param path Where.
 * @param person Whose it is.
 */
export function makeOwn(path: string, { uid }: Person): void {
  Deno.mkdirSync(path, { mode: 0o700 });
  Deno.chownSync(path, uid, uid);
}

/**
 * Tells where changes are kept.
 *
 * @param person The user.
 * @param name The name of the instance; none for the one without.
 * @returns The upper directory.
 */
export function upperOf({ uid }: Person, name?: string): string {
  const directory = name === undefined ? "default" : `app-${name}`;
  return `${STATE_DIRECTORY}/user/${uid}/${directory}/upper`;
}

/**
 * Checks that everything below a directory, and itself, belongs to a user or
 * to ids of their ranges.
 *
 * @param path The directory.
 * @param person The user.
 * @param least How many entries there are at least.
 */
export async function assertTheirs(
  path: string,
  { range, uid }: Person,
  least: number = 1,
): Promise<void> {
  const list = await output(["find", path, "-printf", "%U %G %p\n"]);
  const lines = list.trim().split("\n");
  assertEquals(lines.length >= least, true, list);
  const isTheirs = (id: number) =>
    id === uid || range !== undefined && id >= range && id < range + RANGE;
  const others = lines.filter((line) => {
    const [user, group] = line.split(" ").map(Number);
    return !isTheirs(user) || !isTheirs(group);
  });
  assertEquals(others, []);
}

/**
 * Gives owners and modes of everything below a directory.
 *
 * @param path The directory, which may be missing.
 * @returns `NAME MODE UID:GID`, in the order of the names.
 */
export async function ownersBelow(path: string): Promise<string[]> {
  const names = await filesBelow(path);
  return names.map((name) => {
    const { gid, mode, uid } = Deno.lstatSync(`${path}/${name}`);
    return `${name} ${((mode ?? 0) & 0o7777).toString(8)} ${uid}:${gid}`;
  });
}
