import { assertEquals, assertThrows } from "@std/assert";
import { readLink, statEntry } from "../../ffi/entries.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { SyscallError } from "../../ffi/libc.ts";
import {
  attributesOf,
  type Found,
  ifThere,
  openDirectory,
  openReadable,
} from "../../src/layer_view.ts";
import { Layers, MARKS } from "./layers.ts";

function entry(layers: Layers, name: string): Found {
  const directory = layers.open("x");
  return { directory, name, stat: statEntry(directory, name)! };
}

Deno.test("ifThere() gives nothing for what has gone or become another", () => {
  using layers = new Layers();
  layers.make("x", { "file": "1", "dir/": null });
  const path = `${layers.path}/x`;
  Deno.symlinkSync("target", `${path}/link`);
  const [file, link, dir] = ["file", "link", "dir"]
    .map((name) => entry(layers, name));
  const looks = () => [
    ifThere(file, () => openReadable(file)),
    ifThere(file, () => attributesOf(file, MARKS).size),
    ifThere(link, () => readLink(link.directory, link.name)),
    openDirectory(dir),
  ];
  ["file", "link", "dir"].forEach((name) => Deno.removeSync(`${path}/${name}`));
  assertEquals(looks(), Array(4).fill(undefined));
  ["file", "dir"].forEach((name) => Deno.symlinkSync("x", `${path}/${name}`));
  Deno.writeTextFileSync(`${path}/link`, "");
  assertEquals([...looks().slice(0, 1), ...looks().slice(2)], [
    ...Array(3).fill(undefined),
  ]);
});

Deno.test("ifThere() hides no error of what is still there", () => {
  using layers = new Layers();
  layers.make("x", { "file": "1" });
  const file = entry(layers, "file");
  assertThrows(
    () =>
      ifThere(file, () => {
        throw new SyscallError("read", ERRNO.EIO);
      }),
    SyscallError,
  );
});
