/**
 * The place where everything is measured, and its removal.
 *
 * @module
 */

import { resolve } from "@std/path";
import { adoptOrphans, type Process } from "../e2e/support/descendants.ts";
import { newLeftovers } from "../e2e/support/leftovers.ts";
import { output, run, until } from "../e2e/support/process.ts";
import { busyboxRoot } from "../e2e/support/roots.ts";
import {
  makeScratch,
  removeInstance,
  removeScratch,
  uniqueName,
} from "../e2e/support/scratch.ts";
import { CHECKOUT } from "../e2e/support/words.ts";
import { writeBundle } from "./bundle.ts";
import { COMMAND, PAYLOAD } from "./commands.ts";
import { type Contender, ON_BUSYBOX } from "./contenders.ts";
import { Host, hostScript, mountsScript } from "./host.ts";
import type { Place } from "./place.ts";
import { familyOf, kill } from "./processes.ts";
import { ROOTLESS } from "./rootless.ts";
import { User } from "./user.ts";

/** The flag of deno(1) that tells where `@std` is, if JSR is out of reach. */
const IMPORT_MAP = "--import-map=";

/** Where and as whom something is measured. */
export interface Within {
  /** What commands are run on. */
  readonly place: Place;
  /** Words before commands. */
  readonly within: readonly string[];
  /** Gives all processes that come from what was run. */
  readonly family: () => Process[];
  /** Throws when everything is to end. */
  readonly goOn: () => void;
}

/** A place with all that is needed, as long as it is not removed. */
export class Site implements AsyncDisposable {
  /** A directory for files. */
  readonly scratch: string = makeScratch();
  readonly #before: ReadonlySet<string>;
  readonly #hosts: Host[] = [];
  readonly #place: Place;
  #user?: User;
  #interrupted?: string;

  private constructor(before: ReadonlySet<string>) {
    this.#before = before;
    const importMap = Deno.args.filter((arg) => arg.startsWith(IMPORT_MAP))
      .map((arg) =>
        IMPORT_MAP + resolve(CHECKOUT, arg.slice(IMPORT_MAP.length))
      );
    this.#place = {
      root: `${this.scratch}/root`,
      state: `${this.scratch}/state`,
      name: uniqueName(),
      cage: `${CHECKOUT}/bin/cage`,
      empty: `${this.scratch}/empty`,
      deno: Deno.execPath(),
      denoFlags: ["--quiet", ...importMap],
      checkout: CHECKOUT,
    };
  }

  /**
   * Makes the place.
   *
   * @param before What was on the machine, see `leftovers`.
   * @param made Told of the place as soon as there is one to remove.
   * @returns The place.
   */
  static async make(
    before: ReadonlySet<string>,
    made: (site: Site) => void,
  ): Promise<Site> {
    const site = new Site(before);
    // See familyOf.
    adoptOrphans(false);
    try {
      made(site);
      await site.#fill();
      return site;
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** As root. */
  get root(): Within {
    return this.#within(this.#place, this.#hosts[0].within);
  }

  /** As a user without privileges. */
  get rootless(): Within {
    const user = this.#user!;
    const within = [...this.#hosts[0].within, ...user.within];
    const cage = `${this.scratch}/cage`;
    const place = { ...this.#place, cage, state: user.directory };
    return this.#within(place, within);
  }

  /**
   * As root, where there are many mounts.
   *
   * @param count How many lines the table of mounts has.
   * @returns The same place, seen from there.
   */
  async withMounts(count: number): Promise<Within> {
    const { within } = await this.#open(
      mountsScript(count, `${this.scratch}/mounts`),
    );
    return this.#within(this.#place, within);
  }

  /**
   * Ends all that is measured, and lets everything else end.
   *
   * @param why The reason.
   */
  interrupt(why: string): void {
    this.#interrupted ??= why;
    for (const { pid } of this.#family()) kill(pid);
  }

  /** Removes it, and whatever still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#clear();
    if (this.#hosts.length > 0) await this.#removeContainers();
    await this.#clear();
    await this.#user?.[Symbol.asyncDispose]();
    for (const host of this.#hosts) await host[Symbol.asyncDispose]();
    await removeInstance(this.#place.name);
    await removeScratch(this.scratch);
    const left = await newLeftovers(this.#before);
    if (left.length === 0) return;
    throw new Error(`The benchmark left something behind: ${left.join("; ")}`);
  }

  async #fill(): Promise<void> {
    // The user has to reach the root and bin/cage; only root writes to them.
    await Deno.chmod(this.scratch, 0o711);
    await Deno.mkdir(this.#place.state);
    await completeRoot(await busyboxRoot(this.#place.root));
    for (const command of [COMMAND, PAYLOAD]) {
      await writeBundle(this.#place, command);
    }
    await buildEmpty(this.#place);
    await Deno.copyFile(this.#place.cage, `${this.scratch}/cage`);
    await Deno.chmod(`${this.scratch}/cage`, 0o755);
    this.#user = await User.make(`${this.scratch}/user`);
    await this.#open(this.#user.script);
    for (const command of [COMMAND, PAYLOAD]) {
      await writeBundle(this.rootless.place, command, this.#user);
    }
  }

  async #open(...scripts: string[]): Promise<Host> {
    const host = await Host.open(hostScript(this.scratch), ...scripts);
    this.#hosts.push(host);
    return host;
  }

  /** Whatever runs but what keeps the mount namespaces. */
  #family(): Process[] {
    const keepers = new Set(this.#hosts.map(({ pid }) => pid));
    const namespaces = new Set(this.#hosts.map(({ namespace }) => namespace));
    return familyOf({ namespaces, uid: this.#user?.uid })
      .filter(({ pid }) => !keepers.has(pid));
  }

  async #clear(): Promise<void> {
    await until(() => {
      const left = this.#family();
      for (const { pid } of left) kill(pid);
      return left.length === 0;
    }, "the end of what was measured");
  }

  #within(place: Place, within: readonly string[]): Within {
    return {
      place,
      within,
      family: () => this.#family(),
      goOn: () => {
        if (this.#interrupted === undefined) return;
        throw new Error(`Cannot go on: ${this.#interrupted}`);
      },
    };
  }

  // Nothing is there to be removed if all went well, or no such program.
  async #removeContainers(): Promise<void> {
    const sides: [readonly Contender[], Within][] = [
      [ON_BUSYBOX, this.root],
      ...this.#user === undefined
        ? []
        : [[ROOTLESS, this.rootless] as [readonly Contender[], Within]],
    ];
    for (const [contenders, { place, within }] of sides) {
      for (const { remove } of contenders) {
        if (remove === undefined) continue;
        await run(remove(place), { within }).catch(() => {});
      }
    }
  }
}

/** What podman makes or mounts on: a user could not make it. */
async function completeRoot(root: string): Promise<void> {
  await Deno.symlink("/proc/mounts", `${root}/etc/mtab`);
  for (const file of ["etc/hostname", "etc/resolv.conf", "run/.containerenv"]) {
    await Deno.writeTextFile(`${root}/${file}`, "");
  }
}

async function buildEmpty({ empty }: Place): Promise<void> {
  await output([
    ...[Deno.execPath(), "run", "-A", `${CHECKOUT}/.ci/build.ts`],
    ...[`--entry=${CHECKOUT}/tests/bench/empty.ts`, "-o", empty],
  ]);
}
