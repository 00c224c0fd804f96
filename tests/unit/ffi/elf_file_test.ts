import { assertEquals, assertThrows } from "@std/assert";
import {
  offsetOf,
  type Place,
  PT_INTERP,
  PT_LOAD,
  PT_PHDR,
  readElf,
  takeOver,
} from "../../../ffi/elf_file.ts";
import { has, inTempDir, output } from "./tools.ts";

const PT_GNU_STACK = 0x6474e551;

/** A program header as a test writes it: type, flags, offset, address, size. */
type Row = [number, number, number, number, number, number?];

const DYNAMIC: Row[] = [
  [PT_PHDR, 4, 64, 64, 4 * 56],
  [PT_INTERP, 4, 0x300, 0x300, 6],
  [PT_LOAD, 5, 0, 0, 0x400],
  [PT_LOAD, 6, 0x400, 0x10400, 0x100, 0x23000],
];

function elf(rows: readonly Row[], machine = 62, type = 3): Uint8Array {
  const bytes = new Uint8Array(0x500);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, type, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, 0x320n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, rows.length, true);
  rows.forEach(([type, flags, offset, address, size, memory], index) => {
    const at = 64 + 56 * index;
    view.setUint32(at, type, true);
    view.setUint32(at + 4, flags, true);
    [offset, address, address, size, memory ?? size, 1].forEach((word, index) =>
      view.setBigUint64(at + 8 + 8 * index, BigInt(word), true)
    );
  });
  bytes.set(new TextEncoder().encode("/ld.so"), 0x300);
  return bytes;
}

const CODE = Uint8Array.of(1, 2, 3);

Deno.test("readElf() reads entry, architecture and program headers", () => {
  const file = readElf(elf(DYNAMIC));
  assertEquals([file.arch, file.entry], ["x86_64", 0x320n]);
  assertEquals(file.headers.map(({ type }) => type), [6, 3, 1, 1]);
  assertEquals(file.headers[3], {
    type: PT_LOAD,
    flags: 6,
    offset: 0x400n,
    address: 0x10400n,
    physical: 0x10400n,
    fileSize: 0x100n,
    memorySize: 0x23000n,
    alignment: 1n,
  });
  assertEquals(readElf(elf(DYNAMIC, 183)).arch, "aarch64");
});

Deno.test("readElf() reads a file that begins inside its buffer", () => {
  const buffer = new Uint8Array(0x600);
  buffer.set(elf(DYNAMIC), 0x100);
  assertEquals(readElf(buffer.subarray(0x100)), readElf(elf(DYNAMIC)));
});

Deno.test("readElf() refuses what it cannot use, with the reason", () => {
  const changed = (at: number, ...values: number[]) => {
    const bytes = elf(DYNAMIC);
    bytes.set(values, at);
    return bytes;
  };
  const cases: [Uint8Array, string][] = [
    [new Uint8Array(0), "it does not begin as an ELF file does"],
    [changed(0, 0x23, 0x21), "it does not begin as an ELF file does"],
    [elf(DYNAMIC).subarray(0, 63), "it does not begin as an ELF file does"],
    [changed(4, 1), "it is not 64-bit and little-endian"],
    [changed(5, 2), "it is not 64-bit and little-endian"],
    [elf(DYNAMIC, 62, 1), "type 1 is not that of a program"],
    [elf(DYNAMIC, 243), "machine 243 is neither x86_64 nor aarch64"],
    [changed(54, 32), "its program headers have 32 bytes, not 56"],
    [elf(DYNAMIC).subarray(0, 99), "it ends before its program headers do"],
    [changed(39, 0x80), "it ends before its program headers do"],
  ];
  for (const [bytes, reason] of cases) {
    const message = `Cannot use the program file: ${reason}`;
    assertThrows(() => readElf(bytes), TypeError, message);
    assertThrows(() => takeOver(bytes, () => CODE), TypeError, message);
  }
});

Deno.test("offsetOf() finds bytes of the file, and none where it has none", () => {
  const file = readElf(elf(DYNAMIC));
  assertEquals(offsetOf(file, 0x320n), 0x320);
  assertEquals(offsetOf(file, 0x10400n), 0x400);
  assertEquals(offsetOf(file, 0x104ffn), 0x4ff);
  assertEquals(offsetOf(file, 0x10500n), undefined);
  assertEquals(offsetOf(file, 0x400n), undefined);
});

