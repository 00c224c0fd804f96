/**
 * Machine code of the entry guard: bytes beside the assembly that they come
 * from. What it does, and why, is told in `guard.ts`.
 *
 * The code takes what differs from file to file from the eight words at its
 * end, which are zero here, and from the table that follows them:
 *
 * | word | name      | meaning                                              |
 * | ---- | --------- | ---------------------------------------------------- |
 * | 0    | signals   | mask of signals to block                             |
 * | 1    | directory | descriptor that keeps the caller's working directory |
 * | 2    | entry     | the program's own entry point, relative to the code  |
 * | 3    | headers   | the program headers, relative to the code            |
 * | 4    | count     | how many program headers there are                   |
 * | 5    | loader    | path of the dynamic loader, relative; 0 for none     |
 * | 6    | arguments | how many of the table's texts are arguments          |
 * | 7    | variables | how many of them after those are the environment     |
 *
 * The table holds the places of the texts, one word each, relative to the
 * code.
 *
 * @module
 */

import type { Arch } from "./arch.ts";
import { type Listing, readListing } from "./code_listing.ts";

/** How many words at the end of the code are for the caller to fill in. */
export const WORDS = 8;

// System calls by number from arch/x86/entry/syscalls/syscall_64.tbl.
const X86_64 = String.raw`
_start:
  4889e3                mov rbx, rsp                          ; argc, argv, 0, envp, 0, auxv
  488d2df6ffffff        lea rbp, [rip + _start]               ; addresses of ours are relative to this
  6a00                  push 0
  6a00                  push 0
  6a00                  push 0
  6a00                  push 0
  bf11000000            mov edi, 17                           ; rt_sigaction(SIGCHLD, default)
  4889e6                mov rsi, rsp
  31d2                  xor edx, edx
  41ba08000000          mov r10d, 8
  b80d000000            mov eax, 13
  0f05                  syscall
  488b0598040000        mov rax, [rip + signals]
  48890424              mov [rsp], rax
  bf02000000            mov edi, 2                            ; rt_sigprocmask(SIG_SETMASK, ours, &theirs)
  4889e6                mov rsi, rsp
  488d542408            lea rdx, [rsp + 8]
  b80e000000            mov eax, 14
  0f05                  syscall
  4c8b642408            mov r12, [rsp + 8]                    ; r12: the caller's mask
  4531ed                xor r13d, r13d
descriptor:
  4489ef                mov edi, r13d                         ; fcntl(0…2, F_GETFD)
  be01000000            mov esi, 1
  b848000000            mov eax, 72
  0f05                  syscall
  4883f8f7              cmp rax, -9                           ; EBADF
  7524                  jne is_open
  bf9cffffff            mov edi, -100                         ; openat(AT_FDCWD, "/dev/null", …)
  488d35c7030000        lea rsi, [rip + null]
  31d2                  xor edx, edx                          ; O_RDONLY for 1 and 2
  4585ed                test r13d, r13d
  0f94c2                sete dl                               ; O_WRONLY for 0
  b801010000            mov eax, 257
  0f05                  syscall
  4c39e8                cmp rax, r13
  0f858b030000          jne fail
is_open:
  41ffc5                inc r13d
  4183fd03              cmp r13d, 3
  72be                  jb descriptor
  bf03000000            mov edi, 3                            ; close_range(3, ~0, CLOSE_RANGE_CLOEXEC)
  beffffffff            mov esi, -1
  ba04000000            mov edx, 4
  b8b4010000            mov eax, 436
  0f05                  syscall
  4c8b3521040000        mov r14, [rip + directory]
  bf9cffffff            mov edi, -100                         ; openat(AT_FDCWD, ".", O_PATH | O_CLOEXEC)
  488d3587030000        lea rsi, [rip + dot]
  ba00002800            mov edx, 0x280000
  b801010000            mov eax, 257
  0f05                  syscall
  4989c5                mov r13, rax
  4885c0                test rax, rax
  781f                  js close_it
  4c39f0                cmp rax, r14
  742b                  je leave
  89c7                  mov edi, eax                          ; dup3(it, directory, O_CLOEXEC)
  4489f6                mov esi, r14d
  ba00000800            mov edx, 0x80000
  b824010000            mov eax, 292
  0f05                  syscall
  4885c0                test rax, rax
  0f8826030000          js fail
close_it:
  4489ef                mov edi, r13d                         ; close(it), or close(directory) of the caller
  4d85ed                test r13, r13
  410f48fe              cmovs edi, r14d
  b803000000            mov eax, 3
  0f05                  syscall
leave:
  488d3d3e030000        lea rdi, [rip + slash]                ; chdir("/")
  b850000000            mov eax, 80
  0f05                  syscall
  4885c0                test rax, rax
  0f88fe020000          js fail
  488b03                mov rax, [rbx]
  488d74c310            lea rsi, [rbx + rax*8 + 16]           ; envp
variable_of_caller:
  48ad                  lodsq
  4885c0                test rax, rax
  75f9                  jnz variable_of_caller
  4989f5                mov r13, rsi                          ; r13: auxv
  41b900100000          mov r9d, 4096                         ; r9: page size
fact:
  48ad                  lodsq
  4889c1                mov rcx, rax
  48ad                  lodsq
  83f906                cmp ecx, 6                            ; AT_PAGESZ
  4c0f44c8              cmove r9, rax
  83f917                cmp ecx, 23                           ; AT_SECURE
  7517                  jne next_fact
  4885c0                test rax, rax
  7412                  jz next_fact
  51                    push rcx
  56                    push rsi
  bf04000000            mov edi, 4                            ; prctl(PR_SET_DUMPABLE, 0)
  31f6                  xor esi, esi
  b89d000000            mov eax, 157
  0f05                  syscall
  5e                    pop rsi
  59                    pop rcx
next_fact:
  4885c9                test rcx, rcx
  75d1                  jnz fact
  4c29ee                sub rsi, r13
  56                    push rsi                              ; [rbx - 40]: bytes of auxv
  4151                  push r9                               ; [rbx - 48]: page size
  4531ff                xor r15d, r15d                        ; r15: base of the loader
  4c8b356b030000        mov r14, [rip + entry]
  4901ee                add r14, rbp                          ; r14: where to go on
  488b3579030000        mov rsi, [rip + loader]
  4885f6                test rsi, rsi
  0f8476010000          jz vector
  4801ee                add rsi, rbp
  bf9cffffff            mov edi, -100                         ; openat(AT_FDCWD, loader, O_CLOEXEC)
  ba00000800            mov edx, 0x80000
  b801010000            mov eax, 257
  0f05                  syscall
  4885c0                test rax, rax
  0f8877020000          js fail
  4989c6                mov r14, rax                          ; r14: descriptor of the loader
  4881ec00100000        sub rsp, 4096
  89c7                  mov edi, eax                          ; read(loader, headers)
  4889e6                mov rsi, rsp
  ba00100000            mov edx, 4096
  31c0                  xor eax, eax
  0f05                  syscall
  483d00100000          cmp rax, 4096
  0f8553020000          jne fail
  4c8b442420            mov r8, [rsp + 32]                    ; e_phoff
  0fb74c2438            movzx ecx, word ptr [rsp + 56]        ; e_phnum
  6bc938                imul ecx, ecx, 56
  4c01c1                add rcx, r8
  4881f900100000        cmp rcx, 4096
  0f8736020000          ja fail
  51                    push rcx                              ; [rsp]: end of the program headers
  4901e0                add r8, rsp                           ; r8: a program header, 8 bytes early
  48012424              add [rsp], rsp
  31f6                  xor esi, esi
  4c89c2                mov rdx, r8
span:
  483b1424              cmp rdx, [rsp]                        ; the span of the segments
  731b                  jae reserve
  837a0801              cmp dword ptr [rdx + 8], 1            ; PT_LOAD
  750f                  jne next_span
  488b4218              mov rax, [rdx + 24]
  48034230              add rax, [rdx + 48]
  4839c6                cmp rsi, rax
  480f42f0              cmovb rsi, rax
next_span:
  4883c238              add rdx, 56
  ebdf                  jmp span
reserve:
  4150                  push r8
  31ff                  xor edi, edi                          ; mmap(0, span, READ | WRITE, PRIVATE | ANONYMOUS)
  ba03000000            mov edx, 3
  41ba22000000          mov r10d, 0x22
  49c7c0ffffffff        mov r8, -1
  4531c9                xor r9d, r9d
  b809000000            mov eax, 9
  0f05                  syscall
  4158                  pop r8
  483d00f0ffff          cmp rax, -4096
  0f87da010000          ja fail
  4989c7                mov r15, rax
segment:
  4c3b0424              cmp r8, [rsp]
  0f839d000000          jae loaded
  4183780801            cmp dword ptr [r8 + 8], 1
  0f8589000000          jne next_segment
  4150                  push r8
  418b480c              mov ecx, [r8 + 12]                    ; p_flags → protection
  89ca                  mov edx, ecx
  83e202                and edx, 2
  f7c104000000          test ecx, 4
  7403                  jz executable
  83ca01                or edx, 1
executable:
  f7c101000000          test ecx, 1
  7403                  jz protection
  83ca04                or edx, 4
protection:
  498b7818              mov rdi, [r8 + 24]                    ; p_vaddr
  488b43d0              mov rax, [rbx - 48]
  48ffc8                dec rax
  4821f8                and rax, rdi                          ; rax: its place in the page
  4829c7                sub rdi, rax
  4c01ff                add rdi, r15
  498b7028              mov rsi, [r8 + 40]                    ; p_filesz
  4801c6                add rsi, rax
  4d8b4810              mov r9, [r8 + 16]                     ; p_offset
  4929c1                sub r9, rax
  4d89f0                mov r8, r14
  41ba12000000          mov r10d, 0x12                        ; PRIVATE | FIXED
  b809000000            mov eax, 9
  0f05                  syscall
  4158                  pop r8
  483d00f0ffff          cmp rax, -4096
  0f8761010000          ja fail
  498b4828              mov rcx, [r8 + 40]
  493b4830              cmp rcx, [r8 + 48]                    ; p_memsz
  731e                  jae next_segment
  498b7818              mov rdi, [r8 + 24]
  4c01ff                add rdi, r15
  4801cf                add rdi, rcx
  4889f9                mov rcx, rdi                          ; the rest of the last page is zero
  48f7d9                neg rcx
  488b43d0              mov rax, [rbx - 48]
  48ffc8                dec rax
  4821c1                and rcx, rax
  31c0                  xor eax, eax
  f3aa                  rep stosb
next_segment:
  4983c038              add r8, 56
  e959ffffff            jmp segment
loaded:
  4489f7                mov edi, r14d                         ; close(loader)
  b803000000            mov eax, 3
  0f05                  syscall
  4c8b742420            mov r14, [rsp + 8 + 24]               ; e_entry
  4d01fe                add r14, r15
vector:
  4c8b4bd8              mov r9, [rbx - 40]                    ; bytes of auxv
  4c8b15f7010000        mov r10, [rip + arguments]
  4c8b1df8010000        mov r11, [rip + variables]
  488b03                mov rax, [rbx]                        ; argc without argv[0]
  4883e801              sub rax, 1
  4883d000              adc rax, 0
  498d0c02              lea rcx, [r10 + rax]                  ; the new argc
  4a8d541904            lea rdx, [rcx + r11 + 4]
  498d14d1              lea rdx, [r9 + rdx*8]
  488d63a0              lea rsp, [rbx - 96]
  4829d4                sub rsp, rdx
  4883e4f0              and rsp, -16
  4889e7                mov rdi, rsp
  4889c2                mov rdx, rax
  4889c8                mov rax, rcx
  48ab                  stosq
  4c8d05cb010000        lea r8, [rip + table]
  4c89d1                mov rcx, r10
argument:
  e311                  jrcxz arguments_of_caller             ; our arguments
  498b00                mov rax, [r8]
  4801e8                add rax, rbp
  48ab                  stosq
  4983c008              add r8, 8
  48ffc9                dec rcx
  ebed                  jmp argument
arguments_of_caller:
  488d7310              lea rsi, [rbx + 16]                   ; the caller's, from argv[1] on
  4889d1                mov rcx, rdx
  f348a5                rep movsq
  31c0                  xor eax, eax
  48ab                  stosq
  488d43a0              lea rax, [rbx - 96]                   ; the variable that tells the caller's mask
  48ab                  stosq
  4c89d9                mov rcx, r11
setting:
  e311                  jrcxz facts                           ; our environment
  498b00                mov rax, [r8]
  4801e8                add rax, rbp
  48ab                  stosq
  4983c008              add r8, 8
  48ffc9                dec rcx
  ebed                  jmp setting
facts:
  31c0                  xor eax, eax
  48ab                  stosq
  4889fa                mov rdx, rdi                          ; the kernel's auxv
  4c89ee                mov rsi, r13
  4c89c9                mov rcx, r9
  c1e903                shr ecx, 3
  f348a5                rep movsq
  488b0d49010000        mov rcx, [rip + headers]
  4801e9                add rcx, rbp
correct:
  488b02                mov rax, [rdx]
  83f803                cmp eax, 3                            ; AT_PHDR
  7504                  jne not_headers
  48894a08              mov [rdx + 8], rcx
not_headers:
  83f805                cmp eax, 5                            ; AT_PHNUM
  750b                  jne not_count
  488b3536010000        mov rsi, [rip + count]
  48897208              mov [rdx + 8], rsi
not_count:
  83f807                cmp eax, 7                            ; AT_BASE
  7504                  jne not_base
  4c897a08              mov [rdx + 8], r15
not_base:
  83f809                cmp eax, 9                            ; AT_ENTRY
  750e                  jne not_entry
  488b350d010000        mov rsi, [rip + entry]
  4801ee                add rsi, rbp
  48897208              mov [rdx + 8], rsi
not_entry:
  4883c210              add rdx, 16
  4885c0                test rax, rax
  75bf                  jnz correct
  488d7ba0              lea rdi, [rbx - 96]                   ; the text: name, 16 digits, 0
  488d3560000000        lea rsi, [rip + variable]
  b90d000000            mov ecx, 13
  f3a4                  rep movsb
  b910000000            mov ecx, 16
digit:
  49c1c404              rol r12, 4
  4489e0                mov eax, r12d
  83e00f                and eax, 15
  83f80a                cmp eax, 10
  7203                  jb decimal
  83c027                add eax, 39
decimal:
  83c030                add eax, 48
  aa                    stosb
  ffc9                  dec ecx
  75e6                  jnz digit
  31c0                  xor eax, eax
  aa                    stosb
  31d2                  xor edx, edx                          ; nothing to call at exit
  41ffe6                jmp r14
fail:
  bf02000000            mov edi, 2                            ; write(2, sentence)
  488d3533000000        lea rsi, [rip + sentence]
  ba72000000            mov edx, offset length
  b801000000            mov eax, 1
  0f05                  syscall
  bf7d000000            mov edi, 125
  b8e7000000            mov eax, 231                          ; exit_group(125)
  0f05                  syscall
null:
  2f6465762f6e756c6c00  .asciz "/dev/null"
dot:
  2e00                  .asciz "."
slash:
  2f00                  .asciz "/"
variable:
  434147455f5349474e    .ascii "CAGE_SIGN"
  414c533d              .ascii "ALS="
sentence:
  636167653a2043616e6e  .ascii "cage: Cann"
  6f742073746172742074  .ascii "ot start t"
  68652072756e74696d65  .ascii "he runtime"
  3a202f6465762f6e756c  .ascii ": /dev/nul"
  6c206f72207468652064  .ascii "l or the d"
  796e616d6963206c6f61  .ascii "ynamic loa"
  646572206973206d6973  .ascii "der is mis"
  73696e672c206f722061  .ascii "sing, or a"
  206c696d697420697320  .ascii " limit is "
  746f6f206c6f77202873  .ascii "too low (s"
  656520756c696d697420  .ascii "ee ulimit "
  2d61290a              .ascii "-a)\n"
                        .equ length, . - sentence
  0f1f00                .balign 8
signals:
  0000000000000000      .quad 0
directory:
  0000000000000000      .quad 0
entry:
  0000000000000000      .quad 0
headers:
  0000000000000000      .quad 0
count:
  0000000000000000      .quad 0
loader:
  0000000000000000      .quad 0
arguments:
  0000000000000000      .quad 0
variables:
  0000000000000000      .quad 0
table:
`;

