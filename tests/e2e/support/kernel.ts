/**
 * Kernels that look older: words before `cage` that take calls away from it.
 *
 * @module
 */

import { asRootInside, isRootless } from "./mode.ts";

/** A system call that fails. */
export interface Missing {
  /** Its number; the same on x86_64 and aarch64 from 424 on. */
  readonly call: number;
  /** Only with this value of the second argument. */
  readonly second?: number;
  /** The number of the error; ENOSYS if absent. */
  readonly errno?: number;
}

const ENOSYS = 38;

/**
 * Puts a filter of system calls around a program, seccomp(2): instructions of
 * classic BPF on `struct seccomp_data`, whose number is at byte 0 and whose
 * second argument is at byte 24.
 */
const FILTER = `
import ctypes, os, struct, sys
def op(code, jt, jf, k): return struct.pack("HBBI", code, jt, jf, k)
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
program = b""
for word in sys.argv[1].split(","):
    call, second, errno = (int(number) for number in word.split(":"))
    program += op(LOAD, 0, 0, 0)
    if second < 0:
        program += op(EQUAL, 0, 1, call)
    else:
        program += op(EQUAL, 0, 3, call) + op(LOAD, 0, 0, 24)
        program += op(EQUAL, 0, 1, second)
    program += op(RETURN, 0, 0, 0x50000 | errno)
program += op(RETURN, 0, 0, 0x7fff0000)
memory = ctypes.create_string_buffer(program)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
filter = Program(len(program) // 8, ctypes.addressof(memory))
if libc.prctl(22, 2, ctypes.byref(filter), 0, 0) != 0:
    sys.exit("cannot filter: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[2], sys.argv[2:])
`;

/**
 * Runs `cage` where system calls fail as on a kernel that lacks them. A user
 * may put a filter on in a user namespace of their own.
 *
 * @param missing The calls.
 * @returns Words for `within`.
 */
export function withoutCalls(...missing: readonly Missing[]): string[] {
  return [...asRootInside(), ...filtering(missing)];
}

/**
 * Runs `cage` as {@linkcode withoutCalls} does, beside another one.
 *
 * @param pid A process of that other one.
 * @param missing The calls.
 * @returns Words for `within`.
 */
export function withoutCallsBeside(
  pid: number,
  ...missing: readonly Missing[]
): string[] {
  const enter = ["nsenter", `--target=${pid}`, "--user"];
  return [
    ...(isRootless ? [...enter, "--preserve-credentials", "--"] : []),
    ...filtering(missing),
  ];
}

function filtering(missing: readonly Missing[]): string[] {
  const words = missing.map(({ call, errno = ENOSYS, second = -1 }) =>
    `${call}:${second}:${errno}`
  );
  return ["/usr/bin/python3", "-c", FILTER, words.join()];
}
