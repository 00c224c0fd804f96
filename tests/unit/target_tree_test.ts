import { assert, assertEquals, assertThrows } from "@std/assert";
import { statEntry } from "../../ffi/entries.ts";
import type { Found } from "../../src/layer_view.ts";
import { TargetTree } from "../../src/target_tree.ts";
import { Layers, MARKS } from "./layers.ts";

/** Does something with the tree "to", and gives what failed. */
function inTree(
  layers: Layers,
  action: (tree: TargetTree, from: (name: string) => Found) => void,
): Map<string, string> {
  const failed = new Map<string, string>();
  const directory = layers.open("from");
  using tree = new TargetTree(layers.open("to"), MARKS, failed);
  action(
    tree,
    (name) => ({ directory, name, stat: statEntry(directory, name)! }),
  );
  return failed;
}

/** Every name below, in order. */
function namesBelow(path: string): string[] {
  return [...Deno.readDirSync(path)]
    .map(({ name }) => name).sort()
    .flatMap((name) =>
      Deno.lstatSync(`${path}/${name}`).isDirectory
        ? [
          `${name}/`,
          ...namesBelow(`${path}/${name}`).map((x) => `${name}/${x}`),
        ]
        : [name]
    );
}

Deno.test("TargetTree replaces whatever is there, and leaves nothing else", () => {
  using layers = new Layers();
  layers.make("from", { "f": "new", "d/": null, "e/": null });
  layers.make("to", { "f/": null, "f/x": "", "d": "old", "same": "old" });
  layers.make("to", { ".cage-apply~": "half", "gone/": null, "gone/x": "" });
  layers.make("to", { "e/": null, "e/.cage-apply~": "half" });
  const failed = inTree(layers, (tree, from) => {
    tree.enter("/", from("."));
    tree.makeDirectory("/d", from("d"));
    tree.make("/d/a", { is: from("f"), content: from("f") });
    tree.enter("/e", from("e"));
    for (const path of ["/f", "/same"]) {
      tree.make(path, { is: from("f"), content: from("f") });
    }
    tree.make("/z", { is: from("f"), content: from("f"), link: "/d/a" });
    tree.remove("/gone");
  });
  assertEquals([...failed], []);
  const to = `${layers.path}/to`;
  assertEquals(namesBelow(to), ["d/", "d/a", "e/", "f", "same", "z"]);
  assertEquals(Deno.readTextFileSync(`${to}/f`), "new");
  const [a, z] = ["d/a", "z"].map((name) => Deno.statSync(`${to}/${name}`));
  assertEquals([a.ino, a.nlink], [z.ino, 2]);
  for (const name of ["d", ".", "f"]) {
    const [one, other] = ["from", "to"]
      .map((tree) => Deno.statSync(`${layers.path}/${tree}/${name}`));
    assertEquals(other.mtime, one.mtime, name);
  }
});

Deno.test("TargetTree goes through no link", () => {
  using layers = new Layers();
  layers.make("from", { "f": "new" });
  layers.make("to", { "real/": null });
  layers.make("outside", { "kept": "old" });
  Deno.symlinkSync("../outside", `${layers.path}/to/link`);
  const failed = inTree(layers, (tree, from) => {
    for (
      const act of [
        () => tree.make("/link/kept", { is: from("f"), content: from("f") }),
        () => tree.remove("/link/kept"),
        () => tree.enter("/link", from(".")),
      ]
    ) {
      let isRefused = false;
      try {
        act();
      } catch {
        isRefused = true;
      }
      assert(isRefused);
    }
    tree.remove("/link");
  });
  assertEquals([...failed], []);
  assertEquals(namesBelow(`${layers.path}/outside`), ["kept"]);
  assertEquals(namesBelow(`${layers.path}/to`), ["real/"]);
});

Deno.test("TargetTree leaves nothing of what could not be made", () => {
  using layers = new Layers();
  layers.make("from", { "f": "new" });
  layers.make("to", { "d/": null, "d/kept": "old" });
  inTree(layers, (tree, from) => {
    const is = { ...from("f"), name: "has-just-gone" };
    assertThrows(() => tree.make("/d/kept", { is, content: from("f") }));
  });
  assertEquals(namesBelow(`${layers.path}/to`), ["d/", "d/kept"]);
});

Deno.test("TargetTree takes no directory for the one that was there", () => {
  using layers = new Layers();
  layers.make("from", { "d/": null });
  layers.make("to", {
    "d/": null,
    "other/": null,
    "full/": null,
    "full/x": "",
  });
  const before = Deno.statSync(`${layers.path}/to/other`).mtime;
  const directory = layers.open("to");
  const was = { directory, name: "d", stat: statEntry(directory, "d")! };
  inTree(layers, (tree, from) => {
    assertThrows(() => tree.makeDirectory("/other", from("d"), was));
    assertThrows(() => tree.makeDirectory("/full", from("d")));
    tree.makeDirectory("/d", from("d"), was);
    tree.makeDirectory("/new", from("d"));
  });
  assertEquals(Deno.statSync(`${layers.path}/to/other`).mtime, before);
});

Deno.test("TargetTree makes no second name of what was exchanged", () => {
  using layers = new Layers();
  layers.make("from", { "f": "new" });
  layers.make("to", { "d/": null });
  const to = `${layers.path}/to`;
  inTree(layers, (tree, from) => {
    const wanted = { is: from("f"), content: from("f") };
    tree.make("/d/a", wanted);
    Deno.removeSync(`${to}/d/a`);
    Deno.writeTextFileSync(`${to}/d/a`, "theirs", { mode: 0o600 });
    assertThrows(() => tree.make("/z", { ...wanted, link: "/d/a" }));
  });
  assertEquals(namesBelow(to), ["d/", "d/a"]);
});
