/**
 * The numbers of system calls.
 *
 * Only calls that both architectures have, with arguments in the same order.
 * The one exception is `clone`, whose last two arguments are (ctid, tls) on
 * x86_64 and (tls, ctid) on aarch64 (clone(2)): programs give its flags alone.
 *
 * @module
 */

import type { Arch } from "./arch.ts";

/**
 * Name, number on x86_64, number on aarch64.
 *
 * Sources: arch/x86/entry/syscalls/syscall_64.tbl and
 * include/uapi/asm-generic/unistd.h, Linux 6.1.
 */
export const NUMBERS = {
  read: [0, 63],
  write: [1, 64],
  writev: [20, 66],
  close: [3, 57],
  openat: [257, 56],
  openat2: [437, 437],
  mkdirat: [258, 34],
  mknodat: [259, 33],
  symlinkat: [266, 36],
  linkat: [265, 37],
  renameat2: [316, 276],
  unlinkat: [263, 35],
  readlinkat: [267, 78],
  faccessat2: [439, 439],
  fchmodat: [268, 53],
  fchown: [93, 55],
  fchownat: [260, 54],
  fchmod: [91, 52],
  ftruncate: [77, 46],
  utimensat: [280, 88],
  statx: [332, 291],
  fstatfs: [138, 44],
  statfs: [137, 43],
  setxattr: [188, 5],
  fsetxattr: [190, 7],
  getxattr: [191, 8],
  fgetxattr: [193, 10],
  lgetxattr: [192, 9],
  listxattr: [194, 11],
  llistxattr: [195, 12],
  removexattr: [197, 14],
  copy_file_range: [326, 285],
  sendfile: [40, 71],
  getdents64: [217, 61],
  lseek: [8, 62],
  pread64: [17, 67],
  pwrite64: [18, 68],
  fcntl: [72, 25],
  flock: [73, 32],
  ioctl: [16, 29],
  fsync: [74, 82],
  syncfs: [306, 267],
  dup: [32, 23],
  dup3: [292, 24],
  close_range: [436, 436],
  pipe2: [293, 59],
  memfd_create: [319, 279],
  eventfd2: [290, 19],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chdir: [80, 49],
  fchdir: [81, 50],
  chroot: [161, 51],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  open_tree: [428, 428],
  move_mount: [429, 429],
  mount_setattr: [442, 442],
  setsid: [112, 157],
  getsid: [124, 156],
  setpgid: [109, 154],
  getpgid: [121, 155],
  setgroups: [116, 159],
  getgroups: [115, 158],
  setresuid: [117, 147],
  setresgid: [119, 149],
  getresuid: [118, 148],
  getresgid: [120, 150],
  setfsuid: [122, 151],
  setfsgid: [123, 152],
  getuid: [102, 174],
  geteuid: [107, 175],
  getgid: [104, 176],
  getegid: [108, 177],
  capset: [126, 91],
  capget: [125, 90],
  prctl: [157, 167],
  seccomp: [317, 277],
  keyctl: [250, 219],
  umask: [95, 166],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  setns: [308, 268],
  unshare: [272, 97],
  clone: [56, 220],
  execve: [59, 221],
  execveat: [322, 281],
  exit: [60, 93],
  exit_group: [231, 94],
  wait4: [61, 260],
  waitid: [247, 95],
  kill: [62, 129],
  tgkill: [234, 131],
  pidfd_open: [434, 434],
  pidfd_send_signal: [424, 424],
  pidfd_getfd: [438, 438],
  rt_sigprocmask: [14, 135],
  rt_sigaction: [13, 134],
  rt_sigtimedwait: [128, 137],
  signalfd4: [289, 74],
  ppoll: [271, 73],
  epoll_create1: [291, 20],
  epoll_ctl: [233, 21],
  epoll_pwait: [281, 22],
  prlimit64: [302, 261],
  getpid: [39, 172],
  getppid: [110, 173],
  gettid: [186, 178],
  mmap: [9, 222],
  munmap: [11, 215],
  mprotect: [10, 226],
  futex: [202, 98],
  clock_gettime: [228, 113],
  clock_nanosleep: [230, 115],
  getrandom: [318, 278],
  sched_yield: [24, 124],
  personality: [135, 92],
  uname: [63, 160],
} as const satisfies Record<string, readonly [number, number]>;

/** The name of a system call. */
export type SystemCall = keyof typeof NUMBERS;

/** What the machine does by itself, and how many arguments each takes. */
export const OWN_CALLS = {
  load: 2,
  fetch: 2,
  store: 3,
  subtract: 3,
  stack: 0,
  parse: 2,
  unpack: 3,
  find: 3,
} as const;

/** The name of something that the machine does by itself. */
export type OwnCall = keyof typeof OWN_CALLS;

/** What a step can do: a system call, or what the machine does. */
export type Call = SystemCall | OwnCall;

/** All names, in no meaningful order. */
export const SYSTEM_CALLS = Object.keys(NUMBERS) as readonly SystemCall[];

/**
 * Whether there is a system call of this name.
 *
 * @param name The name.
 * @returns Whether {@linkcode callNumber} knows it.
 *
 * @example A call that only one architecture has
 * ```ts
 * import { isSystemCall } from "cage/ffi/calls.ts";
 * import { assert } from "@std/assert";
 *
 * assert(isSystemCall("openat"));
 * assert(!isSystemCall("open"));
 * ```
 */
export function isSystemCall(name: string): name is SystemCall {
  return Object.hasOwn(NUMBERS, name);
}

/**
 * Whether the machine does something of this name.
 *
 * @param name The name.
 * @returns Whether it is one of {@linkcode OWN_CALLS}.
 *
 * @example A number in memory
 * ```ts
 * import { isOwnCall } from "cage/ffi/calls.ts";
 * import { assert } from "@std/assert";
 *
 * assert(isOwnCall("load"));
 * assert(!isOwnCall("read"));
 * ```
 */
export function isOwnCall(name: string): name is OwnCall {
  return Object.hasOwn(OWN_CALLS, name);
}

/**
 * The number of a system call.
 *
 * @param call The name of the call.
 * @param arch The architecture.
 * @returns The number that the kernel knows it by.
 *
 * @example One call, two numbers
 * ```ts
 * import { callNumber } from "cage/ffi/calls.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(callNumber("mount", "x86_64"), 165);
 * assertEquals(callNumber("mount", "aarch64"), 40);
 * ```
 */
export function callNumber(call: SystemCall, arch: Arch): number {
  return NUMBERS[call][arch === "x86_64" ? 0 : 1];
}
