/**
 * The place where runs take place, and what is around it.
 *
 * @module
 */

import {
  busybox,
  cageWords,
  killDescendants,
  killRunning,
  leftovers,
  makeScratch,
  newLeftovers,
  output,
  removeInstance,
  removeScratch,
  run,
  uniqueName,
} from "../e2e/support/mod.ts";
import type { Random } from "../unit/seeded.ts";
import { changes, lookAtHost, lookBelow } from "./canaries.ts";
import { isHarmless } from "./guard.ts";
import type { HostileRoot, Thing } from "./hostile_root.ts";
import { makeHostile, makePlainRoot } from "./make_root.ts";
import { asText, fill, hasBytes, type Meaning } from "./marks.ts";
import { makeOddFiles } from "./odd_files.ts";
import { type Run, STATUSES } from "./runs.ts";
import { shellLine } from "./shell.ts";
import { shortened } from "./values.ts";
import { type Ending, faultsOfEnding } from "./verdict.ts";

/** Who calls. */
export interface Setting {
  /** Words before the command, such as those of setpriv(1). */
  readonly within?: readonly string[];
  /** Who owns the files of a case, if not root: user and group. */
  readonly owner?: string;
  /** Whether the files of a case stay. */
  readonly keep?: boolean;
}

/** A case that was run. */
export interface Ran {
  /** The command, for a shell. */
  readonly command: string;
  /** What is wrong, in sentences. */
  readonly faults: readonly string[];
  /** How it ended. */
  readonly ending: Ending;
}

/** Nothing that works takes so long, in milliseconds. */
const LIMIT = 20_000;

/** How often arguments are made anew that could harm. */
const ATTEMPTS = 50;

/** Where cases are run, one after the other. */
export class Stage implements AsyncDisposable {
  readonly #scratch = makeScratch();
  readonly #secret = `secret-${crypto.randomUUID()}`;
  readonly #setting: Setting;
  #count = 0;

