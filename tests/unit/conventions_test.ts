import { assertEquals } from "@std/assert";
import { faultsOf } from "../../.ci/conventions.ts";

const MODULE = "/**\n * A thing.\n *\n * @module\n */\n\n";

/** What is found in files, as it is printed. */
function found(files: Record<string, string>): string[] {
  return faultsOf(new Map(Object.entries(files)))
    .map(({ path, line, text }) => `${path}:${line}: ${text}`);
}

Deno.test("faultsOf() finds nothing where all is as agreed", () => {
  assertEquals(
    found({
      "mod.ts": MODULE + 'export { a } from "./src/a.ts";\n',
      "main.ts": MODULE + 'import { a } from "./src/a.ts";\n',
      "src/a.ts": MODULE +
        "// Deno.exit() is not called here.\n" +
        'import { E } from "../ffi/e.ts";\n' +
        'import type { Handle } from "./launcher.ts";\n' +
        'import { type Handle as H } from "./launcher.ts";\n',
      "src/launcher.ts": MODULE +
        'import { E } from "../ffi/e.ts";\nDeno.exit();\n',
      "ffi/e.ts": MODULE + "export const E = Deno.build.arch;\n",
      "README.md": "upper is `${appdir}/work/x`, home is ~/work/x or /root\n",
    }),
    [],
  );
});

Deno.test("faultsOf() finds what acts in a module that computes", () => {
  const advice = " in a module that only computes: move it to one that acts " +
    "(ACTING in .ci/conventions.ts)";
  assertEquals(
    found({
      "src/a.ts": MODULE + "Deno.cwd();\nconst { env } = Deno;\n",
    }),
    [
      'src/a.ts:7: Cannot use "Deno.cwd"' + advice,
      'src/a.ts:8: Cannot use "= Deno"' + advice,
    ],
  );
});

Deno.test("faultsOf() finds what acts behind the imports of what computes", () => {
  const sentence = (from: string, acting: string) =>
    `Cannot import "${from}" in a module that only computes: "${acting}" ` +
    "acts: import its types only, or take what it gives as an argument";
  assertEquals(
    found({
      "src/a.ts": MODULE + 'import { b } from "./b.ts";\n' +
        'import { l } from "./launcher.ts";\n',
      "src/b.ts": MODULE + 'import {\n  c,\n} from "../ffi/c.ts";\n',
      "ffi/c.ts": MODULE + "Deno.cwd();\n",
      "src/launcher.ts": MODULE,
    }),
    [
      `src/a.ts:7: ${sentence("./b.ts", "ffi/c.ts")}`,
      `src/a.ts:8: ${sentence("./launcher.ts", "src/launcher.ts")}`,
      `src/b.ts:7: ${sentence("../ffi/c.ts", "ffi/c.ts")}`,
    ],
  );
});

Deno.test("faultsOf() finds imports that go the wrong way", () => {
  const advice = ": imports go one way, from main.ts and mod.ts to src/ to " +
    "ffi/, and to nothing else";
  assertEquals(
    found({
      "ffi/a.ts": MODULE + 'export * from "../src/b.ts";\n',
      "src/b.ts": MODULE + 'import { x } from "../mod.ts";\n',
      "mod.ts": MODULE + 'const { x } = await import("./tests/x.ts");\n',
    }),
    [
      `ffi/a.ts:7: Cannot import "../src/b.ts"${advice}`,
      `mod.ts:7: Cannot import "./tests/x.ts"${advice}`,
      `src/b.ts:7: Cannot import "../mod.ts"${advice}`,
    ],
  );
});

Deno.test("faultsOf() finds imports that only examples or tools may use", () => {
  assertEquals(
    found({
      "src/b.ts": MODULE + 'import { x } from "node:path";\n' +
        'import { y } from "cage/src/y.ts";\n',
    }),
    [
      'src/b.ts:7: Cannot import "node:path": loading any node: module about ' +
      "doubles the time that the program takes to start: use @std or Deno",
      'src/b.ts:8: Cannot import "cage/src/y.ts": only examples know that ' +
      "name: write a relative path",
    ],
  );
});

Deno.test("faultsOf() finds names that have no stand-in, in examples too", () => {
  assertEquals(
    found({
      ".ci/offline/import_map.json": '{"imports":{"@std/path":"./path.ts"}}',
      ".ci/offline/path.ts": "export function join() {}\n",
      "tests/x_test.ts": 'import { join, type Parsed } from "@std/path";\n' +
        'import * as path from "@std/path";\n',
      "src/b.ts": MODULE + "/**\n" +
        ' * import { walk } from "@std/fs";\n * import {\n *   common,\n' +
        ' * } from "@std/path";\n */\n',
    }),
    [
      'src/b.ts:8: Cannot find a stand-in for "@std/fs": add one to ' +
      ".ci/offline/ and to its import_map.json, with tests in " +
      "tests/unit/offline/",
      'src/b.ts:9: Cannot find "common" in the stand-in for "@std/path": add ' +
      "it to .ci/offline/path.ts, with cases in tests/unit/offline/",
      'tests/x_test.ts:1: Cannot find "Parsed" in the stand-in for ' +
      '"@std/path": add it to .ci/offline/path.ts, with cases in ' +
      "tests/unit/offline/",
    ],
  );
});

Deno.test("faultsOf() finds a module that does not say what it is", () => {
  assertEquals(found({ "ffi/a.ts": "/** A. */\nexport const A = 1;\n" }), [
    "ffi/a.ts:1: Cannot find what the module is for: begin with a comment " +
    "that ends with @module",
  ]);
});

Deno.test("faultsOf() finds what holds on one machine alone", () => {
  const [root, host] = ["/root/" + ".npm", ["jsr", "io"].join(".")];
  assertEquals(found({ Makefile: `a:\n\tls ${root}/x\n\tcurl ${host}\n` }), [
    "Makefile:2: Cannot keep a path of one machine: find it from the " +
    `checkout, or make a directory for it: "${root}"`,
    "Makefile:3: Cannot keep the host of a registry: name the registry, as " +
    `its client does: "${host}"`,
  ]);
});
