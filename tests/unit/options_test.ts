import { assertEquals, assertMatch } from "@std/assert";
import { optionName, OPTIONS } from "../../src/options.ts";

Deno.test("OPTIONS names each option once", () => {
  const names = OPTIONS.flatMap(({ short, long }) => [
    ...(short === undefined ? [] : [short]),
    long,
  ]);
  assertEquals(names.length, new Set(names).size);
});

Deno.test("OPTIONS has one letter, or none, and a plain long name", () => {
  for (const { short, long } of OPTIONS) {
    assertMatch(short ?? "x", /^[A-Za-z]$/);
    // A dot would nest and a digit first would be a number to `parseArgs`.
    assertMatch(long, /^[a-z]+(-[a-z]+)*$/);
  }
});

Deno.test("OPTIONS says of each value whether it repeats or why it does not", () => {
  for (const { value, repeat, once } of OPTIONS) {
    const ways = [repeat === true, once !== undefined].filter(Boolean).length;
    assertEquals(ways, value === undefined ? 0 : 1);
  }
});

Deno.test("OPTIONS explains each option in one line", () => {
  for (const { help } of OPTIONS) {
    assertMatch(help, /^[a-z].*[^.\s]$/);
    assertEquals(help, help.trim().replace(/\s+/g, " "));
  }
});

Deno.test("optionName() prefers the letter", () => {
  assertEquals(optionName({ short: "n", long: "name" }), "-n");
  assertEquals(optionName({ long: "no-init" }), "--no-init");
});
