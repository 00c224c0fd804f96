/**
 * The environment of a command, and how the command is found.
 *
 * @module
 */

import { basename } from "@std/path";
import { UsageError } from "./errors.ts";
import { quote } from "./quote.ts";
import type { ResolvedUser } from "./users.ts";

/** Where commands are searched unless `-e PATH=…` says otherwise. */
export const DEFAULT_PATH =
  "/bin:/sbin:/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin";

/** What {@linkcode containerEnvironment} needs to know. */
export interface EnvironmentFacts {
  /** Who the command runs as. */
  readonly user: ResolvedUser;
  /** The environment of the caller, of which only TERM and LANG are taken. */
  readonly callerEnv: ReadonlyMap<string, string>;
  /** Variables for graphical programs, if the command is to be one. */
  readonly graphics?: readonly (readonly [key: string, value: string])[];
  /** The values of `-e`, in order. */
  readonly extra: readonly string[];
}

/** The environment of a command. */
export interface ContainerEnvironment {
  /** `key=value`, each key once, for execve(2). */
  readonly env: string[];
  /** The final HOME. */
  readonly home: string;
  /** The final SHELL. */
  readonly shell: string;
  /** The final PATH. */
  readonly path: string;
}

/** A command as execve(2) takes it. */
export interface CommandLine {
  /** The program, to be searched in PATH if it contains no slash. */
  readonly file: string;
  /** The arguments, the name of the program first. */
  readonly argv: readonly string[];
}

/**
 * Makes the environment of a command, of which nothing but TERM and LANG comes
 * from the caller.
 *
 * @param facts The user, the caller's environment and the values of `-e`.
 * @returns The environment, and those of its values that a launch needs.
 * @throws {UsageError} If a value of `-e` is not `key=value`.
 *
 * @example Root without an entry
 * ```ts
 * import { containerEnvironment } from "cage/src/environment.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { env } = containerEnvironment({
 *   user: { uid: 0, gid: 0, groups: [0] },
 *   callerEnv: new Map([["TERM", "xterm"], ["LD_PRELOAD", "/tmp/x.so"]]),
 *   extra: ["PATH=/bin", "A=1", "A=2"],
 * });
 * assertEquals(env, [
 *   "PATH=/bin",
 *   "TERM=xterm",
 *   "LANG=C",
 *   "HOME=/root",
 *   "USER=root",
 *   "LOGNAME=root",
 *   "SHELL=/bin/sh",
 *   "A=2",
 * ]);
 * ```
 */
export function containerEnvironment(
  { user, callerEnv, extra, graphics = [] }: EnvironmentFacts,
): ContainerEnvironment {
  const env = new Map([
    ["PATH", DEFAULT_PATH],
    ["TERM", inherited(callerEnv, "TERM") ?? "vt100"],
    ["LANG", inherited(callerEnv, "LANG") ?? "C"],
    ...account(user),
    ...graphics,
    ...extra.map(parseEnv),
  ]);
  return {
    env: [...env].map(([key, value]) => `${key}=${value}`),
    home: env.get("HOME") ?? "",
    shell: env.get("SHELL") || "/bin/sh",
    path: env.get("PATH") ?? "",
  };
}

/**
 * Reads a value of `-e`.
 *
 * @param text The variable as `key=value`; the value may hold anything else.
 * @returns The key and the value.
 * @throws {UsageError} If there is no `=`, no key, or a NUL byte, which ends a
 * string of execve(2).
 *
 * @example A value with an equals sign
 * ```ts
 * import { parseEnv } from "cage/src/environment.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseEnv("OPTS=a=b c"), ["OPTS", "a=b c"]);
 * ```
 */
export function parseEnv(text: string): [key: string, value: string] {
  const equals = text.indexOf("=");
  if (equals === -1) throw refusal(text, 'it has no "="');
  if (equals === 0) throw refusal(text, "its key is empty");
  if (text.includes("\0")) throw refusal(text, "it contains a NUL byte");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

/**
 * Reads an environment as `/proc/self/environ` holds it, see proc(5).
 *
 * @param bytes Strings that each end with a NUL byte.
 * @returns The variables; of two with one key the first, as in getenv(3), and
 * none that is not `key=value`.
 *
 * @example Two variables
 * ```ts
 * import { parseEnviron } from "cage/src/environment.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode("TERM=xterm\0LANG=C\0");
 * assertEquals(parseEnviron(bytes).get("LANG"), "C");
 * ```
 */
export function parseEnviron(bytes: Uint8Array): Map<string, string> {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const env = new Map<string, string>();
  for (const entry of text.split("\0")) {
    const equals = entry.indexOf("=");
    if (equals < 1) continue;
    const key = entry.slice(0, equals);
    if (!env.has(key)) env.set(key, entry.slice(equals + 1));
  }
  return env;
}

/**
 * Tells what to execute: the command, or the shell as a login shell, which is
 * what a hyphen before its name asks for.
 *
 * @param command The command and its arguments; absent or empty for the shell.
 * @param shell The path of the shell.
 * @returns The program and its arguments.
 *
 * @example A login shell
 * ```ts
 * import { commandLine } from "cage/src/environment.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(commandLine(undefined, "/bin/ash"), {
 *   file: "/bin/ash",
 *   argv: ["-ash"],
 * });
 * ```
 */
export function commandLine(
  command: readonly string[] | undefined,
  shell: string,
): CommandLine {
  if (command === undefined || command.length === 0) {
    return { file: shell, argv: [`-${basename(shell)}`] };
  }
  return { file: command[0], argv: command };
}

/**
 * Lists the files to try for a command, as execvp(3) does: one with a slash is
 * itself, an empty element of the path is the current directory, an empty
 * command is found nowhere.
 *
 * @param command The first word of the command.
 * @param path The value of PATH.
 * @returns The files, in the order to try.
 *
 * @example Two directories
 * ```ts
 * import { searchPath } from "cage/src/environment.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(searchPath("ls", "/bin:/usr/bin"), ["/bin/ls", "/usr/bin/ls"]);
 * ```
 */
export function searchPath(command: string, path: string): string[] {
  if (command === "") return [];
  if (command.includes("/")) return [command];
  return path.split(":").map((directory) =>
    directory === "" ? command : `${directory}/${command}`
  );
}

/** A variable of the caller; control characters could harm a terminal. */
function inherited(
  callerEnv: ReadonlyMap<string, string>,
  key: string,
): string | undefined {
  const value = callerEnv.get(key);
  return value && !/\p{Cc}/u.test(value) ? value : undefined;
}

/** What login(1) sets; a user without an entry has no name to set. */
function account(user: ResolvedUser): [key: string, value: string][] {
  const isRoot = user.uid === 0;
  const name = user.name ?? (isRoot ? "root" : undefined);
  const home = user.home ?? (isRoot ? "/root" : "/tmp/.home");
  return [
    ["HOME", home],
    ...(name === undefined ? [] : named(name)),
    ["SHELL", user.shell ?? "/bin/sh"],
  ];
}

function named(name: string): [key: string, value: string][] {
  return [["USER", name], ["LOGNAME", name]];
}

function refusal(text: string, why: string): UsageError {
  return new UsageError(
    `Cannot set environment variable ${quote(text)}: ${why}: ` +
      "write -e key=value",
  );
}
