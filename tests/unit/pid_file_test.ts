import { assert, assertEquals } from "@std/assert";
import { isEnding, parseBirth, parsePid } from "../../src/pid_file.ts";

Deno.test("parsePid() takes an id alone", () => {
  for (const text of ["1", "1\n", "4194304\n"]) {
    assertEquals(parsePid(text), Number(text));
  }
});

Deno.test("parsePid() takes nothing else for a pid file", () => {
  const texts = ["0\n", "-1\n", " 1", "1 ", "1\n\n", "1\n2\n", "0x1", "\n"];
  for (const text of [...texts, "12345678901", "root:x:0:0"]) {
    assertEquals(parsePid(text), NaN, text);
  }
});

Deno.test("parseBirth() is not misled by the name of a program", () => {
  const fields = Array.from({ length: 50 }, (_, index) => index + 3);
  for (const name of ["a", "a b", "a) S 1 2 3", "((", ""]) {
    const stat = `7 (${name}) ${fields.join(" ")}`;
    assertEquals(parseBirth(stat), { start: 22n, parent: 4 }, name);
  }
});

Deno.test("isEnding() reads the status of this process", () => {
  assert(!isEnding(Deno.readTextFileSync("/proc/self/status")));
});

Deno.test("isEnding() sees SIGKILL for the thread and for the process", () => {
  const status = (key: string) =>
    `VmSize:\t1 kB\nSigPnd:\t${key === "Sig" ? "0" : "8"}${"0".repeat(12)}100` +
    "\n";
  assert(isEnding(status("Sig")));
  assert(isEnding(status("Shd").replace("SigPnd", "ShdPnd")));
  assert(!isEnding("VmSize:\t1 kB\nSigBlk:\t0000000000000100\n"));
});
