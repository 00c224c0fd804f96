import { assert, assertEquals, assertThrows } from "@std/assert";
import { Block } from "../../../ffi/block.ts";
import {
  AT_FDCWD,
  CLONE_NEWNS,
  CLONE_VFORK,
  CLONE_VM,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NONBLOCK,
  O_PATH,
  O_RDWR,
  P_ALL,
  RESOLVE_NO_MAGICLINKS,
  SIGINFO,
  SIGNALS,
  WEXITED,
  WNOHANG,
  WNOWAIT,
} from "../../../ffi/constants.ts";
import { ERRNO } from "../../../ffi/errno.ts";
import {
  close,
  pipe2,
  read,
  syscall,
  SyscallError,
  waitPidfd,
  writeAll,
} from "../../../ffi/libc.ts";
import { O_DIRECTORY } from "../../../ffi/open_flags.ts";
import type { Argument, Step } from "../../../ffi/step.ts";
import {
  Child,
  END_WITH_PARENT,
  EXITED,
  finish,
  inTempDir,
  KILLED,
  run,
} from "./tools.ts";

/** linux/sched.h: parent and child share root, directory and umask. */
const CLONE_FS = 0x200;

/** A step that ends the program with a status. */
function exit(status: Argument, name?: string): Step {
  return { name, call: "exit_group", args: [status] };
}

Deno.test("Block without a program makes children that exit with 0", () => {
  using block = new Block();
  const { code, status } = finish(block);
  assertEquals([code, status], [EXITED, 0]);
});

Deno.test("Block runs a program without a step, which exits with 0", () => {
  const { block, ended } = run({ steps: [] });
  using _ = block;
  assertEquals([ended.code, ended.status], [EXITED, 0]);
  assertEquals(block.failure(), undefined);
});

Deno.test("Block runs steps whose result is an argument of several others", () =>
  inTempDir((directory) => {
    const how = new BigUint64Array([
      BigInt(O_PATH | O_DIRECTORY | O_CLOEXEC),
      0n,
      BigInt(RESOLVE_NO_MAGICLINKS),
    ]);
    const { block, ended } = run({
      steps: [
        { call: "mkdirat", args: [AT_FDCWD, `${directory}/ä`, 0o755] },
        {
          name: "root",
          call: "openat2",
          args: [AT_FDCWD, `${directory}/ä`, new Uint8Array(how.buffer), 24],
        },
        { call: "mkdirat", args: [{ result: "root" }, "b", 0o700] },
        {
          name: "file",
          call: "openat",
          args: [
            { result: "root" },
            "b/text",
            O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
            0o600,
          ],
        },
        {
          name: "written",
          call: "write",
          args: [{ result: "file" }, "hello", 5],
        },
        { call: "fchmodat", args: [{ result: "root" }, "b/text", 0o640] },
        { call: "close", args: [{ result: "file" }] },
        exit({ result: "written" }),
      ],
    });
    using _ = block;
    assertEquals(block.failure(), undefined);
    assertEquals([ended.code, ended.status], [EXITED, 5]);
    const path = `${directory}/ä/b/text`;
    assertEquals(Deno.readTextFileSync(path), "hello");
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o640);
    assertEquals(block.result("written"), 5n);
  }));

Deno.test("Block stops at a step that fails and says which and why", () => {
  const stop: Step = {
    name: "enter",
    call: "chdir",
    args: ["/does/not/exist"],
    why: "Cannot enter",
  };
  const { block, ended } = run({
    steps: [{ call: "getpid", args: [] }, stop, exit(0)],
  });
  using _ = block;
  assertEquals([ended.code, ended.status], [EXITED, 127]);
  assertEquals(block.failure(), { step: stop, errno: 2, stopped: true });
  assert(block.failure()?.step === stop);
  assertEquals(block.result("enter"), -2n);
});

Deno.test("Block goes to a label after the given error, and stops after another", () => {
  const program = (path: string) => ({
    steps: [
      {
        call: "mkdirat",
        args: [AT_FDCWD, path, 0o700],
        onError: { goto: "there", errno: "EEXIST" },
      },
      exit(1),
      exit(9, "there"),
    ] as Step[],
  });
  const { block, ended } = run(program("/"));
  using _ = block;
  assertEquals(ended.status, 9);
  assertEquals(block.failure(), {
    step: program("/").steps[0],
    errno: ERRNO.EEXIST,
    stopped: false,
  });
  const other = run(program("/does/not/exist"));
  using __ = other.block;
  assertEquals(other.ended.status, 127);
  assertEquals(other.block.failure()?.errno, ERRNO.ENOENT);
  assertEquals(other.block.failure()?.stopped, true);
});

Deno.test("Block goes to a label after any error", () => {
  const { block, ended } = run({
    steps: [
      { call: "close", args: [-1], onError: { goto: "end" } },
      exit(1),
      exit(4, "end"),
    ],
  });
  using _ = block;
  assertEquals(ended.status, 4);
});