Deno.test("takeOver() keeps the file but for three fields of its header", () => {
  const before = elf(DYNAMIC);
  const after = takeOver(before, () => CODE).subarray(0, before.length);
  const changed = [...before.keys()].filter((at) => before[at] !== after[at]);
  const allowed = (at: number) => at >= 24 && at < 40 || at === 56;
  assertEquals(changed.filter((at) => !allowed(at)), []);
  assertEquals(before, elf(DYNAMIC));
});

Deno.test("takeOver() puts headers and code beyond the memory of the file", () => {
  let place: Place | undefined;
  const bytes = takeOver(elf(DYNAMIC), (given) => {
    place = given;
    return CODE;
  });
  const file = readElf(bytes);
  assertEquals(place?.headers, 0x40000n);
  assertEquals(place?.count, 5);
  assertEquals(place?.address, 0x40000n + 5n * 56n);
  assertEquals(place?.loader, 0x300n);
  assertEquals(place?.file, readElf(elf(DYNAMIC)));
  assertEquals(file.entry, place?.address);
  assertEquals(bytes.subarray(offsetOf(file, file.entry)), CODE);
  assertEquals(file.headers.at(-1), {
    type: PT_LOAD,
    flags: 5,
    offset: 0x40000n,
    address: 0x40000n,
    physical: 0x40000n,
    fileSize: 5n * 56n + 3n,
    memorySize: 5n * 56n + 3n,
    alignment: 0x10000n,
  });
});

Deno.test("takeOver() hides the dynamic loader after the counted headers", () => {
  const bytes = takeOver(elf(DYNAMIC), () => CODE);
  assertEquals(readElf(bytes).headers.map(({ type }) => type), [6, 1, 1, 1]);
  const view = new DataView(bytes.buffer);
  assertEquals(view.getUint32(0x40000 + 4 * 56, true), PT_INTERP);
  assertEquals(view.getBigUint64(0x40000 + 4 * 56 + 16, true), 0x300n);
});

Deno.test("takeOver() tells the program headers where they are", () => {
  const [table] = readElf(takeOver(elf(DYNAMIC), () => CODE)).headers;
  assertEquals(table.type, PT_PHDR);
  assertEquals([table.offset, table.address], [0x40000n, 0x40000n]);
  assertEquals([table.fileSize, table.memorySize], [5n * 56n, 5n * 56n]);
});

Deno.test("takeOver() takes a static file, and one longer than its memory", () => {
  const rows: Row[] = [
    [PT_LOAD, 5, 0, 0x400000, 0x400],
    [PT_GNU_STACK, 6, 0, 0, 0],
  ];
  const long = new Uint8Array(0x12345);
  long.set(elf(rows, 183, 2));
  const bytes = takeOver(long, ({ address, headers, count, loader }) => {
    assertEquals(loader, undefined);
    assertEquals(headers, 0x420000n);
    assertEquals(count, 3);
    assertEquals(address, 0x420000n + 3n * 56n);
    return CODE;
  });
  const { headers } = readElf(bytes);
  assertEquals(headers.map(({ type }) => type), [1, 1, PT_GNU_STACK]);
  assertEquals(headers[1].offset, 0x20000n);
});

Deno.test("takeOver() can be done again", () => {
  const once = takeOver(elf(DYNAMIC), () => CODE);
  const twice = takeOver(once, () => CODE);
  assertEquals(readElf(twice).headers.length, 5);
  assertEquals(readElf(twice).headers[0].address, 0x50000n);
});

Deno.test("takeOver() refuses a file that maps nothing", () => {
  assertThrows(
    () => takeOver(elf([[PT_GNU_STACK, 6, 0, 0, 0]]), () => CODE),
    TypeError,
    "Cannot use the program file: it maps nothing",
  );
});

Deno.test("takeOver() writes what readelf takes without a warning", async () => {
  if (!await has("readelf")) return;
  await inTempDir(async (directory) => {
    const path = `${directory}/taken`;
    for (const original of [Deno.execPath(), "/bin/true"]) {
      const bytes = takeOver(await Deno.readFile(original), () => CODE);
      await Deno.writeFile(path, bytes);
      const { stdout, stderr } = await output("readelf", "-lW", path);
      assertEquals(stderr, "");
      assertEquals(stdout.match(/warning|error/i), null);
    }
  });
});
