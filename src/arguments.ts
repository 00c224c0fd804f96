/**
 * The words of the command line, as the kernel has them.
 *
 * @module
 */

import { UsageError } from "./errors.ts";
import { quote } from "./quote.ts";

/** What the runtime puts in place of bytes that are no UTF-8. */
const REPLACED = "\u{fffd}";

/**
 * Refuses words that are not what they were: bytes that are no UTF-8 would make
 * another path of a path.
 *
 * @param argv The arguments, as the runtime gives them.
 * @throws {UsageError} If one of them was changed.
 *
 * @example Words without such bytes
 * ```ts
 * import { checkArguments } from "cage/src/arguments.ts";
 *
 * checkArguments(["-n", "wüb"]);
 * ```
 */
export function checkArguments(argv: readonly string[]): void {
  const word = argv.find((word) => word.includes(REPLACED));
  if (word === undefined) return;
  try {
    const bytes = Deno.readFileSync("/proc/self/cmdline");
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(
      `Cannot read ${quote(word)}: it is no valid UTF-8: rename the file, or ` +
        "make a link to it that has another name",
    );
  }
}
