/**
 * Looks for what graphical programs get of the host, with the rights of the
 * user whose desktop it is, and opens it once.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
} from "../ffi/constants.ts";
import { close, read, type Stat, statx, SyscallError } from "../ffi/libc.ts";
import {
  isOfType,
  S_IFCHR,
  S_IFDIR,
  S_IFREG,
  S_IFSOCK,
} from "../ffi/file_types.ts";
import { asCaller, asUser, openNamed } from "./as_caller.ts";
import type { Client } from "./client.ts";
import type { Descriptors } from "./descriptors.ts";
import { type Desktop, desktopOf } from "./desktop.ts";
import { missingLooks, type NewRoot } from "./find_looks.ts";
import {
  type Graphics,
  type GraphicsFacts,
  graphicsWish,
  planGraphics,
  type PrivateFile,
} from "./graphics.ts";
import { namesIn } from "./names_in.ts";
import { POLICY_FILE } from "./policy.ts";
import { quote } from "./quote.ts";
import { isAllowed } from "./sources.ts";
import type { ContainerSpec } from "./spec.ts";
import { splitUser } from "./users.ts";

/** What decides about what is looked for. */
export interface GraphicsLook {
  /** What is wanted. */
  readonly spec: Pick<ContainerSpec, "group" | "user">;
  /** Who calls. */
  readonly client: Client;
  /** What a new container is made from; absent for one that runs. */
  readonly root?: NewRoot;
  /** The session bus. */
  readonly bus?: GraphicsFacts["bus"] | undefined;
}

/** A place in the tree that is open. */
export interface Opened {
  /** The descriptor. */
  readonly descriptor: number;
  /** What is there. */
  readonly stat: Stat;
}

/** What was seen. */
export interface SeenGraphics {
  /** What the command gets. */
  readonly graphics: Graphics;
  /** What is to be mounted, by its path. */
  readonly opened: ReadonlyMap<string, Opened>;
  /** The command's user, if that was given as a number. */
  readonly uid?: number;
  /** Whose desktop it is. */
  readonly desktop: Desktop;
}

/**
 * Finds whose desktop it is.
 *
 * @param client Who calls.
 * @returns The desktop.
 */
export function findDesktop(client: Client): Desktop {
  return desktopOf(client, textOf("/etc/passwd"));
}

/**
 * Does something with the rights of the user whose desktop it is. Root does it
 * with those of whoever called sudo(8), their groups but the primary one left
 * out.
 *
 * @param desktop Whose desktop it is.
 * @param client Who calls.
 * @param action What to do, with that user as the caller, at once.
 * @returns What the action gives.
 */
export function asDesktop<T>(
  { gid, isOther, uid }: Desktop,
  client: Client,
  action: (user: Client) => T,
): T {
  return isOther ? asUser({ uid, gid }, client, action) : action(client);
}

/**
 * Looks for everything.
 *
 * @param look What decides about it.
 * @param kept Where the descriptors are kept.
 * @returns What was seen.
 */
export function lookForGraphics(
  { bus, client, root, spec }: GraphicsLook,
  kept: Descriptors,
): SeenGraphics {
  const desktop = findDesktop(client);
  const wish = graphicsWish(desktop);
  const devices = findDevices();
  const looks = root === undefined ? [] : missingLooks(root, client);
  const found = new Found(client, kept);
  const files = asDesktop(desktop, client, (user) => {
    wish.sockets.forEach((path) => found.look(path, S_IFSOCK, user));
    // What this program has made for the caller is nobody's to allow.
    if (bus?.socket) found.look(bus.socket, S_IFSOCK, user, true);
    return wish.files.flatMap((path) => readAs(path, user) ?? []);
  });
  devices.forEach((path) => found.look(path, S_IFCHR, client));
  looks.forEach((path) => found.look(path, S_IFDIR, client));
  const { opened, refused } = found;
  const { user } = splitUser(spec.user, spec.group);
  const { notes, ...graphics } = planGraphics({
    ...{ desktop, hostname: Deno.hostname() },
    sockets: new Set(wish.sockets.filter((path) => opened.has(path))),
    files: new Map(files.map(({ bytes, path }) => [path, bytes])),
    abstract: textOf("/proc/net/unix"),
    devices: devices.flatMap((path) => deviceAt(path, opened, client)),
    looks: looks.filter((path) => opened.has(path)),
    ...(bus === undefined ? {} : { bus }),
  }, user);
  return {
    graphics: { ...graphics, notes: [...refused.map(refusal), ...notes] },
    opened,
    desktop,
    ...(/^[0-9]+$/.test(user) ? { uid: Number(user) } : {}),
  };
}

