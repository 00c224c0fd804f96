import { assert, assertEquals } from "@std/assert";
import { type Arch, ARCHES } from "../../../ffi/arch.ts";
import { callNumber } from "../../../ffi/calls.ts";
import {
  assemblyOf,
  HEADER_DISTANCE,
  machineOf,
} from "../../../ffi/machine.ts";
import { has, inTempDir, output } from "./tools.ts";

const DIALECT: Record<Arch, string> = {
  x86_64: ".intel_syntax noprefix\n",
  aarch64: "",
};

for (const arch of ARCHES) {
  Deno.test(`machineOf() of ${arch} is what the assembler makes of its assembly`, async () => {
    const prefix = arch === Deno.build.arch ? "" : `${arch}-linux-gnu-`;
    const as = `${prefix}as`;
    if (!await has(as)) return;
    await inTempDir(async (directory) => {
      const at = (name: string) => `${directory}/${name}`;
      await Deno.writeTextFile(
        at("a.s"),
        DIALECT[arch] + assemblyOf(arch),
      );
      await output(as, "-o", at("a.o"), at("a.s"));
      await output(
        `${prefix}objcopy`,
        "-O",
        "binary",
        "-j",
        ".text",
        at("a.o"),
        at("a.bin"),
      );
      const made = await Deno.readFile(at("a.bin"));
      assertEquals(machineOf(arch).code.toHex(), made.toHex());
      const { stdout } = await output(`${prefix}nm`, at("a.o"));
      for (const [name, offset] of Object.entries(machineOf(arch).entry)) {
        const address = offset.toString(16).padStart(16, "0");
        assert(stdout.includes(`${address} t ${name}\n`), `${name}: ${stdout}`);
      }
    });
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
    const { code, standalone, entry } = machineOf(arch);
    assert(standalone <= HEADER_DISTANCE - 0x10000, `${standalone} bytes`);
    assertEquals(entry._start, 0);
    assertEquals(standalone, Math.min(entry.sys, entry.spawn));
    assert(code.length < 512);
  });
}
