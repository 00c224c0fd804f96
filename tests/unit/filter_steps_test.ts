import { assert, assertEquals } from "@std/assert";
import { Block } from "../../ffi/block.ts";
import { type Call, NUMBERS } from "../../ffi/calls.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_NEWUTS,
  PR_SET_NO_NEW_PRIVS,
  SIGNALS,
} from "../../ffi/constants.ts";
import { close, HOST_ARCH, sealedFile } from "../../ffi/libc.ts";
import { packElf } from "../../ffi/elf.ts";
import type { Argument, Program, Step } from "../../ffi/step.ts";
import { filterSteps } from "../../src/filter_steps.ts";
import { END_WITH_PARENT, EXITED, finish, inTempDir } from "./ffi/tools.ts";

const EPERM = -1n;
const EINVAL = -22n;
const ENOTTY = -25n;
const ENOSYS = -38n;

/** asm-generic/signal.h. */
const SIGSYS = 31;

/** Calls that no plan makes, for this file alone: numbers as in `NUMBERS`. */
Object.assign(NUMBERS, {
  add_key: [248, 217],
  bpf: [321, 280],
  clone3: [435, 435],
  getpid_x32: [0x40000000 | 39, 0x40000000 | 172],
  io_uring_setup: [425, 425],
  kexec_load: [246, 104],
  newest: [1023, 1023],
  open_by_handle_at: [304, 265],
  perf_event_open: [298, 241],
  request_key: [249, 218],
  socket: [41, 198],
  userfaultfd: [323, 282],
});

/** What a child does first, so that the filter takes no privilege. */
const BEFORE: readonly Step[] = [
  END_WITH_PARENT,
  { call: "prctl", args: [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0] },
];

/** Makes calls in a child with the filter or without; gives their results. */
function results(
  filtered: boolean,
  calls: readonly (readonly [call: string, ...args: Argument[]])[],
): bigint[] {
  const steps = calls.map(([call, ...args], i): Step => ({
    name: `call${i}`,
    call: call as Call,
    args,
    onError: {},
  }));
  const before = [...BEFORE, ...filterSteps(HOST_ARCH)];
  using block = new Block();
  block.append({ steps: filtered ? [...before, ...steps] : steps });
  const { code, status } = finish(block);
  const failure = block.failure();
  assertEquals([code, status], [EXITED, 0], failure?.step.call);
  return calls.map((_, i) => block.result(`call${i}`));
}

Deno.test("filterSteps() lets through what programs do", async () => {
  await inTempDir((directory) => {
    const path = `${directory}/made`;
    const made = results(true, [
      ["mkdirat", AT_FDCWD, path, 0o755],
      ["socket", 1, 1, 0],
      ["getppid"],
      ["unshare", 0],
    ]);
    assertEquals(made[0], 0n);
    assert(Deno.statSync(path).isDirectory);
    assert(made[1] > 0n);
    assertEquals(made[2], BigInt(Deno.pid));
    assertEquals(made[3], EPERM);
  });
});

Deno.test("filterSteps() lets children start, and they keep the filter", () => {
  using block = new Block();
  block.append({
    steps: [
      ...BEFORE,
      ...filterSteps(HOST_ARCH),
      {
        name: "child",
        call: "clone",
        args: [SIGNALS.SIGCHLD],
        ifZero: "in-child",
      },
      { call: "wait4", args: [{ result: "child" }, { buffer: "status" }] },
      { call: "exit_group", args: [0] },
      {
        name: "in-child",
        call: "unshare",
        args: [CLONE_NEWUTS],
        onError: { errno: "EPERM", goto: "refused" },
      },
      { call: "exit_group", args: [0] },
      { name: "refused", call: "exit_group", args: [9] },
    ],
    buffers: { status: 4 },
  });
  assertEquals(finish(block).status, 0);
  assertEquals([...block.buffer("status")], [0, 9, 0, 0]);
});

