/**
 * Where something is measured, as words of commands tell it.
 *
 * @module
 */

/** What a command is run on. */
export interface Place {
  /** The path of a root file system that has a static busybox and no more. */
  readonly root: string;
  /** A directory for what a program keeps. */
  readonly state: string;
  /** The name of the container. */
  readonly name: string;
  /** The path of `cage`, as `make` builds it. */
  readonly cage: string;
  /** An empty program, built as `bin/cage` is. */
  readonly empty: string;
  /** The path of Deno. */
  readonly deno: string;
  /** Arguments of `deno run`. */
  readonly denoFlags: readonly string[];
  /** The root of the checkout. */
  readonly checkout: string;
}

/**
 * Gives the path of the bundle for a command; only its first word matters.
 *
 * @param place Where bundles are.
 * @param command The command.
 * @returns The path.
 */
export function bundleOf(place: Place, command: readonly string[]): string {
  return `${place.state}/bundle-${programOf(command)}`;
}

/**
 * Gives the name of the program that a command runs.
 *
 * @param command The command.
 * @returns The last part of its path.
 */
export function programOf([program]: readonly string[]): string {
  return program.slice(program.lastIndexOf("/") + 1);
}

/**
 * Writes a command for readers: names instead of paths that only one machine
 * has.
 *
 * @param text A command, or what a program says.
 * @param place The place.
 * @returns The text with names.
 */
export function withoutPaths(text: string, place: Place): string {
  const names: [string, string][] = [
    [place.deno, "deno"],
    [place.cage, "bin/cage"],
    [place.root, "ROOT"],
    [place.state, "STATE"],
    [place.empty, "EMPTY"],
    [place.name, "NAME"],
    [`${place.checkout}/`, ""],
  ];
  // The longest first, since one can begin as another one does.
  return names.toSorted(([a], [b]) => b.length - a.length).reduce(
    (text, [path, shown]) => text.replaceAll(path, shown),
    text,
  );
}
