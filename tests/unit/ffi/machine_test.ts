import { assert, assertEquals } from "@std/assert";
import { ARCHES } from "../../../ffi/arch.ts";
import { callNumber } from "../../../ffi/calls.ts";
import {
  assemblyOf,
  HEADER_DISTANCE,
  machineOf,
} from "../../../ffi/machine.ts";
import { assemble } from "./tools.ts";

for (const arch of ARCHES) {
  Deno.test(`machineOf() of ${arch} is what the assembler makes of its assembly`, async () => {
    const made = await assemble(arch, assemblyOf(arch));
    if (made === undefined) return;
    const { code, entry } = machineOf(arch);
    assertEquals(code.toHex(), made.code.toHex());
    for (const [name, offset] of Object.entries(entry)) {
      assertEquals(made.labels[name], offset, name);
    }
  });

  Deno.test(`machineOf() of ${arch} has the numbers of its own calls`, () => {
    const assembly = assemblyOf(arch);
    const [register, sign] = arch === "x86_64" ? ["eax", ""] : ["w8", "#"];
    const exit = `mov ${register}, ${sign}${callNumber("exit_group", arch)}`;
    assert(assembly.includes(exit), exit);
    const clone = `${register.replace("w8", "x8")}, ${sign}${
      callNumber("clone", arch)
    }`;
    assert(assembly.includes(clone), clone);
  });

  Deno.test(`machineOf() of ${arch} fits before the header of an ELF`, () => {
    const { code, entry, extended } = machineOf(arch);
    assert(extended <= HEADER_DISTANCE - 0x10000, `${extended} bytes`);
    assertEquals(entry._start, 0);
    assertEquals(extended, Math.min(entry.sys, entry.spawn));
    assert(code.length < 760);
  });
}
