import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Arch, ARCHES } from "../../ffi/arch.ts";
import { compileDecisions, compileFilter } from "../../src/filter.ts";
import { encodeFilter } from "../../src/filter_bpf.ts";
import { allowedCalls } from "../../src/filter_calls.ts";
import { filterCode } from "../../src/filter_code.ts";
import type { Decision } from "../../src/filter_rules.ts";
import { type CallData, loadFilter, type Outcome } from "./bpf.ts";
import { seeded } from "./seeded.ts";

/** linux/audit.h, and the same without 64 bits, or with the high byte first. */
const AUDIT: Record<Arch, number> = {
  x86_64: 0xc000003e,
  aarch64: 0xc00000b7,
};
const FOREIGN: Record<Arch, number[]> = {
  x86_64: [0x40000003, 0x4000003e, 0xc00000b7, 0, 0xffffffff],
  aarch64: [0x40000028, 0x28, 0x800000b7, 0xc000003e, 0, 0xffffffff],
};

/** linux/seccomp.h and asm-generic/errno.h. */
const VALUES = {
  allow: 0x7fff0000,
  kill: 0x80000000,
  EPERM: 0x00050001,
  ENOSYS: 0x00050026,
};
type Verdict = keyof typeof VALUES;

const FILTERS = Object.fromEntries(
  ARCHES.map((arch) => [arch, loadFilter(filterCode(arch))]),
) as Record<Arch, (data: CallData) => Outcome>;

/** Calls that arguments decide, or whose name the table has in vain. */
const RULED = ["clone", "clone3", "ioctl", "personality", "socket"];

/** The highest number that the table has: removexattrat(2). */
const HIGHEST = 466;

function decide(arch: Arch, number: number, args: CallData["args"] = []) {
  const { value } = FILTERS[arch]({ number, arch: AUDIT[arch], args });
  return nameOf(value);
}

function nameOf(value: number): Verdict | undefined {
  return (Object.keys(VALUES) as Verdict[]).find((n) => VALUES[n] === value);
}

const NOTHING = [0, 0, 0, 0, 0, 0];
const ALL_BITS = [-1, -1, -1, -1, -1, -1];

for (const arch of ARCHES) {
  Deno.test(`filterCode() of ${arch} is what compileFilter() makes`, () => {
    const made = compileFilter(arch);
    const lines = made.toBase64().match(/.{1,76}/g)!
      .map((line) => `  ${line}\n`).join("");
    assert(
      filterCode(arch).toBase64() === made.toBase64(),
      `src/filter_code.ts has to have for ${arch}:\n${lines}`,
    );
  });

  Deno.test(`the filter of ${arch} allows every call of the table, whatever its arguments`, () => {
    for (const [name, number] of allowedCalls(arch)) {
      if (RULED.includes(name)) continue;
      assertEquals(decide(arch, number, NOTHING), "allow", name);
      assertEquals(decide(arch, number, ALL_BITS), "allow", name);
    }
  });

  Deno.test(`the filter of ${arch} refuses every other number`, () => {
    const allowed = new Set(allowedCalls(arch).values());
    for (let number = 0; number < 1024; number++) {
      if (allowed.has(number)) continue;
      const verdict = number <= HIGHEST ? "EPERM" : "ENOSYS";
      assertEquals(decide(arch, number, NOTHING), verdict, `${number}`);
      assertEquals(decide(arch, number, ALL_BITS), verdict, `${number}`);
    }
    for (const number of [2 ** 16, 2 ** 29, 2 ** 31 - 1, -(2 ** 31), -1]) {
      assertEquals(decide(arch, number), "ENOSYS", `${number}`);
    }
  });

  Deno.test(`the filter of ${arch} ends who calls by another door`, () => {
    for (const foreign of FOREIGN[arch]) {
      for (const number of [0, 1, 4, 11, 63, 64, 93, 120, 252, 435, -1]) {
        const { steps, value } = FILTERS[arch]({ number, arch: foreign });
        assertEquals([nameOf(value), steps], ["kill", 3]);
      }
    }
  });

  Deno.test(`the filter of ${arch} is constant for all that no argument decides`, () => {
    const names = new Map(
      [...allowedCalls(arch)].map(([name, number]) => [number, name]),
    );
    for (let number = 0; number < 512; number++) {
      const { constant } = FILTERS[arch]({ number, arch: AUDIT[arch] });
      const name = names.get(number) ?? "";
      const ruled = RULED.includes(name) && name !== "clone3";
      assertEquals(constant, !ruled, `${number} ${name}`);
    }
  });

  Deno.test(`the filter of ${arch} decides what programs do often in few instructions`, () => {
    const calls = allowedCalls(arch);
    const steps = (name: string) =>
      FILTERS[arch]({ number: calls.get(name)!, arch: AUDIT[arch] }).steps;
    for (const name of ["read", "write", "close", "openat", "fstat", "futex"]) {
      assert(steps(name) <= 10, `${name}: ${steps(name)}`);
    }
    assert(steps("ioctl") <= 14, `${steps("ioctl")}`);
    for (const name of calls.keys()) {
      assert(steps(name) <= 20, `${name}: ${steps(name)}`);
    }
    assert(filterCode(arch).length / 8 < 200);
  });
}

