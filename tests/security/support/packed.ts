/**
 * Programs of a few system calls, for what no shell can do.
 *
 * @module
 */

import { packElf } from "../../../ffi/elf.ts";
import type { Step } from "../../../ffi/step.ts";
import type { Attack } from "./attack.ts";

let count = 0;

/**
 * Makes a program that everybody may execute. It ends with 127 at the first
 * step that fails.
 *
 * @param attack The attack that needs it.
 * @param steps What it does.
 * @param buffers Sizes of its buffers, in bytes.
 * @returns The path.
 */
export function pack(
  attack: Attack,
  steps: readonly Step[],
  buffers: Readonly<Record<string, number>> = {},
): string {
  const path = `${attack.scratch}/packed-${++count}`;
  const { bytes } = packElf({ steps, buffers }, Deno.build.arch);
  Deno.writeFileSync(path, bytes);
  Deno.chmodSync(path, 0o755);
  return path;
}
