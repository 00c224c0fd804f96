/**
 * Stand-in for `@std/fs`, where JSR cannot be reached.
 *
 * It is not made of `node:fs`, since a program that imports any `node:` module
 * takes about twice as long to start.
 *
 * @module
 */

/**
 * Makes a directory and those above it, unless it is there.
 *
 * @param dir The path.
 * @throws {Error} If something else is there.
 */
export function ensureDirSync(dir: string | URL): void {
  try {
    Deno.mkdirSync(dir, { recursive: true });
  } catch (error) {
    throwUnlessThere(error, statSync(dir));
  }
}

function throwUnlessThere(error: unknown, info?: Deno.FileInfo): void {
  if (info?.isDirectory) return;
  if (info === undefined) throw error;
  const type = info.isFile ? "file" : info.isSymlink ? "symlink" : undefined;
  throw new Error(
    `Failed to ensure directory exists: expected 'dir', got '${type}'`,
  );
}

/**
 * Whether something is there.
 *
 * @param path The path; a symlink is followed.
 * @returns Whether it exists.
 */
export function existsSync(path: string | URL): boolean {
  return statSync(path) !== undefined;
}

function statSync(path: string | URL): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
