import { assert, assertEquals } from "@std/assert";
import { type Arch, ARCHES } from "../../../ffi/arch.ts";
import { Assembly } from "../../../ffi/assemble.ts";
import { callNumber } from "../../../ffi/calls.ts";
import { enterElf, NOT_ENTERED, type Shared } from "../../../ffi/enter.ts";
import {
  ENTER_WORDS,
  enterCode,
  enterListing,
} from "../../../ffi/enter_code.ts";
import { machineOf } from "../../../ffi/machine.ts";
import type { Program } from "../../../ffi/step.ts";
import { assemble, has, inTempDir, output } from "./tools.ts";

const SHARED: Shared = { address: 1n << 36n, size: 0x20000, descriptor: 9 };

/** Runs the file with the program in descriptor 9; undefined if it cannot. */
async function run(
  arch: Arch,
  program: Program,
  shared: Shared = SHARED,
): Promise<{ status: number; memory: Uint8Array } | undefined> {
  const emulator = arch === Deno.build.arch ? [] : [`qemu-${arch}-static`];
  if (emulator.length > 0 && !await has(emulator[0])) return;
  return await inTempDir(async (directory) => {
    const [elf, memory] = [`${directory}/elf`, `${directory}/memory`];
    await Deno.writeFile(elf, enterElf(shared, arch), { mode: 0o755 });
    const bytes = new Uint8Array(shared.size);
    const { address } = shared;
    const assembly = new Assembly({ arch, address, room: 100 });
    assembly.add(program).forEach((piece) =>
      bytes.set(piece.bytes, piece.offset)
    );
    await Deno.writeFile(memory, bytes);
    const script = 'exec 9<>"$0" && exec "$@"';
    const { code } = await new Deno.Command("bash", {
      args: ["-c", script, memory, ...emulator, elf],
    }).output();
    return { status: code, memory: await Deno.readFile(memory) };
  });
}

for (const arch of ARCHES) {
  Deno.test(`enterListing() of ${arch} is what the assembler makes of its assembly`, async () => {
    const { assembly, code } = enterListing(arch);
    const made = await assemble(arch, assembly);
    if (made === undefined) return;
    assertEquals(code.toHex(), made.code.toHex());
  });

  Deno.test(`enterCode() of ${arch} is the code of enterListing()`, () => {
    assertEquals(enterCode(arch), enterListing(arch).code);
  });

  Deno.test(`enterCode() of ${arch} ends in words to fill in`, () => {
    const { code, assembly } = enterListing(arch);
    assert(code.subarray(-8 * ENTER_WORDS).every((byte) => byte === 0));
    assertEquals(
      [...assembly.matchAll(/^(\w+):\n\.quad 0$/gm)].map(([, name]) => name),
      ["address", "size", "descriptor"],
    );
    assert(assembly.endsWith("\nrun:\n"));
  });

  Deno.test(`enterCode() of ${arch} has the numbers of its own calls`, () => {
    const { assembly } = enterListing(arch);
    const register = arch === "x86_64" ? "mov eax, " : "mov x8, #";
    const numbers = [...assembly.matchAll(/^mov (?:eax, |x8, #)(\d+)$/gm)];
    assertEquals(
      numbers.map(([text]) => text),
      (["mmap", "close", "exit_group"] as const)
        .map((call) => `${register}${callNumber(call, arch)}`),
    );
  });

  Deno.test(`enterElf() for ${arch} makes a file that readelf has no complaint about`, async () => {
    if (!await has("readelf")) return;
    await inTempDir(async (directory) => {
      const path = `${directory}/elf`;
      await Deno.writeFile(path, enterElf(SHARED, arch));
      for (const option of ["-hW", "-lW", "-aW"]) {
        const { stdout, stderr } = await output("readelf", option, path);
        assertEquals(stderr, "");
        assertEquals(/warning|error/i.exec(stdout), null);
      }
      const { stdout } = await output("readelf", "-lW", path);
      const rights = [...stdout.matchAll(/^ +(LOAD|GNU_STACK) .* (...) 0x/gm)]
        .map(([, type, flags]) => `${type} ${flags}`);
      assertEquals(rights, ["LOAD R E", "GNU_STACK RW "]);
    });
  });

  Deno.test(`enterElf() for ${arch} ends in the machine, and is small`, () => {
    const bytes = enterElf(SHARED, arch);
    const { code, entry, standalone } = machineOf(arch);
    const machine = code.subarray(entry.run, standalone);
    assertEquals(bytes.subarray(-machine.length).toHex(), machine.toHex());
    assert(bytes.length < 512, `${bytes.length} bytes`);
  });

  Deno.test(`enterElf() for ${arch} runs the program of the file, and writes results into it`, async () => {
    const program: Program = {
      steps: [
        { name: "self", call: "getpid", args: [] },
        { name: "cell", call: "load", args: [{ buffer: "cell" }, 41] },
        // It was closed.
        { call: "close", args: [9], onError: { errno: "EBADF" } },
        { call: "exit_group", args: [{ result: "cell" }] },
      ],
      buffers: { cell: 4 },
    };
    const ended = await run(arch, program);
    if (ended === undefined) return;
    assertEquals(ended.status, 41);
    const { address } = SHARED;
    const assembly = new Assembly({ arch, address, room: 100 });
    assembly.add(program);
    const view = new DataView(ended.memory.buffer);
    const result = (name: string) =>
      view.getBigInt64(assembly.resultOffset(name), true);
    assert(result("self") > 0n);
    assertEquals(result("cell"), 41n);
    // The header: the close that failed, and nothing that stopped.
    assertEquals(
      assembly.stepAt(view.getBigUint64(0, true))?.step.call,
      "close",
    );
    assertEquals(view.getBigUint64(8, true), 0n);
  });

  Deno.test(`enterElf() for ${arch} says in the file which step stopped it`, async () => {
    const program: Program = {
      steps: [{ call: "chdir", args: ["/does/not/exist"] }],
    };
    const ended = await run(arch, program);
    if (ended === undefined) return;
    assertEquals(ended.status, 127);
    const view = new DataView(ended.memory.buffer);
    assertEquals(view.getBigUint64(8, true), SHARED.address + 16n);
  });

  Deno.test(`enterElf() for ${arch} ends where there is no file to map`, async () => {
    const ended = await run(arch, { steps: [] }, { ...SHARED, descriptor: 77 });
    if (ended !== undefined) assertEquals(ended.status, NOT_ENTERED);
  });
}
