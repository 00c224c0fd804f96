/**
 * Classic BPF as the kernel runs it for seccomp(2), for tests of filters. It
 * shares no number with what is tested.
 *
 * @module
 */

/** What the kernel shows a filter: `struct seccomp_data` of linux/seccomp.h. */
export interface CallData {
  /** The number of the call. */
  readonly number: number;
  /** `AUDIT_ARCH_*` of the door that it came by. */
  readonly arch: number;
  /** Its arguments, six at most; those that are missing are 0. */
  readonly args?: readonly (number | bigint)[];
}

/** The end of a run. */
export interface Outcome {
  /** What the filter gave. */
  readonly value: number;
  /** How many instructions it took. */
  readonly steps: number;
  /** Whether it looked at nothing but the number and the architecture. */
  readonly constant: boolean;
}

/** `BPF_MAXINSNS` of linux/bpf_common.h. */
const MOST_INSTRUCTIONS = 4096;

/** Size of `struct seccomp_data`. */
const DATA_SIZE = 64;

/** Decoded `struct sock_filter`. */
interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** Tests by their code: class JMP (5), source K (0), and the operation. */
const TESTS: Readonly<Record<number, (a: number, k: number) => boolean>> = {
  [0x10 | 5]: (a, k) => a === k,
  [0x20 | 5]: (a, k) => a > k,
  [0x30 | 5]: (a, k) => a >= k,
  [0x40 | 5]: (a, k) => (a & k) !== 0,
};

const JUMP = 0x00 | 5;
/** Class LD (0), size W (0), mode ABS (0x20). */
const LOAD = 0x20;
/** Class RET (6), source K (0). */
const RETURN = 6;

/**
 * Makes a filter that can be run.
 *
 * @param bytes The instructions.
 * @returns What it does with a call.
 * @throws {TypeError} If the kernel would refuse it (`bpf_check_classic` and
 * `seccomp_check_filter`), or it has an instruction that is not known here.
 */
export function loadFilter(bytes: Uint8Array): (data: CallData) => Outcome {
  const instructions = decode(bytes);
  instructions.forEach((instruction, at) => {
    const why = refusal(instruction, instructions.length - at - 1);
    if (why !== undefined) throw new TypeError(`instruction ${at}: ${why}`);
  });
  if (instructions.at(-1)?.code !== RETURN) {
    throw new TypeError("the last instruction does not return");
  }
  return (data) => run(instructions, dataBytes(data));
}

function decode(bytes: Uint8Array): Instruction[] {
  const count = bytes.length / 8;
  if (!Number.isInteger(count) || count < 1 || count > MOST_INSTRUCTIONS) {
    throw new TypeError(`${bytes.length} bytes are no filter`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: count }, (_, i) => ({
    code: view.getUint16(8 * i, true),
    jt: view.getUint8(8 * i + 2),
    jf: view.getUint8(8 * i + 3),
    k: view.getUint32(8 * i + 4, true),
  }));
}

function refusal(
  { code, jf, jt, k }: Instruction,
  after: number,
): string | undefined {
  if (code === RETURN) return;
  if (code === LOAD) {
    return k % 4 === 0 && k < DATA_SIZE ? undefined : `load at ${k}`;
  }
  if (code === JUMP) return k < after ? undefined : `jump over ${k}`;
  if (!Object.hasOwn(TESTS, code)) return `code ${code}`;
  return Math.max(jt, jf) < after ? undefined : `jump over ${jt}, ${jf}`;
}

function dataBytes({ arch, args = [], number }: CallData): DataView {
  const view = new DataView(new ArrayBuffer(DATA_SIZE));
  view.setInt32(0, number, true);
  view.setUint32(4, arch, true);
  // The instruction pointer: a filter that looks at it is wrong.
  view.setBigUint64(8, 0xdeadbeefdeadbeefn, true);
  args.forEach((arg, i) => view.setBigInt64(16 + 8 * i, BigInt(arg), true));
  return view;
}

function run(instructions: readonly Instruction[], data: DataView): Outcome {
  let accumulator = 0;
  let constant = true;
  let steps = 0;
  for (let at = 0;; at++) {
    steps++;
    const { code, jf, jt, k } = instructions[at];
    if (code === RETURN) return { value: k, steps, constant };
    if (code === LOAD) {
      accumulator = data.getUint32(k, true);
      constant &&= k < 8;
    } else if (code === JUMP) at += k;
    else at += TESTS[code](accumulator, k) ? jt : jf;
  }
}
