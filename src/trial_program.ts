/**
 * A plan that tries what a rootless container takes of the kernel, and leaves
 * nothing behind.
 *
 * @module
 */

import type { Program } from "../ffi/step.ts";
import type { Composition } from "./compose.ts";
import { prepareParts } from "./compose_steps.ts";
import { LOOKUP_BUFFERS, type Rendezvous, waitForLauncher } from "./lookup.ts";
import { privateSteps, takeKernelFiles } from "./mounts.ts";
import { OVERLAY_BUFFERS } from "./overlay.ts";
import { beginSteps } from "./process.ts";
import { scratchSteps, storagePaths, storageSteps } from "./storage.ts";

/**
 * Mounts what may be refused: `/proc`, `/sys`, and parts of a composed view.
 *
 * @param composition The view, if it is composed.
 * @param pipes The pipes to the launcher.
 * @returns The program, to be run by clone(2) with a new user namespace and
 * the others of a container.
 *
 * @example Without parts
 * ```ts
 * import { trialProgram } from "cage/src/trial_program.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const pipes = { ready: 10, go: 11, goOfLauncher: 12 };
 * const { steps } = trialProgram(undefined, pipes);
 * assertEquals(steps.at(-1)?.call, "exit_group");
 * ```
 */
export function trialProgram(
  composition: Composition | undefined,
  pipes: Rendezvous,
): Program {
  const root = { mode: 0o755, uid: 0, gid: 0 };
  const storage = { kind: "memory" } as const;
  const skeleton = composition?.upper ?? [];
  return {
    buffers: { zero: 8, ...LOOKUP_BUFFERS, ...OVERLAY_BUFFERS },
    steps: [
      ...beginSteps(pipes, []),
      ...waitForLauncher(pipes.go, "mapped"),
      ...privateSteps(),
      ...takeKernelFiles(),
      ...scratchSteps(root),
      ...storageSteps(storage, root),
      ...(composition === undefined ? [] : prepareParts({
        ...{ composition, skeleton },
        storage: storagePaths(storage),
        absent: [],
      })),
      { call: "exit_group", args: [0] },
    ],
  };
}
