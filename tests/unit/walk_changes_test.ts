import { assertEquals } from "@std/assert";
import { existsSync } from "@std/fs";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statEntry } from "../../ffi/entries.ts";
import { walkChanges } from "../../src/walk_changes.ts";
import { Layers, MARKS, whyNoMarks } from "./layers.ts";

const why = whyNoMarks();
if (why !== undefined) console.log(`Skipped: changes by marks: ${why}`);
const marked = { ignore: why !== undefined };

/** Kind and path of each change, and what else is told. */
function changesIn(layers: Layers, ...paths: string[]): string[] {
  using lower = layers.merged("lower");
  const upper = layers.open("upper");
  return [...walkChanges({ upper, lower, marks: MARKS, paths })]
    // Files that are made one after the other may have one time, or two.
    .filter(({ aspects, isWay }) => !isWay && aspects.join() !== "time")
    .map(({ aspects, from, kind, link, path }) =>
      [kind, path, ...aspects.filter((aspect) => aspect !== "time")]
        .concat(from === undefined ? [] : [`from ${from}`])
        .concat(link === undefined ? [] : [`is ${link}`]).join(" ")
    );
}

Deno.test("walkChanges() tells names of any bytes, in the order of the bytes", () => {
  using layers = new Layers();
  layers.make("lower", { "new\nline": "1", "a\xff\x80": "1", "-x": "1" });
  layers.make("upper", {
    ...{
      "new\nline": "2",
      "a\xff\x80": "2",
      ".wh.-x": "",
      "\x01": "",
      "\xc3": "",
    },
  });
  assertEquals(changesIn(layers), [
    ...["added /\x01", "deleted /-x", "changed /a\xff\x80 content"],
    ...["changed /new\nline content", "added /\xc3"],
  ]);
});

Deno.test("walkChanges() tells what a whiteout and an opaque directory hide", () => {
  using layers = new Layers();
  const files = { "d/": null, "d/a": "1", "d/b": "1", "d/e/": null };
  layers.make("lower", { ...files, "d/e/f": "1", "gone/": null, "gone/x": "" });
  layers.make("upper", {
    ...{ ".wh.gone": "", ".wh.never": "" },
    ...{ "d/": null, "d/.wh..wh..opq": "", "d/a": "1", "d/c": "1" },
  });
  const told = ["deleted /d/b", "added /d/c", "deleted /d/e", "deleted /gone"];
  assertEquals(changesIn(layers), told);
  assertEquals(changesIn(layers, "/d/c", "/gone"), ["added /d/c", told[3]]);
  assertEquals(changesIn(layers, "/d/nothing", "/go"), []);
});

Deno.test("walkChanges() tells of types that changed, and of one file by two names", () => {
  using layers = new Layers();
  layers.make("lower", { "a/": null, "a/x": "1", "b": "1", "one": "1" });
  layers.make("upper", { "a": "1", "b/": null, "b/y": "1", "one": "2" });
  Deno.linkSync(`${layers.path}/upper/one`, `${layers.path}/upper/two`);
  assertEquals(changesIn(layers), [
    ...["changed /a type", "changed /b type", "added /b/y"],
    ...["changed /one content", "added /two is /one"],
  ]);
});

Deno.test(
  "walkChanges() follows redirects, and reads what only has attributes below",
  marked,
  () => {
    using layers = new Layers();
    const lower = { "d/": null, "d/a": "12", "d/b": "1", "f": "12", "g": "12" };
    layers.make("lower", lower);
    layers.make("upper", { ".wh.d": "", "m/": null, "m/a": "21", "f": "" });
    Deno.truncateSync(`${layers.path}/upper/f`, 2);
    Deno.chmodSync(`${layers.path}/upper/f`, 0o600);
    layers.mark("upper", "m", "redirect", "/d");
    layers.mark("upper", "f", "metacopy", "");
    assertEquals(changesIn(layers), [
      ...["deleted /d", "changed /f mode", "renamed /m from /d"],
      "changed /m/a content",
    ]);
  },
);

Deno.test({
  name: "walkChanges() takes a redirect that leads nowhere for none",
  ...marked,
  fn() {
    using layers = new Layers();
    layers.make("lower", { "d/": null });
    layers.make("upper", { "m/": null, "n/": null });
    layers.mark("upper", "m", "redirect", "/../d");
    layers.mark("upper", "n", "redirect", "/nowhere/d");
    assertEquals(changesIn(layers), ["added /m", "added /n"]);
  },
});

