/**
 * The machine: about three hundred bytes that carry out a program, and a
 * hundred more for programs that look things up by themselves.
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
export const HEADER_DISTANCE = 0x10300;

/** Where the functions of a machine begin. */
export type Entry = "_start" | "run" | "sys" | "spawn";

/** The machine of one architecture. */
export interface Machine {
  /** The machine code. */
  readonly code: Uint8Array;
  /** How many bytes of it an ELF needs whose programs only `load`. */
  readonly standalone: number;
  /** How many an ELF needs otherwise: `sys` and `spawn` come after them. */
  readonly extended: number;
  /** Bytes from the start of the code to each function. */
  readonly entry: Readonly<Record<Entry, number>>;
}

/** Each line: the bytes, and what they are; a comment follows a semicolon. */
const X86_64 = `
_start:
  488d3df9020100  lea rdi, [rip + 0x102f9]  ; the header, when the kernel starts an ELF here
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
  85c0            test eax, eax             ; what the machine does has a negative number
  7826            js own
  0f05            syscall
  48894338        mov [rbx + 56], rax
  483d01f0ffff    cmp rax, -4095            ; -4095 to -1 are errors
  7327            jae error
zero:
  4885c0          test rax, rax
  750d            jnz next
  488b4b48        mov rcx, [rbx + 72]
  e307            jrcxz next
jump:
  488d5c0bff      lea rbx, [rbx + rcx - 1]  ; a distance of 0 is kept as 1
  eb8f            jmp step
next:
  4883c350        add rbx, 80
  eb89            jmp step
own:
  ffc0            inc eax
  7545            jnz more                  ; load is -1
  8b07            mov eax, [rdi]
  4801f0          add rax, rsi
done:
  48894338        mov [rbx + 56], rax
  ebd9            jmp zero
error:
  49891c24        mov [r12], rbx            ; which step failed last
  8b4b44          mov ecx, [rbx + 68]       ; the errno that may be gone on from
  e304            jrcxz any
  01c1            add ecx, eax              ; eax is -errno
  7509            jnz stop
any:
  48634b40        movsxd rcx, dword ptr [rbx + 64]
  4885c9          test rcx, rcx
  75ce            jnz jump
stop:
  498b4c2408      mov rcx, [r12 + 8]        ; where to go on, if anywhere
  49895c2408      mov [r12 + 8], rbx        ; which step stopped the program
  4889cb          mov rbx, rcx
  4885c9          test rcx, rcx
  0f854effffff    jnz step
end:
  bf7f000000      mov edi, 127
  b8e7000000      mov eax, 231
  0f05            syscall
  ebf2            jmp end
more:
  ffc0            inc eax                   ; fetch is -2, and so on
  7461            jz fetch
  ffc0            inc eax
  7466            jz store
  ffc0            inc eax
  746e            jz subtract
  ffc0            inc eax
  747a            jz stack
  ffc0            inc eax
  747e            jz parse
  ffc0            inc eax
  0f84d0000000    jz unpack
find:
  4889d0          mov rax, rdx              ; what is given if nothing is found
text:
  488b0f          mov rcx, [rdi]
  4883c708        add rdi, 8
  e338            jrcxz done_near
  4989f0          mov r8, rsi
compare:
  458a08          mov r9b, [r8]
  4584c9          test r9b, r9b
  740d            jz value
  443a09          cmp r9b, [rcx]
  75e7            jne text
  48ffc1          inc rcx
  49ffc0          inc r8
  ebeb            jmp compare
value:
  803900          cmp byte ptr [rcx], 0     ; nothing after the prefix is nothing found
  741b            je done_near
letter:
  448a09          mov r9b, [rcx]
  4584c9          test r9b, r9b
  740f            jz found
  48ffc1          inc rcx
  4180e920        sub r9b, 32
  4180f95e        cmp r9b, 94               ; ' ' to '~' harm no terminal
  76eb            jbe letter
  eb04            jmp done_near
found:
  488b47f8        mov rax, [rdi - 8]
done_near:
  e95bffffff      jmp done
fetch:
  488b0437        mov rax, [rdi + rsi]
  e952ffffff      jmp done
store:
  48891437        mov [rdi + rsi], rdx
  4889d0          mov rax, rdx
  e946ffffff      jmp done
subtract:
  89d1            mov ecx, edx
  48d3e6          shl rsi, cl
  4889f8          mov rax, rdi
  4829f0          sub rax, rsi
  e936ffffff      jmp done
stack:
  4889e0          mov rax, rsp              ; as it was at the start
  e92effffff      jmp done
parse:
  4889f9          mov rcx, rdi
bracket:
  448a01          mov r8b, [rcx]            ; the last ')' ends the name of a process
  48ffc1          inc rcx
  4584c0          test r8b, r8b
  740b            jz counted
  4180f829        cmp r8b, 41
  75ef            jne bracket
  4889cf          mov rdi, rcx
  ebea            jmp bracket
counted:
  31c0            xor eax, eax
skip:
  4885f6          test rsi, rsi
  7413            jz digit
character:
  8a0f            mov cl, [rdi]
  84c9            test cl, cl
  7425            jz last
  48ffc7          inc rdi
  80f920          cmp cl, 32
  75f2            jne character
  48ffce          dec rsi
  ebe8            jmp skip
digit:
  0fb60f          movzx ecx, byte ptr [rdi]
  83e930          sub ecx, 48
  83f909          cmp ecx, 9
  770d            ja last
  488d0480        lea rax, [rax + rax * 4]
  488d0441        lea rax, [rcx + rax * 2]
  48ffc7          inc rdi
  ebe8            jmp digit
last:
  803f20          cmp byte ptr [rdi], 32    ; a number ends with a space, a newline or nothing
  7602            jbe ended
  31c0            xor eax, eax
ended:
  c60700          mov byte ptr [rdi], 0
  e9d4feffff      jmp done
unpack:
  4989f0          mov r8, rsi               ; the end of an LZ4 block
  4889fe          mov rsi, rdi
  4889d7          mov rdi, rdx
sequence:
  0fb606          movzx eax, byte ptr [rsi]
  48ffc6          inc rsi
  89c1            mov ecx, eax
  c1e904          shr ecx, 4
  83f90f          cmp ecx, 15
  7513            jne literals
longer_literals:
  440fb60e        movzx r9d, byte ptr [rsi]
  48ffc6          inc rsi
  4401c9          add ecx, r9d
  4181f9ff000000  cmp r9d, 255
  74ed            je longer_literals
literals:
  4801ca          add rdx, rcx              ; where the literals end
  4801f1          add rcx, rsi
literal:
  4c8b0e          mov r9, [rsi]             ; eight bytes at once, up to seven too many
  4c890f          mov [rdi], r9
  4883c608        add rsi, 8
  4883c708        add rdi, 8
  4839d7          cmp rdi, rdx
  72ed            jb literal
  4889d7          mov rdi, rdx
  4889ce          mov rsi, rcx
  4c39c6          cmp rsi, r8
  7365            jae unpacked
  440fb716        movzx r10d, word ptr [rsi]
  4883c602        add rsi, 2
  83e00f          and eax, 15
  89c1            mov ecx, eax
  83f90f          cmp ecx, 15
  7513            jne match
longer_match:
  440fb60e        movzx r9d, byte ptr [rsi]
  48ffc6          inc rsi
  4401c9          add ecx, r9d
  4181f9ff000000  cmp r9d, 255
  74ed            je longer_match
match:
  488d540f04      lea rdx, [rdi + rcx + 4]
  4889f9          mov rcx, rdi
  4c29d1          sub rcx, r10
  4183fa08        cmp r10d, 8               ; what is nearer repeats itself
  7314            jae copy
repeat:
  8a01            mov al, [rcx]
  8807            mov [rdi], al
  48ffc1          inc rcx
  48ffc7          inc rdi
  4839d7          cmp rdi, rdx
  72f1            jb repeat
  e96fffffff      jmp sequence
copy:
  4c8b09          mov r9, [rcx]
  4c890f          mov [rdi], r9
  4883c108        add rcx, 8
  4883c708        add rdi, 8
  4839d7          cmp rdi, rdx
  72ed            jb copy
  4889d7          mov rdi, rdx
  e954ffffff      jmp sequence
unpacked:
  4889f8          mov rax, rdi              ; the end of what was unpacked
  e917feffff      jmp done
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
  0f8458fdffff    jz run
  c3              ret
`;

