import { assertEquals } from "@std/assert";
import { ageText, sizeText } from "../../src/amounts.ts";

Deno.test("An age is told in its largest unit", () => {
  const ages = [[0, "0s"], [59, "59s"], [60, "1m"], [86399, "23h"], [
    86400 * 400,
    "400d",
  ]] as const;
  for (const [seconds, text] of ages) assertEquals(ageText(seconds), text);
});

Deno.test("A size has at most three digits and a unit, or four of bytes", () => {
  const sizes = [
    ...[[0, "0"], [1023, "1023"], [1024, "1.0K"], [10188, "9.9K"]],
    ...[[10189, "10K"], [1023487, "999K"], [1023488, "1.0M"]],
    ...[[5 * 2 ** 40, "5.0T"], [2 ** 70, "1024E"]],
  ] as [number, string][];
  for (const [bytes, text] of sizes) assertEquals(sizeText(bytes), text);
});
