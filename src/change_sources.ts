/**
 * Opens the layers of a container whose changes are to be read.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_RDONLY,
  O_RDONLY,
} from "../ffi/constants.ts";
import { listNames } from "../ffi/entries.ts";
import { hasErrno, open, statx, syscall, SyscallError } from "../ffi/libc.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import { asCaller, openNamed } from "./as_caller.ts";
import type { Client } from "./client.ts";
import type { Descriptors } from "./descriptors.ts";
import { UsageError } from "./errors.ts";
import type { LaterNamespace } from "./facts.ts";
import { refusalOf } from "./failure.ts";
import type { Layout } from "./layout.ts";
import { isThere, pathOf } from "./location.ts";
import { hiddenBelow, parseMounts } from "./mount_table.ts";
import type { Given } from "./own_ids.ts";
import { quote } from "./quote.ts";
import { type Layer, openLayers } from "./sources.ts";
import { mountAttributes } from "./step.ts";

/** Which layers are opened, and what for. */
export interface Wanted {
  /** What is asked for, for messages. */
  readonly option: string;
  /** Where they are. */
  readonly layout: Layout;
  /** Whether the container runs. */
  readonly isRunning: boolean;
}

/**
 * Opens the upper directory: as the caller if the caller named it.
 *
 * @param wanted Which.
 * @param client Who calls.
 * @param kept Where the descriptor is kept.
 * @returns The descriptor; nothing if nothing was changed.
 * @throws {CageError} If the changes are where nobody finds them from outside.
 */
export function openUpper(
  { isRunning, layout: { image, named, upper: path }, option }: Wanted,
  client: Client,
  kept: Descriptors,
): number | undefined {
  const flags = O_RDONLY | O_DIRECTORY;
  let upper: number | undefined;
  try {
    upper = kept.keep(
      named.upper ? openNamed(client, path, flags) : open(path, flags),
    );
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (!hasErrno(error, "ENOENT")) {
      throw refusalOf(`Cannot use upper directory ${quote(path)}`, error);
    }
  }
  if (upper !== undefined && listNames(upper).length > 0) return upper;
  const hasImage = named.upper
    ? asCaller(client, () => isThere(image))
    : isThere(image);
  if (hasImage) {
    throw new UsageError(
      `Cannot use ${option}: the changes are in the image ${quote(image)}, ` +
        "which only a container opens: look at them from inside",
    );
  }
  if (upper === undefined && isRunning) {
    throw inMemory(option);
  }
  return upper;
}

/**
 * Refuses to look for what is in memory.
 *
 * @param option What is asked for.
 * @returns The error.
 *
 * @example A sentence
 * ```ts
 * import { inMemory } from "cage/src/change_sources.ts";
 * import { assertMatch } from "@std/assert";
 *
 * assertMatch(inMemory("--diff").message, /^Cannot use --diff: /);
 * ```
 */
export function inMemory(option: string): UsageError {
  return new UsageError(
    `Cannot use ${option}: the changes of this instance are in memory: ` +
      "look at them from inside, or start it without --ephemeral",
  );
}

/**
 * Opens the layers of a user of the setuid program, for a process that has the
 * ids of the user and no others. A lower layer that the user named is the
 * directory itself, where the kernel checks each access as the user's. One that
 * the administrator lends to all users is a copy of its mount that shows the
 * ids which it has inside, to be read only: to it, the user is root.
 *
 * @param wanted Which.
 * @param client Who calls.
 * @param namespace The user namespace of that process.
 * @param kept Where the descriptors are kept.
 * @returns The descriptors.
 * @throws {CageError} If one cannot be opened.
 */
export function giveLayers(
  wanted: Wanted,
  client: Client,
  namespace: LaterNamespace,
  kept: Descriptors,
): Given {
  const upper = openUpper(wanted, client, kept);
  const layers = openLayers(wanted.layout.lower, client, kept);
  const lower = layers.map((layer) =>
    layer.isMapped ? shared(layer, client, namespace) : layer.directory
  );
  return {
    ...(upper === undefined ? {} : { upper }),
    ...{ lower, isShared: layers[0].isMapped },
  };
}

function shared(
  layer: Layer,
  client: Client,
  { descriptor }: LaterNamespace,
): number {
  const mount = layer.mount as number;
  const what = `Cannot read lower directory ${quote(layer.path)}`;
  checkWhole(what, layer, client);
  const bytes = mountAttributes({
    set: MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY,
    userNamespace: descriptor,
  });
  try {
    const { length } = bytes;
    syscall("mount_setattr", mount, "", AT_EMPTY_PATH, bytes, length);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw refusalOf(what, error, "use a copy of your own");
  }
  return mount;
}

/** What mounts hide on the host stays hidden, and the copy has none. */
function checkWhole(
  what: string,
  { directory }: Layer,
  client: Client,
): void {
  const mounts = parseMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
  const { mountId } = asCaller(
    client,
    () => statx(directory, "", AT_EMPTY_PATH),
  );
  const [hidden] = hiddenBelow(mounts, mountId, pathOf(directory));
  if (hidden === undefined) return;
  throw new UsageError(
    `${what}: something is mounted on ${quote(hidden)} in it: use a copy of ` +
      "your own",
  );
}
