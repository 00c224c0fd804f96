import { assert, assertEquals } from "@std/assert";
import { Block } from "../../ffi/block.ts";
import { PR_GET_DUMPABLE, PR_SET_NO_NEW_PRIVS } from "../../ffi/constants.ts";
import { close, sealedFile, syscall } from "../../ffi/libc.ts";
import { SharedBlock } from "../../ffi/shared_block.ts";
import type { Step } from "../../ffi/step.ts";
import {
  ENTER_BUFFERS,
  enteredProgram,
  enterSteps,
  keepForNext,
  TURN,
} from "../../src/enter.ts";
import { END_WITH_PARENT, finish } from "./ffi/tools.ts";

/** Enters, and does steps there; gives the status. */
function enter(
  shared: SharedBlock,
  kept: readonly number[] = [],
  mode = 0o111,
  before: readonly Step[] = [],
): number {
  const executable = sealedFile("cage-enter", shared.executable());
  try {
    syscall("fchmod", executable, mode);
    using block = new Block();
    const entry = { executable, memory: shared.descriptor };
    block.append({
      buffers: ENTER_BUFFERS,
      steps: [END_WITH_PARENT, ...before, ...enterSteps(entry, kept, "")],
    });
    const { status } = finish(block);
    assertEquals(block.failure(), undefined);
    return status;
  } finally {
    close(executable);
  }
}

const DUMPABLE: Step = {
  name: "dumpable",
  call: "prctl",
  args: [PR_GET_DUMPABLE, 0, 0, 0, 0],
};

/** What processes are that change who they are: proc_sys_fs(5). */
const OTHERS = BigInt(
  Deno.readTextFileSync("/proc/sys/fs/suid_dumpable").trim(),
);

Deno.test("enterSteps() makes a process that cannot be traced from its first step on", () => {
  using shared = new SharedBlock(1 << 20);
  shared.append({ steps: [DUMPABLE] });
  assertEquals(enter(shared), 0);
  assertEquals(shared.result("dumpable"), OTHERS);
  // It is so since the file cannot be read.
  assertEquals(enter(shared, [], 0o555), 0);
  assertEquals(shared.result("dumpable"), 1n);
});

Deno.test("enteredProgram() makes sure that it cannot be traced", () => {
  using shared = new SharedBlock(1 << 20);
  shared.append(enteredProgram([]));
  shared.append({ steps: [DUMPABLE] });
  assertEquals(enter(shared, [], 0o555), 0);
  assertEquals(shared.result("dumpable"), 0n);
});

Deno.test("enterSteps() leaves capabilities as they were", () => {
  const capabilities = (path: string) =>
    Deno.readTextFileSync(path).match(/^Cap(?:Prm|Eff):.*$/gm);
  using shared = new SharedBlock(1 << 20);
  shared.append({
    buffers: { status: 4096 },
    steps: [
      { name: "file", call: "openat", args: [-100, "/proc/self/status", 0] },
      {
        call: "read",
        args: [{ result: "file" }, { buffer: "status" }, 4096],
      },
    ],
  });
  const alone: Step = {
    call: "prctl",
    args: [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0],
  };
  for (const before of [[], [alone]]) {
    assertEquals(enter(shared, [], 0o111, before), 0);
    assertEquals(shared.failure(), undefined);
    const text = new TextDecoder().decode(shared.buffer("status"));
    assertEquals(
      text.match(/^Cap(?:Prm|Eff):.*$/gm),
      capabilities("/proc/self/status"),
    );
  }
});

Deno.test("enterSteps() keeps what is to be kept, and nothing else", () => {
  const [kept, other] = [1, 2].map((byte) =>
    sealedFile("cage-test", new Uint8Array([byte]))
  );
  using shared = new SharedBlock(1 << 20);
  const open = [shared.descriptor, kept, other];
  shared.append({
    steps: open.map((descriptor, i) => ({
      name: `open${i}`,
      call: "fcntl",
      args: [descriptor, 1],
      onError: {},
    })),
  });
  assertEquals(enter(shared, [kept]), 0);
  assertEquals(open.map((_, i) => shared.errno(`open${i}`)), [9, 0, 9]);
  [kept, other].forEach(close);
});

Deno.test("enteredProgram() does the steps of the script first, and the command's in turn", () => {
  const exit = (status: number) =>
    ({ call: "exit_group", args: [status] }) as const;
  using shared = new SharedBlock(1 << 20);
  shared.append(enteredProgram([exit(3)]));
  assertEquals(enter(shared), 3);
  shared.append({ steps: [exit(4)] });
  shared.buffer(TURN)[0] = 1;
  assertEquals(enter(shared), 4);
});

Deno.test("enteredProgram() without a script goes on to the command", () => {
  const { steps } = enteredProgram([]);
  assertEquals(steps.map(({ call }) => call), ["prctl"]);
  assert(keepForNext(3, true).why !== undefined);
});