Deno.test("Block goes on after an error that a step allows", () => {
  const { block, ended } = run({
    steps: [
      { name: "first", call: "close", args: [-1], onError: {} },
      { call: "chdir", args: ["/"] },
      exit(3),
    ],
  });
  using _ = block;
  assertEquals(ended.status, 3);
  assertEquals(block.failure()?.step.name, "first");
  assertEquals(block.failure()?.stopped, false);
});

Deno.test("Block goes to a label when the result is 0, and only then", () => {
  const steps = (fd: number): Step[] => [
    { name: "read", call: "getppid", args: [], ifZero: "zero" },
    { call: "close", args: [fd], ifZero: "zero", onError: {} },
    exit(1),
    exit(2, "zero"),
  ];
  const error = run({ steps: steps(-1) });
  using _ = error.block;
  assertEquals(error.ended.status, 1);
  assert(error.block.result("read") > 0n);
  const zero = run({
    steps: [{ call: "chdir", args: ["."], ifZero: "zero" }, ...steps(-1)],
  });
  using __ = zero.block;
  assertEquals(zero.ended.status, 2);
});

Deno.test("Block tells zero from a result whose low half is zero", () =>
  inTempDir((directory) => {
    const { block, ended } = run({
      steps: [
        {
          name: "file",
          call: "openat",
          args: [AT_FDCWD, `${directory}/sparse`, O_RDWR | O_CREAT, 0o600],
        },
        {
          name: "seek",
          call: "lseek",
          args: [{ result: "file" }, 2 ** 32, 0],
          ifZero: "zero",
        },
        exit(1),
        exit(2, "zero"),
      ],
    });
    using _ = block;
    assertEquals([ended.status, block.result("seek")], [1, 2n ** 32n]);
  }));

Deno.test("Block takes -4095 to -1 for errors, and nothing below them", () => {
  // The one file that can be sought to where errors are: a process's memory.
  const seek = (offset: number): Step[] => [
    {
      name: "memory",
      call: "openat",
      args: [AT_FDCWD, "/proc/self/mem", O_CLOEXEC],
    },
    { name: "seek", call: "lseek", args: [{ result: "memory" }, offset, 0] },
    exit(6),
  ];
  for (const [offset, status] of [[-4096, 6], [-4095, 127], [-1, 127]]) {
    const { block, ended } = run({ steps: seek(offset) });
    using _ = block;
    assertEquals(block.result("seek"), BigInt(offset));
    assertEquals(ended.status, status);
  }
});

Deno.test("Block takes no result of load for an error", () => {
  const { block, ended } = run({
    steps: [
      { name: "low", call: "load", args: [{ buffer: "zero" }, -1] },
      { call: "load", args: [{ buffer: "zero" }, -4095] },
      exit(6),
    ],
    buffers: { zero: 4 },
  });
  using _ = block;
  assertEquals([ended.status, block.result("low")], [6, -1n]);
  assertEquals(block.failure(), undefined);
});

Deno.test("Block loads 32 bits without a sign and adds 64 bits", () => {
  using block = new Block();
  block.append({
    steps: [
      { name: "big", call: "load", args: [{ buffer: "cell" }, 1] },
      {
        name: "less",
        call: "load",
        args: [{ buffer: "cell" }, -0x1_0000_0000],
      },
      { name: "plain", call: "load", args: [{ buffer: "cell" }] },
      {
        name: "equal",
        call: "load",
        args: [{ buffer: "cell" }, -0xffff_fffe],
        ifZero: "end",
      },
      exit(1),
      exit(2, "end"),
    ],
    buffers: { cell: 8 },
  });
  block.buffer("cell").set([0xfe, 0xff, 0xff, 0xff, 0x55]);
  assertEquals(finish(block).status, 2);
  assertEquals(block.result("big"), 0xffff_ffffn);
  assertEquals(block.result("less"), -2n);
  assertEquals(block.result("plain"), 0xffff_fffen);
});

Deno.test("Block goes on into a program that is appended while its child waits", () => {
  const { reader, writer } = pipe2();
  using block = new Block();
  block.append({
    steps: [
      END_WITH_PARENT,
      { name: "self", call: "getpid", args: [] },
      { name: "go", call: "read", args: [reader, { buffer: "byte" }, 1] },
    ],
    buffers: { byte: 1 },
  });
  using child = new Child(block);
  block.append({
    steps: [
      { call: "load", args: [{ buffer: "byte" }, -7], ifZero: "seven" },
      exit(1),
      { name: "seven", call: "kill", args: [{ result: "self" }, 0] },
      { name: "late", call: "write", args: [writer, "late", 4] },
      exit(5),
    ],
  });
  writeAll(writer, new Uint8Array([7]));
  assertEquals(child.end(), {
    pid: Number(block.result("self")),
    code: 1,
    status: 5,
  });
  assertEquals(block.failure(), undefined);
  assertEquals(block.result("go"), 1n);
  const buffer = new Uint8Array(8);
  assertEquals(read(reader, buffer), 4);
  close(reader);
  close(writer);
});