/** What is there, and what of it the administrator does not allow. */
class Found {
  readonly opened = new Map<string, Opened>();
  readonly refused: string[] = [];
  readonly #client: Client;
  readonly #kept: Descriptors;

  constructor(client: Client, kept: Descriptors) {
    this.#client = client;
    this.#kept = kept;
  }

  look(path: string, type: number, user: Client, isOwn = false): void {
    const file = openAs(path, type, user);
    if (file === undefined) return;
    this.#kept.keep(file.descriptor);
    if (isOwn || isAllowed(file.descriptor, this.#client)) {
      this.opened.set(path, file);
    } else this.refused.push(path);
  }
}

/** More than any of them has, in bytes. */
const MOST = 1 << 16;

function refusal(path: string): string {
  return `${quote(path)} is not passed on: ${POLICY_FILE} allows no volume ` +
    "there: ask your administrator";
}

/**
 * Opens a place in the tree. What cannot be opened as the user is not there.
 *
 * @param path The absolute path.
 * @param type What it has to be, see `ffi/file_types.ts`.
 * @param user The user.
 * @returns What is open, if it is there.
 */
export function openAs(
  path: string,
  type: number,
  user: Client,
): Opened | undefined {
  try {
    const descriptor = openNamed(user, path, O_PATH);
    // As the user: a file system of theirs can be closed to root.
    const stat = asCaller(user, () => statx(descriptor, "", AT_EMPTY_PATH));
    if (isOfType(stat.mode, type)) return { descriptor, stat };
    close(descriptor);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
}

function readAs(path: string, user: Client): PrivateFile | undefined {
  let file: number;
  try {
    file = openNamed(user, path, O_RDONLY | O_NONBLOCK);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
  try {
    if (!isOfType(statx(file, "", AT_EMPTY_PATH).mode, S_IFREG)) return;
    const bytes = new Uint8Array(MOST);
    let size = 0;
    for (let more = 1; more > 0 && size < MOST; size += more) {
      more = read(file, bytes.subarray(size));
    }
    return { path, bytes: bytes.slice(0, size) };
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  } finally {
    close(file);
  }
}

/** Nodes of graphics cards: drm(7), and the driver of NVIDIA. */
function findDevices(): string[] {
  const names = (directory: string, known: RegExp) =>
    namesIn(directory).filter((name) => known.test(name)).sort()
      .map((name) => `${directory}/${name}`);
  return [
    ...names("/dev/dri", /^(?:card|renderD)[0-9]+$/),
    ...names("/dev", /^nvidia(?:[0-9]+|ctl|-modeset|-uvm|-uvm-tools)$/),
  ];
}

/** A group that the caller is not in opens nothing for the command either. */
function deviceAt(
  path: string,
  opened: SeenGraphics["opened"],
  { gid: own, groups, standing }: Client,
): GraphicsFacts["devices"] {
  const file = opened.get(path);
  if (file === undefined) return [];
  const { gid } = file.stat;
  const isMember = standing === "root" || gid === own || groups.includes(gid);
  // Root's group opens more than devices.
  return [{ path, ...(isMember && gid !== 0 ? { gid } : {}) }];
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
