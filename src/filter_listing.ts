/**
 * Filters as text, for people.
 *
 * @module
 */

import { ERRNO, type ErrnoName } from "../ffi/errno.ts";
import { CODES, INSTRUCTION_SIZE, verdictValue } from "./filter_bpf.ts";
import type { Verdict } from "./filter_rules.ts";

const ERRORS = Object.keys(ERRNO) as ErrnoName[];
const VERDICTS = new Map(
  (["allow", "kill", ...ERRORS] as Verdict[]).map((verdict) =>
    [verdictValue(verdict), verdict] as const
  ),
);

/**
 * Writes a filter down, one line for each instruction. A test goes on to the
 * next line where it names none.
 *
 * @param code The bytes of the filter.
 * @returns The lines.
 *
 * @example A filter that allows one call
 * ```ts
 * import { compileDecisions } from "cage/src/filter.ts";
 * import { listFilter } from "cage/src/filter_listing.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const code = compileDecisions("x86_64", new Map([[0, "allow"]]));
 * assertEquals(listFilter(code), [
 *   "0 load data[4]",
 *   "1 if 0xc000003e then 3",
 *   "2 kill",
 *   "3 load data[0]",
 *   "4 if >= 1 then 6",
 *   "5 allow",
 *   "6 ENOSYS",
 * ]);
 * ```
 */
export function listFilter(code: Uint8Array): string[] {
  const count = code.length / INSTRUCTION_SIZE;
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  const width = String(count - 1).length;
  return Array.from({ length: count }, (_, index) => {
    const text = line(view, index);
    return `${String(index).padStart(width)} ${text}`;
  });
}

function line(view: DataView, index: number): string {
  const at = INSTRUCTION_SIZE * index;
  const k = view.getUint32(at + 4, true);
  const next = index + 1;
  const where = [2, 3].map((byte) => next + view.getUint8(at + byte));
  const goes = ["then", "else"]
    .map((word, i) => where[i] === next ? "" : ` ${word} ${where[i]}`).join("");
  switch (view.getUint16(at, true)) {
    case CODES.load:
      return `load data[${k}]`;
    case CODES.skip:
      return `go to ${next + k}`;
    case CODES.equal:
      return `if ${number(k)}${goes}`;
    case CODES.least:
      return `if >= ${number(k)}${goes}`;
    case CODES.bits:
      return `if bits ${number(k)}${goes}`;
    case CODES.give:
      return VERDICTS.get(k) ?? `give ${number(k)}`;
    default:
      return `unknown ${view.getBigUint64(at, true).toString(16)}`;
  }
}

/** Bits are easier to read in hexadecimal, numbers of calls are not. */
function number(value: number): string {
  return value < 0x1000 ? String(value) : `0x${value.toString(16)}`;
}
