/**
 * Writes what a container has, or what was changed in it, into a tar file.
 *
 * @module
 */

import { O_CREAT, O_PATH, O_WRONLY } from "../ffi/constants.ts";
import { readLink, statEntry } from "../ffi/entries.ts";
import {
  close,
  hasErrno,
  open,
  read,
  syscall,
  SyscallError,
  writeAll,
} from "../ffi/libc.ts";
import { type ChangedCage, onChanges, openChanged } from "./changed_cage.ts";
import { typeOf } from "./changes.ts";
import { quotedName } from "./byte_names.ts";
import { Descriptors } from "./descriptors.ts";
import { CageError } from "./errors.ts";
import { refusalOf } from "./failure.ts";
import { absolute, STORAGE_BASE } from "./layout.ts";
import {
  attributesOf,
  type Found,
  ifThere,
  openReadable,
} from "./layer_view.ts";
import { type Marks, OPAQUE_FILE, WHITEOUT_PREFIX } from "./overlay_marks.ts";
import type { OwnIds } from "./own_ids.ts";
import { Progress } from "./progress.ts";
import { quote } from "./quote.ts";
import type { ContainerSpec } from "./spec.ts";
import {
  padding,
  TAR_END,
  tarHead,
  type TarMember,
  type TarType,
} from "./tar.ts";
import type { Waiting } from "./wait.ts";
import { type MergedEntry, walkMerged } from "./walk_merged.ts";

/** What is written, and where to. */
export interface ExportWish {
  /** The path of the file; `-` for the standard output. */
  readonly file: string;
  /** Whether only what was changed is written, as a layer of an image. */
  readonly isLayer: boolean;
}

/**
 * Writes the file.
 *
 * @param spec Which container.
 * @param wish What is written, and where to.
 * @returns The exit status.
 * @throws {CageError} If something cannot be read or written.
 */
export function exportTar(
  spec: ContainerSpec,
  { file, isLayer }: ExportWish,
): Waiting<number> {
  return onChanges(OPTION, spec, false, (client, found) => {
    using kept = new Descriptors();
    const cage = openChanged(OPTION, found, client, kept);
    using _lower = cage.lower;
    const to = file === "-"
      ? 1
      : kept.keep(openFile(absolute(file, found.cwd)));
    const closed = closedPlaces(found, client.bases.storage, kept);
    const isClosed = ({ stat }: Found) =>
      closed.has(stat.id) ||
      (client.standing === "rootless" && !isOnFirst(stat.id, cage));
    try {
      const isOutput = idOf(to);
      write(new TarWriter(to), { ...cage, isLayer, isClosed }, isOutput);
    } catch (error) {
      if (!(error instanceof SyscallError) || error.call !== "write") {
        throw error;
      }
      throw refusalOf(
        `Cannot write ${quote(file)}`,
        error,
        "what was written is not whole",
      );
    }
    return 0;
  });
}

const OPTION = "--export";

function openFile(path: string): number {
  try {
    const file = open(path, O_WRONLY | O_CREAT, 0o666);
    cutOff(file);
    return file;
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw refusalOf(`Cannot write ${quote(path)}`, error);
  }
}

/** There is nothing to be cut off of a pipe or a device. */
function cutOff(file: number): void {
  try {
    syscall("ftruncate", file, 0);
  } catch (error) {
    if (hasErrno(error, "EINVAL")) return;
    close(file);
    throw error;
  }
}

/** Places that a container does not show: those where containers are kept. */
function closedPlaces(
  { layout: { appDir, upper, work } }: OwnIds,
  storage: string,
  kept: Descriptors,
): ReadonlySet<string> {
  const ids = [STORAGE_BASE, storage, appDir, upper, work].flatMap((path) => {
    try {
      return [idOf(kept.keep(open(path, O_PATH)))];
    } catch (error) {
      if (error instanceof SyscallError) return [];
      throw error;
    }
  });
  return new Set(ids);
}

/** What another file cannot have at the same time. */
function idOf(file: number): string {
  return statEntry(file, "")?.id ?? "";
}

/** A user's lower layers are trees of mounts, whose first ones are written. */
function isOnFirst(id: string, { lower, upper }: ChangedCage): boolean {
  const device = (id: string) => id.replace(/:[0-9]+$/, "");
  const known = [
    ...lower.ids,
    upper === undefined ? undefined : statEntry(upper, ".")?.id,
  ];
  return known.some((other) => other && device(other) === device(id));
}

