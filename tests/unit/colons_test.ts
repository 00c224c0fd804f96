import { assertEquals } from "@std/assert";
import { splitAtColons } from "../../src/colons.ts";
import { seeded } from "./seeded.ts";

Deno.test("splitAtColons() splits at colons and keeps empty parts", () => {
  assertEquals(splitAtColons("a:b:c"), ["a", "b", "c"]);
  assertEquals(splitAtColons(""), [""]);
  assertEquals(splitAtColons(":a::"), ["", "a", "", ""]);
});

Deno.test("splitAtColons() takes an escaped colon as a character", () => {
  assertEquals(splitAtColons("a\\:b:c"), ["a:b", "c"]);
  assertEquals(splitAtColons("\\:"), [":"]);
});

Deno.test("splitAtColons() takes an escaped backslash as one", () => {
  assertEquals(splitAtColons("a\\\\:b"), ["a\\", "b"]);
  assertEquals(splitAtColons("a\\\\\\:b"), ["a\\:b"]);
});

Deno.test("splitAtColons() leaves a backslash before others alone", () => {
  assertEquals(splitAtColons("a\\b\\n\\"), ["a\\b\\n\\"]);
});

Deno.test("splitAtColons() keeps newlines and non-ASCII characters", () => {
  assertEquals(splitAtColons("a\nb:ü日:😀"), ["a\nb", "ü日", "😀"]);
});

Deno.test("splitAtColons() gives back what was escaped and joined", () => {
  const random = seeded(1);
  for (let round = 0; round < 2000; round++) {
    const parts = [
      random.text(":\\a/ 😀", 6),
      ...random.list(4, () => random.text(":\\a/ \n", 6)),
    ];
    const text = parts.map(escapePart).join(":");
    assertEquals(splitAtColons(text), parts);
  }
});

function escapePart(part: string): string {
  return part.replace(/[:\\]/g, "\\$&");
}
