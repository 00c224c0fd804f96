import { assert, assertEquals, assertThrows } from "@std/assert";
import { Block } from "../../../ffi/block.ts";
import { AT_EMPTY_PATH, F_SETFD } from "../../../ffi/constants.ts";
import { close, read, sealedFile, syscall } from "../../../ffi/libc.ts";
import { SharedBlock } from "../../../ffi/shared_block.ts";
import type { Step } from "../../../ffi/step.ts";
import { END_WITH_PARENT, EXITED, finish, inTempDir } from "./tools.ts";

const SIZE = 1 << 20;

/** Has a child execute the file of a block, and gives how it ended. */
function enter(shared: SharedBlock, before: readonly Step[] = []) {
  const executable = sealedFile("cage-test", shared.executable());
  try {
    using block = new Block();
    block.append({
      steps: [
        END_WITH_PARENT,
        ...before,
        { call: "fcntl", args: [shared.descriptor, F_SETFD, 0] },
        {
          call: "execveat",
          args: [executable, "", ["test"], [], AT_EMPTY_PATH],
        },
      ],
    });
    const ended = finish(block);
    assertEquals(block.failure(), undefined);
    assertEquals(ended.code, EXITED);
    return ended.status;
  } finally {
    close(executable);
  }
}

Deno.test("SharedBlock runs its program in a process that has executed it", () => {
  using shared = new SharedBlock(SIZE);
  shared.append({
    steps: [
      { name: "self", call: "getpid", args: [] },
      { name: "parent", call: "getppid", args: [] },
      { call: "exit_group", args: [7] },
    ],
  });
  assertEquals(enter(shared), 7);
  assertEquals(shared.failure(), undefined);
  assert(shared.result("self") > 1n);
  assertEquals(shared.result("parent"), BigInt(Deno.pid));
});

Deno.test("SharedBlock gives its processes nothing else of this one", () =>
  inTempDir((directory) => {
    using shared = new SharedBlock(SIZE);
    const size = 256;
    shared.append({
      steps: [
        {
          name: "program",
          call: "readlinkat",
          args: [-100, "/proc/self/exe", { buffer: "program" }, size],
        },
        { call: "mkdirat", args: [-100, `${directory}/made`, 0o700] },
        { name: "maps", call: "openat", args: [-100, "/proc/self/maps", 0] },
        {
          call: "read",
          args: [{ result: "maps" }, { buffer: "maps" }, 4096],
        },
      ],
      buffers: { program: size, maps: 4096 },
    });
    assertEquals(enter(shared), 0);
    assertEquals(shared.failure(), undefined);
    const text = (name: string) =>
      new TextDecoder().decode(shared.buffer(name)).replace(/\0.*/s, "");
    assertEquals(text("program"), "/memfd:cage-test (deleted)");
    const files = [...text("maps").matchAll(/ (\/.*)$/gm)]
      .map(([, path]) => path);
    const own = ["cage-memory", "cage-test"];
    assertEquals(
      new Set(files),
      new Set(own.map((name) => `/memfd:${name} (deleted)`)),
    );
    // Its descriptors: the three, and the one that it opened itself.
    assertEquals(shared.result("maps"), 3n);
    assert(Deno.statSync(`${directory}/made`).isDirectory);
  }));

Deno.test("SharedBlock says which step stopped and why", () => {
  using shared = new SharedBlock(SIZE);
  const stop: Step = {
    name: "enter",
    call: "chdir",
    args: ["/nowhere/at/all"],
  };
  shared.append({ steps: [stop] });
  assertEquals(enter(shared), 127);
  assertEquals(shared.failure(), { step: stop, errno: 2, stopped: true });
  assertEquals(shared.errno("enter"), 2);
});

