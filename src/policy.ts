/**
 * The policy of the administrator: what those get who are not root.
 *
 * @module
 */

import { CageError } from "./errors.ts";
import { type Json, JsonSyntaxError, parseJsonc } from "./jsonc.ts";
import { quote } from "./quote.ts";
import { MAX_ID, parseGroup, parsePasswd } from "./users.ts";

/** The file of the policy, root's, in JSON with comments. */
export const POLICY_FILE = "/etc/cage/policy.json";

/** Who is granted something, by names or numbers of the host. */
export interface Granted {
  /** Users, by their real id. */
  readonly users: readonly (string | number)[];
  /** Groups, of which a caller has to have one, primary or supplementary. */
  readonly groups: readonly (string | number)[];
}

/** How much each user may have at a time. */
export interface Limits {
  /** Containers that run. */
  readonly instances: number;
  /** Images that take the place of upper directories. */
  readonly images: number;
  /** Bytes that each of the images may come to take. */
  readonly imageBytes: number;
}

/** What is decided for callers who are not root. */
export interface Policy {
  /** Who is root of the machine inside, as the group `docker` makes root. */
  readonly granted: Granted;
  /**
   * Directories whose root file systems are mapped to the ids of whoever uses
   * them: everything below is readable to every user.
   */
  readonly trustedRoots: readonly string[];
  /** Where volumes may come from; all that the caller can open, if absent. */
  readonly volumes?: readonly string[];
  /** How much each user may have. */
  readonly limits: Limits;
}

/** Who is asked about: real ids of a process. */
export interface CallerIds {
  /** The id of the user. */
  readonly uid: number;
  /** The primary group. */
  readonly gid: number;
  /** The supplementary groups. */
  readonly groups: readonly number[];
}

/**
 * What holds where the file says nothing.
 *
 * The limits are on what no other limit of the user's counts, since it is
 * root's: mounts and kernel memory of a container, loop devices that everybody
 * shares, and blocks of images, which no quota of the user's includes. 64
 * containers are more than a person watches over, and a small part of what a
 * machine has room for; images are made only where a file system cannot hold
 * an upper directory, for which four are plenty; 16 GiB hold a desktop system.
 */
export const DEFAULT_POLICY: Policy = {
  granted: { users: [], groups: [] },
  trustedRoots: ["/var/lib/microcontainer-root"],
  limits: { instances: 64, images: 4, imageBytes: 16 * 2 ** 30 },
};

/**
 * A name that passwd(5) and group(5) can hold and {@linkcode parsePasswd} finds,
 * in the words of JSON Schema. Digits alone would be taken for a number by
 * some programs and for a name by others.
 */
export const NAME_PATTERN: string = String
  .raw`^(?![0-9]+$|[#+-])[^:\u0000-\u001f\u007f-\u009f\ud800-\udfff]+$`;

const BELOW_ROOT = String
  .raw`(?:/(?!\.{1,2}(?:/|$))[^/\u0000-\u001f\u007f-\u009f\ud800-\udfff]+)+`;

/** An absolute path that is normalised, and is not the root. */
export const ROOT_PATTERN: string = `^${BELOW_ROOT}$`;

/** The same, or the root. */
export const SOURCE_PATTERN: string = `^(?:/|${BELOW_ROOT})$`;

/**
 * Reads the text of a policy. What it leaves out is as in
 * {@linkcode DEFAULT_POLICY}; `$schema` may name the schema, for editors.
 *
 * @param text The text.
 * @param file Its path, for the sentence.
 * @returns The policy.
 * @throws {CageError} If it is no JSON, has a key that is not known, or a value
 * that is not valid.
 *
 * @example One grant
 * ```ts
 * import { DEFAULT_POLICY, parsePolicy } from "cage/src/policy.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const policy = parsePolicy(`{
 *   // They are root of the machine.
 *   "granted": { "groups": ["cage"] }
 * }`);
 * assertEquals(policy, {
 *   ...DEFAULT_POLICY,
 *   granted: { users: [], groups: ["cage"] },
 * });
 * ```
 */
export function parsePolicy(text: string, file: string = POLICY_FILE): Policy {
  try {
    const { $schema: _, ...policy } = readFile(parseJsonc(text), "");
    return policy;
  } catch (error) {
    if (error instanceof JsonSyntaxError || error instanceof Invalid) {
      throw new CageError(`Cannot use policy ${quote(file)}: ${error.message}`);
    }
    throw error;
  }
}

