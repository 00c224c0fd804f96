import { assertEquals, assertThrows } from "@std/assert";
import { type CallData, loadFilter } from "./bpf.ts";

type Row = [code: number, jt: number, jf: number, k: number];

function filter(...rows: Row[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * rows.length));
  rows.forEach(([code, jt, jf, k], i) => {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, jt);
    view.setUint8(8 * i + 3, jf);
    view.setUint32(8 * i + 4, k, true);
  });
  return new Uint8Array(view.buffer);
}

const CALL: CallData = { number: 7, arch: 0xc000003e, args: [-1, 2n ** 40n] };

for (
  const [what, rows, value, steps] of [
    ["a return", [[6, 0, 0, 5]], 5, 1],
    ["a jump", [[5, 0, 0, 1], [6, 0, 0, 1], [6, 0, 0, 2]], 2, 2],
    [
      "an equal number",
      [[0x20, 0, 0, 0], [0x15, 1, 0, 7], [6, 0, 0, 1], [6, 0, 0, 2]],
      2,
      3,
    ],
    [
      "another architecture",
      [[0x20, 0, 0, 4], [0x15, 1, 0, 7], [6, 0, 0, 1], [6, 0, 0, 2]],
      1,
      3,
    ],
    [
      "an unsigned argument that is more",
      [[0x20, 0, 0, 16], [0x25, 1, 0, 7], [6, 0, 0, 1], [6, 0, 0, 2]],
      2,
      3,
    ],
    [
      "a number that is no more",
      [[0x20, 0, 0, 0], [0x25, 1, 0, 7], [6, 0, 0, 1], [6, 0, 0, 2]],
      1,
      3,
    ],
    [
      "a number that is as much",
      [[0x20, 0, 0, 0], [0x35, 1, 0, 7], [6, 0, 0, 1], [6, 0, 0, 2]],
      2,
      3,
    ],
    [
      "the high half of an argument, which has the bit",
      [[0x20, 0, 0, 28], [0x45, 0, 1, 0x100], [6, 0, 0, 1], [6, 0, 0, 2]],
      1,
      3,
    ],
    [
      "the low half, which has none",
      [[0x20, 0, 0, 24], [0x45, 0, 1, ~0], [6, 0, 0, 1], [6, 0, 0, 2]],
      2,
      3,
    ],
  ] as [string, Row[], number, number][]
) {
  Deno.test(`loadFilter() runs ${what}`, () => {
    const outcome = loadFilter(filter(...rows))(CALL);
    assertEquals([outcome.value, outcome.steps], [value, steps]);
  });
}

Deno.test("loadFilter() says whether a filter looked at arguments", () => {
  const looks = (k: number) =>
    loadFilter(filter([0x20, 0, 0, k], [6, 0, 0, 0]))(CALL).constant;
  assertEquals([0, 4, 8, 16].map(looks), [true, true, false, false]);
});

for (
  const [what, rows, message] of [
    ["nothing", [], "0 bytes are no filter"],
    ["a test without an end", [[0x15, 0, 0, 0]], "instruction 0: jump over"],
    [
      "a jump past the end",
      [[5, 0, 0, 1], [6, 0, 0, 0]],
      "instruction 0: jump over 1",
    ],
    [
      "a test that skips past the end",
      [[0x15, 0, 1, 0], [6, 0, 0, 0]],
      "instruction 0: jump over 0, 1",
    ],
    [
      "a load past the data",
      [[0x20, 0, 0, 64], [6, 0, 0, 0]],
      "instruction 0: load at 64",
    ],
    [
      "a load between words",
      [[0x20, 0, 0, 2], [6, 0, 0, 0]],
      "instruction 0: load at 2",
    ],
    ["an unknown code", [[0x16, 0, 0, 0], [6, 0, 0, 0]], "instruction 0: code"],
    ["a load at the end", [[0x20, 0, 0, 0]], "the last instruction does not"],
  ] as [string, Row[], string][]
) {
  Deno.test(`loadFilter() refuses ${what}`, () => {
    assertThrows(() => loadFilter(filter(...rows)), TypeError, message);
  });
}