/** A system call changes no register but x0 here; on x86_64, rcx and r11 too. */
const AARCH64 = `
_start:
  00180810  adr x0, . + 0x10300             ; the header, when the kernel starts an ELF here
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
  a801f837  tbnz w8, #31, own               ; what the machine does has a negative number
  010000d4  svc #0
  601e00f9  str x0, [x19, #56]
  1ffc3fb1  cmn x0, #4095                   ; -4095 to -1 are errors
  e2010054  b.hs error
zero:
  c00000b5  cbnz x0, next
  692640f9  ldr x9, [x19, #72]
  890000b4  cbz x9, next
jump:
  7302098b  add x19, x19, x9
  730600d1  sub x19, x19, #1                ; a distance of 0 is kept as 1
  e6ffff17  b step
next:
  73420191  add x19, x19, #80
  e4ffff17  b step
own:
  08050031  adds w8, w8, #1
  81020054  b.ne more                       ; load is -1
  000040b9  ldr w0, [x0]
  0000018b  add x0, x0, x1
done:
  601e00f9  str x0, [x19, #56]
  f3ffff17  b zero
error:
  930200f9  str x19, [x20]                  ; which step failed last
  692a4829  ldp w9, w10, [x19, #64]         ; where to, and the errno that may be gone on from
  6a000034  cbz w10, any
  4a01000b  add w10, w10, w0                ; w0 is -errno
  6a000035  cbnz w10, stop
any:
  297d4093  sxtw x9, w9
  e9fdffb5  cbnz x9, jump
stop:
  890640f9  ldr x9, [x20, #8]               ; where to go on, if anywhere
  930600f9  str x19, [x20, #8]              ; which step stopped the program
  f30309aa  mov x19, x9
  69faffb5  cbnz x9, step
end:
  e00f8052  mov w0, #127
  c80b8052  mov w8, #94
  010000d4  svc #0
  fdffff17  b end
more:
  08050031  adds w8, w8, #1                 ; fetch is -2, and so on
  e0030054  b.eq fetch
  08050031  adds w8, w8, #1
  e0030054  b.eq store
  08050031  adds w8, w8, #1
  00040054  b.eq subtract
  08050031  adds w8, w8, #1
  20040054  b.eq stack
  08050031  adds w8, w8, #1
  20040054  b.eq parse
  08050031  adds w8, w8, #1
  80070054  b.eq unpack
find:
  e90300aa  mov x9, x0
  e00302aa  mov x0, x2                      ; what is given if nothing is found
text:
  2a8540f8  ldr x10, [x9], #8
  0afcffb4  cbz x10, done
  eb0301aa  mov x11, x1
compare:
  6c154038  ldrb w12, [x11], #1
  ac000034  cbz w12, value
  4d154038  ldrb w13, [x10], #1
  9f010d6b  cmp w12, w13
  21ffff54  b.ne text
  fbffff17  b compare
value:
  4c154038  ldrb w12, [x10], #1
  ecfaff34  cbz w12, done                   ; nothing after the prefix is nothing found
letter:
  8c810051  sub w12, w12, #32
  9f790171  cmp w12, #94                    ; ' ' to '~' harm no terminal
  88faff54  b.hi done
  4c154038  ldrb w12, [x10], #1
  8cffff35  cbnz w12, letter
  20815ff8  ldur x0, [x9, #-8]
  d0ffff17  b done
fetch:
  006861f8  ldr x0, [x0, x1]
  ceffff17  b done
store:
  026821f8  str x2, [x0, x1]
  e00302aa  mov x0, x2
  cbffff17  b done
subtract:
  2120c29a  lsl x1, x1, x2
  000001cb  sub x0, x0, x1
  c8ffff17  b done
stack:
  e0030091  mov x0, sp                      ; as it was at the start
  c6ffff17  b done
parse:
  e90300aa  mov x9, x0
bracket:
  0a144038  ldrb w10, [x0], #1              ; the last ')' ends the name of a process
  aa000034  cbz w10, counted
  5fa50071  cmp w10, #41
  a1ffff54  b.ne bracket
  e90300aa  mov x9, x0
  fbffff17  b bracket
counted:
  000080d2  mov x0, #0
  4b0180d2  mov x11, #10
skip:
  010100b4  cbz x1, digit
character:
  2a014039  ldrb w10, [x9]
  aa010034  cbz w10, last
  29050091  add x9, x9, #1
  5f810071  cmp w10, #32
  81ffff54  b.ne character
  210400d1  sub x1, x1, #1
  f9ffff17  b skip
digit:
  2a014039  ldrb w10, [x9]
  4ac10051  sub w10, w10, #48
  5f250071  cmp w10, #9
  88000054  b.hi last
  00280b9b  madd x0, x0, x11, x10
  29050091  add x9, x9, #1
  faffff17  b digit
last:
  2a014039  ldrb w10, [x9]
  5f810071  cmp w10, #32                    ; a number ends with a space, a newline or nothing
  00909f9a  csel x0, x0, xzr, ls
  3f010039  strb wzr, [x9]
  a9ffff17  b done
unpack:
  09144038  ldrb w9, [x0], #1               ; a sequence of an LZ4 block
  2a7d0453  lsr w10, w9, #4
  5f3d0071  cmp w10, #15
  a1000054  b.ne literals
longer_literals:
  0b144038  ldrb w11, [x0], #1
  4a010b0b  add w10, w10, w11
  7ffd0371  cmp w11, #255
  a0ffff54  b.eq longer_literals
literals:
  4c000a8b  add x12, x2, x10                ; where the literals end
  0a000a8b  add x10, x0, x10
literal:
  0b8440f8  ldr x11, [x0], #8               ; eight bytes at once, up to seven too many
  4b8400f8  str x11, [x2], #8
  5f000ceb  cmp x2, x12
  a3ffff54  b.lo literal
  e2030caa  mov x2, x12
  e0030aaa  mov x0, x10
  1f0001eb  cmp x0, x1
  22030054  b.hs unpacked
  0b244078  ldrh w11, [x0], #2
  2a0d0012  and w10, w9, #15
  5f3d0071  cmp w10, #15
  a1000054  b.ne match
longer_match:
  09144038  ldrb w9, [x0], #1
  4a01090b  add w10, w10, w9
  3ffd0371  cmp w9, #255
  a0ffff54  b.eq longer_match
match:
  4a110011  add w10, w10, #4
  4c000a8b  add x12, x2, x10
  4a000bcb  sub x10, x2, x11
  7f210071  cmp w11, #8                     ; what is nearer repeats itself
  c2000054  b.hs copy
repeat:
  4b154038  ldrb w11, [x10], #1
  4b140038  strb w11, [x2], #1
  5f000ceb  cmp x2, x12
  a3ffff54  b.lo repeat
  ddffff17  b unpack
copy:
  4b8540f8  ldr x11, [x10], #8
  4b8400f8  str x11, [x2], #8
  5f000ceb  cmp x2, x12
  a3ffff54  b.lo copy
  e2030caa  mov x2, x12
  d7ffff17  b unpack
unpacked:
  e00302aa  mov x0, x2                      ; the end of what was unpacked
  7dffff17  b done
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
  48ffff17  b run
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
    standalone: labels.get("more")!,
    extended: at("sys"),
    entry: {
      _start: at("_start"),
      run: at("run"),
      sys: at("sys"),
      spawn: at("spawn"),
    },
  };
}
