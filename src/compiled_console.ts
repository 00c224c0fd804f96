/**
 * The terminal of a compiled container: that of who launches it.
 *
 * @module
 */

import { AT_EMPTY_PATH, AT_FDCWD } from "../ffi/constants.ts";
import {
  CONSOLE,
  COPY_FLAGS,
  keepMount,
  takeMount,
} from "./compiled_sources.ts";
import type { CompiledStep } from "./compiled_step.ts";
import { copyMount, goTo, label } from "./step.ts";

/** The path of the caller's terminal, where the plan opens it by itself. */
export const CONSOLE_PATH = { buffer: "terminal-path" } as const;

/** Buffers of a program with {@linkcode consoleSteps}. */
export const CONSOLE_BUFFERS = {
  terminal: 8,
  termios: 64,
  [CONSOLE_PATH.buffer]: 256,
} as const;

/**
 * Takes the caller's terminal, the first of the standard descriptors that is
 * one, or `/dev/null`.
 *
 * @param isPlans Whether it is to be opened by {@linkcode CONSOLE_PATH}.
 * @returns The steps.
 *
 * @example The question
 * ```ts
 * import { consoleSteps } from "cage/src/compiled_console.ts";
 * import { assert } from "@std/assert";
 *
 * assert(consoleSteps().some(({ call }) => call === "ioctl"));
 * ```
 */
export function consoleSteps(isPlans = false): CompiledStep[] {
  return isPlans ? consolePath() : consoleMount();
}

function consoleMount(): CompiledStep[] {
  const why = "Cannot use the terminal";
  const cell = { buffer: "terminal" };
  const none = "no-terminal";
  return [
    ...[0, 1, 2].flatMap((number): CompiledStep[] => [
      { name: `ask${number}`, call: "store", args: [cell, 0, number] },
      {
        call: "ioctl",
        args: [number, TCGETS, { buffer: "termios" }],
        onError: { goto: number < 2 ? `ask${number + 1}` : none },
        ifZero: "has-terminal",
      },
    ]),
    label("has-terminal"),
    { name: "terminal-number", call: "load", args: [cell, 0] },
    {
      ...copyMount({ result: "terminal-number" }, "", false),
      args: [{ result: "terminal-number" }, "", COPY_FLAGS | AT_EMPTY_PATH],
      name: "terminal-mount",
      onError: { goto: none },
    },
    ...keepMount("terminal-mount", CONSOLE, why),
    goTo("has-console"),
    label(none),
    ...takeMount(CONSOLE, AT_FDCWD, "/dev/null", false, why, "null-mount"),
    label("has-console"),
  ];
}

/** What the kernel tells of a file elsewhere is no path here. */
function consolePath(): CompiledStep[] {
  const none = "no-terminal";
  const path = CONSOLE_PATH;
  const words = new BigUint64Array(
    Uint8Array.from("/dev/null".padEnd(16, "\0"), (c) => c.charCodeAt(0))
      .buffer,
  );
  return [
    ...[0, 1, 2].flatMap((number): CompiledStep[] => {
      const next = number < 2 ? `ask${number + 1}` : none;
      return [
        {
          name: `ask${number}`,
          call: "ioctl",
          args: [number, TCGETS, { buffer: "termios" }],
          onError: { goto: next },
        },
        {
          call: "readlinkat",
          args: [AT_FDCWD, `/proc/self/fd/${number}`, path, 255],
          onError: { goto: none },
        },
        goTo("has-path"),
      ];
    }),
    {
      name: "has-path",
      call: "faccessat2",
      args: [AT_FDCWD, path, 0, 0],
      onError: { goto: none },
      ifZero: "has-console",
    },
    label(none),
    { call: "store", args: [path, 0, words[0]] },
    { call: "store", args: [path, 8, words[1]] },
    label("has-console"),
  ];
}

/** `TCGETS` of asm-generic/ioctls.h. */
const TCGETS = 0x5401;