function write(
  tar: TarWriter,
  walked: Parameters<typeof walkMerged>[0],
  output: string,
): void {
  const links = new Map<string, string>();
  const closed: string[] = [];
  let sockets = 0;
  {
    using progress = new Progress("files");
    for (const entry of walkMerged(walked)) {
      progress.next();
      const { is, isOpaque, path } = entry;
      if (is === undefined) tar.mark(whiteoutOf(path));
      else if (typeOf(is.stat) === "socket") sockets++;
      else if (is.stat.id !== output) {
        const isWritten = writeMember(tar, entry, is, links, walked.marks);
        if (!isWritten) closed.push(path);
      }
      if (isOpaque) tar.mark(`${path}/${OPAQUE_FILE}`);
    }
  }
  tar.end();
  if (sockets > 0) tell(sockets);
  if (closed.length > 0) throw notAll(closed);
}

function tell(sockets: number): void {
  const what = sockets === 1 ? "1 socket was" : `${sockets} sockets were`;
  const line = `cage: ${what} left out: a tar file has no form for it\n`;
  writeAll(2, new TextEncoder().encode(line));
}

function notAll(paths: readonly string[]): CageError {
  const list = paths.map((path) => `  ${quotedName(`/${path}`)}`);
  return new CageError(
    "Cannot write all files: these were left out, which you cannot read:\n" +
      list.join("\n"),
  );
}

function whiteoutOf(path: string): string {
  const at = path.lastIndexOf("/") + 1;
  return `${path.slice(0, at)}${WHITEOUT_PREFIX}${path.slice(at)}`;
}

/** Writes a member, unless the caller may not read it, or it has just gone. */
function writeMember(
  tar: TarWriter,
  { content, path }: MergedEntry,
  is: Found,
  links: Map<string, string>,
  marks: Marks,
): boolean {
  const { gid, id, mode, modified, nlink, uid } = is.stat;
  const type = typeOf(is.stat) as TarType;
  const isDirectory = type === "directory";
  const common = {
    path: isDirectory ? `${path || "."}/` : path,
    ...{ mode, uid, gid, modified },
  };
  const isLinked = !isDirectory && nlink > 1;
  const first = isLinked ? links.get(id) : undefined;
  if (first !== undefined) {
    tar.member({ ...common, type: "hardlink", size: 0, target: first });
    return true;
  }
  const isFile = type === "file" && content !== undefined;
  using kept = new Descriptors();
  // All that can fail is before the first byte of it.
  const found = ifThere(is, () => ({
    file: isFile ? keptFile(content, kept) : undefined,
    more: detailsOf(is, marks),
  }));
  if (found === undefined) return true;
  const { file, more } = found;
  if (isFile && file === undefined) return false;
  if (isLinked) links.set(id, path);
  const size = isFile ? content.stat.size : 0;
  tar.member({ ...common, ...more, type, size }, file);
  return true;
}

function keptFile(found: Found, kept: Descriptors): number | undefined {
  const file = openReadable(found);
  return file === undefined ? undefined : kept.keep(file);
}

/** What a member has beside what every one has. */
function detailsOf(
  is: Found,
  marks: Marks,
): Pick<TarMember, "attributes" | "rdev" | "target"> {
  const type = typeOf(is.stat);
  return {
    attributes: attributesOf(is, marks),
    ...(type === "link" ? { target: readLink(is.directory, is.name) } : {}),
    ...(type === "char" || type === "block" ? { rdev: is.stat.rdev } : {}),
  };
}

/** As much as is written at once. */
const CHUNK = 0x40000;

/** Writes members into a file. */
class TarWriter {
  readonly #to: number;
  readonly #buffer = new Uint8Array(CHUNK);
  readonly #part = new Uint8Array(CHUNK);
  #used = 0;

  constructor(to: number) {
    this.#to = to;
  }

  /** Writes an empty file of root's, as OCI's layers have them. */
  mark(path: string): void {
    const owner = { mode: 0o600, uid: 0, gid: 0 };
    this.member({ ...owner, path, type: "file", size: 0, modified: 0n });
  }

  member(member: TarMember, file?: number): void {
    this.#add(tarHead(member));
    if (file === undefined || member.size === 0) return;
    this.#copy(file, member.size);
    this.#add(new Uint8Array(padding(member.size)));
  }

  end(): void {
    this.#add(TAR_END);
    this.#flush();
  }

  /** Of one that is written to meanwhile, as much as was said before. */
  #copy(file: number, size: number): void {
    for (let left = size; left > 0;) {
      const part = this.#part.subarray(0, Math.min(left, CHUNK));
      const got = read(file, part);
      if (got === 0) part.fill(0);
      this.#add(part.subarray(0, got || part.length));
      left -= got || part.length;
    }
  }

  #add(bytes: Uint8Array): void {
    if (this.#used + bytes.length > CHUNK) this.#flush();
    if (bytes.length > CHUNK) return writeAll(this.#to, bytes);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #flush(): void {
    writeAll(this.#to, this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }
}
