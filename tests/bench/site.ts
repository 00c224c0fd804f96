/**
 * The place where everything is measured, and its removal.
 *
 * @module
 */

import { resolve } from "@std/path";
import { killDescendants, newLeftovers } from "../e2e/support/leftovers.ts";
import { afterMounting } from "../e2e/support/mounts.ts";
import { output, run } from "../e2e/support/process.ts";
import { busyboxRoot } from "../e2e/support/roots.ts";
import {
  makeScratch,
  removeInstance,
  removeScratch,
  uniqueName,
} from "../e2e/support/scratch.ts";
import { CHECKOUT, exists } from "../e2e/support/words.ts";
import { writeBundle } from "./bundle.ts";
import { ON_BUSYBOX, type Place } from "./contenders.ts";

/** The flag of deno(1) that tells where `@std` is, if JSR is out of reach. */
const IMPORT_MAP = "--import-map=";

/** A place with all that is needed, as long as it is not removed. */
export class Site implements AsyncDisposable {
  /** The place. */
  readonly place: Place;
  /** Words before whatever is measured. */
  readonly within: readonly string[] = hasOldControlGroups()
    ? afterMounting(
      "umount -R /sys/fs/cgroup\nmount -t cgroup2 cgroup2 /sys/fs/cgroup",
    )
    : [];
  readonly #scratch: string;
  readonly #before: ReadonlySet<string>;

  private constructor(before: ReadonlySet<string>) {
    this.#before = before;
    this.#scratch = makeScratch();
    const importMap = Deno.args.filter((arg) => arg.startsWith(IMPORT_MAP))
      .map((arg) =>
        IMPORT_MAP + resolve(CHECKOUT, arg.slice(IMPORT_MAP.length))
      );
    this.place = {
      root: `${this.#scratch}/root`,
      state: this.#scratch,
      name: uniqueName(),
      empty: `${this.#scratch}/empty`,
      denoFlags: ["--quiet", ...importMap],
    };
  }

  /**
   * Makes the place.
   *
   * @param before What was on the machine, see `leftovers`.
   * @param commands The commands that will be run.
   * @returns The place.
   */
  static async make(
    before: ReadonlySet<string>,
    commands: readonly (readonly string[])[],
  ): Promise<Site> {
    const site = new Site(before);
    try {
      await busyboxRoot(site.place.root);
      for (const command of commands) await writeBundle(site.place, command);
      await buildEmpty(site.place);
      return site;
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Removes it, and whatever still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    killDescendants();
    for (const { remove } of ON_BUSYBOX) {
      if (remove === undefined) continue;
      // Nothing is there to be removed if all went well, or no such program.
      await run(remove(this.place), { within: this.within }).catch(() => {});
    }
    await removeInstance(this.place.name);
    await removeScratch(this.#scratch);
    const left = await newLeftovers(this.#before);
    if (left.length === 0) return;
    throw new Error(`The benchmark left something behind: ${left.join("; ")}`);
  }
}

/** Of the first version or of both, where crun does not start. */
function hasOldControlGroups(): boolean {
  return exists("/sys/fs/cgroup") &&
    !exists("/sys/fs/cgroup/cgroup.controllers");
}

async function buildEmpty({ empty }: Place): Promise<void> {
  await output([
    ...[Deno.execPath(), "run", "-A", `${CHECKOUT}/.ci/build.ts`],
    ...[`--entry=${CHECKOUT}/tests/bench/empty.ts`, "-o", empty],
  ]);
}
