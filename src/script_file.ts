/**
 * Opens init scripts.
 *
 * @module
 */

import { AT_EMPTY_PATH, O_RDONLY } from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { close, dup, open, statx, SyscallError } from "../ffi/libc.ts";
import { LaunchError, UsageError } from "./errors.ts";
import { reasonOf } from "./failure.ts";
import type { InitScript } from "./init_script.ts";
import { absolute } from "./layout.ts";
import { quote } from "./quote.ts";

/** A script whose descriptor is closed in the end. */
export interface OpenScript extends Disposable {
  /** The script. */
  readonly script: InitScript;
}

/** A descriptor of the caller, as the seed's here-document names it. */
const DESCRIPTOR = /^\/(?:proc\/self\/fd|dev\/fd)\/([0-9]+)$/;

/**
 * Opens an init script of the host, or makes room for one that is inside.
 *
 * @param path The path as it was given.
 * @param cwd The directory of the caller.
 * @returns The script; nothing if no path was given.
 * @throws {UsageError} If it is a directory, or no descriptor.
 * @throws {LaunchError} If it cannot be read.
 *
 * @example No script
 * ```ts
 * import { openScript } from "cage/src/script_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(openScript(undefined, "/"), undefined);
 * ```
 */
export function openScript(
  path: string | undefined,
  cwd: string,
): OpenScript | undefined {
  if (path === undefined) return undefined;
  const [, number] = DESCRIPTOR.exec(path) ?? [];
  const file = number === undefined
    ? openFile(path, cwd)
    : duplicate(path, Number(number));
  const script = {
    path,
    // Without a file a descriptor is still needed, to be the one inside.
    descriptor: file ?? open("/dev/null", O_RDONLY),
    outside: file !== undefined,
    inside: number === undefined && path.startsWith("/"),
  };
  return { script, [Symbol.dispose]: () => close(script.descriptor) };
}

function duplicate(path: string, number: number): number {
  try {
    return dup(number);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new UsageError(
      `Cannot read init script ${quote(path)}: descriptor ${number} is not ` +
        `open: give it to cage, as with ${number}<FILE`,
    );
  }
}

function openFile(path: string, cwd: string): number | undefined {
  let file: number;
  try {
    file = open(absolute(path, cwd), O_RDONLY);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errno === ERRNO.ENOENT && path.startsWith("/")) return undefined;
    const { call, errno } = error;
    throw new LaunchError(
      `Cannot read init script ${quote(path)}: ${reasonOf(errno)}`,
      call,
      errno,
    );
  }
  const isDirectory =
    (statx(file, "", AT_EMPTY_PATH).mode & 0o170000) === 0o040000;
  if (!isDirectory) return file;
  close(file);
  throw new UsageError(
    `Cannot read init script ${quote(path)}: it is a directory: name a file`,
  );
}
