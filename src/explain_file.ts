/**
 * Reads programs of `--compile`, to explain them.
 *
 * @module
 */

import { AT_EMPTY_PATH, O_NONBLOCK, O_RDONLY } from "../ffi/constants.ts";
import { isOfType, S_IFREG } from "../ffi/file_types.ts";
import { read, statx, SyscallError } from "../ffi/libc.ts";
import { asCaller, openNamed } from "./as_caller.ts";
import { findClient } from "./client.ts";
import { Descriptors } from "./descriptors.ts";
import { explainProgram } from "./explained_program.ts";
import { absolute } from "./layout.ts";

/** More than any program has, in bytes. */
const LARGEST = 1 << 20;

/**
 * Explains a program, if a file is one.
 *
 * @param file The path of the file.
 * @returns Lines for people; nothing if it is something else, or not to be
 * read by the caller.
 *
 * @example Something else
 * ```ts
 * import { explainFile } from "cage/src/explain_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(explainFile("/proc/self/stat"), undefined);
 * ```
 */
export function explainFile(file: string): string[] | undefined {
  const client = findClient({});
  using kept = new Descriptors();
  const bytes = new Uint8Array(LARGEST);
  try {
    const path = absolute(file, client.cwd);
    const opened = kept.keep(openNamed(client, path, O_RDONLY | O_NONBLOCK));
    return asCaller(client, () => {
      const { mode } = statx(opened, "", AT_EMPTY_PATH);
      if (!isOfType(mode, S_IFREG)) return undefined;
      return explainProgram(bytes.subarray(0, read(opened, bytes)), file);
    });
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}
