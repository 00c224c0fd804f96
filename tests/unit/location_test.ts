import { assertEquals } from "@std/assert";
import { close, open } from "../../ffi/libc.ts";
import { directoryOf } from "../../src/location.ts";

const isRoot = Deno.uid() === 0;
const why = isRoot ? "" : " (skipped: takes directories of root)";

/** Opens a directory below another one, and tells in which it is. */
function find(
  test: (directory: string, find: (path: string) => number) => void,
): void {
  const directory = Deno.realPathSync(Deno.makeTempDirSync());
  const opened: number[] = [];
  try {
    test(directory, (path) => {
      const file = open(`${directory}/${path}`, 0);
      opened.push(file);
      return file;
    });
  } finally {
    opened.forEach(close);
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test(`directoryOf() finds what is below, and nothing beside${why}`, {
  ignore: !isRoot,
}, () => {
  find((directory, open) => {
    for (const name of ["in/deep", "in-not"]) {
      Deno.mkdirSync(`${directory}/${name}`, { recursive: true });
    }
    const places = [`${directory}/nowhere`, `${directory}/in`];
    assertEquals(directoryOf(open("in/deep"), places), places[1]);
    assertEquals(directoryOf(open("in"), places), places[1]);
    assertEquals(directoryOf(open("in-not"), places), undefined);
    assertEquals(directoryOf(open("."), places), undefined);
    Deno.symlinkSync("../in-not", `${directory}/in/link`);
    assertEquals(directoryOf(open("in/link"), places), undefined);
  });
});

Deno.test(
  `directoryOf() looks at what is there, and not at its name alone${why}`,
  { ignore: !isRoot },
  () => {
    find((directory, open) => {
      Deno.mkdirSync(`${directory}/gone`);
      const gone = open("gone");
      Deno.removeSync(`${directory}/gone`);
      // The name that the kernel tells of what is gone.
      Deno.mkdirSync(`${directory}/gone (deleted)`);
      assertEquals(directoryOf(gone, [directory]), undefined);
      assertEquals(directoryOf(open("gone (deleted)"), [directory]), directory);
    });
  },
);

Deno.test(`directoryOf() takes for root's what only root can change${why}`, {
  ignore: !isRoot,
}, () => {
  find((directory, open) => {
    Deno.mkdirSync(`${directory}/in`);
    const file = open("in");
    const find = () => directoryOf(file, [directory]);
    Deno.chmodSync(directory, 0o755);
    assertEquals(find(), directory);
    for (const mode of [0o775, 0o757, 0o1777]) {
      Deno.chmodSync(directory, mode);
      assertEquals(find(), undefined);
    }
    Deno.chmodSync(directory, 0o755);
    Deno.chownSync(directory, 1234, 0);
    assertEquals(find(), undefined);
  });
});
