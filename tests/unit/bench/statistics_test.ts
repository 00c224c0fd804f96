import { assertEquals, assertThrows } from "@std/assert";
import {
  bins,
  least,
  median,
  quantile,
  ratio,
  spread,
} from "../../bench/statistics.ts";

Deno.test("median() gives the value in the middle, or between two", () => {
  assertEquals(median([9, 1, 5]), 5);
  assertEquals(median([1, 2, 4, 100]), 3);
  assertEquals(median([7]), 7);
});

Deno.test("quantile() gives values in between", () => {
  const values = [10, 30, 20, 50, 40];
  assertEquals(quantile(values, 0), 10);
  assertEquals(quantile(values, 0.25), 20);
  assertEquals(quantile(values, 1), 50);
  assertEquals(quantile([1, 2], 0.25), 1.25);
});

Deno.test("spread() is of quartiles", () => {
  assertEquals(spread([1, 2, 3, 4, 5]), { low: 2, middle: 3, high: 4 });
});

Deno.test("ratio() compares rounds in pairs, so that a slow round is slow for both", () => {
  const one = [[10, 10], [100, 100], [12, 12]];
  const other = [[5, 5], [50, 50], [4, 4]];
  assertEquals(ratio(one, other), { low: 2, middle: 2, high: 2.5 });
});

Deno.test("ratio() refuses what has no pairs", () => {
  assertThrows(
    () => ratio([[1]], [[1], [2]]),
    RangeError,
    "Cannot compare 1 rounds with 2: they are compared in pairs",
  );
});

Deno.test("least() looks at all rounds", () => {
  assertEquals(least([[3, 4], [2, 9]]), 2);
});

Deno.test("bins() takes values in a row together, fewer at the end", () => {
  const found = bins([1, 2, 3, 10, 20], 3);
  assertEquals(found.map(({ at, middle }) => [at, middle]), [[2, 2], [
    4.5,
    15,
  ]]);
  assertEquals(bins([], 3), []);
});
