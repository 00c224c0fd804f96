import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Arch, ARCHES } from "../../../ffi/arch.ts";
import { readListing } from "../../../ffi/code_listing.ts";
import {
  offsetOf,
  PT_INTERP,
  PT_LOAD,
  readElf,
  takeOver,
} from "../../../ffi/elf_file.ts";
import { packElf } from "../../../ffi/elf.ts";
import {
  addGuard,
  CALLER_DIRECTORY,
  GUARD_SIGNALS,
  hasGuard,
  SIGNALS_VARIABLE,
} from "../../../ffi/guard.ts";
import { guardCode, WORDS } from "../../../ffi/guard_code.ts";
import { assemble, has, inTempDir, output } from "./tools.ts";

const OPTIONS = { arguments: ["name"], environment: {} };

for (const arch of ARCHES) {
  Deno.test(`guardCode() of ${arch} is what the assembler makes of its assembly`, async () => {
    const { assembly, code } = guardCode(arch);
    const made = await assemble(arch, assembly);
    if (made === undefined) return;
    assertEquals(code.toHex(), made.code.toHex());
  });

  Deno.test(`guardCode() of ${arch} ends in words to fill in`, () => {
    const { code, assembly } = guardCode(arch);
    assert(code.subarray(-8 * WORDS).every((byte) => byte === 0));
    assertEquals(code.length % 8, 0);
    assertEquals(
      [...assembly.matchAll(/^(\w+):\n\.quad 0$/gm)].map(([, name]) => name),
      [
        ...["signals", "directory", "entry", "headers", "count"],
        ...["loader", "arguments", "variables"],
      ],
    );
  });
}

Deno.test("readListing() reads labels, bytes and comments", () => {
  assertEquals(
    readListing("one:\n  00ff  nop  ; no reason\n        .balign 8\n"),
    { code: Uint8Array.of(0, 255), assembly: "one:\nnop\n.balign 8\n" },
  );
});

Deno.test("GUARD_SIGNALS leaves faults and the C library's signals alone", () => {
  const blocked = (signal: number) =>
    (GUARD_SIGNALS >> BigInt(signal - 1) & 1n) === 1n;
  const open = Array.from({ length: 64 }, (_, index) => index + 1)
    .filter((signal) => !blocked(signal));
  assertEquals(open, [4, 5, 6, 7, 8, 9, 11, 19, 31, 32, 33]);
});

Deno.test("addGuard() fills in words and texts", () => {
  const file = Deno.readFileSync("/bin/true");
  const before = readElf(file);
  const guarded = addGuard(file, {
    arguments: ["name", "é"],
    environment: { A: "1", B: "a=b" },
  });
  const after = readElf(guarded);
  const code = guarded.subarray(offsetOf(after, after.entry));
  const size = guardCode(after.arch).code.length;
  const view = new DataView(code.buffer, code.byteOffset);
  const word = (index: number) =>
    view.getBigInt64(size + 8 * (index - WORDS), true);
  assertEquals(BigInt.asUintN(64, word(0)), GUARD_SIGNALS);
  assertEquals(word(1), BigInt(CALLER_DIRECTORY));
  assertEquals(word(2) + after.entry, before.entry);
  assertEquals(word(4), BigInt(before.headers.length + 1));
  assertEquals([word(6), word(7)], [2n, 2n]);
  const texts = [0, 1, 2, 3].map((index) => {
    const start = Number(view.getBigInt64(size + 8 * index, true));
    return new TextDecoder().decode(
      code.subarray(start, code.indexOf(0, start)),
    );
  });
  assertEquals(texts, ["name", "é", "A=1", "B=a=b"]);
});

Deno.test("addGuard() refuses texts that cannot be passed", () => {
  const file = Deno.readFileSync("/bin/true");
  const cases: [string[], Record<string, string>, string][] = [
    [[], {}, "it needs the program's name"],
    [["a\0b"], {}, "a text contains a NUL character"],
    [["a"], { A: "\0" }, "a text contains a NUL character"],
    [["a"], { "": "b" }, '"" cannot be the name of a variable'],
    [["a"], { "A=B": "b" }, '"A=B" cannot be the name of a variable'],
    [
      ["a"],
      { [SIGNALS_VARIABLE]: "0" },
      `"${SIGNALS_VARIABLE}" cannot be the name of a variable`,
    ],
  ];
  for (const [words, environment, reason] of cases) {
    assertThrows(
      () => addGuard(file, { arguments: words, environment }),
      RangeError,
      `Cannot add a guard: ${reason}`,
    );
  }
});

Deno.test("addGuard() refuses a program that has a guard, wherever its headers are", () => {
  const guarded = addGuard(Deno.readFileSync("/bin/true"), OPTIONS);
  assertEquals(hasGuard(guarded), true);
  const moved = takeOver(guarded, () => Uint8Array.of(0));
  new DataView(moved.buffer).setBigUint64(24, readElf(guarded).entry, true);
  for (const file of [guarded, moved]) {
    assertThrows(
      () => addGuard(file, OPTIONS),
      TypeError,
      "Cannot add a guard: the program has one, which must be added last",
    );
  }
});

Deno.test("hasGuard() tells a guard from other code", () => {
  assertEquals(hasGuard(Deno.readFileSync("/bin/true")), false);
  const taken = takeOver(
    Deno.readFileSync("/bin/true"),
    () => new Uint8Array(4096),
  );
  assertEquals(hasGuard(taken), false);
});

