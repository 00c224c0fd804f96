/**
 * The machine: about two hundred bytes that carry out a program.
 *
 * It uses registers only, no stack, so that it runs in a child that shares all
 * memory with the process that made it. It runs wherever it is put.
 *
 * | entry    | for                                                          |
 * | -------- | ------------------------------------------------------------ |
 * | `_start` | the kernel, in an ELF: the header is {@linkcode HEADER_DISTANCE} away |
 * | `run`    | `void run(header)`: a function for clone(2)                  |
 * | `sys`    | `long sys(number, a, b, c, d, e, f)`: syscall(2) that gives -errno instead of setting `errno`, which a runtime could change before it is read |
 * | `spawn`  | `long spawn(flags, stack, header)`: clone(2) whose child does `run(header)` |
 *
 * @module
 */

import type { Arch } from "./arch.ts";

/** Bytes from `_start` to the header in an ELF. */
export const HEADER_DISTANCE = 0x10100;

/** Where the functions of a machine begin. */
export type Entry = "_start" | "run" | "sys" | "spawn";

/** The machine of one architecture. */
export interface Machine {
  /** The machine code. */
  readonly code: Uint8Array;
  /** How many bytes of it an ELF needs: `sys` and `spawn` come after them. */
  readonly standalone: number;
  /** Bytes from the start of the code to each function. */
  readonly entry: Readonly<Record<Entry, number>>;
}

/** Each line: the bytes, and what they are; a comment follows a semicolon. */
const X86_64 = `
_start:
  488d3df9000100  lea rdi, [rip + 0x100f9]  ; the header, when the kernel starts an ELF here
run:
  4989fc          mov r12, rdi              ; as a function: the header is the first argument
  488d5f10        lea rbx, [rdi + 16]       ; the first step is right after the header
step:
  8b4b04          mov ecx, [rbx + 4]        ; which arguments are addresses of values
  488b7b08        mov rdi, [rbx + 8]
  488b7310        mov rsi, [rbx + 16]
  488b5318        mov rdx, [rbx + 24]
  4c8b5320        mov r10, [rbx + 32]
  4c8b4328        mov r8, [rbx + 40]
  4c8b4b30        mov r9, [rbx + 48]
  f6c101          test cl, 1
  7403            jz second
  488b3f          mov rdi, [rdi]
second:
  f6c102          test cl, 2
  7403            jz third
  488b36          mov rsi, [rsi]
third:
  f6c104          test cl, 4
  7403            jz fourth
  488b12          mov rdx, [rdx]
fourth:
  f6c108          test cl, 8
  7403            jz fifth
  4d8b12          mov r10, [r10]
fifth:
  f6c110          test cl, 16
  7403            jz sixth
  4d8b00          mov r8, [r8]
sixth:
  f6c120          test cl, 32
  7403            jz call
  4d8b09          mov r9, [r9]
call:
  8b03            mov eax, [rbx]
  83f8ff          cmp eax, -1               ; load is no system call
  7426            je load
  0f05            syscall
  48894338        mov [rbx + 56], rax
  483d01f0ffff    cmp rax, -4095            ; -4095 to -1 are errors
  7323            jae error
zero:
  4885c0          test rax, rax
  750d            jnz next
  488b4b48        mov rcx, [rbx + 72]
  e307            jrcxz next
jump:
  488d5c0bff      lea rbx, [rbx + rcx - 1]  ; a distance of 0 is kept as 1
  eb8e            jmp step
next:
  4883c350        add rbx, 80
  eb88            jmp step
load:
  8b07            mov eax, [rdi]
  4801f0          add rax, rsi
  48894338        mov [rbx + 56], rax
  ebdd            jmp zero
error:
  49891c24        mov [r12], rbx            ; which step failed last
  8b4b44          mov ecx, [rbx + 68]       ; the errno that may be gone on from
  e304            jrcxz any
  01c1            add ecx, eax              ; eax is -errno
  7509            jnz stop
any:
  48634b40        movsxd rcx, dword ptr [rbx + 64]
  4885c9          test rcx, rcx
  75d2            jnz jump
stop:
  49895c2408      mov [r12 + 8], rbx        ; which step stopped the program
  bf7f000000      mov edi, 127
  b8e7000000      mov eax, 231
  0f05            syscall
  ebed            jmp stop
sys:
  4889f8          mov rax, rdi              ; long sys(number, six arguments), C convention
  4889f7          mov rdi, rsi
  4889d6          mov rsi, rdx
  4889ca          mov rdx, rcx
  4d89c2          mov r10, r8
  4d89c8          mov r8, r9
  4c8b4c2408      mov r9, [rsp + 8]
  0f05            syscall
  c3              ret
spawn:
  4989d1          mov r9, rdx               ; long spawn(flags, stack, header), C convention
  31d2            xor edx, edx
  4531d2          xor r10d, r10d
  4531c0          xor r8d, r8d
  b838000000      mov eax, 56
  0f05            syscall
  4c89cf          mov rdi, r9
  4885c0          test rax, rax
  0f8415ffffff    jz run
  c3              ret
`;

