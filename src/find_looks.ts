/**
 * Finds out what of fonts, icons and themes a root file system lacks.
 *
 * @module
 */

import {
  O_PATH,
  O_RDONLY,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "../ffi/constants.ts";
import { close, open, openat2, SyscallError } from "../ffi/libc.ts";
import { isOfType, S_IFDIR } from "../ffi/file_types.ts";
import { O_DIRECTORY } from "../ffi/open_flags.ts";
import { asCaller, openNamed } from "./as_caller.ts";
import type { Client } from "./client.ts";
import { LOOKS } from "./graphics.ts";
import type { Layout } from "./layout.ts";
import { namesIn } from "./names_in.ts";
import { type Layer, lookIn } from "./sources.ts";

/** What a new container is made from. */
export interface NewRoot {
  /** The lower layers. */
  readonly layers: readonly Layer[];
  /** The paths. */
  readonly layout: Layout;
}

/**
 * Finds it out, with no more rights than the caller has.
 *
 * @param root What the container is made from.
 * @param client Who calls.
 * @returns The directories, of which there may be none on the host either.
 */
export function missingLooks(root: NewRoot, client: Client): string[] {
  return LOOKS.filter((path) => !isInRoot(path, client, root));
}

/** The upper directory of an earlier time counts too. */
function isInRoot(
  path: string,
  client: Client,
  { layers, layout }: NewRoot,
): boolean {
  const isInLayer = ({ directory, isMapped }: Layer) =>
    isIn(directory, path, isMapped ? undefined : client);
  return layers.some(isInLayer) || isInUpper(path, client, layout);
}

function isInUpper(
  path: string,
  client: Client,
  { named, upper }: Layout,
): boolean {
  const caller = named.upper ? client : undefined;
  const flags = O_PATH | O_DIRECTORY;
  let directory: number;
  try {
    directory = caller === undefined
      ? open(upper, flags)
      : openNamed(caller, upper, flags);
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
  try {
    return isIn(directory, path, caller);
  } finally {
    close(directory);
  }
}

/** An empty directory is made to mount on; anything else is wanted there. */
function isIn(directory: number, path: string, caller?: Client): boolean {
  const found = lookIn(directory, path, caller);
  if (found === undefined) return false;
  return !isOfType(found.mode, S_IFDIR) || hasEntries(directory, path, caller);
}

function hasEntries(
  directory: number,
  path: string,
  caller?: Client,
): boolean {
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const flags = O_RDONLY | O_DIRECTORY;
  const look = () => openat2(directory, path, { flags, resolve });
  try {
    const found = caller === undefined ? look() : asCaller(caller, look);
    try {
      return namesIn(`/proc/self/fd/${found}`).length > 0;
    } finally {
      close(found);
    }
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
}
