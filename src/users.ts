/**
 * Users and groups of a root file system, read as data: no NSS, so that
 * nothing of the root file system runs to find them.
 *
 * @module
 */

import { UsageError } from "./errors.ts";
import { quote } from "./quote.ts";

/** Highest id: 4294967295 is (uid_t) -1, "leave as it is" to setreuid(2). */
export const MAX_ID = 4294967294;

/** Most groups of a process: `NGROUPS_MAX` of linux/limits.h, Linux 2.6.4. */
export const MAX_GROUPS = 65536;

/** An entry of passwd(5). */
export interface User {
  /** The login name. */
  readonly name: string;
  /** The id of the user. */
  readonly uid: number;
  /** The primary group. */
  readonly gid: number;
  /** The home directory, which may be empty. */
  readonly home: string;
  /** The login shell, which may be empty. */
  readonly shell: string;
}

/** An entry of group(5). */
export interface Group {
  /** The name of the group. */
  readonly name: string;
  /** The id of the group. */
  readonly gid: number;
  /** Login names of those who have it as a supplementary group. */
  readonly members: readonly string[];
}

/** Who a command runs as. */
export interface ResolvedUser {
  /** The id of the user. */
  readonly uid: number;
  /** The primary group. */
  readonly gid: number;
  /** All groups for setgroups(2), the primary one first, each once. */
  readonly groups: readonly number[];
  /** The name, if there is an entry. */
  readonly name?: string;
  /** The home directory, if the entry gives an absolute path. */
  readonly home?: string;
  /** The login shell, if the entry gives an absolute path. */
  readonly shell?: string;
}

/** The names or numbers in `-u` and `-g`, not looked up yet. */
export interface UserWords {
  /** Name or number of the user. */
  readonly user: string;
  /** Names or numbers of the groups, those of `-u` first. */
  readonly groups: readonly string[];
}

/**
 * Finds the user and the groups of a command.
 *
 * Digits alone are a number, with or without an entry; anything else is a name
 * and must have one. Groups of `user` come before those of `group`, and the
 * first is the primary one. If neither gives any, they are the user's own: the
 * primary one of the entry and those that list the user as a member.
 *
 * @param user The value of `-u`, `user[:group…]`; 0 if it is absent.
 * @param group The value of `-g`, `group[:group…]`.
 * @param passwd The text of `/etc/passwd` inside.
 * @param groupFile The text of `/etc/group` inside.
 * @returns The ids, and what the user's entry says.
 * @throws {UsageError} If a name is empty or unknown, an id is out of range,
 * or there are more groups than the kernel takes.
 *
 * @example A user by name
 * ```ts
 * import { resolveUser } from "cage/src/users.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const passwd = "alice:x:1000:100::/home/alice:/bin/ash\n";
 * const group = "users:x:100:\naudio:x:29:bob,alice\n";
 * assertEquals(resolveUser("alice", undefined, passwd, group), {
 *   uid: 1000,
 *   gid: 100,
 *   groups: [100, 29],
 *   name: "alice",
 *   home: "/home/alice",
 *   shell: "/bin/ash",
 * });
 * ```
 */
export function resolveUser(
  user: string | undefined,
  group: string | undefined,
  passwd: string,
  groupFile: string,
): ResolvedUser {
  const words = splitUser(user, group);
  const entry = findUser(words.user, parsePasswd(passwd));
  const uid = entry?.uid ?? Number(words.user);
  const known = parseGroup(groupFile);
  const groups = words.groups.length > 0
    ? words.groups.map((word) => findGroup(word, known))
    : ownGroups(uid, entry, known);
  const unique = [...new Set(groups)];
  if (unique.length > MAX_GROUPS) {
    throw new UsageError(
      `Cannot run as user ${quote(words.user)}: ${unique.length} groups are ` +
        `more than the ${MAX_GROUPS} that the kernel takes: name some with -g`,
    );
  }
  return { uid, gid: unique[0], groups: unique, ...profile(entry) };
}

/**
 * Splits the values of `-u` and `-g`, without looking anything up.
 *
 * @param user The value of `-u`, `user[:group…]`; 0 if it is absent.
 * @param group The value of `-g`, `group[:group…]`.
 * @returns The names and numbers.
 * @throws {UsageError} If one of them is empty or a number out of range.
 *
 * @example Both values
 * ```ts
 * import { splitUser } from "cage/src/users.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(splitUser("alice:staff", "audio:29"), {
 *   user: "alice",
 *   groups: ["staff", "audio", "29"],
 * });
 * ```
 */
