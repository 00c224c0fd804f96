import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { helpText, versionText } from "../../src/help.ts";
import { OPTIONS } from "../../src/options.ts";

Deno.test("helpText() begins with the usage and shows each option", () => {
  const text = helpText();
  assert(text.startsWith("Usage: cage [options...] [--] [command...]\n\n"));
  for (const { short, long } of OPTIONS) {
    if (short !== undefined) assertStringIncludes(text, `\n    -${short}`);
    assertStringIncludes(text, `--${long}`);
  }
});

Deno.test("helpText() lays an option out as a head and wrapped text", () => {
  assertStringIncludes(
    helpText(),
    [
      "",
      "    -p pidfile, --pid-file=pidfile",
      '        pid file default to "/run/microcontainer/pid" if application ' +
      "name is",
      '        empty or "/run/microcontainer/${name}.pid" if application name ' +
      "is given",
      "",
    ].join("\n"),
  );
  assertStringIncludes(helpText(), "\n    -h, --help\n        print help\n");
  assertStringIncludes(helpText(), "\n    --no-init\n");
});

Deno.test("helpText() keeps within 80 columns and has no trailing space", () => {
  for (const line of helpText().split("\n")) {
    assert(line.length <= 80, line);
    assertEquals(line, line.trimEnd());
  }
});

Deno.test("helpText() loses no word of an option's text", () => {
  const words = helpText().replace(/\s+/g, " ");
  for (const { help } of OPTIONS) assertStringIncludes(words, help);
});

Deno.test("versionText() names the program and the version", () => {
  assertEquals(versionText("0.5.0"), "cage version 0.5.0");
});
