import { assertEquals } from "@std/assert";
import { ON_BUSYBOX } from "../../bench/contenders.ts";
import { bundleOf, type Place, withoutPaths } from "../../bench/place.ts";
import { layersOf, SERIES } from "../../bench/series.ts";

const PLACE: Place = {
  root: "/x/root",
  state: "/x",
  name: "n-1",
  cage: "/src/bin/cage",
  empty: "/x/empty",
  deno: "/src/.deno/deno",
  denoFlags: ["--quiet"],
  checkout: "/src",
};

Deno.test("withoutPaths() replaces the longest path first", () => {
  assertEquals(
    withoutPaths("/src/.deno/deno run /src/mod.ts -l /x/root /x/y n-1", PLACE),
    "deno run mod.ts -l ROOT STATE/y NAME",
  );
});

Deno.test("bundleOf() goes by the name of the program", () => {
  assertEquals(bundleOf(PLACE, ["/bin/sleep", "1"]), "/x/bundle-sleep");
});

Deno.test("Every contender has a name of its own and runs a program", () => {
  const names = ON_BUSYBOX.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  for (const { words } of ON_BUSYBOX) {
    assertEquals(words(PLACE, ["/bin/true"]).length > 0, true);
  }
});

Deno.test("layersOf() has the root below so many others", () => {
  assertEquals(layersOf(PLACE, 1), ["/x/root"]);
  assertEquals(layersOf(PLACE, 3), [
    "/x/layers/1",
    "/x/layers/2",
    "/x/root",
  ]);
});

Deno.test("Every series measures cage, and has three counts that grow", () => {
  for (const { commands, levels } of SERIES) {
    assertEquals(levels.length, 3);
    assertEquals(levels.toSorted((a, b) => a - b), levels);
    for (const level of levels) {
      assertEquals(commands(PLACE, level).has("cage"), true);
    }
  }
});

Deno.test("A hundred layers by hand fit in a page of options of mount(8)", () => {
  const { commands } = SERIES.find(({ name }) => name === "layers")!;
  const [, words] = [...commands(PLACE, 100)].find(([name]) =>
    name.startsWith("unshare")
  )!;
  assertEquals(words.at(-1)!.length < 4096, true);
});
