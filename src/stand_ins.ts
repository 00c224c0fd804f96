/**
 * Numbers in place of descriptors, in plans that are not carried out.
 *
 * @module
 */

import type { Facts, MountSource } from "./facts.ts";
import { quote } from "./quote.ts";

/** No process has so many descriptors: `sysctl_nr_open_max` of fs/file.c. */
const FIRST = 2 ** 31;

/**
 * Numbers that stand for descriptors.
 *
 * @example A pipe
 * ```ts
 * import { StandIns } from "cage/src/stand_ins.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const standIns = new StandIns();
 * const number = standIns.of("pipe");
 * assertEquals(standIns.names.get(number), "pipe");
 * ```
 */
export class StandIns {
  /** What the numbers stand for. */
  readonly names: Map<number, string> = new Map();

  /**
   * Takes a number.
   *
   * @param name What it stands for.
   * @returns The number, another one each time.
   */
  of(name: string): number {
    const number = FIRST + this.names.size;
    this.names.set(number, name);
    return number;
  }

  /**
   * Puts numbers in place of all descriptors.
   *
   * @param facts What a plan is made from.
   * @returns The same, with other numbers.
   */
  within(facts: Facts): Facts {
    const { console, graphics, layers, userNamespace, volumes } = facts;
    const over = <T extends { readonly mount: MountSource }>(
      source: T,
      name: string,
    ): T => ({ ...source, mount: this.#over(source.mount, name) });
    return {
      ...facts,
      layers: layers.map((layer) =>
        over(layer, `lower directory ${quote(layer.path)}`)
      ),
      volumes: volumes.map((volume) =>
        over(volume, `volume ${quote(volume.host)}`)
      ),
      ...(graphics === undefined ? {} : {
        graphics: {
          ...graphics,
          sources: graphics.sources.map((source) =>
            over(source, quote(source.host))
          ),
        },
      }),
      ...(console === undefined
        ? {}
        : { console: this.#over(console, "terminal") }),
      ...(userNamespace?.descriptor === undefined ? {} : {
        userNamespace: {
          ...userNamespace,
          descriptor: this.of("user namespace"),
        },
      }),
    };
  }

  #over(mount: MountSource, name: string): MountSource {
    return typeof mount === "string" ? mount : this.of(name);
  }
}
