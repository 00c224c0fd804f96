import { assertEquals } from "@std/assert";
import { listing } from "../../../ffi/listing.ts";

Deno.test("listing() shows every kind of argument", () => {
  assertEquals(
    listing({
      steps: [{
        call: "mount",
        args: [
          -1,
          0x44000,
          "a\nb",
          new Uint8Array([1, 255]),
          new Uint8Array(33),
          ["sh", "-c"],
        ],
      }, {
        call: "read",
        args: [{ result: "fd" }, { buffer: "b" }, { buffer: "b", offset: 8 }],
      }, {
        call: "seccomp",
        args: [{ words: [1, { buffer: "b" }, { words: ["a"] }] }],
      }],
    }),
    [
      '0 mount(-1, 0x44000, "a\\nb", <01ff>, <33 zero bytes>, ["sh", "-c"])',
      "1 read($fd, &b, &b+8)",
      '2 seccomp({1, &b, {"a"}})',
    ],
  );
});

Deno.test("listing() shows where a step goes", () => {
  const lines = listing({
    steps: [
      { call: "close", args: [3], onError: {} },
      { call: "close", args: [3], onError: { errno: "EBADF" } },
      { call: "close", args: [3], onError: { goto: "end" } },
      { call: "close", args: [3], onError: { goto: "end", errno: "EIO" } },
      { name: "end", call: "load", args: [0], ifZero: "end" },
    ],
  });
  assertEquals(lines, [
    "0 close(3) | error: go on",
    "1 close(3) | EBADF: go on",
    "2 close(3) | error: end",
    "3 close(3) | EIO: end",
    "4 end: load(0) | zero: end",
  ]);
});

Deno.test("listing() keeps the numbers of the steps in a column", () => {
  const steps = Array(11).fill({ call: "getpid", args: [] });
  const lines = listing({ steps });
  assertEquals([lines[9], lines[10]], [" 9 getpid()", "10 getpid()"]);
});
