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
import { packElf } from "../../../ffi/elf.ts";
import { close, sealedFile } from "../../../ffi/libc.ts";
import type { Argument, Program, Step } from "../../../ffi/step.ts";
import { EXITED, finish, has, inTempDir, output } from "./tools.ts";

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

const STATUSES: readonly [string, Program, number][] = [
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
