import { assertEquals } from "@std/assert";
import { ARCHES } from "../../ffi/arch.ts";
import { filterCode } from "../../src/filter_code.ts";
import { listFilter } from "../../src/filter_listing.ts";

Deno.test("listFilter() shows every kind of instruction", () => {
  const words = [
    [0x20, 0],
    [0x01000015, 5],
    [0x00020035, 0x1000],
    [0x03020045, 1],
    [0x05, 2],
    [0x06, 0x7fff0000],
    [0x06, 0x80000000],
    [0x06, 0x50001],
    [0x06, 0x7ff00000],
    [0x87, 3],
  ];
  const code = new Uint8Array(new Uint32Array(words.flat()).buffer);
  assertEquals(listFilter(code), [
    "0 load data[0]",
    "1 if 5 else 3",
    "2 if >= 0x1000 then 5",
    "3 if bits 1 then 6 else 7",
    "4 go to 7",
    "5 allow",
    "6 kill",
    "7 EPERM",
    "8 give 0x7ff00000",
    "9 unknown 300000087",
  ]);
});

Deno.test("listFilter() knows all that the filter has, wherever its bytes are", () => {
  for (const arch of ARCHES) {
    const code = filterCode(arch);
    const moved = new Uint8Array(code.length + 3);
    moved.set(code, 3);
    const lines = listFilter(moved.subarray(3));
    assertEquals(lines, listFilter(code));
    assertEquals(lines.filter((line) => /unknown|give/.test(line)), []);
  }
});