Deno.test("the filter of x86_64 knows no x32 call", () => {
  const x32 = 0x40000000;
  for (let number = 0; number < 1024; number++) {
    assertEquals(decide("x86_64", x32 | number), "ENOSYS", `${number}`);
  }
});

Deno.test("the filter of x86_64 lets probes return, in the gap below the new calls", () => {
  const verdicts = [334, 335, 336, 423, 424].map((n) => decide("x86_64", n));
  assertEquals(verdicts, ["allow", "allow", "EPERM", "EPERM", "allow"]);
});

const CLONE_NEWNS = 0x20000;
const CLONE_NEWUSER = 0x10000000;
const HIGH = 2n ** 32n;

type Case = [args: (number | bigint)[], verdict: Verdict];

/** Arguments and verdicts by the call, with its number on each architecture. */
const CASES: Record<string, [numbers: [number, number], cases: Case[]]> = {
  clone: [[56, 220], [
    [[17], "allow"],
    // fork(3), vfork(3) and pthread_create(3) of glibc.
    [[0x1200011], "allow"],
    [[0x4111], "allow"],
    [[0x3d0f00], "allow"],
    // CLONE_PARENT and CLONE_PTRACE.
    [[0x8000 | 0x2000], "allow"],
    [[CLONE_NEWNS | 17], "EPERM"],
    [[0x2000000], "EPERM"],
    [[0x4000000], "EPERM"],
    [[0x8000000], "EPERM"],
    [[CLONE_NEWUSER | 17], "EPERM"],
    [[0x20000000], "EPERM"],
    [[0x40000000], "EPERM"],
    [[0x7e020000], "EPERM"],
    [[HIGH | BigInt(CLONE_NEWUSER)], "EPERM"],
    [[HIGH | 17n], "allow"],
    // CLONE_IO, and flags in what is not the first argument.
    [[0x80000000], "allow"],
    [[17, CLONE_NEWUSER, CLONE_NEWUSER], "allow"],
  ]],
  clone3: [[435, 435], [
    [[0, 0], "ENOSYS"],
    [[0x7fff0000, 88], "ENOSYS"],
  ]],
  ioctl: [[16, 29], [
    [[0, 0x5412], "EPERM"],
    [[0, 0x541c], "EPERM"],
    [[0, HIGH | 0x5412n], "EPERM"],
    [[0, 0x7fffffffn * HIGH + 0x541cn], "EPERM"],
    [[0, -HIGH + 0x5412n], "EPERM"],
    [[HIGH, HIGH | 0x541cn, HIGH], "EPERM"],
    // TCGETS, TIOCSWINSZ, FIONREAD, and neighbours.
    [[0, 0x5401], "allow"],
    [[0, 0x5414], "allow"],
    [[0, 0x541b], "allow"],
    [[0, 0x5411], "allow"],
    [[0, 0x5413], "allow"],
    [[0, 0x541d], "allow"],
    [[0, 0x80005412], "allow"],
    [[0x5412, 0x5401, 0x5412], "allow"],
  ]],
  personality: [[135, 92], [
    [[0], "allow"],
    [[8], "allow"],
    [[0x20000], "allow"],
    [[0x20008], "allow"],
    [[0xffffffff], "allow"],
    [[-1], "allow"],
    [[HIGH], "allow"],
    // ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC, MMAP_PAGE_ZERO, PER_SVR4.
    [[0x40000], "EPERM"],
    [[0x400000], "EPERM"],
    [[0x100000], "EPERM"],
    [[1], "EPERM"],
    [[9], "EPERM"],
    [[0x20001], "EPERM"],
    [[0x60000], "EPERM"],
    [[0xfffffffe], "EPERM"],
    [[HIGH | 0x40000n], "EPERM"],
  ]],
  socket: [[41, 198], [
    // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET.
    [[1, 1], "allow"],
    [[2, 1], "allow"],
    [[10, 2], "allow"],
    [[16, 3], "allow"],
    [[17, 3], "allow"],
    [[37], "allow"],
    [[39], "allow"],
    [[41], "allow"],
    [[45], "allow"],
    [[-1], "allow"],
    [[38, 5], "EPERM"],
    [[40, 1], "EPERM"],
    [[HIGH | 38n, 5], "EPERM"],
    [[HIGH | 40n, 1], "EPERM"],
    [[2, 38, 40], "allow"],
  ]],
  read: [[0, 63], [[[0], "allow"]]],
  write: [[1, 64], [[[1], "allow"]]],
  openat: [[257, 56], [[[-100], "allow"]]],
  execve: [[59, 221], [[[], "allow"]]],
  mkdirat: [[258, 34], [[[], "allow"]]],
  mknodat: [[259, 33], [[[], "allow"]]],
  chroot: [[161, 51], [[[], "allow"]]],
  setresuid: [[117, 147], [[[], "allow"]]],
  ptrace: [[101, 117], [[[], "allow"]]],
  process_vm_writev: [[311, 271], [[[], "allow"]]],
  seccomp: [[317, 277], [[[], "allow"]]],
  cachestat: [[451, 451], [[[], "allow"]]],
  fchmodat2: [[452, 452], [[[], "allow"]]],
  removexattrat: [[466, 466], [[[], "allow"]]],
  open_tree_attr: [[467, 467], [[[], "ENOSYS"]]],
  file_setattr: [[469, 469], [[[], "ENOSYS"]]],
  mount: [[165, 40], [[[], "EPERM"]]],
  umount2: [[166, 39], [[[], "EPERM"]]],
  pivot_root: [[155, 41], [[[], "EPERM"]]],
  unshare: [[272, 97], [[[CLONE_NEWUSER], "EPERM"], [[0x80], "EPERM"]]],
  setns: [[308, 268], [[[], "EPERM"]]],
  fsopen: [[430, 430], [[[], "EPERM"]]],
  open_tree: [[428, 428], [[[], "EPERM"]]],
  move_mount: [[429, 429], [[[], "EPERM"]]],
  mount_setattr: [[442, 442], [[[], "EPERM"]]],
  add_key: [[248, 217], [[[], "EPERM"]]],
  request_key: [[249, 218], [[[], "EPERM"]]],
  keyctl: [[250, 219], [[[], "EPERM"]]],
  bpf: [[321, 280], [[[], "EPERM"]]],
  perf_event_open: [[298, 241], [[[], "EPERM"]]],
  userfaultfd: [[323, 282], [[[], "EPERM"]]],
  io_uring_setup: [[425, 425], [[[], "EPERM"]]],
  kexec_load: [[246, 104], [[[], "EPERM"]]],
  kexec_file_load: [[320, 294], [[[], "EPERM"]]],
  init_module: [[175, 105], [[[], "EPERM"]]],
  open_by_handle_at: [[304, 265], [[[], "EPERM"]]],
  reboot: [[169, 142], [[[], "EPERM"]]],
  swapon: [[167, 224], [[[], "EPERM"]]],
  settimeofday: [[164, 170], [[[], "EPERM"]]],
  syslog: [[103, 116], [[[], "EPERM"]]],
  sethostname: [[170, 161], [[[], "EPERM"]]],
  pidfd_getfd: [[438, 438], [[[], "EPERM"]]],
  kcmp: [[312, 272], [[[], "EPERM"]]],
  process_madvise: [[440, 440], [[[], "EPERM"]]],
  mbind: [[237, 235], [[[], "EPERM"]]],
};

