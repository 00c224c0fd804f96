/**
 * A test that attacks, and leaves nothing behind.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import {
  type Child,
  Context,
  killDescendants,
  killRunning,
  type Result,
  run,
  spawn,
  spawnCage,
  waiting,
  whyNoBusybox,
  whyNoCage,
  whyNoProgram,
} from "../../e2e/support/mod.ts";
import {
  type AsOptions,
  cageAs,
  runAs,
  spawnAs,
  spawnCageAs,
  wordsAs,
} from "./as.ts";
import { denoForAll, install, type Installed } from "./installed.ts";
import { type People, type Person, removeState, renewHome } from "./people.ts";
import { withPolicy } from "./policy.ts";
import { newTraces, tracesOf } from "./traces.ts";

/** What an attack is given. */
export class Attack {
  /** The installed binary. */
  readonly cageFile: string;
  /** Has ranges of ids. */
  readonly mallory: Person;
  /** Has none. */
  readonly plain: Person;
  /** The name of a group that both are in. */
  readonly group: string;
  /** A directory of root's that everybody may enter. */
  readonly scratch: string;
  readonly #context: Context;

  /**
   * Prepares an attack.
   *
   * @param installed What there is for all of them.
   * @param context Files of this one.
   */
  constructor(installed: Installed, context: Context) {
    const { mallory, plain, group }: People = installed.people;
    this.cageFile = installed.cage;
    this.mallory = mallory;
    this.plain = plain;
    this.group = group;
    this.#context = context;
    this.scratch = context.scratch;
    Deno.chmodSync(this.scratch, 0o755);
  }

  /** A root of busybox that is root's, made when it is first asked for. */
  root(): Promise<string> {
    return this.#context.root();
  }

  /** Another directory of root's, somewhere else. */
  newScratch(parent: string): string {
    return this.#context.newScratch(parent);
  }

  /** Runs a program as a user. */
  run(
    person: Person,
    words: readonly string[],
    options: AsOptions = {},
  ): Promise<Result> {
    return runAs(person, words, options);
  }

  /** Starts a program as a user. */
  spawn(
    person: Person,
    words: readonly string[],
    options: AsOptions = {},
  ): Child {
    return spawnAs(person, words, options);
  }

  /** Runs the installed binary as a user. */
  cage(
    person: Person,
    args: readonly string[],
    options: AsOptions = {},
  ): Promise<Result> {
    return cageAs(person, args, options);
  }

  /** Starts the installed binary as a user. */
  spawnCage(
    person: Person,
    args: readonly string[],
    options: AsOptions = {},
  ): Child {
    return spawnCageAs(person, args, options);
  }

  /** Starts `cage` as root, with a command that waits. */
  spawnRoot(args: readonly string[]): Child {
    return spawnCage([...args, ...waiting()]);
  }

  /** Starts a program as root, in a directory of root's. */
  spawnAsRoot(words: readonly string[], cwd: string): Child {
    return spawn(words, { cwd });
  }

  /**
   * Runs a program as a user, with what only root could open.
   *
   * @param person The user.
   * @param script What root's shell does with `$1`, the path, and the rest.
   * @param path What is to be opened.
   * @param words The program of the user.
   */
  runGiven(
    person: Person,
    script: string,
    path: string,
    words: readonly string[],
  ): Promise<Result> {
    return run([
      ...["/bin/sh", "-c", script, "sh", path, ...wordsAs(person), ...words],
    ], { cwd: person.home });
  }

  /**
   * Runs programs under another policy, which nobody else sees.
   *
   * @param policy What the file says: an object, or its whole text.
   * @param prepare What else is done to the file, a shell script with its path.
   * @returns Options for running them.
   */
  policy(
    policy: unknown,
    prepare: string = "true",
  ): Promise<Pick<AsOptions, "within">> {
    return withPolicy(this.scratch, policy, prepare);
  }

  /** Runs a shell script as a user, which must succeed and say no error. */
  async sh(
    person: Person,
    script: string,
    options: AsOptions = {},
  ): Promise<string> {
    const words = ["/bin/sh", "-c", script, "sh", this.cageFile];
    const { stdout, ...rest } = await runAs(person, words, options);
    assertEquals(rest, { status: 0, stderr: "" }, `${script}\n${stdout}`);
    return stdout;
  }

  /**
   * Gives the words of a program in `attackers/`, for a user to run.
   *
   * @param name The name of the file.
   * @param args Its arguments.
   * @returns The words.
   */
  async attacker(name: string, ...args: string[]): Promise<string[]> {
    // The checkout may be where no user can look.
    const path = `${this.scratch}/${name}`;
    const source = new URL(`attackers/${name}`, import.meta.url);
    await Deno.copyFile(fromFileUrl(source), path);
    await Deno.chmod(path, 0o644);
    return [
      ...["env", "NO_COLOR=1", "DENO_NO_UPDATE_CHECK=1", denoForAll(), "run"],
      ...["--allow-all", "--quiet", "--no-config", "--no-lock", path, ...args],
    ];
  }
}

/** Limits of an attack. */
export interface AttackOptions {
  /** Why it cannot run here. */
  readonly skip?: string;
}

/**
 * Registers an attack, around which traces are compared.
 *
 * @param name What is attempted, and what comes of it.
 * @param body The attack.
 * @param options Its limits.
 */
export function attack(
  name: string,
  body: (attack: Attack) => Promise<void> | void,
  options: AttackOptions = {},
): void {
  const skip = options.skip ?? whyNoAttacks();
  if (skip !== undefined) {
    console.log(`Skipped: ${name}: ${skip}`);
    Deno.test.ignore(`${name} (skipped: ${skip})`, () => {});
    return;
  }
  Deno.test(name, async () => {
    const why = whyNoCage();
    if (why !== undefined) throw new Error(why);
    await runAttack(body);
  });
}

async function runAttack(
  body: (attack: Attack) => Promise<void> | void,
): Promise<void> {
  const installed = install();
  const people = [installed.people.mallory, installed.people.plain];
  people.forEach(renewHome);
  const before = tracesOf(people);
  const context = new Context();
  let left: string[];
  try {
    await body(new Attack(installed, context));
  } finally {
    await killRunning();
    left = await newTraces(before, people);
    if (left.length > 0) killDescendants();
    people.forEach(removeState);
    await context.remove();
  }
  assertEquals(left, [], "The attack left something behind");
}

function whyNoAttacks(): string | undefined {
  if (Deno.uid() !== 0) return "only root may make users";
  return whyNoBusybox() ?? whyNoProgram("setpriv", "useradd", "usermod");
}
