/**
 * What finds facts that only some launches need: loaded for those alone.
 *
 * @module
 */

import type { Client } from "./client.ts";
import type { findComposition } from "./find_composition.ts";
import type { lookForGraphics } from "./find_graphics.ts";
import type { ContainerSpec } from "./spec.ts";
import type { takeGraphics } from "./take_graphics.ts";
import { untilLoaded, type Waiting } from "./wait.ts";

/** What was loaded. */
export interface Finders {
  /** What graphical programs get. */
  readonly graphics?: {
    /** Looks for it. */
    readonly look: typeof lookForGraphics;
    /** Takes its mounts. */
    readonly take: typeof takeGraphics;
  };
  /** Finds the view of the layers where one overlay of them is refused. */
  readonly compose?: typeof findComposition;
}

/**
 * Loads what a launch needs.
 *
 * @param spec What is wanted.
 * @param client Who calls.
 * @returns What was loaded.
 *
 * @example Root, without graphical programs
 * ```ts
 * import { drive } from "cage/src/drive.ts";
 * import { findersFor } from "cage/src/finders.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await drive(findersFor({}, { standing: "root" })), {});
 * ```
 */
export function* findersFor(
  { graphics }: Pick<ContainerSpec, "graphics">,
  { standing }: Pick<Client, "standing">,
): Waiting<Finders> {
  return {
    ...(graphics ? { graphics: yield* graphicsFinders() } : {}),
    ...(standing === "rootless" ? { compose: yield* composer() } : {}),
  };
}

function* graphicsFinders(): Waiting<NonNullable<Finders["graphics"]>> {
  const looking = import("./find_graphics.ts");
  const { takeGraphics } = yield* untilLoaded(import("./take_graphics.ts"));
  const { lookForGraphics } = yield* untilLoaded(looking);
  return { look: lookForGraphics, take: takeGraphics };
}

function* composer(): Waiting<NonNullable<Finders["compose"]>> {
  const { findComposition } = yield* untilLoaded(
    import("./find_composition.ts"),
  );
  return findComposition;
}