const timesOf = (path: string) => statEntry(AT_FDCWD, path)!;

Deno.test("walkChanges() says what was changed below since", () => {
  using layers = new Layers();
  layers.make("lower", { "a": "1", "b": "1" });
  layers.make("upper", { "a": "2", "b": "2" });
  const [a, b, copy] = ["lower/a", "lower/b", "upper/b"]
    .map((name) => `${layers.path}/${name}`);
  // The clock of a file system has ticks.
  do {
    Deno.writeTextFileSync(b, "host", { append: true });
    Deno.utimeSync(a, 1e9, 1e9);
  } while (timesOf(b).changed <= timesOf(copy).born!);
  using lower = layers.merged("lower");
  const upper = layers.open("upper");
  const compared = { upper, lower, marks: MARKS, paths: [] };
  const stale = [...walkChanges(compared)].filter(({ isStale }) => isStale);
  // A time that was set hides nothing.
  assertEquals(stale.map(({ path }) => path), ["/a", "/b"]);
});

Deno.test(
  "walkChanges() takes whiteouts for as old as the first",
  marked,
  () => {
    using layers = new Layers();
    layers.make("lower", { "a": "1", "b": "1" });
    layers.make("upper", { "a": "" });
    layers.mark("upper", "a", "whiteout", "y");
    const [below, hidden, other] = ["lower/a", "upper/a", "upper/b"]
      .map((name) => `${layers.path}/${name}`);
    do Deno.writeTextFileSync(below, "host"); while (
      timesOf(below).changed <= timesOf(hidden).born!
    );
    // As overlayfs deletes one more, by one more name of the same file.
    do {
      if (existsSync(other)) Deno.removeSync(other);
      Deno.linkSync(hidden, other);
    } while (timesOf(hidden).changed <= timesOf(below).changed);
    using lower = layers.merged("lower");
    const upper = layers.open("upper");
    const compared = { upper, lower, marks: MARKS, paths: [] };
    const told = [...walkChanges(compared)]
      .map(({ isStale, kind, path }) => [kind, path, isStale]);
    assertEquals(told, [["deleted", "/a", true], ["deleted", "/b", false]]);
  },
);

Deno.test("MergedDirectory shows the first of several layers", marked, () => {
  using layers = new Layers();
  layers.make("top", { "d/": null, "d/a": "top", ".wh.gone": "" });
  layers.make("mid", { "d/": null, "d/b": "", "d/c": "mid", "o/": null });
  layers.make("low", { "d/": null, "d/a": "low", "d/b": "low", "o/": null });
  layers.make("low", { "o/x": "low", "same": "low" });
  layers.mark("mid", "d/b", "whiteout", "y");
  layers.mark("mid", "o", "opaque", "y");
  using merged = layers.merged("top", "mid", "low");
  using directory = merged.open("d")!;
  assertEquals(directory.names(), ["a", "c"]);
  assertEquals(directory.lookup("a")?.stat.size, 3);
  using opaque = merged.open("o")!;
  assertEquals(opaque.names(), []);
  assertEquals(merged.openBelow(["d", "a"]), undefined);
  assertEquals(merged.lookup("same")?.stat.size, 3);
});

Deno.test("walkChanges() leaves out what goes while it is looked at", () => {
  using layers = new Layers();
  layers.make("lower", { "changed": "12", "kept": "1" });
  layers.make("upper", { "changed": "34", "dir/": null, "kept": "2" });
  layers.make("upper", { "other": "1" });
  const path = `${layers.path}/upper`;
  Deno.symlinkSync("target", `${path}/link`);
  using lower = layers.merged("lower");
  const find = lower.lookup.bind(lower);
  // It is asked after an entry was seen, and before that is read.
  lower.lookup = (name) => {
    if (!["kept", "."].includes(name)) Deno.removeSync(`${path}/${name}`);
    if (name === "other") Deno.symlinkSync("target", `${path}/other`);
    return find(name);
  };
  const upper = layers.open("upper");
  const found = [...walkChanges({ upper, lower, marks: MARKS, paths: [] })]
    .map(({ path }) => path).filter((path) => path !== "/");
  // A file that is only added is not read: it was there when it was seen.
  assertEquals(found, ["/kept", "/other"]);
});
