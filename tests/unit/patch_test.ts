import { assertEquals } from "@std/assert";
import type { Change, Entry } from "../../src/changes.ts";
import { isText, patchOf } from "../../src/patch.ts";

const FILE: Entry = {
  ...{ mode: 0o100644, uid: 0, gid: 0, size: 5, modified: 7n },
  rdev: [0, 0],
};
const CHANGED: Change = {
  ...{ kind: "changed", path: "/x", aspects: ["content"], isStale: false },
  ...{ before: FILE, after: FILE },
};

Deno.test("patchOf() says when a newline is missing at the end", () => {
  const text = patchOf(CHANGED, { before: "a\nb", after: "a\nb\n" });
  assertEquals(text.split("\n"), [
    "diff --git a/x b/x",
    "--- a/x",
    "+++ b/x",
    "@@ -1,2 +1,2 @@",
    " a",
    "-b",
    "\\ No newline at end of file",
    "+b",
    "",
  ]);
});

Deno.test("patchOf() says nothing where only the owner is another one", () => {
  assertEquals(patchOf(CHANGED, { before: "a", after: "a" }), "");
});

Deno.test("patchOf() tells of the mode as git does", () => {
  const after = { ...FILE, mode: 0o100755 };
  assertEquals(
    patchOf({ ...CHANGED, after }, { before: "a", after: "a" }),
    [
      "diff --git a/x b/x\nold mode 100644\nnew mode 100755\n",
    ].join(""),
  );
});

Deno.test("patchOf() makes one hunk of differences that are near", () => {
  const lines = (changed: readonly number[]) =>
    Array.from(
      { length: 30 },
      (_, at) => changed.includes(at) ? "x\n" : `${at}\n`,
    )
      .join("");
  const hunks = (...changed: number[]) =>
    patchOf(CHANGED, { before: lines([]), after: lines(changed) })
      .match(/^@@ .*$/gm);
  assertEquals(hunks(0, 7), ["@@ -1,11 +1,11 @@"]);
  assertEquals(hunks(0, 8), ["@@ -1,4 +1,4 @@", "@@ -6,7 +6,7 @@"]);
  assertEquals(hunks(29), ["@@ -27,4 +27,4 @@"]);
});

Deno.test("patchOf() keeps bytes, and quotes odd names", () => {
  const change = { ...CHANGED, path: "/b\xff" };
  const text = patchOf(change, { before: "\xff\n", after: "\xfe\n" });
  assertEquals(text.split("\n").slice(1), [
    '--- "a/b\\377"',
    '+++ "b/b\\377"',
    "@@ -1,1 +1,1 @@",
    "-\xff",
    "+\xfe",
    "",
  ]);
});

Deno.test("isText() looks for a NUL near the beginning", () => {
  assertEquals(isText(`${"a".repeat(7_999)}\0`), false);
  assertEquals(isText(`${"a".repeat(8_000)}\0`), true);
});
