/**
 * Machine code of a handler that writes down which signal came: bytes beside
 * the assembly that they come from. See `notes.ts`.
 *
 * | label      | what                                                          |
 * | ---------- | ------------------------------------------------------------- |
 * | `_start`   | the handler: `void note(int, siginfo_t *, void *)`            |
 * | `restorer` | what the handler returns to, see `SA_RESTORER` of sigaction(2) |
 * | `writer`   | the descriptor that it writes to, to be filled in             |
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import { type Listing, readListing } from "./code_listing.ts";

// System calls by number from arch/x86/entry/syscalls/syscall_64.tbl, Linux 6.1.
const X86_64 = String.raw`
_start:
  8b3d1a000000      mov edi, [rip + writer]            ; write(writer, info,
  ba80000000        mov edx, 128                       ; sizeof(siginfo_t))
  b801000000        mov eax, 1
  0f05              syscall
  c3                ret
restorer:
  b80f000000        mov eax, 15                        ; rt_sigreturn()
  0f05              syscall
  0f0b              ud2
  0f0b              ud2
  0f0b              ud2
writer:
  0000000000000000  .quad 0
`;

// System calls by number from include/uapi/asm-generic/unistd.h, Linux 6.1.
const AARCH64 = String.raw`
_start:
  00010018          ldr w0, writer                     ; write(writer, info,
  021080d2          mov x2, #128                       ; sizeof(siginfo_t))
  080880d2          mov x8, #64
  010000d4          svc #0
  c0035fd6          ret
restorer:
  681180d2          mov x8, #139                       ; rt_sigreturn()
  010000d4          svc #0
  1f2003d5          nop
writer:
  0000000000000000  .quad 0
`;

const LISTINGS: Readonly<Record<Arch, string>> = {
  x86_64: X86_64,
  aarch64: AARCH64,
};

/** Bytes from the handler to what it returns to. */
export const RESTORER: Readonly<Record<Arch, number>> = {
  x86_64: 19,
  aarch64: 20,
};

/**
 * Gives the code.
 *
 * @param arch The architecture.
 * @returns The bytes, and the assembly that they stand for.
 *
 * @example The descriptor is in the last bytes
 * ```ts
 * import { noteListing } from "cage/ffi/note_code.ts";
 * import { assert } from "@std/assert";
 *
 * const { code } = noteListing("x86_64");
 * assert(code.subarray(-8).every((byte) => byte === 0));
 * ```
 */
export function noteListing(arch: Arch): Listing {
  return readListing(LISTINGS[arch]);
}
