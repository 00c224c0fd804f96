import { assertEquals } from "@std/assert";
import { changes } from "../fuzz/canaries.ts";
import { asText, byteMark, bytesOf, fill, hasBytes } from "../fuzz/marks.ts";
import { NAME, OUTSIDE, PLACE, ROOT } from "../fuzz/marks.ts";
import { shellLine, shellQuote } from "../fuzz/shell.ts";
import {
  type Ending,
  faultsOfEnding,
  faultsOfSentence,
} from "../fuzz/verdict.ts";

function faults(ending: Partial<Ending>): string[] {
  return faultsOfEnding(
    { status: 0, stdout: "", stderr: "", late: false, ...ending },
    { statuses: [0, 7], secret: "hush" },
  );
}

Deno.test("faultsOfEnding() accepts what is documented", () => {
  assertEquals(faults({}), []);
  assertEquals(faults({ status: 7, stderr: "anything\n" }), []);
  assertEquals(faults({ status: 125, stderr: "cage: Cannot do it\n" }), []);
  assertEquals(faults({ status: 127, stderr: "cage: Cannot run it\n" }), []);
  assertEquals(faults({ status: 127, stderr: "x: not found\n" }), []);
  const script = "/dev/fd/9: line 1: x: not found\ncage: The script failed\n";
  assertEquals(faults({ status: 127, stderr: script }), []);
  const both = "inside: script\ncage: The init script failed\n";
  assertEquals(faults({ status: 7, stderr: both }), []);
});

Deno.test("faultsOfEnding() finds an end that nothing gives", () => {
  assertEquals(faults({ status: 3 }), ["It ended with 3, which nothing gives"]);
  assertEquals(faults({ status: 139 }), ["It ended with 139: SIGSEGV"]);
  assertEquals(faults({ status: 134 }), ["It ended with 134: SIGABRT"]);
  assertEquals(faults({ status: 137, late: true }), [
    "It had to be killed, since it did not end",
  ]);
});

Deno.test("faultsOfEnding() finds what the runtime shows", () => {
  const shown = [
    "error: Uncaught (in promise) TypeError: x\n",
    "    at main (file:///cage.js:3:4)\n",
    "    at async run (ext:core/mod.js:1:22)\n",
    "thread 'main' panicked at cli/main.rs\n",
    "# Fatal JavaScript out of memory\n",
    "cage: Cannot go on: x: this is a defect of cage, please report it\n",
  ];
  for (const stderr of shown) {
    const found = faults({ status: 0, stderr });
    assertEquals(found.some((fault) => /runtime/.test(fault)), true, stderr);
  }
});

Deno.test("faultsOfEnding() finds messages that are not one clean line", () => {
  const failed = (stderr: string) => faults({ status: 125, stderr });
  assertEquals(failed(""), ["There is no message"]);
  assertEquals(failed("cage: a\ncage: b\n"), [
    "There is more than one message",
  ]);
  const note = "cage: No X11 for -G: DISPLAY is not set\n";
  assertEquals(failed(`${note}cage: a\n`), []);
  assertEquals(failed(note), ["There is no message"]);
  assertEquals(failed("cage: a\nb\n"), ['A line is nobody\'s: "b"']);
  assertEquals(failed("cage: a\x1b[2J\n"), [
    'A message has a control character: "\\u001b"',
  ]);
  assertEquals(failed("cage: a\u0085\n").length, 1);
  assertEquals(failed("cage: a\nb"), ['The last line has no end: "b"']);
});

Deno.test("faultsOfEnding() finds what nobody may read", () => {
  const read = ["What is outside can be read"];
  assertEquals(faults({ stdout: "a hush b" }), read);
  assertEquals(faults({ status: 0, stderr: "hush\n" }), read);
});

Deno.test("faultsOfSentence() finds control characters and traces", () => {
  assertEquals(faultsOfSentence('Cannot use "a\\x0ab": it is odd'), []);
  assertEquals(faultsOfSentence("a\nb").length, 1);
  assertEquals(faultsOfSentence("undefined is not a name").length, 1);
  assertEquals(faultsOfSentence(" "), ["A message is empty"]);
});

Deno.test("changes() tells what came and what went", () => {
  assertEquals(changes(["a", "b"], ["b", "c"]), ["Gone: a", "New: c"]);
});

Deno.test("fill() puts what marks mean in their place", () => {
  const meaning = { place: "/p", outside: "/o", root: "/r", name: "n" };
  assertEquals(
    fill(`${PLACE}:${OUTSIDE}:${ROOT}:${NAME}${NAME}`, meaning),
    "/p:/o:/r:nn",
  );
});

Deno.test("bytesOf() makes bytes that are no text", () => {
  const word = `é${byteMark(0xff)}${byteMark(0x80)}`;
  assertEquals([...bytesOf(word)], [0xc3, 0xa9, 0xff, 0x80]);
  assertEquals([hasBytes(word), hasBytes("é")], [true, false]);
  assertEquals(asText(word), "é\ufffd\ufffd");
});

/** Words that shells like to get wrong. */
const WORDS = [
  ...["", "a", "-n", "a b", "it's", '"', "$HOME", "`id`", "a\nb\n", "\n", "\\"],
  ...["\\n", "%s", "-\x1b[2J", "--\n", "漢\t", "*", "~", "!x", "#", "a\x7f"],
  ...[byteMark(0xff), `-${byteMark(0xc3)}'`, "\x01%d\\"],
];

Deno.test("shellLine() is read by a shell as the same bytes", async () => {
  const script = `for word in ${shellLine(WORDS)}; do
    printf '%s' "$word" | od -An -v -tx1 | tr -d '\\n'; echo
  done`;
  const { stdout, success } = await new Deno.Command("/bin/bash", {
    args: ["-c", script],
  }).output();
  const hex = (word: string) =>
    [...bytesOf(word)].map((byte) => ` ${byte.toString(16).padStart(2, "0")}`)
      .join("");
  assertEquals(success, true);
  assertEquals(
    new TextDecoder().decode(stdout).split("\n").slice(0, -1),
    WORDS.map(hex),
  );
});

Deno.test("shellQuote() leaves plain words plain", () => {
  assertEquals(shellQuote("--name=web-1"), "--name=web-1");
  assertEquals(shellQuote("a b"), "'a b'");
});
