/**
 * Decisions on system calls that are more than yes.
 *
 * An argument is compared in its low 32 bits alone: those of each call here are
 * of type `int` or `unsigned int`, or, the flags of clone(2), are cut to 32
 * bits. Whoever compared all 64 would be passed by with a bit that the kernel
 * does not look at (CVE-2019-7303 and CVE-2019-10063, both of `TIOCSTI`).
 *
 * @module
 */

import type { ErrnoName } from "../ffi/errno.ts";

/** What becomes of a call: it is made, it fails, or its process ends. */
export type Verdict = "allow" | "kill" | ErrnoName;

/** A decision by one argument. */
export interface Condition {
  /** Which argument, from 0. */
  readonly argument: number;
  /** Values that decide if it equals one of them. */
  readonly equals?: readonly number[];
  /** Bits that decide if it has one of them. */
  readonly bits?: number;
  /** The verdict if so. */
  readonly then: Verdict;
  /** The verdict if not. */
  readonly otherwise: Verdict;
}

/** A verdict, or what it depends on. */
export type Decision = Verdict | Condition;

/** The calls of the native architecture that are not listed. */
export const DEFAULT: Verdict = "EPERM";

/**
 * Calls with a number above all that are listed, as in runc: a program that
 * tries a new call goes on with an old one after ENOSYS, not after EPERM.
 *
 * On x86_64 these are also the calls of the x32 door, with bit 30 in their
 * numbers. A kernel that is built without that door says the same.
 */
export const UNKNOWN: Verdict = "ENOSYS";

/**
 * Calls by the 32-bit door: i386, or 32-bit ARM. No program can go on without
 * any call; even exit(2) would fail. So it ends, and its parent sees SIGSYS,
 * "Bad system call". libseccomp ends what comes by a door it does not know too.
 */
export const FOREIGN: Verdict = "kill";

/**
 * `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID` and
 * `NEWNET` of linux/sched.h. `CLONE_NEWTIME` is none: its bit is one of the
 * signal in clone(2), and unshare(2) and clone3(2) are refused.
 */
const NEW_NAMESPACES = 0x7e020000;

/** `PER_LINUX` and `PER_LINUX32` of linux/personality.h. */
const PERSONALITIES = [0, 8];
const UNAME26 = 0x20000;
/** Not to set a personality, but to ask for it. */
const ASK = 0xffffffff;

/** Address families: the kernel's cryptography, and the hypervisor. */
const AF_ALG = 38;
const AF_VSOCK = 40;

/** asm-generic/ioctls.h: typing into a terminal, as if at its keyboard. */
const TIOCSTI = 0x5412;
/** The same file: the console's selection, which pastes into it as well. */
const TIOCLINUX = 0x541c;

/**
 * Decisions by the name of the call. All but that on ioctl(2) are Docker's;
 * Docker gives a container a terminal of its own, and here it is the caller's.
 */
export const RULES: Readonly<Record<string, Decision>> = {
  clone: {
    argument: 0,
    bits: NEW_NAMESPACES,
    then: DEFAULT,
    otherwise: "allow",
  },
  // Its flags are in memory, where no filter can look. After ENOSYS the C
  // library uses clone(2).
  clone3: "ENOSYS",
  ioctl: {
    argument: 1,
    equals: [TIOCSTI, TIOCLINUX],
    then: DEFAULT,
    otherwise: "allow",
  },
  personality: {
    argument: 0,
    equals: [
      ...PERSONALITIES,
      ...PERSONALITIES.map((personality) => personality | UNAME26),
      ASK,
    ],
    then: "allow",
    otherwise: DEFAULT,
  },
  socket: {
    argument: 0,
    equals: [AF_ALG, AF_VSOCK],
    then: DEFAULT,
    otherwise: "allow",
  },
};
