/**
 * Instructions of classic BPF, as far as the filter uses them.
 *
 * | bytes | field of `struct sock_filter` (linux/filter.h)          |
 * | ----- | ------------------------------------------------------- |
 * | 0–1   | `code`                                                  |
 * | 2     | `jt`: how many instructions to skip if the test is true |
 * | 3     | `jf`: how many if it is false                           |
 * | 4–7   | `k`: the constant                                       |
 *
 * All jumps go forward, so pieces of a program can be put together as they are.
 *
 * @module
 */

import type { Arch } from "../ffi/arch.ts";
import { ERRNO } from "../ffi/errno.ts";
import type { Verdict } from "./filter_rules.ts";

/** One instruction. */
export interface Instruction {
  /** What to do, one of {@linkcode CODES}. */
  readonly code: number;
  /** The constant. */
  readonly k: number;
  /** How many instructions to skip if a test is true, 255 at most. */
  readonly jt?: number;
  /** How many if it is false. */
  readonly jf?: number;
}

/** Size of `struct sock_filter`. */
export const INSTRUCTION_SIZE = 8;

/** Sums of the codes in linux/bpf_common.h. */
export const CODES = {
  /** `BPF_LD | BPF_W | BPF_ABS`: the 32 bits of the data at `k`. */
  load: 0x20,
  /** `BPF_JMP | BPF_JA`: skip `k` instructions. */
  skip: 0x05,
  /** `BPF_JMP | BPF_JEQ | BPF_K`: whether what is loaded is `k`. */
  equal: 0x15,
  /** `BPF_JMP | BPF_JGE | BPF_K`: whether it is `k` or more, unsigned. */
  least: 0x35,
  /** `BPF_JMP | BPF_JSET | BPF_K`: whether it has a bit of `k`. */
  bits: 0x45,
  /** `BPF_RET | BPF_K`: the end, with `k`. */
  give: 0x06,
} as const;

/** `AUDIT_ARCH_*` of linux/audit.h: the door by which a call came. */
export const AUDIT_ARCH: Readonly<Record<Arch, number>> = {
  x86_64: 0xc000003e,
  aarch64: 0xc00000b7,
};

/** Offsets in `struct seccomp_data` of linux/seccomp.h. */
export const DATA = { number: 0, arch: 4, args: 16 } as const;

/** `SECCOMP_RET_*` of linux/seccomp.h; KILL_PROCESS came with Linux 4.14. */
const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const FAIL = 0x00050000;

/** What a filter gives for a call that is to do nothing, and to succeed. */
export const SUCCESS: number = FAIL;

/**
 * What a filter gives for a verdict.
 *
 * @param verdict The verdict.
 * @returns The value of the kernel.
 *
 * @example An error
 * ```ts
 * import { verdictValue } from "cage/src/filter_bpf.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(verdictValue("EPERM"), 0x50001);
 * ```
 */
export function verdictValue(verdict: Verdict): number {
  if (verdict === "allow") return ALLOW;
  return verdict === "kill" ? KILL_PROCESS : FAIL | ERRNO[verdict];
}

/**
 * Puts instructions into the bytes that seccomp(2) takes, on either
 * architecture: both have the low byte first.
 *
 * @param instructions The instructions.
 * @returns The bytes.
 * @throws {RangeError} If a jump is too long for its byte.
 *
 * @example Everything is allowed
 * ```ts
 * import { CODES, encodeFilter, verdictValue } from "cage/src/filter_bpf.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { give: code } = CODES;
 * const bytes = encodeFilter([{ code, k: verdictValue("allow") }]);
 * assertEquals([...bytes], [6, 0, 0, 0, 0, 0, 0xff, 0x7f]);
 * ```
 */
export function encodeFilter(
  instructions: readonly Instruction[],
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(INSTRUCTION_SIZE * instructions.length);
  const view = new DataView(bytes.buffer);
  instructions.forEach(({ code, jt = 0, jf = 0, k }, i) => {
    if (jt > 255 || jf > 255) {
      throw new RangeError(`Cannot skip ${Math.max(jt, jf)} instructions`);
    }
    const at = INSTRUCTION_SIZE * i;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jt);
    view.setUint8(at + 3, jf);
    view.setUint32(at + 4, k, true);
  });
  return bytes;
}