for (const [name, [numbers, cases]] of Object.entries(CASES)) {
  Deno.test(`the filter decides on ${name}()`, () => {
    for (const [index, arch] of ARCHES.entries()) {
      for (const [args, verdict] of cases) {
        const what = `${arch} ${args.join()}`;
        assertEquals(decide(arch, numbers[index], args), verdict, what);
      }
    }
  });
}

Deno.test("encodeFilter() refuses a jump that does not fit", () => {
  for (const jump of [{ jt: 256 }, { jf: 256 }]) {
    assertThrows(
      () => encodeFilter([{ code: 0x15, k: 0, ...jump }]),
      RangeError,
      "Cannot skip 256 instructions",
    );
  }
});

Deno.test("compileDecisions() finds every decision, however large the tree", () => {
  const random = seeded(3);
  const rule: Decision = {
    argument: 5,
    equals: [3, 4],
    bits: 0x80000000,
    then: "allow",
    otherwise: "EPERM",
  };
  const decisions: Decision[] = ["allow", "EPERM", "ENOSYS", "kill", rule];
  for (let size = 1; size < 1200; size = Math.ceil(size * 1.5)) {
    const table = new Map(
      Array.from({ length: size }, (_, i) => [i, random.pick(decisions)]),
    );
    const often = random.list(20, () => random.below(size));
    const filter = loadFilter(compileDecisions("x86_64", table, often));
    for (let number = 0; number <= size; number++) {
      const decision = table.get(number) ?? "ENOSYS";
      for (const arg of [3, 4, 0x80000001, 5]) {
        const args = [0, 0, 0, 0, 0, BigInt(arg) | HIGH];
        const { value } = filter({ number, arch: AUDIT.x86_64, args });
        const verdict = typeof decision === "string"
          ? decision
          : arg === 5
          ? "EPERM"
          : "allow";
        assertEquals(nameOf(value), verdict, `${number} of ${size}`);
      }
    }
  }
});
