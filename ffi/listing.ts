/**
 * Programs as text, for people.
 *
 * @module
 */

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

function line(step: Step): string {
  const { name, call, args, onError, ifZero } = step;
  return [
    (name === undefined ? "" : `${name}: `) +
    `${call}(${args.map(argument).join(", ")})`,
    ...(onError === undefined
      ? []
      : [`${onError.errno ?? "error"}: ${onError.goto ?? "go on"}`]),
    ...(ifZero === undefined ? [] : [`zero: ${ifZero}`]),
  ].join(" | ");
}

function argument(arg: Argument): string {
  if (typeof arg === "number" || typeof arg === "bigint") return number(arg);
  if (typeof arg === "string") return JSON.stringify(arg);
  if (arg instanceof Uint8Array) return bytes(arg);
  if ("result" in arg) return `$${arg.result}`;
  if ("buffer" in arg) {
    return `&${arg.buffer}${arg.offset ? `+${arg.offset}` : ""}`;
  }
  if ("words" in arg) return `{${arg.words.map(argument).join(", ")}}`;
  return `[${arg.map((text) => JSON.stringify(text)).join(", ")}]`;
}

/** Flags are easier to read in hexadecimal, small numbers are not. */
function number(value: number | bigint): string {
  return value < 0x1000 ? String(value) : `0x${value.toString(16)}`;
}

function bytes(value: Uint8Array): string {
  return value.length <= SHOWN
    ? `<${value.toHex()}>`
    : `<${value.length} bytes>`;
}
