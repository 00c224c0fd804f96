import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { EXAMPLES } from "../../src/examples.ts";
import { parseFlags } from "../../src/flags.ts";
import { helpText, usageText, versionText } from "../../src/help.ts";
import { GROUPS, OPTIONS } from "../../src/options.ts";

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
  assertStringIncludes(helpText(), "\n    -k, --kill\n        stop");
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

Deno.test("helpText() has every option once, in its group, and ends with examples", () => {
  const text = helpText();
  const at = GROUPS.map(({ title }) => text.indexOf(`\n${title}:\n`));
  assertEquals(at, at.toSorted((a, b) => a - b));
  assert(at.every((place) => place > 0));
  for (const { long } of OPTIONS) {
    const heads = text.match(new RegExp(`^ {4}(-.*, )?--${long}(=.*)?$`, "gm"));
    assertEquals(heads?.length, 1, long);
  }
  for (const { command } of EXAMPLES) assertStringIncludes(text, command);
});

Deno.test("usageText() is a line of 80 columns for each option, with those that go with it", () => {
  const lines = usageText().split("\n");
  for (const line of lines) assert(line.length <= 80, line);
  const own = OPTIONS.filter(({ of }) => of === undefined);
  assertEquals(
    lines.filter((line) => /^ {2}(-.| {2}).*--/.test(line)).length,
    own.length,
  );
  for (const { long, of } of OPTIONS) {
    for (const other of of ?? []) {
      const line = lines.find((line) => line.includes(`--${other} `));
      assertStringIncludes(line ?? "", `--${long}`);
    }
  }
});

const KINDS = ["apply", "diff", "reset", "run"];

Deno.test("EXAMPLES are command lines that are understood", () => {
  for (const { command } of EXAMPLES) {
    const [, ...words] = command.replaceAll(/"\$\(id -[ug]\)"/g, "0").split(
      " ",
    );
    assert(KINDS.includes(parseFlags(words).kind), command);
  }
});

Deno.test("versionText() names the program and the version", () => {
  assertEquals(versionText("0.5.0"), "cage version 0.5.0");
});
