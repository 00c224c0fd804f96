import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Arch, ARCHES } from "../../../ffi/arch.ts";
import { Block } from "../../../ffi/block.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CREAT,
  O_RDWR,
  P_ALL,
  SIG_SETMASK,
  SIGINFO,
  SIGNALS,
  SIGSET_SIZE,
  WEXITED,
} from "../../../ffi/constants.ts";
import { HEADER_STOPPED, RESULT_OFFSET } from "../../../ffi/instruction.ts";
import { packLz4 } from "../../../ffi/lz4.ts";
import { packElf } from "../../../ffi/elf.ts";
import { close, sealedFile } from "../../../ffi/libc.ts";
import type { Argument, Program, Step } from "../../../ffi/step.ts";
import { EXITED, finish, has, inTempDir, output } from "./tools.ts";

const WORDS: Argument = { words: [1, 2n ** 63n + 9n] };

/** Something that runs executables, in a way of its own. */
interface Runner {
  readonly name: string;
  readonly arch: Arch;
  /** Runs a file and gives its exit status; undefined if it cannot. */
  run(file: Uint8Array): Promise<number | undefined>;
}

/** The kernel: the file is one without a path. */
const KERNEL: Runner = {
  name: "the kernel",
  arch: Deno.build.arch,
  run(file) {
    const fd = sealedFile("cage-test", file);
    using block = new Block();
    block.append({
      steps: [
        // A blocked signal stays so in what is executed.
        {
          call: "rt_sigprocmask",
          args: [SIG_SETMASK, new Uint8Array(8), 0, SIGSET_SIZE],
        },
        {
          call: "execveat",
          args: [fd, "", ["test"], [], AT_EMPTY_PATH],
        },
      ],
    });
    const { code, status } = finish(block);
    close(fd);
    assertEquals(block.failure(), undefined);
    assertEquals(code, EXITED);
    return Promise.resolve(status);
  },
};

/** An emulator of a processor: it lacks some of the newer calls. */
const EMULATOR: Runner = {
  name: "qemu-aarch64-static",
  arch: "aarch64",
  async run(file) {
    if (!await has(this.name)) return;
    return await inTempDir(async (directory) => {
      const path = `${directory}/elf`;
      await Deno.writeFile(path, file, { mode: 0o755 });
      const command = new Deno.Command(this.name, { args: [path] });
      return (await command.output()).code;
    });
  },
};

const RUNNERS = [KERNEL, ...(Deno.build.arch === "aarch64" ? [] : [EMULATOR])];

function exit(status: Argument, name?: string): Step {
  return { name, call: "exit_group", args: [status] };
}

