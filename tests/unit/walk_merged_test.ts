import { assertEquals } from "@std/assert";
import { walkMerged } from "../../src/walk_merged.ts";
import { Layers, MARKS } from "./layers.ts";

/** The paths, with a mark at what is gone, and at what hides. */
function walked(layers: Layers, isLayer: boolean, closed = "none"): string[] {
  using lower = layers.merged("lower");
  const upper = layers.open("upper");
  const isClosed = ({ name }: { readonly name: string }) => name === closed;
  return [...walkMerged({ upper, lower, marks: MARKS, isLayer, isClosed })]
    .map(({ is, isOpaque, path }) =>
      (is === undefined ? `-${path}` : path) + (isOpaque ? " opaque" : "")
    );
}

function makeLayers(): Layers {
  const layers = new Layers();
  const both = { "d/": null, "d/a": "1", "o/": null, "o/a": "1" };
  layers.make("lower", { ...both, "gone": "", "kept": "", "z\xff": "" });
  layers.make("upper", {
    ...{ ".wh.gone": "", ".wh.never": "", "d/": null, "d/b": "1" },
    ...{ "o/": null, "o/.wh..wh..opq": "", "o/b": "1", "new/": null },
  });
  return layers;
}

Deno.test("walkMerged() shows what a container sees", () => {
  using layers = makeLayers();
  assertEquals(walked(layers, false), [
    ...["", "d", "d/a", "d/b", "kept", "new", "o", "o/b", "z\xff"],
  ]);
});

Deno.test("walkMerged() shows changes as a layer", () => {
  using layers = makeLayers();
  assertEquals(walked(layers, true), [
    ...["", "d", "d/b", "-gone", "new", "o opaque", "o/b"],
  ]);
});

Deno.test("walkMerged() leaves out what is in a closed directory", () => {
  using layers = makeLayers();
  assertEquals(walked(layers, false, "d"), [
    ...["", "d", "kept", "new", "o", "o/b", "z\xff"],
  ]);
});
