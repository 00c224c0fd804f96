/**
 * Opens init scripts.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  F_ADD_SEALS,
  F_SEAL_ALL,
  MFD_ALLOW_SEALING,
  O_NONBLOCK,
  O_RDONLY,
} from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import {
  close,
  dup,
  memfdCreate,
  open,
  statx,
  syscall,
  SyscallError,
  writeAll,
} from "../ffi/libc.ts";
import {
  isOfType,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFREG,
} from "../ffi/file_types.ts";
import { openNamed } from "./as_caller.ts";
import type { Caller } from "./caller.ts";
import { UsageError } from "./errors.ts";
import { refusalOf } from "./failure.ts";
import type { InitScript } from "./init_script.ts";
import { absolute } from "./layout.ts";
import { quote } from "./quote.ts";

/** A script whose descriptor is closed in the end. */
export interface OpenScript extends Disposable {
  /** The script. */
  readonly script: InitScript;
}

/** Who names a script, and from where. */
export type ScriptCaller = Pick<Caller, "cwd" | "gid" | "standing" | "uid">;

/** A descriptor of the caller, as the seed's here-document names it. */
const DESCRIPTOR = /^\/(?:proc\/self\/fd|dev\/fd)\/([0-9]+)$/;

/**
 * Opens an init script of the host, or makes room for one that is inside.
 *
 * @param path The path as it was given.
 * @param caller Who names it.
 * @returns The script; nothing if no path was given.
 * @throws {UsageError} If it is a directory, or no descriptor.
 * @throws {LaunchError} If it cannot be read.
 *
 * @example No script
 * ```ts
 * import { openScript } from "cage/src/script_file.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const root = { standing: "root", uid: 0, gid: 0, cwd: "/" } as const;
 * assertEquals(openScript(undefined, root), undefined);
 * ```
 */
export function openScript(
  path: string | undefined,
  caller: ScriptCaller,
): OpenScript | undefined {
  if (path === undefined) return undefined;
  const [, number] = DESCRIPTOR.exec(path) ?? [];
  const given = number === undefined
    ? openFile(path, caller)
    : duplicate(path, Number(number));
  const file = given === undefined ? undefined : takeScript(path, given);
  const script = {
    path,
    // Without a file a descriptor is still needed, to be the one inside.
    descriptor: file ?? open("/dev/null", O_RDONLY),
    outside: file !== undefined,
    inside: number === undefined && path.startsWith("/"),
  };
  return { script, [Symbol.dispose]: () => close(script.descriptor) };
}

/** What a shell gives: a file, a here-document, `<(...)`, a terminal. */
const GIVEN = [S_IFREG, S_IFIFO, S_IFCHR, S_IFDIR];

/** The highest of the standard descriptors, which can be only the caller's. */
const STDERR = 2;

/**
 * The runtime has descriptors too, by which its memory could be reached from
 * inside: epoll(7) gives and takes its pointers. None is of these types.
 */
function duplicate(path: string, number: number): number {
  try {
    const { mode } = statx(number, "", AT_EMPTY_PATH);
    if (number <= STDERR || GIVEN.some((type) => isOfType(mode, type))) {
      return dup(number);
    }
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
  throw new UsageError(
    `Cannot read init script ${quote(path)}: descriptor ${number} is not ` +
      `open: give it to cage, as with ${number}<FILE`,
  );
}

/** Where the caller cannot look, as in root's home, nothing is theirs. */
function isSeen(
  { errno }: SyscallError,
  path: string,
  caller: ScriptCaller,
): boolean {
  if (errno === ERRNO.ENOENT) return false;
  if (errno !== ERRNO.EACCES) return true;
  try {
    close(openNamed(caller, path));
    return true;
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
}

function openFile(path: string, caller: ScriptCaller): number | undefined {
  let file: number;
  try {
    const flags = O_RDONLY | O_NONBLOCK;
    file = openNamed(caller, absolute(path, caller.cwd), flags);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (path.startsWith("/") && !isSeen(error, path, caller)) return undefined;
    throw refusalOf(`Cannot read init script ${quote(path)}`, error);
  }
  if (!isOfType(statx(file, "", AT_EMPTY_PATH).mode, S_IFIFO)) return file;
  close(file);
  throw new UsageError(
    `Cannot read init script ${quote(path)}: it is a FIFO, which waits for a ` +
      "writer: name a file, or give a pipe as a descriptor",
  );
}

/** Permission bits of inode(7). */
const EXECUTABLE = 0o111;

/** Most bytes of a script; a program takes more, and can be a volume. */
const MAX_SIZE = 16 << 20;

/**
 * A file is copied into memory: what runs inside could open it anew by its
 * descriptor, and write to the file of the host.
 */
function takeScript(path: string, given: number): number {
  const what = `Cannot read init script ${quote(path)}`;
  try {
    const { mode, size } = statx(given, "", AT_EMPTY_PATH);
    if (isOfType(mode, S_IFDIR)) {
      throw new UsageError(`${what}: it is a directory: name a file`);
    }
    // A pipe or a terminal is read as it comes.
    if (!isOfType(mode, S_IFREG)) return dup(given);
    if (size > MAX_SIZE) {
      throw new UsageError(
        `${what}: it is larger than ${MAX_SIZE} bytes: have a short one run ` +
          "what a volume holds",
      );
    }
    return copyOf(given, Number(size), mode);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw refusalOf(what, error);
  } finally {
    close(given);
  }
}

function copyOf(file: number, size: number, mode: number): number {
  const bytes = new Uint8Array(size);
  const into = { into: bytes };
  const read = size === 0 ? 0 : syscall("pread64", file, into, size, 0);
  const isProgram = (mode & EXECUTABLE) !== 0;
  const copy = memfdCreate("cage-init-script", MFD_ALLOW_SEALING);
  writeAll(copy, bytes.subarray(0, read));
  // Whoever runs the script is another user than who made the copy.
  syscall("fchmod", copy, isProgram ? 0o555 : 0o444);
  syscall("fcntl", copy, F_ADD_SEALS, F_SEAL_ALL);
  return copy;
}
