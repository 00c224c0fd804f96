/**
 * Arguments of system calls with their names, for people.
 *
 * @module
 */

import * as constants from "../ffi/constants.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import type { Argument } from "../ffi/step.ts";

/** What a number means. */
type Meaning =
  | { readonly kind: "flags"; readonly prefix: RegExp }
  | { readonly kind: "number"; readonly prefix: RegExp }
  | { readonly kind: "mode" | "signal" };

const flags = (prefix: RegExp): Meaning => ({ kind: "flags", prefix });
const number = (prefix: RegExp): Meaning => ({ kind: "number", prefix });
const MODE: Meaning = { kind: "mode" };
const SIGNAL: Meaning = { kind: "signal" };

const NAMESPACES = flags(/^CLONE_/);
const OPEN_PREFIX = /^O_/;
const OPEN = flags(OPEN_PREFIX);
const AT = flags(/^AT_(?!FDCWD)/);

/** What an argument of a call is, by its place. */
const MEANINGS: Readonly<Record<string, Readonly<Record<number, Meaning>>>> = {
  clone: { 0: NAMESPACES },
  execveat: { 4: AT },
  fchmod: { 1: MODE },
  fchmodat: { 2: MODE },
  fchownat: { 4: AT },
  fcntl: { 1: number(/^F_(?!SEAL_)/) },
  flock: { 1: flags(/^LOCK_/) },
  fsconfig: { 1: number(/^FSCONFIG_/) },
  fsmount: { 1: flags(/^FSMOUNT_/), 2: flags(/^MOUNT_ATTR_/) },
  fsopen: { 1: flags(/^FSOPEN_/) },
  memfd_create: { 1: flags(/^MFD_/) },
  mkdirat: { 2: MODE },
  mknodat: { 2: MODE },
  mount: { 3: flags(/^MS_/) },
  mount_setattr: { 2: AT },
  move_mount: { 4: flags(/^MOVE_MOUNT_/) },
  open_tree: { 2: flags(/^(?:OPEN_TREE|AT)_(?!FDCWD)/) },
  openat: { 2: OPEN, 3: MODE },
  // Others have names of the same beginning, for the arguments that follow.
  prctl: { 0: number(/^PR_(?!CAP_AMBIENT_)/) },
  setns: { 1: NAMESPACES },
  rt_sigaction: { 0: SIGNAL },
  statx: { 2: AT },
  umask: { 0: MODE },
  umount2: { 1: flags(/^(?:MNT|UMOUNT)_/) },
  unshare: { 0: NAMESPACES },
};

const RESOLVE = /^RESOLVE_/;

/** Bytes of `struct open_how` of linux/openat2.h: flags, mode, resolve. */
const OPEN_HOW_SIZE = 24;

/** Names of bits and numbers. */
const NAMES = Object.entries({
  ...constants,
  O_DIRECTORY,
  O_NOFOLLOW,
}).filter((entry): entry is [string, number] =>
  typeof entry[1] === "number" && entry[1] > 0
);

/**
 * Writes an argument of a step, for {@linkcode callText}.
 *
 * @param call The name of the call.
 * @param index Which argument it is.
 * @param value The argument.
 * @returns The text, if it is more than the value.
 *
 * @example How a path is opened
 * ```ts
 * import { argumentText } from "cage/src/explain_values.ts";
 * import { openInside } from "cage/src/step.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { args, call } = openInside("/etc", 0);
 * assertEquals(argumentText(call, 0, args[0]), "AT_FDCWD");
 * assertEquals(
 *   argumentText(call, 2, args[2]),
 *   "{O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS}",
 * );
 * ```
 */
export function argumentText(
  call: string,
  index: number,
  value: Argument,
): string | undefined {
  if (typeof value === "number" || typeof value === "bigint") {
    return numberText(call, index, BigInt.asUintN(64, BigInt(value)));
  }
  const isHow = call === "openat2" && value instanceof Uint8Array &&
    value.length === OPEN_HOW_SIZE;
  return isHow ? openHowText(value) : undefined;
}

/**
 * Writes a number that is an argument of a system call.
 *
 * @param call The name of the call.
 * @param index Which argument it is.
 * @param value The number, without a sign.
 * @returns The names of its bits if they are known, else the number.
 *
 * @example Flags, and a directory
 * ```ts
 * import { numberText } from "cage/src/explain_values.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(numberText("umount2", 1, 2n), "MNT_DETACH");
 * assertEquals(numberText("openat", 0, 2n ** 64n - 100n), "AT_FDCWD");
 * assertEquals(numberText("close", 0, 7n), "7");
 * ```
 */
export function numberText(call: string, index: number, value: bigint): string {
  const signed = BigInt.asIntN(64, value);
  if (signed === BigInt(constants.AT_FDCWD)) return "AT_FDCWD";
  const named = signed > 0n
    ? meaningText(MEANINGS[call]?.[index], signed)
    : undefined;
  if (named !== undefined) return named;
  const isSmall = signed > -0x1_0000n && signed < 0x1000n;
  return isSmall ? String(signed) : `0x${value.toString(16)}`;
}

function meaningText(
  meaning: Meaning | undefined,
  value: bigint,
): string | undefined {
  switch (meaning?.kind) {
    case "mode":
      return `0o${value.toString(8)}`;
    case "number":
      return NAMES.find(([name, number]) =>
        meaning.prefix.test(name) && BigInt(number) === value
      )?.[0];
    case "signal":
      return Object.entries(constants.SIGNALS).find(([, number]) =>
        BigInt(number) === value
      )?.[0];
    case "flags":
      return flagNames(meaning.prefix, value);
  }
}

function flagNames(prefix: RegExp, value: bigint): string | undefined {
  const names: string[] = [];
  let left = value;
  for (const [name, number] of NAMES) {
    const bits = BigInt(number);
    if (!prefix.test(name) || (left & bits) !== bits) continue;
    names.push(name);
    left &= ~bits;
  }
  if (names.length === 0) return undefined;
  return [...names, ...(left === 0n ? [] : [`0x${left.toString(16)}`])]
    .join(" | ");
}

function openHowText(how: Uint8Array): string {
  const view = new DataView(how.buffer, how.byteOffset, OPEN_HOW_SIZE);
  const [flags, mode, resolve] = [0, 8, 16].map((at) =>
    view.getBigUint64(at, true)
  );
  return `{${
    [
      flagNames(OPEN_PREFIX, flags) ?? "O_RDONLY",
      mode === 0n ? "0" : `0o${mode.toString(8)}`,
      flagNames(RESOLVE, resolve) ?? "0",
    ].join(", ")
  }}`;
}
