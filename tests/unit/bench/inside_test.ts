import { assertEquals, assertThrows } from "@std/assert";
import { readCases } from "../../bench/inside.ts";

/** As `deno bench --json` of version 2.9 writes it. */
function outputOf(result: unknown): string {
  return JSON.stringify({ benches: [{ name: "a", results: [result] }] });
}

Deno.test("readCases() turns nanoseconds into milliseconds", () => {
  const ok = { n: 24, min: 3e6, max: 9e6, avg: 4e6, p75: 5e6 };
  assertEquals(
    readCases(outputOf({ ok })),
    new Map([["a", [{ mean: 4, least: 3, p75: 5 }]]]),
  );
});

Deno.test("readCases() tells why a task failed", () => {
  assertThrows(
    () => readCases(outputOf({ failed: { message: "no" } })),
    Error,
    'Cannot measure with deno bench: a: {"message":"no"}',
  );
});

Deno.test("readCases() keeps the rows of a task together", () => {
  const rows = ["a", "b", "a"].map((name, row) => {
    const ok = { avg: row * 1e6, min: 0, p75: 0 };
    return { name, results: [{ ok }] };
  });
  const cases = readCases(JSON.stringify({ benches: rows }));
  assertEquals(cases.get("a")?.map(({ mean }) => mean), [0, 2]);
  assertEquals(cases.get("b")?.map(({ mean }) => mean), [1]);
});
