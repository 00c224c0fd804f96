import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/errors.ts";
import { splitLayers } from "../../src/layers.ts";
import { seeded } from "./seeded.ts";

Deno.test("splitLayers() gives the layers in order, the first on top", () => {
  assertEquals(splitLayers("/"), ["/"]);
  assertEquals(splitLayers("/top:/middle:base"), ["/top", "/middle", "base"]);
});

Deno.test("splitLayers() takes escaped colons and backslashes", () => {
  assertEquals(splitLayers("/a\\:b:/c\\\\:/d,e f"), ["/a:b", "/c\\", "/d,e f"]);
});

Deno.test("splitLayers() refuses an empty element", () => {
  for (const text of ["", ":", "/a:", ":/a", "/a::/b"]) {
    assertThrows(
      () => splitLayers(text),
      UsageError,
      `Cannot use lower directory "${text}": an element is empty: ` +
        'write top:bottom, and "\\:" for a colon in a path',
    );
  }
});

Deno.test("splitLayers() gives back any paths that were escaped", () => {
  const random = seeded(2);
  for (let round = 0; round < 1000; round++) {
    const layers = [
      random.text("/a:\\, ü", 8),
      ...random.list(5, () => random.text("/a:\\, ü", 8)),
    ];
    const text = layers.map((path) => path.replace(/[:\\]/g, "\\$&")).join(":");
    assertEquals(splitLayers(text), layers);
  }
});
