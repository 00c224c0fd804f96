/**
 * What a launch may do with paths of the host.
 *
 * @module
 */

import { RUN_DIRECTORY, STATE_DIRECTORY } from "../../e2e/support/mod.ts";
import { type Access, SCRATCH } from "./accesses.ts";

/** Who launches what. */
export interface Rules {
  /** The setuid binary. */
  readonly program: string;
  /** The user who launches. */
  readonly uid: number;
  /** Directories that the user can change, and the names of none of them. */
  readonly controlled: readonly string[];
  /** Paths on the command line. */
  readonly named: readonly string[];
}

/** What is nobody's but root's, and is only read. */
const READABLE: readonly RegExp[] = [
  /^\/(dev|lib|lib64|proc|sys|usr\/lib|usr\/share\/zoneinfo)(\/|$)/,
  /^\/etc\/(ld\.so\.(cache|preload)|localtime|ssl(\/openssl\.cnf)?)$/,
  // Whose presence would let the loader obey MALLOC_… of a setuid program.
  /^\/etc\/suid-debug$/,
  /^\/etc\/(group|hosts|passwd|resolv\.conf|subgid|subuid)$/,
  /^\/etc(\/cage(\/policy\.json)?)?$/,
  // The runtime looks there, since this is its home.
  /^\/\.npmrc$/,
  // What names of libraries and of root's directories go through.
  /^\/(etc|lib|run|usr|var)?$/,
  // Roots that are trusted by default.
  /^\/var(\/lib(\/microcontainer-root)?)?$/,
  /^\/run\/systemd\/resolve(\/|$)/,
];

/** Changes of a held file that its owner might not be able to make. */
const GIVES = /^(f?chown|f?chmod|f?setxattr|f?removexattr)/;

/** The maps of a user namespace that the launch has made. */
const MAPS = /^\/proc\/\d+\/(setgroups|[ug]id_map)$/;

/** `DENO_DIR` is there, so that nothing can be. */
const NOWHERE = /^\/dev\/null(\/|$)/;

/**
 * Says what is wrong with an access.
 *
 * @param access The access.
 * @param rules Who launches what.
 * @returns A sentence, or nothing.
 */
export function faultOf(access: Access, rules: Rules): string | undefined {
  const { call, path, executes, writes, inside } = access;
  if (inside) return undefined;
  const tell = (what: string) => `${what}: ${path}: ${call.line}`;
  if (executes) {
    return path === rules.program ? undefined : tell("Executed");
  }
  const isNamed = rules.named.some((name) => isBelow(path, name));
  const leadsToNamed = rules.named.some((name) => isBelow(name, path));
  const isTheirs = rules.controlled.some((name) => isBelow(path, name));
  const isFine = access.held || isAsCaller(access, rules.uid);
  if (isNamed || leadsToNamed && isFine) {
    return mayTouch(access, rules.uid) ? undefined : tell("With root's rights");
  }
  if (isTheirs) {
    if (!mayTouch(access, rules.uid)) return tell("With root's rights");
    return isWorkingDirectory(access) ? undefined : tell("Nobody named it");
  }
  if (isBelow(path, SCRATCH)) return undefined;
  if (writes && !isGivenName(access)) {
    return mayWrite(path) ? undefined : tell("Written");
  }
  const isReadable = READABLE.some((known) => known.test(path));
  return isReadable || leadsToNamed || isOwn(path) || path === rules.program
    ? undefined
    : tell("Not on the list");
}

/** What was opened as the caller is not looked up again. */
function mayTouch(access: Access, uid: number): boolean {
  return isAsCaller(access, uid) || isWorkingDirectory(access) ||
    access.held && !GIVES.test(access.call.name);
}

/** The kernel asks for no more than the caller has. */
function isAsCaller({ as }: Access, uid: number): boolean {
  return as.fsuid === uid && as.fsgid === uid && !as.overrides &&
    !as.changedGroups;
}

/** The guard holds the directory in which it starts, by no name. */
function isWorkingDirectory({ call: { name, args } }: Access): boolean {
  return name === "openat" && args[0].startsWith("AT_FDCWD") &&
    args[1] === '"."' && /\bO_PATH\b/.test(args[2]);
}

/** What a descriptor leads to was looked at when it was opened. */
function isGivenName({ call: { name }, path }: Access): boolean {
  return name === "linkat" && /^\/proc\/self\/fd\/[0-9]+$/.test(path);
}

/**
 * `cage`'s own directories are made, with those above. In a mount namespace of
 * its own it mounts on two directories of root's.
 */
function mayWrite(path: string): boolean {
  return isOwn(path) || NOWHERE.test(path) || MAPS.test(path) ||
    ["/", "/proc"].includes(path) || OWN.some((own) => isBelow(own, path));
}

const OWN = [RUN_DIRECTORY, STATE_DIRECTORY];

function isOwn(path: string): boolean {
  return OWN.some((own) => isBelow(path, own));
}

function isBelow(path: string, directory: string): boolean {
  return path === directory ||
    path.startsWith(directory === "/" ? "/" : `${directory}/`);
}