Deno.test("filterSteps() refuses what reaches the kernel or the host", () => {
  const calls = [
    ["unshare", CLONE_NEWUTS],
    ["clone", 0x10000000 | SIGNALS.SIGCHLD],
    ["mount", "none", "/", "tmpfs", 0, 0],
    ["umount2", "/", 2],
    ["setns", 0, 0],
    ["keyctl", 0, -3, 0],
    ["add_key", "user", "a", "b", 1, -3],
    ["request_key", "user", "a", 0, 0],
    ["bpf", 0, 0, 0],
    ["perf_event_open", 0, 0, -1, -1, 0],
    ["kexec_load", 0, 0, 0, 0],
    ["open_by_handle_at", AT_FDCWD, new Uint8Array(8), 0],
    ["io_uring_setup", 1, new Uint8Array(120)],
    ["userfaultfd", 1],
    ["socket", 40, 1, 0],
    ["socket", 38, 5, 0],
    ["socket", 2n ** 32n + 38n, 5, 0],
    ["personality", 0x40000],
  ] as const;
  const refused = results(true, calls);
  for (const [i, result] of refused.entries()) {
    assertEquals(result, EPERM, calls[i].join(" "));
  }
});

Deno.test("filterSteps() refuses typing into a terminal, whatever the upper bits say", () => {
  const file = sealedFile("x", new Uint8Array(1));
  try {
    const calls = [
      0x5412n,
      2n ** 32n + 0x5412n,
      0x7fffffff00005412n,
      -(2n ** 32n) + 0x541cn,
      0x541cn,
      0x5401n,
    ].map((request) => ["ioctl", file, request, "x"] as const);
    assertEquals(results(true, calls), [...Array(5).fill(EPERM), ENOTTY]);
    assertEquals(results(false, calls), Array(6).fill(ENOTTY));
  } finally {
    close(file);
  }
});

Deno.test("filterSteps() says of calls that came later that there are none", () => {
  const calls = [
    ["clone3", new Uint8Array(8), 8],
    ["newest"],
    ["getpid_x32"],
  ] as const;
  assertEquals(results(true, calls), [ENOSYS, ENOSYS, ENOSYS]);
  assertEquals(results(false, calls.slice(0, 1)), [EINVAL]);
});

Deno.test("filterSteps() of the other architecture is taken by the kernel, and ends any call", () => {
  const other = HOST_ARCH === "x86_64" ? "aarch64" : "x86_64";
  const { code, status } = ended([...BEFORE, ...filterSteps(other)]);
  assert(code !== EXITED, `code ${code}`);
  assertEquals(status, SIGSYS);
});

Deno.test("filterSteps() ends who calls by the 32-bit door", () => {
  if (HOST_ARCH !== "x86_64") {
    console.log("skipped: this machine code is for x86_64");
    return;
  }
  const program = sealedFile(
    "x",
    elfOf(
      "b814000000" + // mov eax, 20 (getpid of i386)
        "cd80" + // int 0x80
        "31ff" + // xor edi, edi
        "b83c000000" + // mov eax, 60 (exit)
        "0f05", // syscall
    ),
  );
  try {
    const execute: Step = {
      call: "execveat",
      args: [program, "", ["x"], [], AT_EMPTY_PATH],
    };
    if (ended([execute]).status !== 0) {
      console.log("skipped: this kernel has no 32-bit door");
      return;
    }
    const steps = [...BEFORE, ...filterSteps("x86_64"), execute];
    const { code, status } = ended(steps);
    assert(code !== EXITED, `code ${code}`);
    assertEquals(status, SIGSYS);
  } finally {
    close(program);
  }
});

function ended(steps: readonly Step[]) {
  using block = new Block();
  block.append({ steps });
  return finish(block);
}

/** An ELF of x86_64 whose entry is these bytes. */
function elfOf(code: string): Uint8Array {
  const program: Program = { steps: [{ call: "exit_group", args: [1] }] };
  const { bytes } = packElf(program, "x86_64");
  const entry = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(
    24,
    true,
  );
  bytes.set(Uint8Array.fromHex(code), Number(entry & 0xfffn));
  return bytes;
}
