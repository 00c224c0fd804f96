/**
 * Names of instances.
 *
 * @module
 */

import { UsageError } from "./errors.ts";
import { quote } from "./quote.ts";

/**
 * Longest name in bytes. A file name holds 255 (`NAME_MAX`, linux/limits.h),
 * of which prefixes and suffixes of the instance's files need some.
 */
export const NAME_BYTES = 200;

/**
 * Refuses a name that cannot be part of a file name.
 *
 * @param name The name of an instance.
 * @throws {UsageError} If the name is empty, `.` or `..`, contains `/` or a
 * control character, or is too long.
 *
 * @example A path is no name
 * ```ts
 * import { checkName } from "cage/src/names.ts";
 * import { assertThrows } from "@std/assert";
 *
 * checkName("web-1");
 * assertThrows(() => checkName("../web"), Error, 'it contains "/"');
 * ```
 */
export function checkName(name: string): void {
  const why = faultOf(name);
  if (why === undefined) return;
  throw new UsageError(
    `Cannot use ${quote(name)} as a name: ${why}: ` +
      'letters, digits, "-", "_" and "." make a good name',
  );
}

function faultOf(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (name === "." || name === "..") return "it means a directory";
  if (name.includes("/")) return 'it contains "/"';
  if (/\p{Cc}/u.test(name)) return "it contains a control character";
  if (new TextEncoder().encode(name).length > NAME_BYTES) {
    return `it is longer than ${NAME_BYTES} bytes`;
  }
}
