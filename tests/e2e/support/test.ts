/**
 * A test that leaves nothing behind.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { cage, sh } from "./cage.ts";
import { killDescendants, leftovers, newLeftovers } from "./leftovers.ts";
import {
  isRootless,
  RUN_DIRECTORY,
  SEEN_INSIDE,
  STATE_DIRECTORY,
} from "./mode.ts";
import { killRunning, type Result, type RunOptions } from "./process.ts";
import { busyboxRoot, whyNoBusybox } from "./roots.ts";
import {
  makeScratch,
  removeInstance,
  removeScratch,
  uniqueName,
} from "./scratch.ts";
import { exists, whyNoCage } from "./words.ts";

/** What a test is given. */
export class Context {
  /** A directory on a real disk. */
  readonly scratch: string = makeScratch();
  /** The name of an instance. */
  readonly name: string = uniqueName();
  readonly #names = [this.name];
  readonly #scratches = [this.scratch];
  #root?: Promise<string>;

  /** The application directory of {@linkcode name}. */
  get appDir(): string {
    return `${STATE_DIRECTORY}/app-${this.name}`;
  }

  /** The pid file of {@linkcode name}. */
  get pidFile(): string {
    return `${RUN_DIRECTORY}/${this.name}.pid`;
  }

  /** The name of another instance. */
  newName(): string {
    const name = uniqueName();
    this.#names.push(name);
    return name;
  }

  /** Another directory, somewhere else: seen inside unless told otherwise. */
  newScratch(parent: string = SEEN_INSIDE): string {
    const path = makeScratch(parent);
    this.#scratches.push(path);
    return path;
  }

  /** A root of busybox, made when it is first asked for. */
  root(): Promise<string> {
    return this.#root ??= busyboxRoot(`${this.scratch}/root`);
  }

  /** Options for the instance of {@linkcode name} on {@linkcode root}. */
  async options(...more: string[]): Promise<string[]> {
    return ["-l", await this.root(), "-n", this.name, ...more];
  }

  /** Runs `cage` with {@linkcode options} before the arguments. */
  async cage(
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<Result> {
    return await cage([...await this.options(), ...args], options);
  }

  /** Runs a shell script inside, which must succeed and say no error. */
  async sh(
    script: string,
    more: readonly string[] = [],
    options: RunOptions = {},
  ): Promise<string> {
    const { stdout, ...rest } = await this.cage(
      [...more, ...sh(script)],
      options,
    );
    assertEquals(rest, { status: 0, stderr: "" }, script + "\n" + stdout);
    return stdout;
  }

  /** Removes everything. */
  async remove(): Promise<void> {
    for (const name of this.#names) await removeInstance(name);
    for (const path of this.#scratches) await removeScratch(path);
  }
}

/** Limits of a test. */
export interface TestOptions {
  /** Why it cannot run here. */
  readonly skip?: string;
  /** What it does that only root of the machine may, after "it". */
  readonly takesRoot?: string;
  /** Whether it runs without `cage`. */
  readonly withoutCage?: boolean;
}

/**
 * Registers a test, around which leftovers are compared.
 *
 * @param name What is so, in a sentence.
 * @param body The test.
 * @param options Its limits.
 */
export function test(
  name: string,
  body: (context: Context) => Promise<void> | void,
  options: TestOptions = {},
): void {
  const skip = options.skip ?? whyNoRoot(options) ?? whyNoTests();
  if (skip !== undefined) {
    console.log(`Skipped: ${name}: ${skip}`);
    Deno.test.ignore(`${name} (skipped: ${skip})`, () => {});
    return;
  }
  Deno.test(name, async () => {
    const why = options.withoutCage ? undefined : whyNoCage();
    if (why !== undefined) throw new Error(why);
    await runTest(body);
  });
}

async function runTest(
  body: (context: Context) => Promise<void> | void,
): Promise<void> {
  const before = leftovers();
  const context = new Context();
  let left: string[];
  try {
    await body(context);
  } finally {
    await killRunning();
    left = await newLeftovers(before);
    if (left.length > 0) killDescendants();
    await context.remove();
  }
  assertEquals(left, [], "The test left something behind");
}

function whyNoRoot({ takesRoot }: TestOptions): string | undefined {
  if (!isRootless || takesRoot === undefined) return undefined;
  return `only root may: it ${takesRoot}`;
}

/** Tells why none of these tests can run. */
function whyNoTests(): string | undefined {
  return whyNoBusybox() ?? (isRootless ? whyNoUserNamespaces() : undefined);
}

let whyNot: { readonly reason?: string } | undefined;

function whyNoUserNamespaces(): string | undefined {
  whyNot ??= new Deno.Command("unshare", { args: ["--user", "true"] })
      .outputSync().success
    ? {}
    : { reason: "this machine lets no user make user namespaces" };
  return whyNot.reason;
}

/**
 * Tells why a program cannot be used.
 *
 * @param names The names of the programs.
 * @returns A reason, or nothing.
 */
export function whyNoProgram(...names: string[]): string | undefined {
  const path = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"];
  const missing = names.find((name) =>
    !path.some((directory) => exists(`${directory}/${name}`))
  );
  return missing === undefined ? undefined : `there is no ${missing}`;
}

/**
 * Tells why a file system cannot be used.
 *
 * @param type Its name in proc_filesystems(5).
 * @returns A reason, or nothing.
 */
export function whyNoFileSystem(type: string): string | undefined {
  const known = Deno.readTextFileSync("/proc/filesystems");
  return new RegExp(`\\t${type}$`, "m").test(known)
    ? undefined
    : `the kernel has no ${type}`;
}