  /**
   * Makes the directory.
   *
   * @param setting Who calls.
   */
  constructor(setting: Setting = {}) {
    this.#setting = setting;
    Deno.chmodSync(this.#scratch, 0o755);
    Deno.copyFileSync(busybox(), this.#busybox);
    Deno.chmodSync(this.#busybox, 0o755);
    Deno.mkdirSync(`${this.#outside}/dir`, { recursive: true });
    Deno.writeTextFileSync(`${this.#outside}/secret`, this.#secret);
    Deno.writeTextFileSync(`${this.#outside}/dir/file`, this.#secret);
    Deno.chmodSync(`${this.#outside}/secret`, 0o600);
  }

  /**
   * Makes the files of a run, runs it, and looks around.
   *
   * @param random What chooses.
   * @param make Makes the run.
   * @returns What came of it.
   */
  async play(random: Random, make: (random: Random) => Run): Promise<Ran> {
    const name = uniqueName();
    const directory = `${this.#scratch}/case-${++this.#count}`;
    const meaning: Meaning = {
      place: `${directory}/place`,
      root: `${directory}/root`,
      outside: this.#outside,
      name,
    };
    const bounds = { directory, cwd: meaning.place, name };
    const play = this.#harmless(
      random,
      make,
      (words) =>
        isHarmless(words.map((word) => asText(fill(word, meaning))), bounds),
    );
    try {
      await this.#prepare(play, meaning);
      return await this.#run(play, directory, meaning);
    } finally {
      if (!this.#setting.keep) {
        await removeScratch(directory);
        await removeInstance(name);
      }
    }
  }

  /** Removes the directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#setting.keep) await removeScratch(this.#scratch);
  }

  get #busybox(): string {
    return `${this.#scratch}/busybox`;
  }

  get #outside(): string {
    return `${this.#scratch}/outside`;
  }

  #harmless(
    random: Random,
    make: (random: Random) => Run,
    check: (words: readonly string[]) => boolean,
  ): Run {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const play = make(random);
      if (check(play.words)) return play;
    }
    throw new Error("Cannot make arguments that harm nobody");
  }

  async #prepare({ hostile }: Run, meaning: Meaning): Promise<void> {
    const { place, root } = meaning;
    Deno.mkdirSync(place, { recursive: true });
    makeOddFiles(place);
    makePlainRoot(root, this.#busybox);
    if (hostile !== undefined) {
      const at = hostile.at === "root" ? root : `${place}/app/upper`;
      Deno.mkdirSync(at, { recursive: true });
      makeHostile(at, filled(hostile, meaning));
    }
    const { owner } = this.#setting;
    if (owner === undefined) return;
    await output(["chown", "-hR", "--from=0:0", owner, place, root]);
  }

  async #run(play: Run, directory: string, meaning: Meaning): Promise<Ran> {
    const words = [
      ...withEnvironment(play.env),
      ...cageWords(),
      ...play.words.map((word) => fill(word, meaning)),
    ].map(shortened);
    const program = cageWords()[0];
    const aside = program.slice(0, program.lastIndexOf("/"));
    const look = () => [
      ...lookAtHost(...aside === "" ? [] : [aside]),
      ...lookBelow(this.#outside),
      ...lookBelow(meaning.root),
    ];
    const [before, seen] = [leftovers(), look()];
    const files = pidFilesIn(meaning.place);
    const ending = await this.#end(words, directory);
    await killRunning();
    const left = (await newLeftovers(before))
      .filter((line) => !isOfOthers(line, meaning.name));
    if (left.length > 0) killDescendants();
    const more = pidFilesIn(meaning.place)
      .filter((path) => !files.includes(path));
    return {
      command: `cd ${meaning.place} && ` +
        shellLine([...this.#setting.within ?? [], ...words]),
      ending,
      faults: [
        ...faultsOfEnding(ending, { statuses: STATUSES, secret: this.#secret }),
        ...[...left, ...more].map((what) => `It left behind: ${what}`),
        ...changes(seen, look()),
      ],
    };
  }

  async #end(
    words: readonly string[],
    directory: string,
  ): Promise<Ending> {
    const start = performance.now();
    const result = await run(this.#executable(words, directory), {
      cwd: `${directory}/place`,
      within: this.#setting.within,
      patience: LIMIT,
    });
    const late = result.status === 137 && performance.now() - start >= LIMIT;
    return { ...result, late };
  }

  /** Only a shell can make words of bytes that are no text. */
  #executable(words: readonly string[], directory: string): readonly string[] {
    if (!words.some(hasBytes)) return words;
    const script = `${directory}/run.sh`;
    Deno.writeTextFileSync(script, `exec ${shellLine(words)}\n`);
    return ["/bin/bash", script];
  }
}

/** Whoever tests as well has pid files too; those of a case have its name. */
function isOfOthers(line: string, name: string): boolean {
  return line.startsWith("pid file ") && !line.includes(name);
}

/** A pid file is a line of digits, or empty while nothing runs. */
const PID_FILE = /^[0-9]*\n?$/;
const PID_FILE_SIZE = 12;

/** What could be a pid file that `-p` named. */
function pidFilesIn(place: string): string[] {
  return [place, `${place}/dir`].flatMap((directory) =>
    [...Deno.readDirSync(directory)].filter(({ isFile }) => isFile)
      .map(({ name }) => `${directory}/${name}`).filter(isPidFile)
  );
}

/** A name that is no UTF-8 leads nowhere. */
function isPidFile(path: string): boolean {
  try {
    return Deno.lstatSync(path).size < PID_FILE_SIZE &&
      PID_FILE.test(Deno.readTextFileSync(path));
  } catch {
    return false;
  }
}

/** Not for what starts the command, which has to be found. */
function withEnvironment(env: Readonly<Record<string, string>>): string[] {
  const variables = Object.entries(env).map(([key, value]) =>
    `${key}=${value}`
  );
  return variables.length > 0 ? ["/usr/bin/env", ...variables] : [];
}

function filled(root: HostileRoot, meaning: Meaning): HostileRoot {
  const entries = root.entries.map(({ path, thing }) => ({
    path,
    thing: filledThing(thing, meaning),
  }));
  return { ...root, entries };
}

function filledThing(thing: Thing, meaning: Meaning): Thing {
  if (thing.kind !== "link" && thing.kind !== "chain") return thing;
  return { ...thing, target: fill(thing.target, meaning) };
}
