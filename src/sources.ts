/**
 * Opens what a container is made from: the lower layers, the volumes, the
 * terminal. Each is opened once, as the caller, and held by a detached copy of
 * its mount: what becomes of the paths afterwards changes nothing. Where this
 * program has no rights of its own, there is nothing to be gained by a path,
 * and the plan opens it.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_RECURSIVE,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "../ffi/constants.ts";
import { ERRNO } from "../ffi/errno.ts";
import { openat2, statx, syscall, SyscallError } from "../ffi/libc.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import { isOfType, S_IFCHR, S_IFDIR } from "../ffi/file_types.ts";
import { asCaller, openNamed } from "./as_caller.ts";
import type { Caller } from "./caller.ts";
import type { Client } from "./client.ts";
import type { Descriptors } from "./descriptors.ts";
import { UsageError } from "./errors.ts";
import type {
  LayerSource,
  MountSource,
  Ownership,
  VolumeSource,
} from "./facts.ts";
import { refusalOf } from "./failure.ts";
import { absolute } from "./layout.ts";
import { directoryOf, isThere, pathOf } from "./location.ts";
import { makeDirectories } from "./make_directories.ts";
import { MAX_LAYERS } from "./overlay.ts";
import { POLICY_FILE } from "./policy.ts";
import { quote } from "./quote.ts";
import type { Volume } from "./spec.ts";

/** A lower layer, and what it was opened as. */
export interface Layer extends LayerSource {
  /** A descriptor of the directory. */
  readonly directory: number;
}

/**
 * Opens the lower layers.
 *
 * @param paths Their absolute paths, the first on top.
 * @param client Who calls.
 * @param kept Where the descriptors are kept.
 * @returns The layers.
 * @throws {UsageError} If there are more than overlayfs takes.
 * @throws {LaunchError} If the caller cannot open one.
 */
export function openLayers(
  paths: readonly string[],
  client: Client,
  kept: Descriptors,
): Layer[] {
  if (paths.length > MAX_LAYERS - 1) {
    throw new UsageError(
      `Cannot use ${paths.length} lower directories: overlayfs takes at most ` +
        `${MAX_LAYERS - 1}: merge some of them`,
    );
  }
  return paths.map((path) => {
    const what = `Cannot use lower directory ${quote(path)}`;
    const directory = told(
      what,
      LAYER_HINTS,
      () => kept.keep(openNamed(client, path, O_PATH | O_DIRECTORY)),
    );
    return {
      path,
      directory,
      mount: told(what, LAYER_HINTS, () => takeMount(directory, client, kept)),
      isMapped: client.standing === "user" &&
        directoryOf(directory, client.policy.trustedRoots) !== undefined,
    };
  });
}

/**
 * Opens the volumes. One that is missing is made, a directory.
 *
 * @param volumes The volumes.
 * @param client Who calls.
 * @param kept Where the descriptors are kept.
 * @returns What was opened, in the same order.
 * @throws {UsageError} If the administrator does not allow one.
 * @throws {LaunchError} If the caller cannot open or make one.
 */
export function openVolumes(
  volumes: readonly Volume[],
  client: Client,
  kept: Descriptors,
): VolumeSource[] {
  return volumes.map(({ host }) => {
    const path = absolute(host, client.cwd);
    const file = openOrMake(path, client, kept);
    checkAllowed(path, file, client);
    const isDirectory = isOfType(modeOf(file, client), S_IFDIR);
    const what = `Cannot map volume ${quote(path)}`;
    const mount = told(
      what,
      VOLUME_HINTS,
      () => takeMount(file, client, kept, true),
    );
    return { mount, host: path, kind: isDirectory ? "directory" : "file" };
  });
}

/**
 * Takes the terminal of the caller by its descriptor: a path to it could be
 * made to lead somewhere else.
 *
 * @param caller Who calls.
 * @param kept Where the descriptor is kept.
 * @returns Its mount; none if there is no terminal, or it is in another mount
 * namespace.
 */