Deno.test("a guard starts a dynamic program with our words and environment", async () => {
  await inTempDir(async (directory) => {
    const path = `${directory}/sh`;
    const guarded = addGuard(await Deno.readFile("/bin/sh"), {
      arguments: ["sh", "-c", 'env; printf "<%s>" "$0" "$@"', "first"],
      environment: { ONE: "1" },
    });
    await Deno.writeFile(path, guarded);
    await Deno.chmod(path, 0o755);
    const { stdout } = await output(path, "a b", "", "--");
    const lines = stdout.split("\n").filter((line) => !/^(PWD|_)=/.test(line));
    assertEquals(lines.sort(), [
      "<first><a b><><-->",
      `${SIGNALS_VARIABLE}=0000000000000000`,
      "ONE=1",
    ]);
  });
});

/** A file with those program headers, entry at 0x200, all bytes else 0xff. */
function file(arch: Arch, headers: number[][]): Uint8Array {
  const bytes = new Uint8Array(0x2000).fill(0xff);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.fill(0, 7, 64);
  view.setUint16(16, 3, true);
  view.setUint16(18, arch === "x86_64" ? 62 : 183, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, 0x200n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, headers.length, true);
  headers.forEach(([type, flags, ...words], index) => {
    const at = 64 + 56 * index;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    words.forEach((word, index) =>
      view.setBigUint64(at + 8 + 8 * index, BigInt(word), true)
    );
  });
  return bytes;
}

/** A program of which nothing is right but what names its loader. */
function withLoader(arch: Arch, path: string): Uint8Array {
  const text = new TextEncoder().encode(`${path}\0`);
  const bytes = file(arch, [
    [PT_INTERP, 4, 0x300, 0x300, 0x300, text.length, text.length, 1],
    [PT_LOAD, 4, 0, 0, 0, 0x2000, 0x2000, 0x1000],
  ]);
  bytes.set(text, 0x300);
  return bytes;
}

// Writes "it loads" and ends with 7 more than the word at 0x2010, which is in
// memory that the file has other bytes for.
const LOADER: Record<Arch, string> = {
  x86_64: "b801000000" + // mov eax, 1
    "bf01000000" + // mov edi, 1
    "488d356f000000" + // lea rsi, [rip + 0x6f]
    "ba09000000" + // mov edx, 9
    "0f05" + // syscall
    "8b3df21d0000" + // mov edi, [rip + 0x1df2]
    "83c707" + // add edi, 7
    "b8e7000000" + // mov eax, 231
    "0f05", // syscall
  aarch64: "200080d2" + // mov x0, #1
    "e1030010" + // adr x1, . + 0x7c
    "220180d2" + // mov x2, #9
    "080880d2" + // mov x8, #64
    "010000d4" + // svc #0
    "e9ef0010" + // adr x9, . + 0x1dfc
    "200140b9" + // ldr w0, [x9]
    "001c0011" + // add w0, w0, #7
    "c80b80d2" + // mov x8, #94
    "010000d4", // svc #0
};

function loaderOf(arch: Arch): Uint8Array {
  const bytes = file(arch, [
    [PT_LOAD, 5, 0, 0, 0, 0x1000, 0x1000, 0x1000],
    [PT_LOAD, 6, 0x1000, 0x2000, 0x2000, 0x10, 0x1100, 0x1000],
  ]);
  bytes.set(Uint8Array.fromHex(LOADER[arch]), 0x200);
  bytes.set(new TextEncoder().encode("it loads\n"), 0x280);
  return bytes;
}

async function runOn(arch: Arch, path: string) {
  const emulator = arch === Deno.build.arch ? [] : [`qemu-${arch}-static`];
  const [command, ...args] = [...emulator, path];
  const done = await new Deno.Command(command, { args }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return [done.code, text(done.stdout), text(done.stderr)];
}

const canRun = async (arch: Arch) =>
  arch === Deno.build.arch || await has(`qemu-${arch}-static`);

const SENTENCE =
  "cage: Cannot start the runtime: /dev/null or the dynamic loader is " +
  "missing, or a limit is too low (see ulimit -a)\n";

for (const arch of ARCHES) {
  Deno.test(`a guard of ${arch} maps the dynamic loader and starts it`, async () => {
    if (!await canRun(arch)) return;
    await inTempDir(async (directory) => {
      const path = `${directory}/program`;
      const loader = `${directory}/loader`;
      await Deno.writeFile(loader, loaderOf(arch));
      await Deno.writeFile(path, addGuard(withLoader(arch, loader), OPTIONS));
      await Deno.chmod(path, 0o755);
      assertEquals(await runOn(arch, path), [7, "it loads\n", ""]);
    });
  });

  Deno.test(`a guard of ${arch} tells that there is no dynamic loader`, async () => {
    if (!await canRun(arch)) return;
    await inTempDir(async (directory) => {
      const path = `${directory}/program`;
      const loader = `${directory}/loader`;
      await Deno.writeFile(path, addGuard(withLoader(arch, loader), OPTIONS));
      await Deno.chmod(path, 0o755);
      assertEquals(await runOn(arch, path), [125, "", SENTENCE]);
      const cut = loaderOf(arch).subarray(0, 4095);
      await Deno.writeFile(loader, cut);
      assertEquals(await runOn(arch, path), [125, "", SENTENCE]);
    });
  });

  Deno.test(`a guard of ${arch} starts a static program`, async () => {
    if (!await canRun(arch)) return;
    await inTempDir(async (directory) => {
      const path = `${directory}/program`;
      const { bytes } = packElf(
        {
          steps: [
            { call: "write", args: [1, "it runs\n", 8] },
            { call: "exit_group", args: [7] },
          ],
        },
        arch,
      );
      await Deno.writeFile(path, addGuard(bytes, OPTIONS));
      await Deno.chmod(path, 0o755);
      assertEquals(await runOn(arch, path), [7, "it runs\n", ""]);
    });
  });
}
