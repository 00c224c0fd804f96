import { assertEquals } from "@std/assert";
import { list, shown, table } from "../../bench/table.ts";

Deno.test("table() aligns the first column left and all others right", () => {
  assertEquals(
    table(["", "ms"], [["cage", "1"], ["x", "1,000"]]),
    `|      |    ms |
| ---- | ----: |
| cage |     1 |
| x    | 1,000 |`,
  );
});

Deno.test("list() has an item a line", () => {
  assertEquals(list(["a", "b"]), "- a\n- b");
});

Deno.test("shown() writes about three digits", () => {
  const cases: [number, string][] = [
    [0, "0.00"],
    [0.034, "0.03"],
    [9.994, "9.99"],
    [9.996, "10.0"],
    [44.52, "44.5"],
    [99.96, "100"],
    [116.8, "117"],
    [9083, "9,083"],
  ];
  for (const [value, text] of cases) assertEquals(shown(value), text);
});