/** Makes a child and ends as it ends, as a shell says it: n, or 128 + signal. */
function endAs(...child: Step[]): Program {
  const [first, ...rest] = child;
  return {
    steps: [
      {
        call: "clone",
        args: [SIGNALS.SIGCHLD],
        ifZero: "child",
      },
      {
        name: "wait",
        call: "waitid",
        args: [P_ALL, 0, { buffer: "info" }, WEXITED, 0],
        onError: { goto: "wait", errno: "EINTR" },
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
      { ...first, name: "child" },
      ...rest,
    ],
    buffers: { info: SIGINFO.size },
  };
}

/** A program that ends with what a step gives. */
function endWith(
  args: readonly Argument[],
  call: Step["call"],
  before: readonly Step[] = [],
): Program {
  return {
    steps: [
      ...before,
      { name: "given", call, args },
      exit({ result: "given" }),
    ],
    buffers: { cell: 64, zero: 8 },
  };
}

const CELL = { buffer: "cell" };

/** Puts up to seven letters into the cell. */
function put(text: string): Step {
  const bytes = new Uint8Array(8);
  bytes.set(new TextEncoder().encode(text));
  const [word] = new BigUint64Array(bytes.buffer);
  return { call: "store", args: [CELL, 0, word] };
}

/** Ends with 1 if `find` gives the expected text, with 2 if another one. */
function finding(
  texts: readonly string[],
  prefix: string,
  expected: string,
): Program {
  return {
    steps: [
      { name: "found", call: "find", args: [texts, prefix, "other"] },
      {
        call: "subtract",
        args: [{ result: "found" }, expected, 0],
        ifZero: "same",
      },
      exit(2),
      exit(1, "same"),
    ],
  };
}

/** Bytes that repeat themselves near and far, and end with 77. */
const REPEATED = Uint8Array.from(
  { length: 9000 },
  (_, index) =>
    index === 8999 ? 77 : index % 300 < 280 ? index % 7 : index / 300,
);
const PACKED = packLz4(REPEATED);
/** The last four bytes as a number. */
const TAIL = new DataView(REPEATED.buffer).getUint32(8996, true);

const OWN_STATUSES: readonly [string, Program, number][] = [
  [
    "that fetches 64 bits at a distance",
    {
      steps: [
        { name: "word", call: "fetch", args: [WORDS, 8] },
        {
          call: "subtract",
          args: [{ result: "word" }, 2n ** 63n + 9n, 0],
          ifZero: "same",
        },
        exit(1),
        exit(5, "same"),
      ],
    },
    5,
  ],
  [
    "that stores a result, and gives it",
    {
      steps: [
        { name: "pid", call: "getpid", args: [] },
        { name: "stored", call: "store", args: [CELL, 16, { result: "pid" }] },
        { name: "read", call: "fetch", args: [CELL, 16] },
        {
          call: "subtract",
          args: [{ result: "read" }, { result: "stored" }, 0],
          ifZero: "same",
        },
        exit(1),
        exit(6, "same"),
      ],
      buffers: { cell: 64 },
    },
    6,
  ],
  ["that subtracts", endWith([50, 8, 0], "subtract"), 42],
  ["that subtracts a multiple", endWith([50, -3, 4], "subtract"), 98],
  [
    "that takes a negative difference for no error",
    { steps: [{ call: "subtract", args: [1, 3, 0] }, exit(4)] },
    4,
  ],
  [
    "that finds its arguments",
    {
      steps: [
        { name: "stack", call: "stack", args: [] },
        { name: "count", call: "fetch", args: [{ result: "stack" }, 0] },
        exit({ result: "count" }),
      ],
    },
    1,
  ],
  ["that reads a number", endWith([CELL, 0], "parse", [put("172\n")]), 172],
  [
    "that reads a number after spaces",
    endWith([CELL, 2], "parse", [put("9 8 77")]),
    77,
  ],
  [
    "that reads a number after a name",
    endWith([CELL, 1], "parse", [put("1 ) ) 7")]),
    7,
  ],
  ["that reads no number", endWith([CELL, 0], "parse", [put("x1")]), 0],
  ["that reads nothing", endWith([CELL, 0], "parse", [put("")]), 0],
  [
    "that reads a number with something after it",
    endWith([CELL, 0], "parse", [put("12:3")]),
    0,
  ],
  ["that reads too few spaces", endWith([CELL, 3], "parse", [put("1 2 3")]), 0],
  [
    "that reads the letter after a number as its end",
    {
      steps: [
        put("12 4"),
        { call: "parse", args: [CELL, 0] },
        { name: "word", call: "load", args: [CELL, -0x34003231] },
        exit({ result: "word" }),
      ],
      buffers: { cell: 64 },
    },
    0,
  ],
  ["that finds a text", finding(["A=1", "AB=2", "B=3"], "AB=", "AB=2"), 1],
  ["that finds the first of two", finding(["A=1", "A=2"], "A=", "A=1"), 1],
  ["that finds no text", finding(["A=1", "xB=3", "B"], "B=", "other"), 1],
  ["that finds no text in none", finding([], "B=", "other"), 1],
  ["that takes an empty value for none", finding(["A="], "A=", "other"), 1],
  [
    "that takes a control character for none",
    finding(["A=a\x1b"], "A=", "other"),
    1,
  ],
  ["that takes DEL for none", finding(["A=\x7f"], "A=", "other"), 1],
  [
    "that takes more than ASCII for none",
    finding(["A=\u0080"], "A=", "other"),
    1,
  ],
  ["that finds all of ASCII", finding(["A= ~"], "A=", "A= ~"), 1],
  [
    "that unpacks",
    {
      steps: [
        { name: "end", call: "subtract", args: [PACKED, -PACKED.length, 0] },
        {
          name: "last",
          call: "unpack",
          args: [PACKED, { result: "end" }, { buffer: "large" }],
        },
        {
          call: "subtract",
          args: [{ result: "last" }, { buffer: "large", offset: 9000 }, 0],
          ifZero: "whole",
        },
        exit(1),
        {
          name: "whole",
          call: "load",
          args: [{ buffer: "large", offset: 8996 }, 0],
        },
        {
          name: "high",
          call: "subtract",
          args: [{ result: "whole" }, TAIL - 77, 0],
        },
        exit({ result: "high" }),
      ],
      buffers: { large: 9008 },
    },
    77,
  ],
  [
    "that goes on where a step would stop it",
    {
      steps: [
        { name: "failing", call: "close", args: [-1] },
        exit(1),
        { name: "told", call: "fetch", args: [{ header: HEADER_STOPPED }, 0] },
        {
          name: "error",
          call: "fetch",
          args: [{ result: "told" }, RESULT_OFFSET],
        },
        { name: "errno", call: "subtract", args: [0, { result: "error" }, 0] },
        exit({ result: "errno" }),
      ],
      onStop: "told",
    },
    9,
  ],
];

const STATUSES: readonly [string, Program, number][] = [
  ...OWN_STATUSES,
  ["without a step", { steps: [] }, 0],
  ["that exits with 7", { steps: [exit(7)] }, 7],
  ["whose child exits with 255", endAs(exit(255)), 255],
  [
    "whose child is killed",
    endAs(
      { call: "getpid", args: [] },
      { name: "self", call: "getpid", args: [] },
      { call: "kill", args: [{ result: "self" }, SIGNALS.SIGKILL] },
    ),
    137,
  ],
  [
    "whose child is terminated",
    endAs(
      { call: "getpid", args: [] },
      { name: "self", call: "getpid", args: [] },
      { call: "kill", args: [{ result: "self" }, SIGNALS.SIGTERM] },
    ),
    143,
  ],
  [
    "that stops at an error",
    { steps: [{ call: "close", args: [-1] }, exit(0)] },
    127,
  ],
  [
    "that goes on after the given error",
    {
      steps: [
        { call: "close", args: [-1], onError: { errno: "EBADF" } },
        exit(3),
      ],
    },
    3,
  ],
  [
    "that stops at another error than the given one",
    {
      steps: [
        { call: "close", args: [-1], onError: { errno: "EINTR" } },
        exit(3),
      ],
    },
    127,
  ],
  [
    "that goes to a label after any error",
    {
      steps: [
        { call: "close", args: [-1], onError: { goto: "end" } },
        exit(1),
        exit(4, "end"),
      ],
    },
    4,
  ],
  [
    "that takes a negative result of load for no error",
    {
      steps: [
        { call: "load", args: [{ buffer: "zero" }, -5] },
        exit(2),
      ],
      buffers: { zero: 4 },
    },
    2,
  ],
  [
    "that loads 32 bits without a sign",
    {
      steps: [
        {
          call: "load",
          args: [new Uint8Array(4).fill(255), -0xffff_ffff],
          ifZero: "equal",
        },
        exit(1),
        exit(5, "equal"),
      ],
    },
    5,
  ],
];

for (const runner of RUNNERS) {
  for (const [what, program, status] of STATUSES) {
    Deno.test(`packElf() for ${runner.name} makes a program ${what}`, async () => {
      const { bytes } = packElf(program, runner.arch);
      const found = await runner.run(bytes);
      if (found !== undefined) assertEquals(found, status);
    });
  }

  Deno.test(`packElf() for ${runner.name} makes a program that writes files`, () =>
    inTempDir(async (directory) => {
      const { bytes } = packElf({
        steps: [
          { call: "mkdirat", args: [AT_FDCWD, `${directory}/ö`, 0o755] },
          {
            name: "file",
            call: "openat",
            args: [AT_FDCWD, `${directory}/ö/f`, O_RDWR | O_CREAT, 0o644],
          },
          {
            name: "written",
            call: "write",
            args: [{ result: "file" }, new Uint8Array([104, 105]), 2],
          },
          exit({ result: "written" }),
        ],
      }, runner.arch);
      const status = await runner.run(bytes);
      if (status === undefined) return;
      assertEquals(status, 2);
      assertEquals(await Deno.readTextFile(`${directory}/ö/f`), "hi");
    }));

  Deno.test(`packElf() for ${runner.name} reads results into all six arguments`, () =>
    inTempDir(async (directory) => {
      const path = (name: string) => `${directory}/${name}`;
      await Deno.writeTextFile(path("in"), "abcdefg");
      const constant = (name: string, value: number): Step => ({
        name,
        call: "load",
        args: [{ buffer: "zero" }, value],
      });
      const open = (name: string): Step => ({
        name,
        call: "openat",
        args: [AT_FDCWD, path(name), O_RDWR | O_CREAT, 0o600],
      });
      const names = ["in", "null", "out", "null", "three", "null"];
      // An address in place of a null is an offset of 0, not the file's own.
      const { bytes } = packElf({
        steps: [
          open("in"),
          open("out"),
          { call: "lseek", args: [{ result: "in" }, 1, 0] },
          { call: "lseek", args: [{ result: "out" }, 2, 0] },
          constant("null", 0),
          constant("three", 3),
          {
            name: "copied",
            call: "copy_file_range",
            args: names.map((result) => ({ result })),
          },
          exit({ result: "copied" }),
        ],
        buffers: { zero: 4 },
      }, runner.arch);
      const status = await runner.run(bytes);
      if (status === undefined) return;
      assertEquals(status, 3);
      assertEquals(await Deno.readTextFile(path("out")), "\0\0bcd");
    }));

  Deno.test(`packElf() for ${runner.name} says where a buffer can be filled in`, async () => {
    const { bytes, offsets } = packElf({
      steps: [
        { name: "cell", call: "load", args: [{ buffer: "cell" }, 1] },
        exit({ result: "cell" }),
      ],
      buffers: { other: 3, cell: 4 },
    }, runner.arch);
    bytes[offsets.cell] = 41;
    const status = await runner.run(bytes);
    if (status !== undefined) assertEquals(status, 42);
  });
}

for (const arch of ARCHES) {
  Deno.test(`packElf() for ${arch} makes a file that readelf has no complaint about`, async () => {
    if (!await has("readelf")) return;
    await inTempDir(async (directory) => {
      const path = `${directory}/elf`;
      const { bytes } = packElf(endAs(exit(1)), arch);
      await Deno.writeFile(path, bytes);
      for (const option of ["-hW", "-lW", "-aW"]) {
        const { stdout, stderr } = await output("readelf", option, path);
        assertEquals(stderr, "");
        assertEquals(/warning|error/i.exec(stdout), null);
      }
      const { stdout } = await output("readelf", "-lW", path);
      const rights = [...stdout.matchAll(/^ +(LOAD|GNU_STACK) .* (...) 0x/gm)]
        .map(([, type, flags]) => `${type} ${flags}`);
      assertEquals(rights, ["LOAD R E", "LOAD RW ", "GNU_STACK RW "]);
    });
  });

  Deno.test(`packElf() for ${arch} makes small files, the same every time`, () => {
    const program = endAs(exit(1));
    const { bytes } = packElf(program, arch);
    assert(bytes.length < 2048, `${bytes.length} bytes`);
    assertEquals(packElf(program, arch).bytes, bytes);
  });
}

Deno.test("packElf() refuses what cannot be assembled", () => {
  assertThrows(
    () => packElf({ steps: [exit({ result: "no" })] }, "x86_64"),
    RangeError,
    'Cannot assemble step 0 (exit_group): unknown result "no"',
  );
});
