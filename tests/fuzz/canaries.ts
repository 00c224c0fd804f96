/**
 * What no run may change.
 *
 * @module
 */

/**
 * Lists a directory with everything below, so that two lists are equal if
 * nothing has changed.
 *
 * @param path The directory.
 * @returns One line for each entry.
 */
export function lookBelow(path: string): string[] {
  return look(path, true);
}

/** Directories of the host in which nothing is to appear or to vanish. */
const HOST = ["/", "/etc", "/dev", "/root", "/srv", "/var"];

/** Loop devices and terminals come and go, and so do users. */
const OTHERS = new RegExp(
  "^/dev/(?:loop|tty|pts)|" +
    "^/etc/(?:passwd|shadow|group|gshadow|subuid|subgid)(?:[-+.].*)?$|" +
    "^/etc/\\.pwd\\.lock$",
);

/** Files whose content matters as well. */
const EXACT = ["/etc/hosts", "/etc/resolv.conf", "/etc/fstab", "/etc/profile"];

/**
 * Lists what is in the busiest directories of the host.
 *
 * @param more More directories.
 * @returns One line for each entry.
 */
export function lookAtHost(...more: string[]): string[] {
  return [...HOST, ...more].flatMap((path) => look(path, false));
}

/**
 * Compares two lists.
 *
 * @param before The earlier list.
 * @param after The later list.
 * @returns What differs, in sentences.
 */
export function changes(
  before: readonly string[],
  after: readonly string[],
): string[] {
  const [old, now] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !now.has(line)).map((line) => `Gone: ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `New: ${line}`),
  ];
}

function look(path: string, deep: boolean): string[] {
  const names = namesIn(path);
  return [
    lineOf(path, deep),
    ...names.flatMap((name) => {
      const below = `${path === "/" ? "" : path}/${name}`;
      if (OTHERS.test(below)) return [];
      const info = infoOf(below);
      return deep && info?.isDirectory && !info.isSymlink
        ? look(below, true)
        : [lineOf(below, deep)];
    }),
  ];
}

/** Times and sizes too where nobody else writes, or of what few write. */
function lineOf(path: string, exact: boolean): string {
  const info = infoOf(path);
  if (info === null) return `${path} cannot be seen`;
  const { gid, ino, mode, mtime, size, uid } = info;
  const rights = `${path} ${(mode ?? 0).toString(8)} ${uid}:${gid}`;
  if (!exact && !EXACT.includes(path)) return rights;
  const target = info.isSymlink ? ` -> ${Deno.readLinkSync(path)}` : "";
  return `${rights} ${ino} ${size} ${mtime?.getTime()}${target}`;
}

function infoOf(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch {
    // A name that is no UTF-8, or something that is gone already.
    return null;
  }
}

function namesIn(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  } catch {
    return [];
  }
}
