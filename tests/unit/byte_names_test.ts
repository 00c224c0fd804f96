import { assertEquals } from "@std/assert";
import {
  jsonName,
  nameOfText,
  shownName,
  textOf,
} from "../../src/byte_names.ts";
import { seeded } from "./seeded.ts";

Deno.test("shownName() writes what a line can hold as it is", () => {
  for (const text of ["/a b", "/ünï日本😀", "/-x", "/it's", "/$(x)`y`"]) {
    assertEquals(shownName(nameOfText(text)), text);
  }
});

Deno.test("shownName() quotes whatever would make another line of it", () => {
  const cases = {
    "\n": '"\\n"',
    "\t": '"\\t"',
    "\x1b[31m": '"\\033[31m"',
    "\\": '"\\\\"',
    '"': '"\\""',
    "\x7f": '"\\177"',
    "\u202e": '"\\342\\200\\256"',
    "\u2028": '"\\342\\200\\250"',
    "ü\n": '"ü\\n"',
  };
  for (const [text, shown] of Object.entries(cases)) {
    assertEquals(shownName(nameOfText(text)), shown);
  }
  assertEquals(shownName("\xff\xc3\xbc"), '"\\377\\303\\274"');
});

Deno.test("shownName() gives no two names one form", () => {
  const random = seeded(7);
  const seen = new Map<string, string>();
  for (let round = 0; round < 20_000; round++) {
    const name = random.text('a\\"\n\xff\xc3\xbc\x80n3', 3);
    const shown = shownName(name);
    assertEquals(seen.get(shown) ?? name, name);
    seen.set(shown, name);
  }
});

Deno.test("jsonName() gives the bytes of what is no UTF-8", () => {
  assertEquals(jsonName("path", nameOfText("/ü")), { path: "/ü" });
  assertEquals(jsonName("from", "a\xffb"), {
    from: "a\ufffdb",
    fromBytes: "61ff62",
  });
});

Deno.test("textOf() and nameOfText() go there and back", () => {
  for (const text of ["", "a", "ü", "\ufeffx", "😀"]) {
    assertEquals(textOf(nameOfText(text)), text);
  }
  // Half a letter, and a surrogate as CESU-8 has it.
  for (const name of ["\xc3", "\xed\xa0\x80", "a\xff"]) {
    assertEquals(textOf(name), undefined);
  }
});
