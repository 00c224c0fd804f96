/**
 * Programs as text, for people.
 *
 * @module
 */

import { safeJson } from "./json.ts";
import type { Argument, Program, Step } from "./step.ts";

/** Longest copy of bytes that is shown in full. */
const SHOWN = 32;

/**
 * Writes a program down, one line for each step: its number, its name, the
 * call, and where it goes after an error or a zero. `$name` is the result of a
 * step, `&name` a buffer.
 *
 * @param program The program.
 * @returns The lines.
 *
 * @example Wait, and try again when interrupted
 * ```ts
 * import { listing } from "cage/ffi/listing.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = listing({
 *   steps: [
 *     { name: "pid", call: "clone", args: [17], ifZero: "child" },
 *     {
 *       name: "wait",
 *       call: "wait4",
 *       args: [{ result: "pid" }, { buffer: "status" }],
 *       onError: { goto: "wait", errno: "EINTR" },
 *     },
 *     { name: "child", call: "exit_group", args: [3] },
 *   ],
 *   buffers: { status: 4 },
 * });
 * assertEquals(lines, [
 *   "0 pid: clone(17) | zero: child",
 *   "1 wait: wait4($pid, &status) | EINTR: wait",
 *   "2 child: exit_group(3)",
 * ]);
 * ```
 */
export function listing(program: Program): string[] {
  const width = String(program.steps.length - 1).length;
  return program.steps.map((step, index) =>
    `${String(index).padStart(width)} ${line(step)}`
  );
}

/**
 * Writes an argument.
 *
 * @param call The name of the call.
 * @param index Which argument it is.
 * @param value The argument.
 * @returns The text, if there is a better one than that of {@linkcode listing}.
 */
export type ArgumentText = (
  call: string,
  index: number,
  value: Argument,
) => string | undefined;

/**
 * Writes the call of a step down, as in a program in C.
 *
 * @param step The step.
 * @param textOf How arguments are written.
 * @returns The text.
 *
 * @example A path
 * ```ts
 * import { callText } from "cage/ffi/listing.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const step = { call: "openat", args: [{ result: "root" }, "etc"] } as const;
 * assertEquals(callText(step), 'openat($root, "etc")');
 * ```
 */
export function callText({ args, call }: Step, textOf?: ArgumentText): string {
  const texts = args.map((value, index) =>
    textOf?.(call, index, value) ?? plainText(value)
  );
  return `${call}(${texts.join(", ")})`;
}

function line(step: Step): string {
  const { name, onError, ifZero } = step;
  return [
    (name === undefined ? "" : `${name}: `) + callText(step),
    ...(onError === undefined
      ? []
      : [`${onError.errno ?? "error"}: ${onError.goto ?? "go on"}`]),
    ...(ifZero === undefined ? [] : [`zero: ${ifZero}`]),
  ].join(" | ");
}

/**
 * Writes an argument as {@linkcode listing} does.
 *
 * @param arg The argument.
 * @returns The text.
 *
 * @example A result
 * ```ts
 * import { plainText } from "cage/ffi/listing.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(plainText({ result: "root" }), "$root");
 * ```
 */
export function plainText(arg: Argument): string {
  if (typeof arg === "number" || typeof arg === "bigint") return number(arg);
  if (typeof arg === "string") return safeJson(arg);
  if (arg instanceof Uint8Array) return bytes(arg);
  if ("result" in arg) return `$${arg.result}`;
  if ("buffer" in arg) {
    return `&${arg.buffer}${arg.offset ? `+${arg.offset}` : ""}`;
  }
  if ("header" in arg) return `&header+${arg.header}`;
  if ("words" in arg) return `{${arg.words.map(plainText).join(", ")}}`;
  return `[${arg.map((text) => safeJson(text)).join(", ")}]`;
}

/** Flags are easier to read in hexadecimal, small numbers are not. */
function number(value: number | bigint): string {
  return value < 0x1000 ? String(value) : `0x${value.toString(16)}`;
}

function bytes(value: Uint8Array): string {
  if (value.length > 8 && value.every((byte) => byte === 0)) {
    return `<${value.length} zero bytes>`;
  }
  return value.length <= SHOWN
    ? `<${value.toHex()}>`
    : `<${value.length} bytes>`;
}
