/**
 * System calls on signals. Sets of signals are numbers: bit n - 1 is signal n,
 * as in the kernel's `sigset_t`.
 *
 * @module
 */

import { O_CLOEXEC, SIG_SETMASK, SIGSET_SIZE } from "./constants.ts";
import { syscall } from "./syscall.ts";

/** All signals, as far as they can be blocked. */
export const ALL_SIGNALS = 0xffff_ffff_ffff_ffffn;

/**
 * The set of some signals.
 *
 * @param signals The numbers of the signals.
 * @returns The set.
 *
 * @example SIGHUP and SIGTERM
 * ```ts
 * import { signalSet } from "cage/ffi/signals.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(signalSet(1, 15), 0x4001n);
 * ```
 */
export function signalSet(...signals: readonly number[]): bigint {
  return signals.reduce((set, n) => set | 1n << BigInt(n - 1), 0n);
}

/**
 * Sets or reads the signals that this thread blocks, rt_sigprocmask(2).
 *
 * @param set The signals; the mask stays as it is if absent.
 * @param how `SIG_SETMASK` if absent.
 * @returns The mask as it was.
 * @throws {SyscallError} If it fails.
 *
 * @example All signals blocked for a while
 * ```ts
 * import { ALL_SIGNALS, rtSigprocmask } from "cage/ffi/signals.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const old = rtSigprocmask(ALL_SIGNALS);
 * rtSigprocmask(old);
 * assertEquals(rtSigprocmask(), old);
 * ```
 */
export function rtSigprocmask(set?: bigint, how: number = SIG_SETMASK): bigint {
  const old = new BigUint64Array(1);
  const into = new Uint8Array(old.buffer);
  syscall(
    "rt_sigprocmask",
    how,
    set === undefined ? 0 : setBytes(set),
    { into },
    SIGSET_SIZE,
  );
  return old[0];
}

/**
 * Makes a descriptor to read blocked signals from, signalfd4(2).
 *
 * @param set The signals.
 * @param flags `SFD_NONBLOCK`, which is `O_NONBLOCK`, or 0.
 * @returns The descriptor, which is closed on execve(2).
 * @throws {SyscallError} If it fails.
 */
export function signalfd4(set: bigint, flags = 0): number {
  // SFD_CLOEXEC of linux/signalfd.h is O_CLOEXEC, Linux 2.6.27.
  return syscall(
    "signalfd4",
    -1,
    setBytes(set),
    SIGSET_SIZE,
    flags | O_CLOEXEC,
  );
}

function setBytes(set: bigint): Uint8Array {
  return new Uint8Array(new BigUint64Array([set]).buffer);
}
