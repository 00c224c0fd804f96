import { assertEquals } from "@std/assert";
import { nearest } from "../../src/nearest.ts";

const NAMES = ["name", "no-init", "no-new-privs", "upper", "user", "volume"];

Deno.test("nearest() gives the name that was probably meant, or none", () => {
  const cases: [word: string, meant: string | undefined][] = [
    ["nmae", "name"],
    ["names", "name"],
    ["volum", "volume"],
    ["vol", "volume"],
    ["no-n", "no-new-privs"],
    ["noinit", "no-init"],
    ["uper", "upper"],
    // Two of them begin so.
    ["no-", undefined],
    ["u", undefined],
    ["", undefined],
    ["frobnicate", undefined],
  ];
  for (const [word, meant] of cases) {
    assertEquals(nearest(word, NAMES), meant, word);
  }
});
