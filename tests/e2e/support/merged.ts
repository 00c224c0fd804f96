/**
 * What a container's changes make of its lower directory, found out without
 * `cage`: by a mount of overlayfs, and a walk of both trees.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { asRootInside, isRootless } from "./mode.ts";
import { output } from "./process.ts";

const SCRIPT = fromFileUrl(new URL("merged_trees.py", import.meta.url));

/** The layers of a container that has ended. */
export interface Layers {
  /** The upper directory. */
  readonly upper: string;
  /** The lower directory. */
  readonly lower: string;
}

/** One change: kind, path in hexadecimal, aspects, and what is there. */
export type Told = readonly [
  kind: string,
  path: string,
  aspects: readonly string[],
  entry: readonly [
    type: number,
    mode: string,
    uid: number,
    gid: number,
    size: number | null,
  ],
];

function inMerged({ lower, upper }: Layers, words: readonly string[]) {
  const space = isRootless ? "user" : "trusted";
  return output([
    ...[...asRootInside(), "unshare", "--mount", "python3", SCRIPT],
    ...[space, upper, lower, ...words],
  ]);
}

/**
 * Compares the merged tree with the lower one.
 *
 * @param layers The layers.
 * @param path Where to begin, from the root of the container.
 * @returns The changes, in order.
 */
export async function walkMerged(layers: Layers, path = ""): Promise<Told[]> {
  return JSON.parse(await inMerged(layers, ["walk", path]));
}

/**
 * Compares the merged tree with another one, by rsync(1).
 *
 * @param layers The layers.
 * @param other The other directory.
 * @returns A line for each difference.
 */
export function rsyncMerged(layers: Layers, other: string): Promise<string> {
  const rsync = "rsync -naXAH --checksum --delete --itemize-changes";
  return inMerged(layers, [
    ...["run", "sh", "-c", `${rsync} "$MERGED/" "$1/"`, "sh", other],
  ]);
}

/**
 * Copies the merged tree.
 *
 * @param layers The layers.
 * @param to Where to.
 */
export async function copyMerged(layers: Layers, to: string): Promise<void> {
  await inMerged(layers, [
    ...["run", "sh", "-c", 'rsync -aXAHS "$MERGED/" "$1/"', "sh", to],
  ]);
}

/**
 * Compares two trees by rsync(1).
 *
 * @param one A directory.
 * @param other Another one.
 * @returns A line for each difference.
 */
export function rsyncTrees(one: string, other: string): Promise<string> {
  return output([
    ...[...asRootInside(), "rsync", "-naXAH", "--checksum", "--delete"],
    ...["--itemize-changes", `${one}/`, `${other}/`],
  ]);
}

const TYPES: Readonly<Record<string, number>> = {
  ...{ file: 0o100000, directory: 0o040000, link: 0o120000, fifo: 0o010000 },
  ...{ socket: 0o140000, char: 0o020000, block: 0o060000 },
};

/**
 * Reads what `cage --diff --json` prints, in the form of {@linkcode walkMerged}.
 * Changes that are only about which names are one file are not in there.
 *
 * @param text What it printed.
 * @returns The changes, in order.
 */
export function parseDiff(text: string): Told[] {
  const lines = text.trim().split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line))
    .filter(({ aspects, kind }) => kind !== "changed" || aspects !== undefined)
    .map((change) => {
      const { after, aspects = [], before, kind, path, pathBytes } = change;
      const { gid, mode, size, type, uid } = after ?? before;
      const bytes = pathBytes ?? new TextEncoder().encode(path).toHex();
      return [
        ...[kind, bytes, aspects],
        [TYPES[type], mode, uid, gid, type === "directory" ? null : size],
      ] as unknown as Told;
    })
    .sort(byOrder);
}

function byOrder([a, one]: Told, [b, other]: Told): number {
  if (a !== b) return a < b ? -1 : 1;
  return one < other ? -1 : one > other ? 1 : 0;
}