Deno.test("Block lets a step go to itself until it succeeds", () => {
  const { reader, writer } = pipe2(O_NONBLOCK);
  using block = new Block();
  block.append({
    steps: [
      END_WITH_PARENT,
      {
        name: "ready",
        call: "ppoll",
        args: [poll(reader), 1, new Uint8Array(16), 0, 0],
        ifZero: "ready",
      },
      {
        name: "byte",
        call: "read",
        args: [reader, { buffer: "byte" }, 1],
      },
      {
        name: "again",
        call: "read",
        args: [reader, { buffer: "byte" }, 1],
        onError: { goto: "again", errno: "EAGAIN" },
      },
      exit(8),
    ],
    buffers: { byte: 1 },
  });
  using child = new Child(block);
  writeAll(writer, new Uint8Array(1));
  // The child is past the first loop when the first byte is gone.
  while (block.result("byte") === 0n || block.result("again") === 0n);
  assertEquals(block.result("again"), -BigInt(ERRNO.EAGAIN));
  writeAll(writer, new Uint8Array(1));
  assertEquals(child.end().status, 8);
  close(reader);
  close(writer);
});

/** struct pollfd of one descriptor that is to be read. */
function poll(fd: number): Uint8Array {
  return new Uint8Array(new Int32Array([fd, 1]).buffer);
}

Deno.test("Block makes children of its child, and turns their end into a status", () => {
  for (const [how, expected] of [["exit", 7], ["kill", 137]] as const) {
    const { block, ended } = run({
      steps: [
        {
          name: "child",
          call: "clone",
          args: [CLONE_VM | CLONE_VFORK | SIGNALS.SIGCHLD],
          ifZero: how,
        },
        {
          call: "waitid",
          args: [P_ALL, 0, { buffer: "info" }, WEXITED, 0],
        },
        {
          call: "load",
          args: [{ buffer: "info", offset: SIGINFO.code }, -EXITED],
          ifZero: "exited",
        },
        {
          name: "signal",
          call: "load",
          args: [{ buffer: "info", offset: SIGINFO.status }, 128],
        },
        exit({ result: "signal" }),
        {
          name: "exited",
          call: "load",
          args: [{ buffer: "info", offset: SIGINFO.status }],
        },
        exit({ result: "exited" }),
        exit(7, "exit"),
        { name: "kill", call: "getpid", args: [] },
        { call: "kill", args: [{ result: "kill" }, SIGNALS.SIGKILL] },
      ],
      buffers: { info: SIGINFO.size },
    });
    using _ = block;
    assertEquals(block.failure(), undefined);
    assertEquals([ended.code, ended.status], [EXITED, expected]);
    assert(block.result("child") > 1n);
  }
});

Deno.test("Block blames another step for the one that stops the program", () => {
  const steps: Step[] = [
    { name: "enter", call: "chdir", args: ["/no"], onError: { goto: "undo" } },
    exit(0),
    { name: "undo", call: "close", args: [-1], blame: "enter" },
  ];
  const { block } = run({ steps });
  using _ = block;
  assertEquals(block.failure(), {
    step: steps[0],
    errno: ERRNO.ENOENT,
    stopped: true,
  });
});

Deno.test("Block gives a step that did not fail the error of the one that blames it", () => {
  const { block } = run({
    steps: [
      { name: "enter", call: "getpid", args: [] },
      { call: "close", args: [-1], blame: "enter" },
    ],
  });
  using _ = block;
  assertEquals(block.failure()?.step.name, "enter");
  assertEquals(block.failure()?.errno, ERRNO.EBADF);
});

Deno.test("Block blames nobody for an error that a step allows", () => {
  const { block } = run({
    steps: [
      { name: "enter", call: "getpid", args: [] },
      {
        name: "close",
        call: "close",
        args: [-1],
        blame: "enter",
        onError: {},
      },
    ],
  });
  using _ = block;
  assertEquals(block.failure()?.step.name, "close");
});

Deno.test("Block passes argv and envp to a program", () =>
  inTempDir((directory) => {
    const out = `${directory}/out`;
    const { block, ended } = run({
      steps: [{
        call: "execve",
        args: [
          "/bin/sh",
          ["sh", "-c", `echo "$0 $A" >${out}; exit 6`, "zero"],
          ["A=b c"],
        ],
      }],
    });
    using _ = block;
    assertEquals(ended.status, 6);
    assertEquals(Deno.readTextFileSync(out), "zero b c\n");
  }));