// System calls by number from include/uapi/asm-generic/unistd.h.
const AARCH64 = String.raw`
_start:
  f3030091              mov x19, sp                           ; argc, argv, 0, envp, 0, auxv
  f4ffff10              adr x20, _start                       ; addresses of ours are relative to this
  ff8301d1              sub sp, sp, #96
  ff7f00a9              stp xzr, xzr, [sp]
  ff7f01a9              stp xzr, xzr, [sp, #16]
  200280d2              mov x0, #17                           ; rt_sigaction(SIGCHLD, default)
  e1030091              mov x1, sp
  020080d2              mov x2, #0
  030180d2              mov x3, #8
  c81080d2              mov x8, #134
  010000d4              svc #0
  a9230058              ldr x9, signals
  e90300f9              str x9, [sp]
  400080d2              mov x0, #2                            ; rt_sigprocmask(SIG_SETMASK, ours, &theirs)
  e1030091              mov x1, sp
  e2230091              add x2, sp, #8
  e81080d2              mov x8, #135
  010000d4              svc #0
  f50740f9              ldr x21, [sp, #8]                     ; x21: the caller's mask
  160080d2              mov x22, #0
descriptor:
  e00316aa              mov x0, x22                           ; fcntl(0…2, F_GETFD)
  210080d2              mov x1, #1
  280380d2              mov x8, #25
  010000d4              svc #0
  1f2400b1              cmn x0, #9                            ; EBADF
  21010054              b.ne is_open
  600c8092              mov x0, #-100                         ; openat(AT_FDCWD, "/dev/null", …)
  011d0010              adr x1, null
  df0200f1              cmp x22, #0                           ; O_RDONLY for 1 and 2
  e2179f9a              cset x2, eq                           ; O_WRONLY for 0
  080780d2              mov x8, #56
  010000d4              svc #0
  1f0016eb              cmp x0, x22
  411b0054              b.ne fail
is_open:
  d6060091              add x22, x22, #1
  df0e00f1              cmp x22, #3
  03feff54              b.lo descriptor
  600080d2              mov x0, #3                            ; close_range(3, ~0, CLOSE_RANGE_CLOEXEC)
  01008092              mov x1, #-1
  820080d2              mov x2, #4
  883680d2              mov x8, #436
  010000d4              svc #0
  17200058              ldr x23, directory
  600c8092              mov x0, #-100                         ; openat(AT_FDCWD, ".", O_PATH | O_CLOEXEC)
  211b0050              adr x1, dot
  0205a0d2              mov x2, #0x280000
  080780d2              mov x8, #56
  010000d4              svc #0
  f60300aa              mov x22, x0
  0001f8b7              tbnz x0, #63, close_it
  1f0017eb              cmp x0, x23
  40010054              b.eq leave
  e10317aa              mov x1, x23                           ; dup3(it, directory, O_CLOEXEC)
  0201a0d2              mov x2, #0x80000
  080380d2              mov x8, #24
  010000d4              svc #0
  6018f8b7              tbnz x0, #63, fail
close_it:
  df0200f1              cmp x22, #0                           ; close(it), or close(directory) of the caller
  e0b2969a              csel x0, x23, x22, lt
  280780d2              mov x8, #57
  010000d4              svc #0
leave:
  20190010              adr x0, slash                         ; chdir("/")
  280680d2              mov x8, #49
  010000d4              svc #0
  6017f8b7              tbnz x0, #63, fail
  690240f9              ldr x9, [x19]
  760e098b              add x22, x19, x9, lsl #3
  d6420091              add x22, x22, #16                     ; envp
variable_of_caller:
  c98640f8              ldr x9, [x22], #8
  e9ffffb5              cbnz x9, variable_of_caller
  e90316aa              mov x9, x22                           ; x22: auxv
  180082d2              mov x24, #4096                        ; x24: page size
fact:
  2a2dc1a8              ldp x10, x11, [x9], #16
  5f1900f1              cmp x10, #6                           ; AT_PAGESZ
  7801989a              csel x24, x11, x24, eq
  5f5d00f1              cmp x10, #23                          ; AT_SECURE
  c1000054              b.ne next_fact
  ab0000b4              cbz x11, next_fact
  800080d2              mov x0, #4                            ; prctl(PR_SET_DUMPABLE, 0)
  010080d2              mov x1, #0
  e81480d2              mov x8, #167
  010000d4              svc #0
next_fact:
  cafeffb5              cbnz x10, fact
  370116cb              sub x23, x9, x22                      ; x23: bytes of auxv
  190080d2              mov x25, #0                           ; x25: base of the loader
  fa1a0058              ldr x26, entry
  5a03148b              add x26, x26, x20                     ; x26: where to go on
  691b0058              ldr x9, loader
  a90b00b4              cbz x9, vector
  2101148b              add x1, x9, x20
  600c8092              mov x0, #-100                         ; openat(AT_FDCWD, loader, O_CLOEXEC)
  0201a0d2              mov x2, #0x80000
  080780d2              mov x8, #56
  010000d4              svc #0
  a013f8b7              tbnz x0, #63, fail
  fa0300aa              mov x26, x0                           ; x26: descriptor of the loader
  ff0740d1              sub sp, sp, #4096
  e1030091              mov x1, sp                            ; read(loader, headers)
  020082d2              mov x2, #4096
  e80780d2              mov x8, #63
  010000d4              svc #0
  1f0440f1              cmp x0, #4096
  a1120054              b.ne fail
  fb1340f9              ldr x27, [sp, #32]                    ; e_phoff
  e9734079              ldrh w9, [sp, #56]                    ; e_phnum
  0a0780d2              mov x10, #56
  297d0a9b              mul x9, x9, x10
  3c011b8b              add x28, x9, x27
  9f0740f1              cmp x28, #4096
  c8110054              b.hi fail
  e9030091              mov x9, sp
  7b03098b              add x27, x27, x9                      ; x27: a program header
  9c03098b              add x28, x28, x9                      ; x28: end of the program headers
  010080d2              mov x1, #0
  ea031baa              mov x10, x27
span:
  5f011ceb              cmp x10, x28                          ; the span of the segments
  62010054              b.hs reserve
  4b0140b9              ldr w11, [x10]
  7f050071              cmp w11, #1                           ; PT_LOAD
  c1000054              b.ne next_span
  4b0940f9              ldr x11, [x10, #16]
  4c1540f9              ldr x12, [x10, #40]
  6b010c8b              add x11, x11, x12
  3f000beb              cmp x1, x11
  6131819a              csel x1, x11, x1, lo
next_span:
  4ae10091              add x10, x10, #56
  f5ffff17              b span
reserve:
  000080d2              mov x0, #0                            ; mmap(0, span, READ | WRITE, PRIVATE | ANONYMOUS)
  620080d2              mov x2, #3
  430480d2              mov x3, #0x22
  04008092              mov x4, #-1
  050080d2              mov x5, #0
  c81b80d2              mov x8, #222
  010000d4              svc #0
  1ffc3fb1              cmn x0, #4095
  820e0054              b.hs fail
  f90300aa              mov x25, x0
  090700d1              sub x9, x24, #1
segment:
  7f031ceb              cmp x27, x28
  a2040054              b.hs loaded
  6a0340b9              ldr w10, [x27]
  5f050071              cmp w10, #1
  01040054              b.ne next_segment
  6a0740b9              ldr w10, [x27, #4]                    ; p_flags → protection
  42011f12              and w2, w10, #2
  4b090253              ubfx w11, w10, #2, #1
  42000b2a              orr w2, w2, w11
  4b011e53              ubfiz w11, w10, #2, #1
  42000b2a              orr w2, w2, w11
  600b40f9              ldr x0, [x27, #16]                    ; p_vaddr
  0b00098a              and x11, x0, x9                       ; x11: its place in the page
  00000bcb              sub x0, x0, x11
  0000198b              add x0, x0, x25
  611340f9              ldr x1, [x27, #32]                    ; p_filesz
  21000b8b              add x1, x1, x11
  650740f9              ldr x5, [x27, #8]                     ; p_offset
  a5000bcb              sub x5, x5, x11
  e4031aaa              mov x4, x26
  430280d2              mov x3, #0x12                         ; PRIVATE | FIXED
  c81b80d2              mov x8, #222
  010000d4              svc #0
  1ffc3fb1              cmn x0, #4095
  220b0054              b.hs fail
  6a1340f9              ldr x10, [x27, #32]
  6b1740f9              ldr x11, [x27, #40]                   ; p_memsz
  5f010beb              cmp x10, x11
  02010054              b.hs next_segment
  6b0b40f9              ldr x11, [x27, #16]
  6b01198b              add x11, x11, x25
  6b010a8b              add x11, x11, x10
zero:
  7f0109ea              tst x11, x9                           ; the rest of the last page is zero
  60000054              b.eq next_segment
  7f150038              strb wzr, [x11], #1
  fdffff17              b zero
next_segment:
  7be30091              add x27, x27, #56
  dbffff17              b segment
loaded:
  e0031aaa              mov x0, x26                           ; close(loader)
  280780d2              mov x8, #57
  010000d4              svc #0
  fa0f40f9              ldr x26, [sp, #24]                    ; e_entry
  5a03198b              add x26, x26, x25
vector:
  e90f0058              ldr x9, arguments
  0a100058              ldr x10, variables
  6b0240f9              ldr x11, [x19]                        ; argc without argv[0]
  6b0500f1              subs x11, x11, #1
  eb338b9a              csel x11, xzr, x11, lo
  2c010b8b              add x12, x9, x11                      ; the new argc
  8d010a8b              add x13, x12, x10
  ad110091              add x13, x13, #4
  ed0e0d8b              add x13, x23, x13, lsl #3
  6e8201d1              sub x14, x19, #96
  cd010dcb              sub x13, x14, x13
  bfed7c92              and sp, x13, #-16
  ed030091              mov x13, sp
  ac8500f8              str x12, [x13], #8
  af0e0010              adr x15, table
argument:
  c90000b4              cbz x9, arguments_of_caller           ; our arguments
  f08540f8              ldr x16, [x15], #8
  1002148b              add x16, x16, x20
  b08500f8              str x16, [x13], #8
  290500d1              sub x9, x9, #1
  fbffff17              b argument
arguments_of_caller:
  71420091              add x17, x19, #16                     ; the caller's, from argv[1] on
next_of_caller:
  ab0000b4              cbz x11, caller_done
  308640f8              ldr x16, [x17], #8
  b08500f8              str x16, [x13], #8
  6b0500d1              sub x11, x11, #1
  fcffff17              b next_of_caller
caller_done:
  bf3981a8              stp xzr, x14, [x13], #16              ; and the variable that tells the caller's mask
setting:
  ca0000b4              cbz x10, facts                        ; our environment
  f08540f8              ldr x16, [x15], #8
  1002148b              add x16, x16, x20
  b08500f8              str x16, [x13], #8
  4a0500d1              sub x10, x10, #1
  fbffff17              b setting
facts:
  bf8500f8              str xzr, [x13], #8
  c90a0058              ldr x9, headers
  2901148b              add x9, x9, x20
  ca0a0058              ldr x10, count
  2b0a0058              ldr x11, entry
  6b01148b              add x11, x11, x20
copy:
  d046c1a8              ldp x16, x17, [x22], #16              ; the kernel's auxv
  1f0e00f1              cmp x16, #3                           ; AT_PHDR
  3101919a              csel x17, x9, x17, eq
  1f1600f1              cmp x16, #5                           ; AT_PHNUM
  5101919a              csel x17, x10, x17, eq
  1f1e00f1              cmp x16, #7                           ; AT_BASE
  3103919a              csel x17, x25, x17, eq
  1f2600f1              cmp x16, #9                           ; AT_ENTRY
  7101919a              csel x17, x11, x17, eq
  b04581a8              stp x16, x17, [x13], #16
  d0feffb5              cbnz x16, copy
  c9030050              adr x9, variable                      ; the text: name, 16 digits, 0
  aa0180d2              mov x10, #13
letter:
  30154038              ldrb w16, [x9], #1
  d0150038              strb w16, [x14], #1
  4a0500f1              subs x10, x10, #1
  a1ffff54              b.ne letter
  0a0280d2              mov x10, #16
digit:
  b5f2d593              ror x21, x21, #60
  b00e0012              and w16, w21, #15
  1f2a0071              cmp w16, #10
  115e0111              add w17, w16, #87
  10c20011              add w16, w16, #48
  1032911a              csel w16, w16, w17, lo
  d0150038              strb w16, [x14], #1
  4a0500f1              subs x10, x10, #1
  01ffff54              b.ne digit
  df010039              strb wzr, [x14]
  000080d2              mov x0, #0                            ; nothing to call at exit
  40031fd6              br x26
fail:
  400080d2              mov x0, #2                            ; write(2, sentence)
  a1010070              adr x1, sentence
  420e80d2              mov x2, #length
  080880d2              mov x8, #64
  010000d4              svc #0
  a00f80d2              mov x0, #125
  c80b80d2              mov x8, #94                           ; exit_group(125)
  010000d4              svc #0
null:
  2f6465762f6e756c6c00  .asciz "/dev/null"
dot:
  2e00                  .asciz "."
slash:
  2f00                  .asciz "/"
variable:
  434147455f5349474e    .ascii "CAGE_SIGN"
  414c533d              .ascii "ALS="
sentence:
  636167653a2043616e6e  .ascii "cage: Cann"
  6f742073746172742074  .ascii "ot start t"
  68652072756e74696d65  .ascii "he runtime"
  3a202f6465762f6e756c  .ascii ": /dev/nul"
  6c206f72207468652064  .ascii "l or the d"
  796e616d6963206c6f61  .ascii "ynamic loa"
  646572206973206d6973  .ascii "der is mis"
  73696e672c206f722061  .ascii "sing, or a"
  206c696d697420697320  .ascii " limit is "
  746f6f206c6f77202873  .ascii "too low (s"
  656520756c696d697420  .ascii "ee ulimit "
  2d61290a              .ascii "-a)\n"
                        .equ length, . - sentence
  0000001f2003d5        .balign 8
signals:
  0000000000000000      .quad 0
directory:
  0000000000000000      .quad 0
entry:
  0000000000000000      .quad 0
headers:
  0000000000000000      .quad 0
count:
  0000000000000000      .quad 0
loader:
  0000000000000000      .quad 0
arguments:
  0000000000000000      .quad 0
variables:
  0000000000000000      .quad 0
table:
`;

/**
 * Gives the guard's code for an architecture.
 *
 * @param arch The architecture.
 * @returns Bytes of one's own to fill in, and their assembly.
 *
 * @example Size of the code
 * ```ts
 * import { guardCode } from "cage/ffi/guard_code.ts";
 * import { assert } from "@std/assert";
 *
 * assert(guardCode("x86_64").code.length < 2048);
 * ```
 */
export function guardCode(arch: Arch): Listing {
  return readListing(arch === "x86_64" ? X86_64 : AARCH64);
}
