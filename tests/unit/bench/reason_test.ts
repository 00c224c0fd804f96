import { assertEquals } from "@std/assert";
import { reasonOf } from "../../bench/reason.ts";

Deno.test("reasonOf() prefers the last line that speaks of an error", () => {
  const text = 'level=warning msg="hm"\nError: no such file\nbye\n';
  assertEquals(reasonOf(text, 1), "Error: no such file");
});

Deno.test("reasonOf() takes the last line otherwise", () => {
  assertEquals(reasonOf("one\n two \n\n", 1), "two");
});

Deno.test("reasonOf() tells the status of a program that said nothing", () => {
  assertEquals(reasonOf("\n", 3), "it ended with status 3");
});