Deno.test("Block runs its program again, and forgets what failed before", () => {
  const { reader, writer } = pipe2(O_NONBLOCK);
  using block = new Block();
  block.append({
    steps: [{ call: "read", args: [reader, { buffer: "byte" }, 1] }],
    buffers: { byte: 1 },
  });
  assertEquals(finish(block, CLONE_VFORK).status, 127);
  assertEquals(block.failure()?.errno, ERRNO.EAGAIN);
  writeAll(writer, new Uint8Array(1));
  assertEquals(finish(block, CLONE_VFORK).status, 0);
  assertEquals(block.failure(), undefined);
  close(reader);
  close(writer);
});

Deno.test("Block waits in start() with CLONE_VFORK until the child has ended", () => {
  using block = new Block();
  block.append({ steps: [{ name: "pid", call: "getpid", args: [] }, exit(2)] });
  using child = new Child(block, CLONE_VFORK);
  const pid = Number(block.result("pid"));
  const options = WEXITED | WNOWAIT;
  assertEquals(waitPidfd(child.pidfd, options), {
    pid,
    code: EXITED,
    status: 2,
  });
  assertEquals(child.end().status, 2);
});

Deno.test("Block reports how a child was killed", () => {
  const { block, ended } = run({
    steps: [
      { name: "self", call: "getpid", args: [] },
      { call: "kill", args: [{ result: "self" }, SIGNALS.SIGKILL] },
    ],
  });
  using _ = block;
  assertEquals([ended.code, ended.status], [KILLED, SIGNALS.SIGKILL]);
});

Deno.test("Block throws what clone() says", () => {
  using block = new Block();
  // Nobody may have a mount namespace of their own and share their root.
  const flags = CLONE_NEWNS | CLONE_FS;
  const error = assertThrows(() => block.start(flags), SyscallError);
  assertEquals([error.call, error.errno], ["clone", ERRNO.EINVAL]);
});

Deno.test("Block refuses flags with another signal, and what is no flag", () => {
  using block = new Block();
  for (const flags of [9, -1, 0.5, 2 ** 32, NaN]) {
    assertThrows(
      () => block.start(flags),
      RangeError,
      `Cannot start a child with flags ${flags}`,
    );
  }
});

Deno.test("Block refuses to be too small", () => {
  assertThrows(
    () => new Block(1000),
    RangeError,
    "Cannot make a block of 1000 bytes: too few",
  );
  using small = new Block(0x5000);
  small.append({ steps: [exit(1)] });
  assertEquals(finish(small).status, 1);
});

Deno.test("Block takes as many steps as it says, and runs the last one", () => {
  using block = new Block();
  const steps: Step[] = Array(3000).fill({ call: "getpid", args: [] });
  block.append({ steps: [...steps, exit(3)] });
  assertEquals(finish(block).status, 3);
  assertThrows(() => block.append({ steps }), RangeError, "3000 steps");
});

Deno.test("Block cannot be used after it is disposed, nor can its buffers", () => {
  const block = new Block();
  block.append({
    steps: [{ name: "a", call: "getpid", args: [] }],
    buffers: { b: 8 },
  });
  const view = block.buffer("b");
  assertEquals(view.length, 8);
  block[Symbol.dispose]();
  block[Symbol.dispose]();
  assertEquals(view.length, 0);
  const message = "Cannot use memory that was given back";
  assertThrows(() => block.start(0), ReferenceError, message);
  assertThrows(() => block.result("a"), ReferenceError, message);
  assertThrows(() => block.buffer("b"), ReferenceError, message);
  assertThrows(() => block.failure(), ReferenceError, message);
  assertThrows(() => block.append({ steps: [] }), ReferenceError, message);
});

Deno.test("Block leaves no memory, descriptor or child behind", () => {
  const round = () => {
    const { block, ended } = run({
      steps: [{ call: "getpid", args: [] }, exit(3)],
      buffers: { b: 1 << 16 },
    });
    block[Symbol.dispose]();
    assertEquals(ended.status, 3);
  };
  const size = 200;
  const before = [mappedPages(), openDescriptors()];
  for (let i = 0; i < size; i++) round();
  const after = [mappedPages(), openDescriptors()];
  assertEquals(after[1], before[1]);
  // The runtime's own heap may grow a little; 200 blocks are 51,200 pages.
  assert(after[0] - before[0] < 25_600, `${before[0]} to ${after[0]} pages`);
  assertThrows(
    () => syscall("waitid", P_ALL, 0, 0, WEXITED | WNOHANG, 0),
    SyscallError,
    "waitid failed: No child processes",
  );
});

/** The size of this process's memory, proc(5). */
function mappedPages(): number {
  return Number(Deno.readTextFileSync("/proc/self/statm").split(" ")[0]);
}

function openDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}