export function splitUser(
  user: string | undefined,
  group: string | undefined,
): UserWords {
  const [name, ...more] = split("user", user ?? "0");
  const groups = group === undefined ? [] : split("group", group);
  return { user: name, groups: [...more, ...groups] };
}

/**
 * Reads the text of passwd(5). Lines that are not an entry (comments, NIS,
 * missing fields, odd numbers, control characters) are skipped.
 *
 * @param text The text of the file.
 * @returns The entries, in order; of two for one user the first counts.
 *
 * @example One entry
 * ```ts
 * import { parsePasswd } from "cage/src/users.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parsePasswd("# users\nbin:x:1:2:Bin:/bin:/bin/false\n"), [
 *   { name: "bin", uid: 1, gid: 2, home: "/bin", shell: "/bin/false" },
 * ]);
 * ```
 */
export function parsePasswd(text: string): User[] {
  return entries(text, 7).flatMap(([name, , uid, gid, , home, shell]) =>
    isId(uid) && isId(gid)
      ? [{ name, uid: Number(uid), gid: Number(gid), home, shell }]
      : []
  );
}

/**
 * Reads the text of group(5). Lines that are not an entry are skipped, as in
 * {@linkcode parsePasswd}.
 *
 * @param text The text of the file.
 * @returns The entries, in order; of two for one group the first counts.
 *
 * @example One entry
 * ```ts
 * import { parseGroup } from "cage/src/users.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseGroup("audio:x:29:alice,bob\n"), [
 *   { name: "audio", gid: 29, members: ["alice", "bob"] },
 * ]);
 * ```
 */
export function parseGroup(text: string): Group[] {
  return entries(text, 4).flatMap(([name, , gid, members]) =>
    isId(gid)
      ? [{
        name,
        gid: Number(gid),
        members: members.split(",").filter((member) => member !== ""),
      }]
      : []
  );
}

/** The fields of each line that has so many and begins with a name. */
function entries(text: string, fields: number): string[][] {
  return text.split("\n")
    .filter((line) => !/^[#+-]|\p{Cc}/u.test(line))
    .map((line) => line.split(":"))
    .filter((entry) => entry.length === fields && entry[0] !== "");
}

function isId(text: string): boolean {
  return isNumber(text) && Number(text) <= MAX_ID;
}

function isNumber(text: string): boolean {
  return /^[0-9]+$/.test(text);
}

function split(kind: "user" | "group", text: string): string[] {
  const words = text.split(":");
  if (words.includes("")) {
    const form = kind === "user" ? "-u user:group:group" : "-g group:group";
    throw new UsageError(
      `Cannot use ${kind} ${quote(text)}: a part of it is empty: write ${form}`,
    );
  }
  const wrong = words.find((word) => isNumber(word) && !isId(word));
  if (wrong !== undefined) {
    throw new UsageError(
      `Cannot use id ${quote(wrong)}: it is out of range: ` +
        `ids go from 0 to ${MAX_ID}`,
    );
  }
  return words;
}

function findUser(word: string, users: readonly User[]): User | undefined {
  if (isNumber(word)) return users.find(({ uid }) => uid === Number(word));
  const entry = users.find(({ name }) => name === word);
  if (entry === undefined) throw unknown("user", "passwd", word);
  return entry;
}

function findGroup(word: string, groups: readonly Group[]): number {
  if (isNumber(word)) return Number(word);
  const entry = groups.find(({ name }) => name === word);
  if (entry === undefined) throw unknown("group", "group", word);
  return entry.gid;
}

/** Without an entry the primary group has the user's number. */
function ownGroups(
  uid: number,
  entry: User | undefined,
  groups: readonly Group[],
): number[] {
  if (entry === undefined) return [uid];
  const joined = groups.filter(({ members }) => members.includes(entry.name));
  return [entry.gid, ...joined.map(({ gid }) => gid)];
}

/** What of an entry can be used; passwd(5) allows empty fields. */
function profile(
  entry: User | undefined,
): Pick<ResolvedUser, "name" | "home" | "shell"> {
  if (entry === undefined) return {};
  const { name, home, shell } = entry;
  return {
    name,
    ...(home.startsWith("/") ? { home } : {}),
    ...(shell.startsWith("/") ? { shell } : {}),
  };
}

function unknown(kind: string, file: string, word: string): UsageError {
  return new UsageError(
    `Unknown ${kind} ${quote(word)}: the root file system has no such name ` +
      `in /etc/${file}: use a number, or add the ${kind} with an init script ` +
      "(-i)",
  );
}
