/**
 * Finds programs of this machine that help a caller without privileges.
 *
 * @module
 */

import { AT_FDCWD } from "../ffi/constants.ts";
import { statx, syscall, SyscallError } from "../ffi/libc.ts";
import { isOfType, S_IFREG } from "../ffi/file_types.ts";

/** Where helpers are, should the caller's PATH lack them. */
const USUAL = ["/usr/bin", "/usr/sbin", "/usr/local/bin"];

/** `X_OK` of unistd.h: faccessat2(2). */
const X_OK = 1;

/** `AT_EACCESS` of linux/fcntl.h: with the effective ids, Linux 5.8. */
const AT_EACCESS = 0x200;

/**
 * Finds a program in the caller's PATH, and then where programs usually are.
 * Only for a caller to whom nothing is lent: it is their own that is found.
 *
 * @param name The name of the program.
 * @param path The value of PATH. Relative directories do not count, so that
 * none of a directory that somebody else has filled is found.
 * @returns The absolute path, if there is one that can be executed.
 *
 * @example A program that is everywhere
 * ```ts
 * import { findProgram } from "cage/src/find_program.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(findProgram("env", "/nowhere"), "/usr/bin/env");
 * assertEquals(findProgram("no-such-program", undefined), undefined);
 * ```
 */
export function findProgram(
  name: string,
  path: string | undefined,
): string | undefined {
  const directories = (path ?? "").split(":")
    .filter((directory) => directory.startsWith("/"));
  return [...directories, ...USUAL].map((directory) => `${directory}/${name}`)
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    syscall("faccessat2", AT_FDCWD, path, X_OK, AT_EACCESS);
    return isOfType(statx(AT_FDCWD, path).mode, S_IFREG);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return false;
  }
}
