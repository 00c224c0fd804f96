/**
 * What overlayfs keeps beside the files themselves, in layers of its own:
 * Documentation/filesystems/overlayfs.rst, Linux 6.18.
 *
 * @module
 */

import type { Entry } from "./changes.ts";

/**
 * The name space of the attributes: `trusted` for root, `user` with the option
 * `userxattr`.
 */
export type MarkSpace = "trusted" | "user";

/** How whiteouts and opaque directories are kept. */
export interface Marks {
  /** Where the attributes are. */
  readonly space: MarkSpace;
  /** Whether fuse-overlayfs kept it: `.wh.NAME` and `.wh..wh..opq`. */
  readonly isFuse: boolean;
}

/** Before the name of a file that is not there: of fuse-overlayfs, and of OCI. */
export const WHITEOUT_PREFIX = ".wh.";

/** In a directory that hides what is below: of fuse-overlayfs, and of OCI. */
export const OPAQUE_FILE = ".wh..wh..opq";

/**
 * Names an attribute of overlayfs.
 *
 * @param marks Where it is.
 * @param name Its last part.
 * @returns The whole name.
 *
 * @example Of root
 * ```ts
 * import { markName } from "cage/src/overlay_marks.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const marks = { space: "trusted", isFuse: false } as const;
 * assertEquals(markName(marks, "opaque"), "trusted.overlay.opaque");
 * ```
 */
export function markName({ space }: Marks, name: string): string {
  return `${space}.overlay.${name}`;
}

/**
 * Tells whether an attribute is the file's, and not overlayfs's. One of an
 * overlay inside another one has an `overlay.` more.
 *
 * @param marks Where those of overlayfs are.
 * @param attribute The name.
 * @returns Whether it is the file's.
 *
 * @example One of each
 * ```ts
 * import { isOfFile } from "cage/src/overlay_marks.ts";
 * import { assert } from "@std/assert";
 *
 * const marks = { space: "user", isFuse: false } as const;
 * assert(isOfFile(marks, "user.overlay.overlay.opaque"));
 * assert(!isOfFile(marks, "user.overlay.opaque"));
 * ```
 */
export function isOfFile(marks: Marks, attribute: string): boolean {
  if (marks.isFuse && attribute.startsWith("user.fuseoverlayfs.")) return false;
  const own = markName(marks, "");
  return !attribute.startsWith(own) || attribute.startsWith(`${own}overlay.`);
}

/**
 * Tells whether an entry is a whiteout by what it is: a device 0:0.
 *
 * @param entry The entry.
 * @returns Whether it is one.
 *
 * @example A device that is something
 * ```ts
 * import { isWhiteoutNode } from "cage/src/overlay_marks.ts";
 * import { assert } from "@std/assert";
 *
 * assert(isWhiteoutNode({ mode: 0o020000, rdev: [0, 0] }));
 * assert(!isWhiteoutNode({ mode: 0o020000, rdev: [1, 3] }));
 * ```
 */
export function isWhiteoutNode(
  { mode, rdev }: Pick<Entry, "mode" | "rdev">,
): boolean {
  return (mode & 0o170000) === 0o020000 && rdev[0] === 0 && rdev[1] === 0;
}

/**
 * Splits a path that a directory or a file has below: an absolute one from the
 * root of the layers, or one name in the same directory.
 *
 * @param redirect The value of the attribute, one character for each byte.
 * @returns The names, and where they begin; nothing if it is malformed.
 *
 * @example Both kinds
 * ```ts
 * import { parseRedirect } from "cage/src/overlay_marks.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseRedirect("/a/b"), { isAbsolute: true, names: ["a", "b"] });
 * assertEquals(parseRedirect("a"), { isAbsolute: false, names: ["a"] });
 * assertEquals(parseRedirect("../a"), undefined);
 * assertEquals(parseRedirect("/..\0/a"), undefined);
 * ```
 */
export function parseRedirect(
  redirect: string,
): { readonly isAbsolute: boolean; readonly names: string[] } | undefined {
  const isAbsolute = redirect.startsWith("/");
  const names = (isAbsolute ? redirect.slice(1) : redirect).split("/");
  // The kernel ends at a NUL: what is before it would be another name.
  const isWrong = (name: string) =>
    ["", ".", ".."].includes(name) || name.includes("\0");
  if (names.some(isWrong) || (!isAbsolute && names.length > 1)) return;
  return { isAbsolute, names };
}
