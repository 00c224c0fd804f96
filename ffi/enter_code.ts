/**
 * Machine code of the way into memory that is shared: bytes beside the assembly
 * that they come from. What it is for is told in `enter.ts`.
 *
 * What follows the code in memory is `run` of the machine, to which it falls
 * through with the address of the header. What differs from block to block are
 * the three words at its end, which are zero here:
 *
 * | word | name       | meaning                    |
 * | ---- | ---------- | -------------------------- |
 * | 0    | address    | where the memory is mapped |
 * | 1    | size       | how many bytes             |
 * | 2    | descriptor | the file that is mapped    |
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import { type Listing, readListing } from "./code_listing.ts";

/** How many words at the end of the code are to be filled in. */
export const ENTER_WORDS = 3;

// System calls by number from arch/x86/entry/syscalls/syscall_64.tbl, Linux 6.1.
const X86_64 = String.raw`
_start:
  488b3d49000000    mov rdi, [rip + address]           ; mmap(address, size,
  488b354a000000    mov rsi, [rip + size]
  ba03000000        mov edx, 3                         ; PROT_READ | PROT_WRITE,
  41ba11000000      mov r10d, 17                       ; MAP_SHARED | MAP_FIXED,
  4c8b0540000000    mov r8, [rip + descriptor]         ; descriptor, 0)
  4531c9            xor r9d, r9d
  b809000000        mov eax, 9
  0f05              syscall
  4839f8            cmp rax, rdi                       ; a system call keeps rdi
  7513              jne fail
  4c89c7            mov rdi, r8                        ; close(descriptor)
  b803000000        mov eax, 3
  0f05              syscall
  488b3d10000000    mov rdi, [rip + address]           ; the header
  eb26              jmp run
fail:
  bf7e000000        mov edi, 126                       ; exit_group(126)
  b8e7000000        mov eax, 231
  0f05              syscall
  ebf2              jmp fail
                    .balign 8
address:
  0000000000000000  .quad 0
size:
  0000000000000000  .quad 0
descriptor:
  0000000000000000  .quad 0
run:
`;

// System calls by number from include/uapi/asm-generic/unistd.h, Linux 6.1.
const AARCH64 = String.raw`
_start:
  80020058          ldr x0, address                    ; mmap(address, size,
  a1020058          ldr x1, size
  620080d2          mov x2, #3                         ; PROT_READ | PROT_WRITE,
  230280d2          mov x3, #17                        ; MAP_SHARED | MAP_FIXED,
  84020058          ldr x4, descriptor                 ; descriptor, 0)
  050080d2          mov x5, #0
  c81b80d2          mov x8, #222
  010000d4          svc #0
  86010058          ldr x6, address                    ; a system call keeps x4 and x6
  1f0006eb          cmp x0, x6
  c1000054          b.ne fail
  e00304aa          mov x0, x4                         ; close(descriptor)
  280780d2          mov x8, #57
  010000d4          svc #0
  e00306aa          mov x0, x6                         ; the header
  0b000014          b run
fail:
  c00f80d2          mov x0, #126                       ; exit_group(126)
  c80b80d2          mov x8, #94
  010000d4          svc #0
  fdffff17          b fail
                    .balign 8
address:
  0000000000000000  .quad 0
size:
  0000000000000000  .quad 0
descriptor:
  0000000000000000  .quad 0
run:
`;

/** The columns of a line that have the bytes. */
const BYTES = [2, 20] as const;

/**
 * Gives the code for an architecture, from its bytes alone: a launch has to
 * wait for it.
 *
 * @param arch The architecture.
 * @returns Bytes of one's own to fill in.
 *
 * @example Size of the code
 * ```ts
 * import { enterCode } from "cage/ffi/enter_code.ts";
 * import { assert } from "@std/assert";
 *
 * assert(enterCode("x86_64").length < 128);
 * ```
 */
export function enterCode(arch: Arch): Uint8Array<ArrayBuffer> {
  const bytes = textOf(arch).split("\n")
    .map((line) => line.startsWith("  ") ? line.slice(...BYTES).trim() : "");
  return Uint8Array.fromHex(bytes.join(""));
}

/**
 * Gives the code and what the assembler makes it from.
 *
 * @param arch The architecture.
 * @returns The code as {@linkcode enterCode} gives it, and its assembly.
 *
 * @example The first line
 * ```ts
 * import { enterListing } from "cage/ffi/enter_code.ts";
 * import { assert } from "@std/assert";
 *
 * assert(enterListing("aarch64").assembly.startsWith("_start:\n"));
 * ```
 */
export function enterListing(arch: Arch): Listing {
  return readListing(textOf(arch));
}

function textOf(arch: Arch): string {
  return arch === "x86_64" ? X86_64 : AARCH64;
}
