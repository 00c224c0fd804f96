/**
 * Stand-in for `@std/path` on Linux, where JSR cannot be reached.
 *
 * It is not made of `node:path`, since a program that imports any `node:`
 * module takes about twice as long to start.
 *
 * @module
 */

/**
 * Removes `.`, `..` and repeated slashes.
 *
 * @param path A path.
 * @returns The same path, shorter; a slash at its end stays.
 */
export function normalize(path: string): string {
  const root = path.startsWith("/") ? "/" : "";
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (root === "") parts.push("..");
  }
  if (parts.length === 0 && root !== "") return root;
  const slash = path.endsWith("/") ? "/" : "";
  return root + (parts.join("/") || ".") + slash;
}

/**
 * Joins paths.
 *
 * @param paths Paths; empty ones are left out.
 * @returns The normalised path.
 */
export function join(...paths: string[]): string {
  return normalize(paths.filter((path) => path !== "").join("/"));
}

/**
 * Whether a path starts at the root.
 *
 * @param path A path.
 * @returns Whether its first character is a slash.
 */
export function isAbsolute(path: string): boolean {
  return path.startsWith("/");
}

/**
 * Makes a path absolute, from the right to the left.
 *
 * @param paths Paths, each of which starts in the one before it.
 * @returns The normalised path without a slash at its end.
 */
export function resolve(...paths: string[]): string {
  const start = paths.findLastIndex(isAbsolute);
  const parts = start < 0 ? [Deno.cwd(), ...paths] : paths.slice(start);
  return join(...parts).replace(/(.)\/$/s, "$1");
}

/**
 * The directory of a path.
 *
 * @param path A path.
 * @returns All but its last part.
 */
export function dirname(path: string): string {
  const [above] = /^.*[^/](?=\/+[^/]+\/*$)/s.exec(path) ?? [];
  return above ?? (isAbsolute(path) ? "/" : ".");
}

/**
 * The last part of a path.
 *
 * @param path A path.
 * @returns Its last part.
 */
export function basename(path: string): string {
  const [, last] = /([^/]+)\/*$/.exec(path) ?? [];
  return last ?? path.slice(0, 1);
}

/**
 * The path that a `file:` URL means.
 *
 * @param url The URL.
 * @returns The path.
 * @throws {TypeError} If it is not a `file:` URL.
 */
export function fromFileUrl(url: string | URL): string {
  const { protocol, pathname } = new URL(url);
  if (protocol !== "file:") {
    throw new TypeError(`URL must be a file URL: received "${protocol}"`);
  }
  return decodeURIComponent(
    pathname.replace(/%(?![0-9A-Fa-f]{2})/g, "%25"),
  );
}
