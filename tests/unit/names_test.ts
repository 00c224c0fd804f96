import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/errors.ts";
import { checkName, NAME_BYTES } from "../../src/names.ts";

const ADVICE = ': letters, digits, "-", "_" and "." make a good name';

Deno.test("checkName() lets names pass that can be part of a file name", () => {
  const names = [
    "a",
    "web-1.example_x",
    "...",
    ".hidden",
    "-x",
    "with space",
    "日本",
    "__proto__",
    "$(reboot)",
    "a".repeat(NAME_BYTES),
  ];
  for (const name of names) checkName(name);
});

Deno.test("checkName() refuses what cannot be part of a file name", () => {
  const cases = [
    ["", '""', "it is empty"],
    [".", '"."', "it means a directory"],
    ["..", '".."', "it means a directory"],
    ["a/b", '"a/b"', 'it contains "/"'],
    ["a\nb", '"a\\x0ab"', "it contains a control character"],
    ["\0", '"\\x00"', "it contains a control character"],
    ["\x7f", '"\\x7f"', "it contains a control character"],
  ];
  for (const [name, shown, why] of cases) {
    const error = assertThrows(() => checkName(name), UsageError);
    assertEquals(
      error.message,
      `Cannot use ${shown} as a name: ${why}${ADVICE}`,
    );
  }
});

Deno.test("checkName() counts bytes and not characters", () => {
  checkName("é".repeat(NAME_BYTES / 2));
  assertThrows(
    () => checkName("é".repeat(NAME_BYTES / 2) + "x"),
    UsageError,
    "it is longer than 200 bytes",
  );
});