/**
 * Finds out why a caller is granted the host's root. The member list of a group
 * does not count, but the groups that the caller really has: those who were
 * added have to log in anew, those who gave a group up have not got it.
 *
 * @param policy The policy.
 * @param caller The caller.
 * @param passwd The text of the host's `/etc/passwd`; a name that it does not
 * have, as those of a directory service, grants nothing: numbers do.
 * @param group The text of the host's `/etc/group`.
 * @returns The user or the group that the policy names, if there is one.
 *
 * @example By a group
 * ```ts
 * import { grantOf, parsePolicy } from "cage/src/policy.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const policy = parsePolicy('{ "granted": { "groups": ["cage"] } }');
 * const caller = { uid: 1000, gid: 1000, groups: [27, 800] };
 * assertEquals(grantOf(policy, caller, "", "cage:x:800:\n"), "group cage");
 * assertEquals(grantOf(policy, caller, "", "cage:x:801:\n"), undefined);
 * ```
 */
export function grantOf(
  { granted }: Policy,
  caller: CallerIds,
  passwd: string,
  group: string,
): string | undefined {
  const users = parsePasswd(passwd);
  const user = granted.users.find((word) =>
    caller.uid ===
      (typeof word === "number"
        ? word
        : users.find(({ name }) => name === word)?.uid)
  );
  if (user !== undefined) return `user ${user}`;
  const known = parseGroup(group);
  const ids = new Set<number | undefined>([caller.gid, ...caller.groups]);
  const found = granted.groups.find((word) =>
    ids.has(
      typeof word === "number"
        ? word
        : known.find(({ name }) => name === word)?.gid,
    )
  );
  return found === undefined ? undefined : `group ${found}`;
}

/** A value that is not valid; the message names its key. */
class Invalid extends Error {}

/** Reads the value of a key. */
type Read<T> = (value: Json, key: string) => T;

const readIds = listOf((value, key): string | number => {
  if (typeof value === "string" && matches(NAME_PATTERN, value)) return value;
  if (isWhole(value, MAX_ID)) return value;
  throw invalid(key, value, `a name, or a number from 0 to ${MAX_ID}`);
});

const readCount: Read<number> = (value, key) => {
  const most = Number.MAX_SAFE_INTEGER;
  if (isWhole(value, most)) return value;
  throw invalid(key, value, `a whole number from 0 to ${most}`);
};

const readText: Read<string | undefined> = (value, key) => {
  if (typeof value === "string") return value;
  throw invalid(key, value, "a text");
};

const readFile = objectOf<Policy & { readonly $schema?: string }>({
  $schema: readText,
  granted: objectOf<Granted>(
    { users: readIds, groups: readIds },
    DEFAULT_POLICY.granted,
  ),
  trustedRoots: listOf(
    pathOf(ROOT_PATTERN, 'without ".", ".." and a slash at its end, not "/"'),
  ),
  volumes: listOf(
    pathOf(SOURCE_PATTERN, 'without ".", ".." and a slash at its end'),
  ),
  limits: objectOf<Limits>(
    { instances: readCount, images: readCount, imageBytes: readCount },
    DEFAULT_POLICY.limits,
  ),
}, DEFAULT_POLICY);

function pathOf(pattern: string, how: string): Read<string> {
  return (value, key) => {
    if (typeof value === "string" && matches(pattern, value)) return value;
    throw invalid(key, value, `an absolute path ${how}`);
  };
}

function listOf<T>(read: Read<T>): Read<T[]> {
  return (value, key) => {
    if (!Array.isArray(value)) throw invalid(key, value, "a list");
    return value.map((item, index) => read(item, `${key}[${index}]`));
  };
}

/** An object may have these keys; those that it has not are as by default. */
function objectOf<T>(
  reads: { readonly [K in keyof T]-?: Read<T[K]> },
  defaults: T,
): Read<T> {
  const known = new Map<string, Read<unknown>>(Object.entries(reads));
  return (value, key) => {
    if (!(value instanceof Map)) throw invalid(key, value, "an object");
    const entries = [...value as ReadonlyMap<string, Json>];
    const given = entries.map(([name, item]) => {
      const path = key === "" ? name : `${key}.${name}`;
      const read = known.get(name);
      if (read === undefined) throw unknown(path, [...known.keys()]);
      return [name, read(item, path)];
    });
    return { ...defaults, ...Object.fromEntries(given) };
  };
}

function matches(pattern: string, text: string): boolean {
  return new RegExp(pattern, "u").test(text);
}

function isWhole(value: Json, most: number): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;
}

function invalid(key: string, value: Json, valid: string): Invalid {
  const what = key === "" ? "it" : quote(key);
  return new Invalid(`${what} is ${nameOf(value)}: it has to be ${valid}`);
}

function unknown(key: string, known: readonly string[]): Invalid {
  const valid = known.map(quote).join(", ");
  return new Invalid(`${quote(key)} is no key of it: valid are ${valid}`);
}

function nameOf(value: Json): string {
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return "a list";
  return value instanceof Map ? "an object" : String(value);
}
