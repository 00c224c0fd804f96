/**
 * Makes root file systems, ordinary and hostile ones.
 *
 * @module
 */

import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../../ffi/constants.ts";
import { syscall, SyscallError } from "../../ffi/libc.ts";
import { GROUP, PASSWD } from "../e2e/support/roots.ts";
import type { Entry, HostileRoot, Thing } from "./hostile_root.ts";
import { bytesOf } from "./marks.ts";
import {
  KINDS,
  makeNode,
  NO_DEVICE,
  NULL_DEVICE,
  pathOf,
} from "./odd_files.ts";

const DIRECTORIES = [
  ...["bin", "etc", "dev", "home/alice", "proc", "root", "run", "sys", "tmp"],
  ...["usr", "var/lib", "var/tmp", "volume"],
];

/** The programs that the commands of the cases use. */
const APPLETS = ["sh", "true", "cat", "ls", "head", "mkdir", "id", "kill"];

/**
 * Makes an ordinary root, which costs little.
 *
 * @param path Where; the directory is made.
 * @param program A static busybox on the same file system.
 */
export function makePlainRoot(path: string, program: string): void {
  for (const name of DIRECTORIES) {
    Deno.mkdirSync(`${path}/${name}`, { recursive: true });
  }
  Deno.linkSync(program, `${path}/bin/busybox`);
  for (const name of APPLETS) {
    Deno.symlinkSync("busybox", `${path}/bin/${name}`);
  }
  Deno.writeTextFileSync(`${path}/etc/passwd`, PASSWD);
  Deno.writeTextFileSync(`${path}/etc/group`, GROUP);
  Deno.writeTextFileSync(`${path}/etc/hosts`, "127.0.0.1 localhost\n");
}

/**
 * Makes an ordinary root hostile.
 *
 * @param path Where it is.
 * @param root What differs; marks are filled in already.
 */
export function makeHostile(path: string, root: HostileRoot): void {
  for (const entry of root.entries) makeEntry(path, entry);
  Deno.chownSync(path, root.owner, root.owner);
  Deno.chmodSync(path, root.mode);
}

function makeEntry(root: string, { path, thing }: Entry): void {
  const full = `${root}/${path}`;
  const above = path.split("/").slice(0, -1);
  above.forEach((_, index) => {
    const directory = `${root}/${above.slice(0, index + 1).join("/")}`;
    if (!exists(directory)) Deno.mkdirSync(directory);
    // Nothing may be made or removed where a link leads.
    if (!Deno.lstatSync(directory).isDirectory) throw new Error(directory);
  });
  if (exists(full)) Deno.removeSync(full, { recursive: true });
  makeThing(root, full, thing);
}

function makeThing(root: string, full: string, thing: Thing): void {
  switch (thing.kind) {
    case "missing":
      return;
    case "file":
      Deno.writeFileSync(full, bytesOf(thing.text));
      return Deno.chmodSync(full, thing.mode);
    case "sparse":
      Deno.writeTextFileSync(full, "");
      return Deno.truncateSync(full, thing.size);
    case "link":
      return makeLink(thing.target, full);
    case "chain":
      return makeChain(root, full, thing.length, thing.target);
    case "fifo":
    case "socket":
      return makeNode(full, KINDS[thing.kind]);
    case "null":
      return makeNode(full, KINDS.character, ...NULL_DEVICE);
    case "no-device":
      return makeNode(full, KINDS.character, ...NO_DEVICE);
    case "whiteout":
      // What overlayfs takes for a file that was removed.
      return makeNode(full, KINDS.character, 0, 0);
    case "directory":
      return makeDirectory(full, thing);
  }
}

/** An empty target cannot be made: the nearest to it is. */
function makeLink(target: string, path: string): void {
  Deno.symlinkSync(target === "" ? "." : target, path);
}

/** Links that lead to links, at the top of the root. */
function makeChain(
  root: string,
  full: string,
  length: number,
  target: string,
): void {
  const stem = `chain${full.slice(root.length).replaceAll("/", "-")}`;
  const names = Array.from({ length }, (_, index) => `${stem}-${index}`);
  [...names.map((name) => `/${name}`), target].reduce((path, next) => {
    makeLink(next, path);
    return `${root}${next}`;
  }, full);
}

function makeDirectory(
  full: string,
  { attributes, mode, names, owner }: Extract<Thing, { kind: "directory" }>,
): void {
  Deno.mkdirSync(full);
  for (const name of new Set(names)) {
    syscall("mkdirat", AT_FDCWD, pathOf(`${full}/${name}`), 0o755);
  }
  for (const [name, value] of Object.entries(attributes)) {
    const bytes = Uint8Array.from(value, (letter) => letter.charCodeAt(0));
    setAttribute(full, name, bytes);
  }
  const flags = AT_SYMLINK_NOFOLLOW;
  syscall("fchownat", AT_FDCWD, full, owner, owner, flags);
  Deno.chmodSync(full, mode);
}

/** Not every file system has attributes, and they are not everything. */
function setAttribute(path: string, name: string, value: Uint8Array): void {
  try {
    syscall("setxattr", path, name, value, value.length, 0);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
