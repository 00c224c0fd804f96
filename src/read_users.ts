/**
 * Reads who is who in root file systems that are not mounted as one.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "../ffi/constants.ts";
import { isOfType, S_IFREG } from "../ffi/file_types.ts";
import { openat2, read, statx, SyscallError } from "../ffi/libc.ts";
import { asCaller, openNamed } from "./as_caller.ts";
import type { Caller } from "./caller.ts";
import { Descriptors } from "./descriptors.ts";
import { DATABASE_SIZE, databaseText } from "./lookup.ts";

/** The texts of the two files. */
export interface Users {
  /** The text of `/etc/passwd`, empty if there is none. */
  readonly passwd: string;
  /** The text of `/etc/group`, empty if there is none. */
  readonly group: string;
}

/**
 * Reads the two files, each in the first root that has something there.
 *
 * @param roots Paths of directories, the first on top.
 * @param caller With whose rights to look.
 * @returns The texts. What cannot be read is not there.
 * @throws {UsageError} If one is too large.
 *
 * @example No roots
 * ```ts
 * import { readUsers } from "cage/src/read_users.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const root = { standing: "root", uid: 0, gid: 0 } as const;
 * assertEquals(readUsers([], root), { passwd: "", group: "" });
 * ```
 */
export function readUsers(
  roots: readonly string[],
  caller: Pick<Caller, "gid" | "standing" | "uid">,
): Users {
  const find = (name: "group" | "passwd"): string => {
    for (const root of roots) {
      const text = readInside(root, name, caller);
      if (text !== undefined) return text;
    }
    return "";
  };
  return { passwd: find("passwd"), group: find("group") };
}

/** Nothing where a root has no such file; no text if it hides that of others. */
function readInside(
  root: string,
  name: "group" | "passwd",
  caller: Pick<Caller, "gid" | "standing" | "uid">,
): string | undefined {
  using kept = new Descriptors();
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const path = `etc/${name}`;
  try {
    const directory = kept.keep(openNamed(caller, root));
    return asCaller(caller, () => {
      const open = (flags: number) =>
        kept.keep(openat2(directory, path, { flags, resolve }));
      // To open a device would do something.
      const { mode } = statx(open(O_PATH), "", AT_EMPTY_PATH);
      if (!isOfType(mode, S_IFREG)) return "";
      const bytes = new Uint8Array(DATABASE_SIZE);
      const size = read(open(O_RDONLY | O_NONBLOCK), bytes);
      return databaseText(name, bytes, BigInt(size));
    });
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}
