/**
 * Opens what instances have on the disk, to be looked at: without its content,
 * and with no more rights than whoever named it has.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
} from "../ffi/constants.ts";
import { open, openat2, type Stat, statx, SyscallError } from "../ffi/libc.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import { asUser, openNamed } from "./as_caller.ts";
import type { Client } from "./client.ts";
import type { Descriptors } from "./descriptors.ts";
import { gidOf, type Owner, usersOfHost } from "./instance_owners.ts";

/** Something that is looked at. */
export interface Look {
  /** A descriptor of it, good for nothing but a look (`O_PATH`). */
  readonly descriptor: number;
  /** A path that leads to it, whatever becomes of other paths. */
  readonly path: string;
  /** What it is. */
  readonly stat: Stat;
  /** What tells it from everything else. */
  readonly id: string;
}

/** Looks at what is one owner's, where there is something to be seen. */
export class InstanceFiles {
  readonly #client: Client;
  readonly #owner: Owner;

  /**
   * Prepares to look.
   *
   * @param client Who calls.
   * @param owner Whose the files are.
   */
  constructor(client: Client, owner: Owner) {
    this.#client = client;
    this.#owner = owner;
  }

  /**
   * Looks at a directory of records or of application directories.
   *
   * @param path Its path.
   * @param kept Where the descriptor is kept.
   * @returns The directory; nothing if there is none, or it is not the owner's.
   */
  directory(path: string, kept: Descriptors): Look | undefined {
    const flags = O_PATH | O_DIRECTORY;
    const { isForeign, uid } = this.#owner;
    if (!isForeign) return look(() => open(path, flags), kept);
    const found = look(() => this.#openAs(uid, path, flags), kept);
    return found?.stat.uid === uid ? found : undefined;
  }

  /**
   * Looks at what is in such a directory.
   *
   * @param directory The directory.
   * @param path The path from there, of which links are of nobody's but root.
   * @param kept Where the descriptor is kept.
   * @returns What there is; nothing if there is nothing.
   */
  below(directory: Look, path: string, kept: Descriptors): Look | undefined {
    const { isForeign, uid } = this.#owner;
    const isTrusted = this.#client.standing === "rootless" ||
      !isForeign && uid === 0;
    const resolve = isTrusted ? 0 : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    const how = { flags: O_PATH | O_NOFOLLOW, resolve };
    return look(() => openat2(directory.descriptor, path, how), kept);
  }

  /**
   * Looks at what keeps the changes of an instance that runs.
   *
   * @param path Its path, as the record has it.
   * @param isNamed Whether the user named it.
   * @param uid The id of the user.
   * @param kept Where the descriptor is kept.
   * @returns What there is; nothing if there is nothing, or it is not to be
   * seen by the caller.
   */
  changes(
    path: string,
    isNamed: boolean,
    uid: number,
    kept: Descriptors,
  ): Look | undefined {
    const { standing } = this.#client;
    const { isForeign } = this.#owner;
    const opened = () => {
      if (isForeign) return this.#openAs(this.#owner.uid, path, O_PATH);
      if (standing === "rootless") return open(path, O_PATH);
      if (!isNamed) return open(path, O_PATH | O_NOFOLLOW);
      if (standing !== "root") return openNamed(this.#client, path);
      return uid === 0 ? open(path, O_PATH) : this.#openAs(uid, path, O_PATH);
    };
    const isOfOther = isNamed && standing !== "root" && !isForeign &&
      uid !== this.#client.uid;
    return isOfOther ? undefined : look(opened, kept);
  }

  #openAs(uid: number, path: string, flags: number): number {
    const gid = uid === this.#owner.uid
      ? this.#owner.gid
      : gidOf(uid, usersOfHost());
    return asUser(
      { uid, gid },
      this.#client,
      (user) => openNamed(user, path, flags),
    );
  }
}

function look(opened: () => number, kept: Descriptors): Look | undefined {
  try {
    const descriptor = kept.keep(opened());
    const stat = statx(descriptor, "", AT_EMPTY_PATH);
    const id = [...stat.dev, stat.ino].join(":");
    return { descriptor, path: `/proc/self/fd/${descriptor}`, stat, id };
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/**
 * Tells what a file takes on the disk.
 *
 * @param file The file.
 * @returns The size in bytes.
 */
export function sizeOnDisk({ path }: Pick<Look, "path">): number {
  // st_blocks of stat(3type) counts these, whatever a block of the disk is.
  const UNIT = 512;
  return (Deno.statSync(path).blocks ?? 0) * UNIT;
}
