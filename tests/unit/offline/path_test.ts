import { assertEquals, assertThrows } from "@std/assert";
import * as std from "@std/path";
import { describe, it } from "@std/testing/bdd";
import * as standIn from "../../../.ci/offline/path.ts";
import { seeded } from "../seeded.ts";

type Path = typeof standIn;

for (const path of new Set<Path>([std, standIn])) {
  describe(
    path === standIn ? "the stand-in for @std/path" : "@std/path",
    () => tests(path),
  );
}

function tests(path: Path): void {
  it("normalize() removes what is not needed, and keeps a last slash", () => {
    const cases = [
      ["", "."],
      [".", "."],
      ["./", "./"],
      ["/", "/"],
      ["//", "/"],
      ["/..", "/"],
      ["/../a//b/", "/a/b/"],
      ["a/..", "."],
      ["a/../", "./"],
      ["../../x", "../../x"],
      ["a/../../b", "../b"],
      ["a/./b/../c", "a/c"],
      ["...", "..."],
      ["/a b/ü\n/", "/a b/ü\n/"],
    ];
    for (const [from, to] of cases) assertEquals(path.normalize(from), to);
  });

  it("join() joins what is not empty", () => {
    assertEquals(path.join(), ".");
    assertEquals(path.join("", ""), ".");
    assertEquals(path.join("a", "", "/b", "..", "c/"), "a/c/");
    assertEquals(path.join("", "/a"), "/a");
    assertEquals(path.join("/", "a"), "/a");
  });

  it("isAbsolute() looks at the first character", () => {
    assertEquals(["/", "/a", "a/", "", "./a"].map(path.isAbsolute), [
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it("resolve() starts at the last absolute path", () => {
    assertEquals(path.resolve("/a", "b", "../c/"), "/a/c");
    assertEquals(path.resolve("x", "/a", "/b/", "", "."), "/b");
    assertEquals(path.resolve("/", ".."), "/");
    assertEquals(path.resolve("a", ".."), Deno.cwd());
    assertEquals(path.resolve(""), Deno.cwd());
  });

  it("dirname() gives what is above", () => {
    const cases = [
      ["", "."],
      ["a", "."],
      ["a/", "."],
      ["a/b", "a"],
      ["a//b//", "a"],
      ["a\n/b", "a\n"],
      ["/", "/"],
      ["/a", "/"],
      ["///a", "/"],
      ["/a/b/", "/a"],
      ["../..//x/", "../.."],
    ];
    for (const [from, to] of cases) assertEquals(path.dirname(from), to);
  });

  it("basename() gives the last part", () => {
    const cases = [
      ["", ""],
      ["a", "a"],
      ["/a/b.c", "b.c"],
      ["/a/b//", "b"],
      ["a/\n", "\n"],
      ["/", "/"],
      ["//", "/"],
      [".", "."],
      ["a/..", ".."],
    ];
    for (const [from, to] of cases) assertEquals(path.basename(from), to);
  });

  it("fromFileUrl() decodes the path", () => {
    assertEquals(path.fromFileUrl("file:///a%20b/%25/%C3%BC"), "/a b/%/ü");
    assertEquals(path.fromFileUrl(new URL("file:///a/%zz/../b")), "/a/b");
    assertEquals(path.fromFileUrl("file:///a/%zz"), "/a/%zz");
    assertThrows(() => path.fromFileUrl("data:,"), TypeError, "URL must be");
  });
}

Deno.test("@std/path and its stand-in are equal on any paths", () => {
  const random = seeded(1);
  for (let round = 0; round < 3000; round++) {
    const text = random.text("/a.\n ü", 10);
    const more = random.text("/a.", 5);
    assertEquals(standIn.normalize(text), std.normalize(text), text);
    assertEquals(standIn.dirname(text), std.dirname(text), text);
    assertEquals(standIn.basename(text), std.basename(text), text);
    assertEquals(standIn.join(text, more), std.join(text, more), text);
    assertEquals(standIn.resolve(text, more), std.resolve(text, more), text);
  }
});
