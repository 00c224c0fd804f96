import { assertEquals } from "@std/assert";
import { ARCHES } from "../../../ffi/arch.ts";
import { packElf } from "../../../ffi/elf.ts";
import { readProgram } from "../../../ffi/read_elf.ts";

const PROGRAM = {
  buffers: { cell: 8 },
  steps: [
    { name: "pid", call: "getpid", args: [] },
    {
      call: "openat",
      args: [-100, "/etc", 7],
      onError: { errno: "ENOENT", goto: "end" },
    },
    { call: "load", args: [{ buffer: "cell" }, 1], ifZero: "end" },
    { call: "exit_group", args: [1] },
    { name: "end", call: "execve", args: ["/x", ["a", "b"], []] },
    { call: "kill", args: [{ result: "pid" }, 9] },
  ],
} as const;

for (const arch of ARCHES) {
  Deno.test(`readProgram() reads what packElf() writes for ${arch}`, () => {
    const program = readProgram(packElf(PROGRAM, arch).bytes)!;
    assertEquals(program.arch, arch);
    assertEquals(
      program.steps.map(({ call, errno, ifError, ifZero }) => [
        call,
        errno,
        ifError,
        ifZero,
      ]),
      [
        ["getpid", 0, undefined, undefined],
        ["openat", 2, 4, undefined],
        ["load", 0, undefined, 4],
        ["exit_group", 0, undefined, undefined],
        ["execve", 0, undefined, undefined],
        ["kill", 0, undefined, undefined],
        ["exit_group", 0, undefined, undefined],
      ],
    );
    const [, open, , , execute, kill] = program.steps;
    assertEquals(program.textAt(open.args[1]), "/etc");
    assertEquals(program.vectorAt(execute.args[1]), ["a", "b"]);
    assertEquals([kill.isResult(0), kill.isResult(1)], [true, false]);
    assertEquals(program.resultOf(kill.args[0]), 0);
    assertEquals(program.isInside(7n), false);
    assertEquals(program.textAt(7n), undefined);
  });
}

Deno.test("readProgram() reads nothing that is no program", () => {
  const { bytes } = packElf(PROGRAM, "x86_64");
  const broken = bytes.slice();
  broken.fill(0xee, 1100);
  const empty = new Uint8Array(4096);
  const cut = bytes.subarray(0, 1200);
  for (const other of [new Uint8Array(0), empty, cut, broken]) {
    assertEquals(readProgram(other), undefined);
  }
});
