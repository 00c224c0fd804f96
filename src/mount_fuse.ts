/**
 * Runs fuse-overlayfs for a container that waits.
 *
 * @module
 */

import { Block } from "../ffi/block.ts";
import { CLD_EXITED } from "../ffi/constants.ts";
import { CageError, type LaunchError } from "./errors.ts";
import { errorOf } from "./failure.ts";
import { type FuseOverlay, fuseProgram } from "./fuse_overlay.ts";
import { fuseFailed } from "./fuse_words.ts";
import { Helper } from "./helper.ts";
import { Said } from "./said.ts";
import { untilReadable, type Waiting } from "./wait.ts";

/**
 * Mounts the overlay of a container, whose first process waits, is mapped, and
 * can be traced still: entering its namespaces is as good as that, setns(2).
 *
 * @param container A pidfd of the process.
 * @param fuse What the overlay is made of.
 * @param upper The upper directory, as it was named.
 * @returns Nothing, once the plan can take it.
 * @throws {CageError} If it cannot be mounted. Nothing is left behind then.
 */
export function* mountFuse(
  container: number,
  fuse: FuseOverlay,
  upper: string,
): Waiting<void> {
  using block = new Block();
  using said = new Said("fuse-overlayfs");
  block.append(
    fuseProgram(fuse, { container, words: said.descriptor }),
  );
  using helper = new Helper(block);
  yield* untilReadable(helper.pidfd);
  const { code, status } = helper.wait();
  if (code === CLD_EXITED && status === 0) return;
  throw failureOf(block) ?? new CageError(fuseFailed(upper, said.text()));
}

/** Of a call of ours, before the program ran or after it. */
function failureOf(block: Block): LaunchError | undefined {
  const failure = block.failure();
  if (!failure?.stopped) return undefined;
  return errorOf({ step: failure.step, errno: failure.errno }) as LaunchError;
}
