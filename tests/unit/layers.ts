/**
 * Layers that need no privileges: what overlayfs marks as a user's, and the
 * files by which fuse-overlayfs says what is gone.
 *
 * @module
 */

import { O_CREAT, O_PATH, O_WRONLY } from "../../ffi/constants.ts";
import { bytesOf, openEntry } from "../../ffi/entries.ts";
import { setAttribute } from "../../ffi/entry_changes.ts";
import { close, open, SyscallError, writeAll } from "../../ffi/libc.ts";
import { MergedDirectory } from "../../src/layer_view.ts";

/** The marks of these layers. */
export const MARKS = { space: "user", isFuse: true } as const;

/** A directory for a test, with a layer for each of some names. */
export class Layers implements Disposable {
  /** The path of the directory, on a disk. */
  readonly path: string = Deno.makeTempDirSync({ dir: "/var/tmp" });
  readonly #open: number[] = [];

  /**
   * Makes files.
   *
   * @param layer The name of the layer, which is made.
   * @param entries Paths that end in a slash for directories, as bytes, one
   * character for each; of files, what is in them. Each is in one before it.
   */
  make(layer: string, entries: Readonly<Record<string, string | null>>): void {
    Deno.mkdirSync(`${this.path}/${layer}`, { recursive: true });
    for (const [path, content] of Object.entries(entries)) {
      if (content === null) {
        Deno.mkdirSync(`${this.path}/${layer}/${path}`);
        continue;
      }
      const [, above, name] = path.match(/^(.*\/)?([^/]+)$/)!;
      const directory = open(`${this.path}/${layer}/${above ?? ""}`, O_PATH);
      const file = openEntry(directory, name, O_WRONLY | O_CREAT, 0o644);
      writeAll(file, bytesOf(content));
      [file, directory].forEach(close);
    }
  }

  /** Opens a layer. */
  open(layer: string): number {
    const file = open(`${this.path}/${layer}`, O_PATH);
    this.#open.push(file);
    return file;
  }

  /** Opens layers as one, which has to be closed. */
  merged(...layers: string[]): MergedDirectory {
    const files = layers.map((layer) => open(`${this.path}/${layer}`, O_PATH));
    return MergedDirectory.ofLayers(files, MARKS);
  }

  /** Sets an attribute of overlayfs. */
  mark(layer: string, path: string, mark: string, value: string): void {
    const entry = open(`${this.path}/${layer}/${path}`, O_PATH);
    const name = `user.overlay.${mark}`;
    try {
      setAttribute(entry, name, bytesOf(value));
    } finally {
      close(entry);
    }
  }

  /** Removes all. */
  [Symbol.dispose](): void {
    this.#open.forEach(close);
    Deno.removeSync(this.path, { recursive: true });
  }
}

/**
 * Tells why there can be no marks.
 *
 * @returns A reason, or nothing.
 */
export function whyNoMarks(): string | undefined {
  using layers = new Layers();
  layers.make("x", {});
  try {
    layers.mark("x", ".", "opaque", "y");
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return "/var/tmp has no attributes of users";
  }
}