/** A system call changes no register but x0 here; on x86_64, rcx and r11 too. */
const AARCH64 = `
_start:
  00080810  adr x0, . + 0x10100             ; the header, when the kernel starts an ELF here
run:
  f40300aa  mov x20, x0                     ; as a function: the header is the first argument
  13400091  add x19, x0, #16                ; the first step is right after the header
step:
  68264029  ldp w8, w9, [x19]               ; the call, and which arguments are addresses of values
  608640a9  ldp x0, x1, [x19, #8]
  628e41a9  ldp x2, x3, [x19, #24]
  649642a9  ldp x4, x5, [x19, #40]
  49000036  tbz w9, #0, second
  000040f9  ldr x0, [x0]
second:
  49000836  tbz w9, #1, third
  210040f9  ldr x1, [x1]
third:
  49001036  tbz w9, #2, fourth
  420040f9  ldr x2, [x2]
fourth:
  49001836  tbz w9, #3, fifth
  630040f9  ldr x3, [x3]
fifth:
  49002036  tbz w9, #4, sixth
  840040f9  ldr x4, [x4]
sixth:
  49002836  tbz w9, #5, call
  a50040f9  ldr x5, [x5]
call:
  1f050031  cmn w8, #1                      ; load is no system call
  a0010054  b.eq load
  010000d4  svc #0
  601e00f9  str x0, [x19, #56]
  1ffc3fb1  cmn x0, #4095                   ; -4095 to -1 are errors
  a2010054  b.hs error
zero:
  c00000b5  cbnz x0, next
  692640f9  ldr x9, [x19, #72]
  890000b4  cbz x9, next
jump:
  7302098b  add x19, x19, x9
  730600d1  sub x19, x19, #1                ; a distance of 0 is kept as 1
  e5ffff17  b step
next:
  73420191  add x19, x19, #80
  e3ffff17  b step
load:
  000040b9  ldr w0, [x0]
  0000018b  add x0, x0, x1
  601e00f9  str x0, [x19, #56]
  f5ffff17  b zero
error:
  930200f9  str x19, [x20]                  ; which step failed last
  692a4829  ldp w9, w10, [x19, #64]         ; where to, and the errno that may be gone on from
  6a000034  cbz w10, any
  4a01000b  add w10, w10, w0                ; w0 is -errno
  6a000035  cbnz w10, stop
any:
  297d4093  sxtw x9, w9
  29feffb5  cbnz x9, jump
stop:
  930600f9  str x19, [x20, #8]              ; which step stopped the program
  e00f8052  mov w0, #127
  c80b8052  mov w8, #94
  010000d4  svc #0
  fcffff17  b stop
sys:
  e80300aa  mov x8, x0                      ; long sys(number, six arguments), C convention
  e00301aa  mov x0, x1
  e10302aa  mov x1, x2
  e20303aa  mov x2, x3
  e30304aa  mov x3, x4
  e40305aa  mov x4, x5
  e50306aa  mov x5, x6
  010000d4  svc #0
  c0035fd6  ret
spawn:
  e90302aa  mov x9, x2                      ; long spawn(flags, stack, header), C convention
  020080d2  mov x2, #0
  030080d2  mov x3, #0
  040080d2  mov x4, #0
  881b80d2  mov x8, #220
  010000d4  svc #0
  600000b5  cbnz x0, back
  e00309aa  mov x0, x9
  bfffff17  b run
back:
  c0035fd6  ret
`;

const TABLES: Readonly<Record<Arch, string>> = {
  x86_64: X86_64,
  aarch64: AARCH64,
};

const machines = new Map<Arch, Machine>();

/**
 * Reads the table of an architecture, once.
 *
 * @param arch The architecture.
 * @returns The machine.
 *
 * @example Where a function is
 * ```ts
 * import { machineOf } from "cage/ffi/machine.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(machineOf("x86_64").entry._start, 0);
 * ```
 */
export function machineOf(arch: Arch): Machine {
  const known = machines.get(arch);
  if (known !== undefined) return known;
  const machine = parse(TABLES[arch]);
  machines.set(arch, machine);
  return machine;
}

/**
 * Gives the assembly that a machine stands for.
 *
 * @param arch The architecture.
 * @returns The text, labels included.
 *
 * @example The first line
 * ```ts
 * import { assemblyOf } from "cage/ffi/machine.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(assemblyOf("aarch64").split("\n")[0], "_start:");
 * ```
 */
export function assemblyOf(arch: Arch): string {
  return TABLES[arch].trim()
    .replace(/^( {2})[0-9a-f]+ +([^;\n]+?) *(;.*)?$/gm, "$1$2") + "\n";
}

/** One expression for all of it: this is done at each launch. */
function parse(table: string): Machine {
  const labels = new Map<string, number>();
  let hex = "";
  for (const [, label, bytes] of table.matchAll(/^(?:(\w+):| {2}(\w+))/gm)) {
    if (label === undefined) hex += bytes;
    else labels.set(label, hex.length / 2);
  }
  const at = (entry: Entry) => labels.get(entry)!;
  return {
    code: Uint8Array.fromHex(hex),
    standalone: at("sys"),
    entry: {
      _start: at("_start"),
      run: at("run"),
      sys: at("sys"),
      spawn: at("spawn"),
    },
  };
}
