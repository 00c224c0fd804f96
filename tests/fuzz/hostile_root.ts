/**
 * Root file systems that somebody made who means harm, as data.
 *
 * @module
 */

import type { Random } from "../unit/seeded.ts";
import { database } from "./databases.ts";
import { byteMark, OUTSIDE } from "./marks.ts";

/** What is at a place, instead of what should be. */
export type Thing =
  | { readonly kind: "missing" }
  | { readonly kind: "file"; readonly text: string; readonly mode: number }
  | { readonly kind: "sparse"; readonly size: number }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "chain"; readonly length: number; readonly target: string }
  | { readonly kind: "fifo" | "socket" | "null" | "no-device" | "whiteout" }
  | {
    readonly kind: "directory";
    readonly names: readonly string[];
    readonly mode: number;
    readonly owner: number;
    readonly attributes: Readonly<Record<string, string>>;
  };

/** A place in a root and what is there. */
export interface Entry {
  /** The path in the root, without a slash at the start. */
  readonly path: string;
  /** What is there. */
  readonly thing: Thing;
}

/** A root. */
export interface HostileRoot {
  /** Rights of the root itself. */
  readonly mode: number;
  /** Owner of the root itself. */
  readonly owner: number;
  /** What differs from an ordinary root, those above before those below. */
  readonly entries: readonly Entry[];
}

/** Where something is looked for, mounted, made or executed. */
export const PLACES: readonly string[] = [
  ...["proc", "sys", "dev", "run", "tmp", "var", "etc", "bin", "root", "home"],
  ...["dev/null", "dev/console", "dev/pts", "dev/shm", "dev/fd", "dev/ptmx"],
  ...["dev/tty", "run/lock", "run/user", "var/tmp", "var/lib", "proc/sys"],
  ...["var/lib/microcontainer", "run/microcontainer", "sys/firmware"],
  ...["etc/passwd", "etc/group", "etc/hosts", "etc/resolv.conf"],
  ...["bin/sh", "bin/true", "bin/busybox", "proc/self", "proc/kcore"],
  ...["volume", "volume/below", "init", "lib", "lib64"],
];

/** Those that most of a launch goes through. */
const BUSY = PLACES.slice(0, 7);

/** Enough to leave whatever directory it is. */
const UP = "../".repeat(24).replace(/\/$/, "");

/** Where links lead: out by `..`, out by magic links, into the kernel. */
const TARGETS = [
  ...[
    "/",
    ".",
    "..",
    "",
    "/tmp",
    "tmp",
    "/etc",
    "/proc",
    "proc",
    "/dev",
    "dev",
  ],
  ...["/nosuch", "nosuch/below", "/etc/passwd", "/bin/busybox", "/dev/null"],
  ...["/proc/self/exe", "/proc/self/root", "/proc/self/cwd", "/proc/1/root"],
  ...["/proc/1/exe", "/proc/1/cwd", "/proc/self/root/tmp", "/proc/self/fd"],
  ...["/proc/thread-self/root", "/proc/self/ns/mnt", "/proc/self/mem"],
  ...[`${OUTSIDE}/secret`, `${OUTSIDE}/dir`, `${OUTSIDE}/new`, OUTSIDE],
  ...[`${UP}${OUTSIDE}/dir`, `${UP}${OUTSIDE}/secret`, `${UP}/etc`],
  ...[`/proc/1/root${OUTSIDE}/dir`, `/proc/self/cwd${OUTSIDE}/secret`],
];

/** What overlayfs keeps in attributes, Documentation/filesystems/overlayfs. */
const ATTRIBUTES: readonly [name: string, value: string][] = [
  ["trusted.overlay.opaque", "y"],
  ["trusted.overlay.opaque", "x"],
  ["trusted.overlay.redirect", "/../../etc"],
  ["trusted.overlay.redirect", "../../../../../etc"],
  ["trusted.overlay.metacopy", "\0"],
  ["trusted.overlay.origin", "\0\xfb\x21\0"],
  ["user.overlay.opaque", "y"],
];

const MODES = [0, 0o111, 0o500, 0o700, 0o777, 0o1777, 0o2755, 0o4755, 0o7777];
const OWNERS = [0, 1, 1000, 65534, 4294967294];

const NAMES = [
  ...["a", "x".repeat(255), "new\nline", "\x1b[2J", "a:b", "\\", "漢"],
  ...[byteMark(0xff), `${byteMark(0xc3)}(`, `${byteMark(0xed)}.hosts`],
];

const TEXTS = [
  ...["", "plain\n", "#!/bin/sh\nexit 0\n", "#!/proc/self/exe\n", "#!\n"],
  ...["#!/bin/sh -e\n", `#!${"/".repeat(300)}bin/sh\n`, "\x7fELF", "\0\0\0\0"],
  ...["#!/init\n", "127.0.0.1 localhost\n", "nameserver 192.0.2.1\n"],
];

/**
 * Makes a root that is hostile at a few places.
 *
 * @param random What chooses.
 * @returns The root.
 */
export function hostileRoot(random: Random): HostileRoot {
  const count = random.pick([1, 1, 2, 2, 3, 5]);
  const entries = Array.from({ length: count }, () => {
    const path = random.pick(random.below(3) === 0 ? BUSY : PLACES);
    return { path, thing: thingAt(random, path) };
  });
  return {
    mode: random.below(6) === 0 ? random.pick(MODES) : 0o755,
    owner: random.below(6) === 0 ? random.pick(OWNERS) : 0,
    entries: inOrder(entries),
  };
}

/**
 * Puts entries into the order in which they are made, the first of those at
 * one place and none below what is no directory.
 *
 * @param entries The entries.
 * @returns Those that can be made.
 */
export function inOrder(entries: readonly Entry[]): Entry[] {
  const made: Entry[] = [];
  const depth = ({ path }: Entry) => path.split("/").length;
  for (const entry of entries.toSorted((a, b) => depth(a) - depth(b))) {
    const isShadowed = made.some(({ path, thing }) =>
      path === entry.path ||
      entry.path.startsWith(`${path}/`) && thing.kind !== "directory"
    );
    if (!isShadowed) made.push(entry);
  }
  return made;
}

function thingAt(random: Random, path: string): Thing {
  if (/passwd|group/.test(path) && random.below(2) === 0) {
    return { kind: "file", text: database(random), mode: 0o644 };
  }
  const target = () => random.pick(TARGETS);
  switch (random.below(10)) {
    case 0:
      return { kind: "missing" };
    case 1:
      return {
        kind: "file",
        text: random.pick(TEXTS),
        mode: random.pick([0o644, 0o755, ...MODES]),
      };
    case 2:
      return { kind: "sparse", size: random.pick([1 << 20, 2 ** 40]) };
    case 3:
      return { kind: "chain", length: random.pick([2, 39, 41]), target: "tmp" };
    case 4:
      return {
        kind: "chain",
        length: random.pick([1, 3, 8]),
        target: target(),
      };
    case 5:
      // A link to itself is a loop.
      return { kind: "link", target: random.pick(["/" + path, target()]) };
    case 6:
      return {
        kind: random.pick(["fifo", "socket", "null", "no-device", "whiteout"]),
      };
    case 7:
      return directory(random);
    default:
      return { kind: "link", target: target() };
  }
}

function directory(random: Random): Thing {
  return {
    kind: "directory",
    names: random.list(4, () => random.pick(NAMES)),
    mode: random.pick(MODES),
    owner: random.pick(OWNERS),
    attributes: random.below(3) === 0
      ? Object.fromEntries([random.pick(ATTRIBUTES)])
      : {},
  };
}
