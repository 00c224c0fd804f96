/**
 * Those who run a root file system that a user prepared.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import {
  busyboxRoot,
  type Child,
  output,
  type Result,
  run,
  type RunOptions,
  spawn,
  spawnOnTerminal,
} from "../../e2e/support/mod.ts";
import { Canary } from "../../e2e/support/hostile.ts";
import { wordsAs } from "./as.ts";
import type { Attack } from "./attack.ts";
import type { Person } from "./people.ts";

/** What a user prepared, and what it is aimed at. */
export interface Prepared {
  /** A root file system that is the user's. */
  readonly root: string;
  /** Beside it, a directory of the user's. */
  readonly share: string;
  /** A directory of root's, which nobody else may enter. */
  readonly canary: Canary;
}

/** Somebody who runs it, from within the canary. */
export class Caller {
  /** The name. */
  readonly name: string;
  /** The words that run the installed binary. */
  readonly words: readonly string[];
  readonly #options: RunOptions;

  /**
   * Makes one.
   *
   * @param attack The attack.
   * @param cwd Where the binary is started.
   * @param person The user; root if absent.
   */
  constructor(attack: Attack, cwd: string, person?: Person) {
    this.name = person?.name ?? "root";
    this.words = [
      ...(person === undefined ? [] : wordsAs(person)),
      attack.cageFile,
    ];
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
    this.#options = { cwd, env, clearEnv: true };
  }

  /** Runs `cage` to its end. */
  cage(args: readonly string[]): Promise<Result> {
    return run([...this.words, ...args], this.#options);
  }

  /** Starts `cage`. */
  spawnCage(args: readonly string[]): Child {
    return spawn([...this.words, ...args], this.#options);
  }

  /** Starts `cage` on a terminal. */
  onTerminal(args: readonly string[]): Child {
    return spawnOnTerminal([...this.words, ...args], this.#options);
  }
}

/**
 * Prepares a root file system of busybox as a user.
 *
 * @param attack The attack.
 * @param person The user.
 * @returns What was prepared; {@linkcode own} is to be called after changes.
 */
export async function prepare(
  attack: Attack,
  person: Person,
): Promise<Prepared> {
  const root = await busyboxRoot(`${person.home}/root`);
  const share = `${person.home}/share`;
  await Deno.mkdir(share);
  await own(person);
  const canary = new Canary(`${attack.scratch}/canary`);
  await Deno.chmod(`${canary.path}/secret`, 0o600);
  await Deno.chmod(canary.path, 0o700);
  await canary.isUnchanged();
  return { root, share, canary };
}

/** Makes everything at home the user's own, links themselves too. */
export async function own({ uid, home }: Person): Promise<void> {
  await output(["chown", "-hR", `${uid}:${uid}`, home]);
}

/**
 * Gives those who run it: the user who prepared it, and root.
 *
 * @param attack The attack.
 * @param canary Where they are when they do.
 * @returns The callers.
 */
export function callersOf(attack: Attack, { path }: Canary): Caller[] {
  return [new Caller(attack, path, attack.mallory), new Caller(attack, path)];
}

/**
 * Attacks as the user who prepared a root file system, then as root, after
 * each of whom the canary must be as it was.
 *
 * @param t The attack.
 * @param body What is done as each.
 */
export async function byEach(
  t: Attack,
  body: (caller: Caller, prepared: Prepared) => Promise<void>,
): Promise<void> {
  const prepared = await prepare(t, t.mallory);
  for (const caller of callersOf(t, prepared.canary)) {
    await body(caller, prepared);
    const isUnchanged = await prepared.canary.isUnchanged();
    assertEquals(isUnchanged, true, `${caller.name} changed the host`);
  }
}

/**
 * Checks that nothing of the host was seen, by a command that says "over" and
 * nothing else: either it ran, or one sentence says why not.
 *
 * @param result How it ended.
 * @param caller Who ran it.
 */
export function assertKept(
  { status, stdout, stderr }: Result,
  caller: Caller,
): void {
  const what = `${caller.name}: ${stdout}${stderr}`;
  assertEquals(/of the host|spy/.test(stdout), false, what);
  if (status === 125) assertMatch(stderr, /^cage: Cannot [^\n]+\n$/, what);
  else assertEquals([status, stdout], [0, "over\n"], what);
}