Deno.test("SharedBlock goes on in a program that was put there later", () => {
  using shared = new SharedBlock(SIZE);
  shared.append({
    steps: [
      {
        name: "turn",
        call: "load",
        args: [{ buffer: "turn" }, 0],
        ifZero: "first",
      },
      { call: "load", args: [{ buffer: "zero" }, 0], ifZero: "later" },
      { name: "first", call: "exit_group", args: [3] },
      { name: "later", call: "getpid", args: [] },
    ],
    buffers: { turn: 8, zero: 8 },
  });
  assertEquals(enter(shared), 3);
  shared.append({ steps: [{ call: "exit_group", args: [4] }] });
  shared.buffer("turn")[0] = 1;
  assertEquals(enter(shared), 4);
});

Deno.test("SharedBlock believes nothing that others write into its memory", () => {
  using shared = new SharedBlock(SIZE);
  const step: Step = { name: "step", call: "getpid", args: [] };
  shared.append({ steps: [step] });
  const write = (at: number, value: bigint) => {
    const bytes = new Uint8Array(new BigInt64Array([value]).buffer);
    syscall("pwrite64", shared.descriptor, bytes, 8, at);
  };
  const address = 1n << 36n;
  const words = [1n, -1n, address, address + 17n, address + (1n << 40n)];
  for (const word of words) {
    write(8, word);
    assertEquals(shared.failure(), undefined, `${word}`);
  }
  // The addresses of blocks are not all the same: look for the one of this.
  const found = Array.from(
    { length: 8192 },
    (_, i) => address + BigInt(i << 16),
  )
    .find((place) => (write(8, place + 16n), shared.failure() !== undefined));
  assert(found !== undefined);
  for (const result of [0n, 1n, -4096n, -(2n ** 63n)]) {
    write(16 + 56, result);
    assertEquals(shared.failure(), { step, errno: 0, stopped: true });
    assertEquals(shared.errno("step"), 0);
  }
});

Deno.test("SharedBlock keeps its size, whoever has the file", () => {
  using shared = new SharedBlock(SIZE);
  for (const size of [0, 2 * SIZE]) {
    assertThrows(
      () => syscall("ftruncate", shared.descriptor, size),
      Error,
      "Operation not permitted",
    );
  }
});

Deno.test("SharedBlock may be larger than a limit of files, which stays", () => {
  const RLIMIT_FSIZE = 1;
  const change = (limit: bigint[] | undefined) => {
    const old = new BigUint64Array(2);
    const bytes = limit && new Uint8Array(new BigUint64Array(limit).buffer);
    const into = new Uint8Array(old.buffer);
    syscall("prlimit64", 0, RLIMIT_FSIZE, bytes ?? 0, { into });
    return [...old];
  };
  const before = change(undefined);
  const small = [8192n, before[1]];
  change(small);
  try {
    using _ = new SharedBlock(SIZE);
    assertEquals(change(undefined), small);
  } finally {
    change(before);
  }
});

Deno.test("SharedBlock can be many at a time, and again where one was", () => {
  const blocks = Array.from({ length: 100 }, () => new SharedBlock(8 << 20));
  blocks.forEach((block, i) =>
    block.append({ steps: [{ call: "exit_group", args: [i] }] })
  );
  assertEquals(blocks.map((block) => enter(block)), blocks.map((_, i) => i));
  for (const block of blocks) block[Symbol.dispose]();
  for (let i = 0; i < 20_000; i++) new SharedBlock(8 << 20)[Symbol.dispose]();
});

Deno.test("SharedBlock closes its file once", () => {
  const shared = new SharedBlock(SIZE);
  const { descriptor } = shared;
  shared[Symbol.dispose]();
  const other = sealedFile("other", new Uint8Array([5]));
  assertEquals(other, descriptor);
  shared[Symbol.dispose]();
  syscall("lseek", other, 0, 0);
  assertEquals(read(other, new Uint8Array(1)), 1);
  close(other);
});

Deno.test("SharedBlock refuses a size that holds no step", () => {
  assertThrows(() => new SharedBlock(16), RangeError, "too few");
});
