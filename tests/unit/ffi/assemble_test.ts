import { assertEquals, assertThrows } from "@std/assert";
import { Assembly } from "../../../ffi/assemble.ts";
import type { Call } from "../../../ffi/calls.ts";
import type { ErrnoName } from "../../../ffi/errno.ts";
import type { Argument, Program, Step } from "../../../ffi/step.ts";

const ADDRESS = 0x10000n;

function assembly(room = 8, size?: number): Assembly {
  return new Assembly({ arch: "x86_64", address: ADDRESS, room, size });
}

/** The memory after programs were put there. */
function memory(...programs: Program[]): DataView {
  const made = assembly();
  const bytes = new Uint8Array(4096);
  for (const program of programs) {
    for (const piece of made.add(program)) bytes.set(piece.bytes, piece.offset);
  }
  return new DataView(bytes.buffer);
}

/** Word `word` of instruction `index`. */
function at(view: DataView, index: number, word: number): bigint {
  return view.getBigUint64(16 + 80 * index + 8 * word, true);
}

/** The bytes that argument `arg` of instruction `index` is the address of. */
function pointed(
  view: DataView,
  index: number,
  arg: number,
  size: number,
): number[] {
  const offset = Number(at(view, index, 1 + arg) - ADDRESS);
  return [...new Uint8Array(view.buffer, offset, size)];
}

function step(args: readonly Argument[], rest: Partial<Step> = {}): Program {
  return { steps: [{ call: "close", args, ...rest }] };
}

Deno.test("Assembly writes the number of the call for the architecture", () => {
  assertEquals(at(memory(step([])), 0, 0), 3n);
  const arm = new Assembly({ arch: "aarch64", address: ADDRESS, room: 1 });
  const [, { offset, bytes }] = arm.add(step([]));
  assertEquals([offset, bytes[0]], [16, 57]);
});

Deno.test("Assembly writes numbers as 64 bits, negative ones too", () => {
  const view = memory(step([7, -100, -1n, 2n ** 64n - 1n, 2 ** 40]));
  assertEquals([1, 2, 3, 4, 5, 6].map((word) => at(view, 0, word)), [
    7n,
    2n ** 64n - 100n,
    2n ** 64n - 1n,
    2n ** 64n - 1n,
    2n ** 40n,
    0n,
  ]);
});

Deno.test("Assembly gives texts, bytes and vectors as addresses of copies", () => {
  const view = memory(step(["ä", new Uint8Array([1, 2, 3]), ["a", "bc"], []]));
  assertEquals(pointed(view, 0, 0, 3), [0xc3, 0xa4, 0]);
  assertEquals(pointed(view, 0, 1, 3), [1, 2, 3]);
  const vector = Number(at(view, 0, 3) - ADDRESS);
  const [a, b, end] = [0, 8, 16].map((i) =>
    view.getBigUint64(vector + i, true)
  );
  assertEquals(view.getUint16(Number(a - ADDRESS), true), 0x61);
  assertEquals(view.getUint16(Number(b - ADDRESS), true), 0x6362);
  assertEquals(end, 0n);
  assertEquals(pointed(view, 0, 3, 8), [0, 0, 0, 0, 0, 0, 0, 0]);
});

