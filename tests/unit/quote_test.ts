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

Deno.test("quote() writes what changes lines or their direction as numbers", () => {
  assertEquals(
    quote("a\u202eb\u2066\u2028\u2029\u200d\u{e0001}"),
    '"a\\u{202e}b\\u{2066}\\u{2028}\\u{2029}\\u{200d}\\u{e0001}"',
  );
});
