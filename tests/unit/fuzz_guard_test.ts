import { assert, assertEquals } from "@std/assert";
import { isHarmless } from "../fuzz/guard.ts";

const BOUNDS = { directory: "/s/case", cwd: "/s/case/place", name: "e2e-1-1" };
const NAMED = ["-n", "e2e-1-1"];

/** Arguments, and whether they can be run. */
const CASES: readonly [words: readonly string[], harmless: boolean][] = [
  [[...NAMED, "true"], true],
  [["-n", "e2e-1-1.x", "true"], true],
  [["true"], false],
  [["-n", "web", "true"], false],
  [["-k"], false],
  [["-k", ...NAMED], true],
  [["-h"], true],
  [["--nosuch", "-U", "/etc"], true],
  [["-a", "app", "-p", "pid"], true],
  [["-a", "app"], false],
  [[...NAMED, "-U", "/etc"], false],
  [[...NAMED, "-w", "../../work"], false],
  [[...NAMED, "-w", "dir/../../x"], true],
  [[...NAMED, "-U", ".."], false],
  [[...NAMED, "-p", "/bin/sh"], false],
  [[...NAMED, "-p", "/s/case/../pid"], false],
  [[...NAMED, "-v", "/etc:/x"], false],
  [[...NAMED, "-v", "dir:/etc"], true],
  [[...NAMED, "-i", "/etc/passwd"], false],
  [[...NAMED, "-i", "/proc/self/fd/0"], true],
  [["--ephemeral", "true"], false],
  [["--ephemeral", ...NAMED, "true"], true],
];

Deno.test("isHarmless() keeps runs in the directory of their case", () => {
  for (const [words, harmless] of CASES) {
    assertEquals(isHarmless(words, BOUNDS), harmless, words.join(" "));
  }
});

Deno.test("isHarmless() lets what is refused be run", () => {
  assert(isHarmless(["-n", "/etc", "-U", "/etc"], BOUNDS));
});