Deno.test("Assembly gives words as the address of what each would be passed as", () => {
  const view = memory({
    steps: [{
      call: "close",
      args: [1, {
        words: [-2, "a", new Uint8Array([7, 8]), { buffer: "b", offset: 4 }, {
          words: [3n],
        }],
      }],
    }],
    buffers: { b: 8 },
  });
  const words = at(view, 0, 2);
  assertEquals(words % 8n, 0n);
  const [number, text, bytes, buffer, inner] = [0, 8, 16, 24, 32].map((i) =>
    view.getBigUint64(Number(words - ADDRESS) + i, true)
  );
  const read = (address: bigint, size: number) => [
    ...new Uint8Array(view.buffer, Number(address - ADDRESS), size),
  ];
  assertEquals(number, 2n ** 64n - 2n);
  assertEquals(read(text, 2), [97, 0]);
  assertEquals(read(bytes, 2), [7, 8]);
  assertEquals(buffer % 16n, 4n);
  assertEquals(read(inner, 8), [3, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals(at(view, 0, 0) >> 32n, 0n);
});

Deno.test("Assembly marks results as addresses of values in the mask", () => {
  const view = memory({
    steps: [
      { call: "close", args: [1, { result: "b" }, 2, { result: "a" }] },
      { name: "a", call: "getpid", args: [] },
      { name: "b", call: "getpid", args: [] },
    ],
  });
  assertEquals(at(view, 0, 0), 3n | 0b1010n << 32n);
  assertEquals(at(view, 0, 2), ADDRESS + 16n + 160n + 56n);
  assertEquals(at(view, 0, 4), ADDRESS + 16n + 80n + 56n);
});

Deno.test("Assembly gives addresses in zeroed buffers that do not overlap", () => {
  const view = memory({
    steps: [{
      call: "read",
      args: [{ buffer: "a" }, { buffer: "b", offset: 4 }, { buffer: "b" }],
    }],
    buffers: { a: 5, b: 8 },
  });
  const [a, inside, b] = [1, 2, 3].map((word) => at(view, 0, word));
  assertEquals(inside, b + 4n);
  assertEquals(b >= a + 5n, true);
  assertEquals(a % 16n, 0n);
  assertEquals(b % 16n, 0n);
});

Deno.test("Assembly writes distances plus one, so that a step can go to itself", () => {
  const view = memory({
    steps: [
      { call: "close", args: [], onError: {}, ifZero: "c" },
      { name: "b", call: "close", args: [], onError: { goto: "b" } },
      {
        name: "c",
        call: "close",
        args: [],
        onError: { goto: "b", errno: "EINTR" },
        ifZero: "c",
      },
    ],
  });
  const distances = [0, 1, 2].map((index) => [
    view.getInt32(16 + 80 * index + 64, true),
    view.getUint32(16 + 80 * index + 68, true),
    view.getBigInt64(16 + 80 * index + 72, true),
  ]);
  assertEquals(distances, [[81, 0, 161n], [1, 0, 0n], [-79, 4, 1n]]);
});

Deno.test("Assembly ends every program with an exit, which the next one replaces", () => {
  const first = memory(step([9]));
  assertEquals([at(first, 1, 0), at(first, 1, 1)], [231n, 0n]);
  const both = memory(step([9]), step([8]));
  assertEquals([at(both, 1, 0), at(both, 1, 1)], [3n, 8n]);
  assertEquals(at(both, 2, 0), 231n);
});

Deno.test("Assembly lets a later program use names of an earlier one", () => {
  const view = memory(
    { steps: [{ name: "a", call: "getpid", args: [] }], buffers: { x: 8 } },
    step([{ result: "a" }, { buffer: "x" }], { onError: { goto: "a" } }),
  );
  assertEquals(at(view, 1, 1), ADDRESS + 16n + 56n);
  assertEquals(view.getInt32(16 + 80 + 64, true), -79);
});

Deno.test("Assembly gives data of later programs memory of its own", () => {
  const view = memory(step(["first"]), step(["second"]));
  assertEquals(pointed(view, 0, 0, 6), [102, 105, 114, 115, 116, 0]);
  assertEquals(pointed(view, 1, 0, 3), [115, 101, 99]);
});

Deno.test("Assembly gives data before steps, which may be running", () => {
  const [data, steps] = assembly().add(step(["x"]));
  assertEquals(steps.offset, 16);
  assertEquals(data.bytes[0], 120);
});

for (
  const [what, program, error, message] of [
    [
      "a jump to a step of a later program",
      step([], { onError: { goto: "later" } }),
      RangeError,
      'Cannot assemble step 0 (close): unknown label "later"',
    ],
    [
      "an unknown label for zero",
      step([], { name: "x", ifZero: "later" }),
      RangeError,
      'Cannot assemble step 0 "x" (close): unknown label "later"',
    ],
    [
      "an unknown result",
      step([{ result: "no" }]),
      RangeError,
      'Cannot assemble step 0 (close): unknown result "no"',
    ],
    [
      "an unknown buffer",
      step([{ buffer: "no" }]),
      RangeError,
      'Cannot assemble step 0 (close): unknown buffer "no"',
    ],
    [
      "an unknown step to blame",
      step([], { blame: "no" }),
      RangeError,
      'Cannot assemble step 0 (close): unknown step to blame "no"',
    ],
    [
      "an unknown error",
      step([], { onError: { errno: "ENO" as ErrnoName } }),
      RangeError,
      'Cannot assemble step 0 (close): unknown error "ENO"',
    ],
    [
      "an unknown call",
      step([], { call: "open" as Call }),
      TypeError,
      'Cannot assemble step 0 (open): unknown call "open"',
    ],
    [
      "seven arguments",
      step([1, 2, 3, 4, 5, 6, 7]),
      TypeError,
      "Cannot assemble step 0 (close): 7 arguments, and it takes 6",
    ],
    [
      "a load of three",
      step([1, 2, 3], { call: "load" }),
      TypeError,
      "Cannot assemble step 0 (load): 3 arguments, and it takes 2",
    ],
    [
      "a load of nothing",
      step([], { call: "load" }),
      TypeError,
      "Cannot assemble step 0 (load): load needs an address",
    ],
    [
      "a load that may fail",
      step([0], { call: "load", onError: {} }),
      TypeError,
      "Cannot assemble step 0 (load): load never fails: leave onError out",
    ],
    [
      "a fraction",
      step([0.5]),
      RangeError,
      "Cannot assemble step 0 (close): Cannot pass 0.5 to the kernel: " +
      "it is no integer of 64 bits",
    ],
    [
      "a number of 65 bits",
      step([2n ** 64n]),
      RangeError,
      "Cannot assemble step 0 (close): Cannot pass 18446744073709551616 to " +
      "the kernel: it is no integer of 64 bits",
    ],
    [
      "a text with a NUL",
      step(["a\0b"]),
      TypeError,
      'Cannot assemble step 0 (close): Cannot pass "a\\u0000b" to the ' +
      "kernel: it has a NUL or half a character in it",
    ],
    [
      "half a character in a vector",
      step([["\ud800"]]),
      TypeError,
      'Cannot assemble step 0 (close): Cannot pass "\\ud800" to the ' +
      "kernel: it has a NUL or half a character in it",
    ],
    [
      "a result in words, which would be read too early",
      step([{ words: [{ result: "a" } as unknown as string] }]),
      TypeError,
      "Cannot assemble step 0 (close): a word cannot be a result",
    ],
    [
      "a word that is no integer",
      step([{ words: [0.5] }]),
      RangeError,
      "Cannot assemble step 0 (close): Cannot pass 0.5 to the kernel: it is " +
      "no integer of 64 bits",
    ],
    [
      "an offset behind a buffer",
      { ...step([{ buffer: "b", offset: 9 }]), buffers: { b: 8 } },
      RangeError,
      'Cannot assemble step 0 (close): offset 9 is not in buffer "b" of 8 ' +
      "bytes",
    ],
    [
      "a buffer of a negative size",
      { steps: [], buffers: { b: -1 } },
      RangeError,
      'Cannot assemble program: buffer "b" of -1 bytes',
    ],
    [
      "two steps of one name",
      {
        steps: [
          { name: "a", call: "getpid", args: [] },
          { name: "a", call: "getpid", args: [] },
        ],
      },
      RangeError,
      'Cannot assemble program: there are two steps "a"',
    ],
    [
      "more steps than there is room for",
      { steps: Array(9).fill({ call: "getpid", args: [] }) },
      RangeError,
      "Cannot assemble program: 9 steps are more than the 8 that there is " +
      "room for",
    ],
  ] as [string, Program, new () => Error, string][]
) {
  Deno.test(`Assembly refuses ${what}`, () => {
    const made = assembly();
    const thrown = assertThrows(() => made.add(program), error);
    assertEquals(thrown.message, message);
    assertEquals(made.steps, []);
    made.add({ ...step([], { name: "a" }), buffers: { b: 8 } });
  });
}

Deno.test("Assembly refuses names that an earlier program has", () => {
  const made = assembly();
  made.add({ ...step([], { name: "a" }), buffers: { b: 8 } });
  assertThrows(
    () => made.add(step([], { name: "a" })),
    RangeError,
    'Cannot assemble program: there are two steps "a"',
  );
  assertThrows(
    () => made.add({ steps: [], buffers: { b: 1 } }),
    RangeError,
    'Cannot assemble program: there are two buffers "b"',
  );
});

Deno.test("Assembly refuses data and buffers that do not fit", () => {
  const start = 16 + 80 * 9;
  const made = assembly(8, start + 8);
  made.add(step(["1234567"]));
  const full = `there are ${start + 8}`;
  assertThrows(() => made.add(step(["x"])), RangeError, full);
  assertThrows(
    () => made.add({ steps: [], buffers: { b: 2 ** 50 } }),
    RangeError,
    full,
  );
});

Deno.test("Assembly finds results, buffers and steps again", () => {
  const made = assembly();
  const { steps: [first] } = step([], { name: "a" });
  made.add({ steps: [first], buffers: { b: 8 } });
  assertEquals(made.resultOffset("a"), 16 + 56);
  assertEquals(made.buffer("b"), { offset: 736, size: 8 });
  assertEquals(made.stepAt(ADDRESS + 16n), { step: first, resultOffset: 72 });
  assertEquals(made.stepAt(0n), undefined);
  assertEquals(made.stepAt(ADDRESS + 17n), undefined);
  assertThrows(() => made.resultOffset("z"), RangeError, 'unknown result "z"');
  assertThrows(() => made.buffer("z"), RangeError, 'unknown buffer "z"');
});
