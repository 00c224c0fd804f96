/**
 * Shows compiled containers: what is in their bytes, as text for people.
 *
 * @module
 */

import {
  type ReadProgram,
  readProgram,
  type ReadStep,
} from "../ffi/read_elf.ts";
import { safeJson } from "../ffi/json.ts";
import { unpackLz4 } from "../ffi/lz4.ts";
import { isOwnCall } from "../ffi/calls.ts";
import { errnoName } from "../ffi/errno.ts";
import { MESSAGE_ARGUMENT } from "./compiled_messages.ts";
import { numberText } from "./explain_values.ts";
import { quote } from "./quote.ts";

/**
 * Shows a program of `--compile`.
 *
 * @param bytes The file.
 * @param path Its path, for the message.
 * @returns A line for each step: its number, the call, where it goes, and what
 * cannot be done if it fails; nothing if it is no such program.
 *
 * @example No program
 * ```ts
 * import { explainProgram } from "cage/src/explained_program.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(explainProgram(new Uint8Array(8), "x"), undefined);
 * ```
 */
export function explainProgram(
  bytes: Uint8Array,
  path: string,
): string[] | undefined {
  const file = readProgram(bytes);
  const inner = file && unpacked(file);
  if (inner === undefined) return undefined;
  return [
    `${quote(path)}: ${bytes.length} bytes for ${file!.arch}`,
    "",
    "The file gives up the rights that it could carry, and becomes a copy of",
    "the program in it that nobody can change:",
    ...lines(file!),
    "",
    "The program:",
    ...lines(inner),
  ];
}

/** More than any program has unpacked, in bytes. */
const LARGEST = 1 << 22;

/** The program that another one unpacks. */
function unpacked(file: ReadProgram): ReadProgram | undefined {
  const unpack = file.steps.find(({ call }) => call === "unpack");
  if (unpack === undefined) return undefined;
  const [start] = unpack.args;
  const size = file.steps.find(({ args, call }) =>
    call === "subtract" && args[0] === start
  )?.args[1];
  const block = size === undefined
    ? undefined
    : file.bytesAt(start, Number(BigInt.asIntN(64, -size)));
  try {
    return block && readProgram(unpackLz4(block, LARGEST));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** More than the text of any program, in characters. */
const LONGEST = 1 << 24;

/** Arguments of a forged program can all be the same texts, again and again. */
function lines(program: ReadProgram): string[] {
  const width = String(program.steps.length - 1).length;
  const found: string[] = [];
  let length = 0;
  for (const [index, step] of program.steps.entries()) {
    const text = line(program, step, index);
    length += text.length;
    if (length > LONGEST) return [...found, "and more than is shown here"];
    found.push(`${String(index).padStart(width)} ${text}`);
  }
  return found;
}

function line(program: ReadProgram, step: ReadStep, index: number): string {
  const { args, call, errno, ifError, ifZero } = step;
  const message = program.textAt(program.wordAt(args[MESSAGE_ARGUMENT]));
  const shown = [...args.slice(0, message ? MESSAGE_ARGUMENT : 6)];
  const least = LEAST[call] ?? 0;
  while (
    shown.length > least && shown.at(-1) === 0n &&
    !step.isResult(shown.length - 1)
  ) {
    shown.pop();
  }
  const texts = shown.map((_, at) => argument(program, step, at));
  const error = errno === 0 ? "error" : errnoName(errno) ?? `error ${errno}`;
  return [
    `${call}(${texts.join(", ")})`,
    ...(ifError === undefined
      ? []
      : [`${error}: ${ifError === index + 1 ? "go on" : ifError}`]),
    ...(ifZero === undefined ? [] : [`zero: ${ifZero}`]),
    ...(message === undefined || message === "" ? [] : [safeJson(message)]),
  ].join(" | ");
}

/** Calls whose last arguments are 0 and mean something. */
const LEAST: Readonly<Record<string, number>> = {
  close: 1,
  exit_group: 1,
  load: 2,
  umask: 1,
};

function argument(
  program: ReadProgram,
  { args, call, isResult }: ReadStep,
  index: number,
): string {
  const value = args[index];
  if (isResult(index)) return `$${program.resultOf(value) ?? "?"}`;
  const text = program.textAt(value);
  const isText = !isOwnCall(call) || ["find", "store"].includes(call);
  if (isText && text) return safeJson(text);
  const vector = program.vectorAt(value);
  if (vector !== undefined) {
    return `[${vector.map((one) => safeJson(one)).join(", ")}]`;
  }
  return program.isInside(value)
    ? `&0x${value.toString(16)}`
    : numberText(call, index, value);
}
