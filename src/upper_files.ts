/**
 * What files of the upper layer are merged with: those of the same name below,
 * or of the name that they had there.
 *
 * @module
 */

import { typeOf } from "./changes.ts";
import {
  type Found,
  isOpaque,
  type MergedDirectory,
  redirectOf,
  type UpperEntry,
} from "./layer_view.ts";
import { type Marks, parseRedirect } from "./overlay_marks.ts";

/** The lower layers. */
export interface Below {
  /** Their root, merged. */
  readonly lower: MergedDirectory;
  /** How overlayfs keeps things. */
  readonly marks: Marks;
}

/** What a directory of the upper layer is in. */
export interface Above {
  /** What that one is merged with. */
  readonly lower?: MergedDirectory;
  /** What that one hides. */
  readonly hidden?: MergedDirectory;
}

/** What a directory is merged with; it is closed with this. */
export interface DirectoryBelow extends Disposable {
  /** The directory, if there is one. */
  readonly lower?: MergedDirectory;
  /** Whether that is hidden, and what is in it not there. */
  readonly isHidden: boolean;
  /** The path that it had, if it has another one now. */
  readonly from?: string;
  /** What it was there. */
  readonly source?: Found;
}

/**
 * Finds what a directory is merged with.
 *
 * @param below The lower layers.
 * @param is The directory.
 * @param fd A descriptor of it.
 * @param above What it is in.
 * @returns What was found.
 */
export function belowOf(
  below: Below,
  is: UpperEntry,
  fd: number,
  { hidden, lower }: Above,
): DirectoryBelow {
  const redirect = redirectOf(is, below.marks);
  const target = redirect && follow(below, redirect, lower);
  if (target) {
    const [above, name] = target;
    const source = above.lookup(name);
    const directory = above.open(name);
    return {
      ...(directory === undefined ? {} : { lower: directory }),
      ...(source === undefined ? {} : { source }),
      ...{ isHidden: false, from: redirect },
      [Symbol.dispose]: () => {
        directory?.[Symbol.dispose]();
        above[Symbol.dispose]();
      },
    };
  }
  const above = lower ?? hidden;
  const was = above?.lookup(is.name);
  const isDirectory = was !== undefined && typeOf(was.stat) === "directory";
  const directory = isDirectory ? above!.open(is.name) : undefined;
  return {
    ...(directory === undefined ? {} : { lower: directory }),
    // Below what is hidden, all is.
    isHidden: lower === undefined || isOpaque(fd, below.marks),
    [Symbol.dispose]: () => directory?.[Symbol.dispose](),
  };
}

/** Where the content of a file is; its directory is closed with this. */
export interface FileBelow extends Disposable {
  /** The file, if there is one. */
  readonly content?: Found;
  /** The path that it had, if it has another one now. */
  readonly from?: string;
  /** What it was there. */
  readonly source?: Found;
}

/**
 * Finds the content of a file of which the attributes alone were copied up.
 *
 * @param below The lower layers.
 * @param is The file.
 * @param lower What the directory is merged with that it is in.
 * @returns What was found.
 */
export function contentOf(
  below: Below,
  is: UpperEntry,
  lower: MergedDirectory | undefined,
): FileBelow {
  const redirect = redirectOf(is, below.marks);
  if (redirect === undefined) {
    const content = lower?.lookupContent(is.name);
    return { ...(content && { content }), [Symbol.dispose]: () => {} };
  }
  const [above, name = ""] = follow(below, redirect, lower) ?? [];
  const content = above?.lookupContent(name);
  const source = above?.lookup(name);
  return {
    ...{ from: redirect, ...(content && { content }) },
    ...(source && { source }),
    [Symbol.dispose]: () => above?.[Symbol.dispose](),
  };
}

/** The directory that a redirect leads to, and the name in it. */
function follow(
  below: Below,
  redirect: string,
  lower: MergedDirectory | undefined,
): [MergedDirectory, string] | undefined {
  const parsed = parseRedirect(redirect);
  if (parsed === undefined) return;
  const { isAbsolute, names } = parsed;
  const start = isAbsolute ? below.lower : lower;
  const above = start?.openBelow(names.slice(0, -1));
  return above && [above, names.at(-1)!];
}
