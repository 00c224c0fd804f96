import { assertEquals } from "@std/assert";
import { quote } from "../../src/quote.ts";

Deno.test("quote() leaves printable characters as they are", () => {
  assertEquals(quote(""), '""');
  assertEquals(quote('a "b" c\\d ü 日本'), '"a "b" c\\d ü 日本"');
});

Deno.test("quote() writes control characters as numbers", () => {
  assertEquals(
    quote("a\nb\t\0\x1b[31m\x7f\x9b"),
    '"a\\x0ab\\x09\\x00\\x1b[31m\\x7f\\x9b"',
  );
});
