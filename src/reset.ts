/**
 * Throws away what was changed in an instance.
 *
 * @module
 */

import { basename, dirname } from "@std/path";
import { Block } from "../ffi/block.ts";
import { AT_FDCWD, AT_REMOVEDIR, O_PATH, O_RDONLY } from "../ffi/constants.ts";
import { close, hasErrno, open, syscall, SyscallError } from "../ffi/libc.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import { openNamed } from "./as_caller.ts";
import { ask, canAsk } from "./ask.ts";
import { isLent } from "./caller.ts";
import { type Client, findClient } from "./client.ts";
import { Descriptors } from "./descriptors.ts";
import { Hold, lockDirectory } from "./directories.ts";
import { CageError, UsageError } from "./errors.ts";
import type { LaterNamespace } from "./facts.ts";
import { refusalOf } from "./failure.ts";
import { Helper } from "./helper.ts";
import { removeImage } from "./image.ts";
import { claimInstance, findInstance, releaseClaim } from "./instances.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { quote } from "./quote.ts";
import { removeSteps } from "./remove_steps.ts";
import type { ContainerSpec } from "./spec.ts";
import type { PlanStep } from "./step.ts";
import { userNamespaceFor } from "./user_namespace.ts";
import type { Waiting } from "./wait.ts";

/**
 * Asks on a terminal whether what was changed is to be thrown away. Without a
 * terminal there is nobody to be asked.
 *
 * @param spec Which instance.
 * @param stops Whether it is stopped before.
 * @returns Nothing, if it is.
 * @throws {UsageError} If the instance runs and is not stopped, or the answer
 * is not yes.
 */
export function* confirmReset(
  spec: ContainerSpec,
  stops: boolean,
): Waiting<void> {
  if (!canAsk()) return;
  const client = findClient(spec);
  const layout = layoutOf(spec, client.cwd, client.bases);
  const running = yield* findInstance(layout, client);
  if (running !== undefined) {
    close(running.pidfd);
    if (!stops) throw runs();
  }
  const what = running === undefined ? "Throw" : "Stop the instance, and throw";
  const question = `${what} away what was changed in ${quote(layout.upper)}?`;
  if (yield* ask(question)) return;
  throw new UsageError("Cannot use --reset: the answer was not yes");
}

/**
 * Throws away the upper and the work directory of an instance, and the image
 * that took their place. What a user threw away was theirs: it is removed in a
 * user namespace that has their ids and no others.
 *
 * @param spec Which instance.
 * @returns Nothing. Where nothing was changed, nothing is done.
 * @throws {UsageError} If the instance runs.
 * @throws {CageError} If something cannot be removed.
 */
export function* reset(spec: ContainerSpec): Waiting<void> {
  const client = findClient(spec);
  const layout = layoutOf(spec, client.cwd, client.bases);
  const claim = yield* claimInstance(layout, client);
  if (!("descriptor" in claim)) {
    close(claim.pidfd);
    throw runs();
  }
  try {
    using kept = new Descriptors();
    using hold = new Hold();
    const { standing } = client;
    const namespace = standing === "user" || standing === "rootless"
      ? userNamespaceFor({}, client, kept)
      : undefined;
    for (const kind of ["upper", "work"] as const) {
      const place = { hold, kept, layout };
      yield* removeDirectory(kind, place, client, namespace);
    }
    // Nobody without privilege has one.
    if (standing === "root" || isLent(client) && !layout.named.upper) {
      removeImage(layout.image);
    }
    if (!layout.named.upper && !layout.named.work) {
      removeEmpty(layout.appDir);
    }
  } finally {
    releaseClaim(claim);
  }
}

function runs(): UsageError {
  return new UsageError(
    "Cannot use --reset: the instance runs: stop it first, or use -k too",
  );
}

/** Where directories are, and what keeps them open. */
interface Place {
  readonly layout: Layout;
  readonly hold: Hold;
  readonly kept: Descriptors;
}

function* removeDirectory(
  kind: "upper" | "work",
  { hold, kept, layout }: Place,
  client: Client,
  namespace: LaterNamespace | undefined,
): Waiting<void> {
  const { [kind]: path, named: { [kind]: isNamed } } = layout;
  const openIt = (path: string, flags: number) =>
    isNamed
      ? openNamed(client, path, flags | O_DIRECTORY)
      : open(path, flags | O_DIRECTORY);
  let above: number;
  try {
    lockDirectory(hold.keep(openIt(path, O_RDONLY)), kind, path);
    above = kept.keep(openIt(dirname(path), O_PATH));
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return;
    if (!(error instanceof SyscallError)) throw error;
    throw refusalOf(`Cannot reset ${quote(path)}`, error);
  }
  const groups = client.standing === "user"
    ? [client.gid, ...client.groups]
    : undefined;
  const names = [basename(path)];
  const steps = removeSteps(above, names, namespace, groups);
  const status = yield* remove(steps);
  if (status === 0) return;
  throw new CageError(`Cannot reset ${quote(path)}: rm says above why`);
}

function* remove(steps: readonly PlanStep[]): Waiting<number> {
  using block = new Block();
  block.append({ steps });
  using helper = new Helper(block);
  return (yield* helper.untilEnded()).status;
}

function removeEmpty(path: string): void {
  try {
    syscall("unlinkat", AT_FDCWD, path, AT_REMOVEDIR);
  } catch (error) {
    // What is mounted there is somebody else's.
    const isLeft = ["EBUSY", "ENOENT", "ENOTDIR", "ENOTEMPTY"] as const;
    if (!isLeft.some((code) => hasErrno(error, code))) throw error;
  }
}