export function openConsole(
  caller: Pick<Caller, "gid" | "standing" | "terminal" | "uid">,
  kept: Descriptors,
): MountSource | undefined {
  const { terminal } = caller;
  if (terminal === undefined || !isOfType(modeOf(terminal, caller), S_IFCHR)) {
    return undefined;
  }
  try {
    const mount = takeMount(terminal, caller, kept);
    // What the kernel tells of a file elsewhere is no path here.
    return typeof mount === "string" && !isThere(mount) ? undefined : mount;
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/**
 * Takes a detached copy of the mount at an open file, which takes root.
 *
 * @param file The descriptor of the file.
 * @param recursive Whether the mounts below are copied too.
 * @returns The descriptor of the copy.
 * @throws {LaunchError} If this process may not mount anything.
 * @throws {SyscallError} If there can be none.
 */
export function copyOf(file: number, recursive: boolean): number {
  const flags = AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
    (recursive ? AT_RECURSIVE : 0);
  try {
    return syscall("open_tree", file, "", flags);
  } catch (error) {
    const isRefused = error instanceof SyscallError &&
      error.errno === ERRNO.EPERM;
    if (!isRefused) throw error;
    const hint = "root inside a container may not: run it outside";
    throw refusalOf("Cannot create a container", error, hint);
  }
}

/**
 * Tells what a path in a directory is.
 *
 * @param directory The descriptor of the directory.
 * @param path The path, which leads nowhere else.
 * @param caller With whose rights to look; root's if absent.
 * @returns Type, permissions and owner; nothing if there is no such file.
 */
export function lookIn(
  directory: number,
  path: string,
  caller?: Caller,
): Ownership | undefined {
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const flags = O_PATH | O_NOFOLLOW;
  const look = () => {
    const file = openat2(directory, path, { flags, resolve });
    try {
      return statx(file, "", AT_EMPTY_PATH);
    } finally {
      syscall("close", file);
    }
  };
  try {
    return caller === undefined ? look() : asCaller(caller, look);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/**
 * Tells what a path in a layer is, with no more rights than the caller has. One
 * that the administrator lends to all users can be looked at by all.
 *
 * @param layer The layer.
 * @param path The path, below the layer.
 * @param caller Who calls.
 * @returns Type, permissions and owner; nothing if there is no such file.
 */
export function lookInLayer(
  { directory, isMapped }: Layer,
  path: string,
  caller: Caller,
): Ownership | undefined {
  return lookIn(directory, path, isMapped ? undefined : caller);
}

/**
 * Takes the mount at an open file. A plan with the caller's rights alone takes
 * it by itself.
 *
 * @param file The descriptor of the file.
 * @param caller Who calls.
 * @param kept Where the descriptor is kept.
 * @param recursive Whether the mounts below are taken too.
 * @returns The mount.
 * @throws {SyscallError} If there can be none.
 */
export function takeMount(
  file: number,
  caller: Pick<Caller, "standing">,
  kept: Descriptors,
  recursive = false,
): MountSource {
  return caller.standing === "rootless"
    ? pathOf(file)
    : kept.keep(copyOf(file, recursive));
}

/** Stands for any other error among hints. */
const OTHER = 0;

const LAYER_HINTS = {
  [ERRNO.ENOENT]: "create it, or name another one with -l",
  [ERRNO.ENOTDIR]: "name a directory with -l, and unpack an archive first",
  [ERRNO.EACCES]: "name one with -l that you can open",
  [ERRNO.ELOOP]: "name its own path with -l, not a link of /proc",
};

const VOLUME_HINT = "name a directory or a file of the host with -v";
const VOLUME_HINTS = {
  [OTHER]: VOLUME_HINT,
  [ERRNO.ELOOP]: "name its own path with -v, not a link of /proc",
};

/** As the caller: a file system of theirs can be closed to root. */
function modeOf(
  file: number,
  caller: Pick<Caller, "gid" | "standing" | "uid">,
): number {
  return asCaller(caller, () => statx(file, "", AT_EMPTY_PATH).mode);
}

function openOrMake(path: string, client: Client, kept: Descriptors): number {
  try {
    return kept.keep(openNamed(client, path));
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const what = `Cannot map volume ${quote(path)}`;
    if (error.errno !== ERRNO.ENOENT) throw refusal(what, error, VOLUME_HINTS);
    asCaller(
      client,
      () => makeDirectories(path, () => ({ mode: 0o755 }), VOLUME_HINT),
    );
    return told(what, VOLUME_HINTS, () => kept.keep(openNamed(client, path)));
  }
}

/**
 * Tells whether the administrator lets a user have something of the host.
 *
 * @param file A descriptor of it.
 * @param client Who calls.
 * @returns Whether the user may.
 */
export function isAllowed(
  file: number,
  { policy: { volumes }, standing }: Pick<Client, "policy" | "standing">,
): boolean {
  return standing !== "user" || volumes === undefined ||
    directoryOf(file, volumes) !== undefined;
}

function checkAllowed(path: string, file: number, client: Client): void {
  const { policy: { volumes = [] } } = client;
  if (isAllowed(file, client)) return;
  const allowed = volumes.length === 0
    ? "none"
    : `those below ${volumes.map(quote).join(", ")}, which must be root's`;
  throw new UsageError(
    `Cannot map volume ${quote(path)}: ${POLICY_FILE} allows ${allowed}: ` +
      "ask your administrator",
  );
}

type Hints = Readonly<Record<number, string>>;

function told<T>(what: string, hints: Hints, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw refusal(what, error, hints);
  }
}

function refusal(what: string, error: SyscallError, hints: Hints) {
  return refusalOf(what, error, hints[error.errno] ?? hints[OTHER]);
}
