import { assertEquals } from "@std/assert";
import {
  hiddenBelow,
  mountsBelow,
  parseMounts,
} from "../../src/mount_table.ts";

const TABLE = [
  "20 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw",
  "21 20 0:5 / /proc rw - proc proc rw",
  "22 20 254:1 / /home rw master:2 propagate_from:3 - ext4 /dev/vdb rw",
  "23 22 0:9 / /home/a\\040b\\134c rw - tmpfs tmpfs rw",
  "24 20 0:10 /x /etc/hosts rw - ext4 /dev/vda rw",
  "",
].join("\n");

Deno.test("parseMounts() reads ids and paths, whatever is optional", () => {
  const mounts = parseMounts(TABLE);
  assertEquals(mounts.map(({ id }) => id), [20n, 21n, 22n, 23n, 24n]);
  assertEquals(mounts[3], {
    id: 23n,
    parent: 22n,
    path: "/home/a b\\c",
    isReadOnly: false,
    type: "tmpfs",
  });
});

Deno.test("hiddenBelow() tells what is mounted on a mount, and where", () => {
  const mounts = parseMounts(TABLE);
  assertEquals(hiddenBelow(mounts, 20n, "/"), ["/proc", "/home", "/etc/hosts"]);
  assertEquals(hiddenBelow(mounts, 20n, "/etc"), ["/hosts"]);
  assertEquals(hiddenBelow(mounts, 22n, "/home"), ["/a b\\c"]);
  assertEquals(hiddenBelow(mounts, 22n, "/home/a"), []);
  assertEquals(hiddenBelow(mounts, 20n, "/pro"), []);
});

Deno.test("parseMounts() tells a mount and a file system that are read-only", () => {
  const lines = [
    "20 1 254:0 / / rw,relatime - ext4 /dev/vda rw,errors=remount-ro",
    "21 20 0:5 / /a ro,relatime shared:1 - ext4 /dev/vda rw",
    "22 20 0:6 / /b rw,relatime - squashfs /dev/loop0 ro,errors=continue",
    "23 20 0:7 / /ro rw - tmpfs ro rw,mode=755",
  ];
  assertEquals(
    parseMounts(lines.join("\n")).map(({ isReadOnly }) => isReadOnly),
    [false, true, true, false],
  );
});

Deno.test("parseMounts() finds the type behind what is optional", () => {
  assertEquals(parseMounts(TABLE).map(({ type }) => type), [
    "ext4",
    "proc",
    "ext4",
    "tmpfs",
    "ext4",
  ]);
});

function below(directory: string, ...lines: string[]): string[] {
  const text = lines.map((line) => {
    const [ids, path] = line.split(": ");
    return `${ids} 0:1 / ${path} rw - tmpfs tmpfs rw`;
  });
  return mountsBelow(parseMounts(text.join("\n")), directory)
    .map(({ path }) => path);
}

Deno.test("mountsBelow() finds what is mounted at any depth", () => {
  const table = ["2 1: /", "3 2: /a/b", "4 3: /a/b/c", "5 2: /ab", "6 2: /d"];
  assertEquals(below("/", ...table), ["/a/b", "/a/b/c", "/ab", "/d"]);
  assertEquals(below("/a", ...table), ["/b", "/b/c"]);
  assertEquals(below("/a/b", ...table), ["/c"]);
  assertEquals(below("/d", ...table), []);
});

Deno.test("mountsBelow() leaves out what another mount hides", () => {
  const above = ["2 1: /", "3 2: /a/b", "4 3: /a/b/c", "5 2: /a"];
  assertEquals(below("/", ...above), ["/a"]);
  const over = ["2 1: /", "3 2: /a", "4 3: /a/b", "5 3: /a", "6 5: /a/d"];
  assertEquals(below("/", ...over), ["/a", "/a/d"]);
});

Deno.test("mountsBelow() takes the one on top of those at one place", () => {
  const lines = [
    "2 1 0:1 / / rw - tmpfs tmpfs rw",
    "3 2 0:2 / /a rw - tmpfs tmpfs rw",
    "4 3 0:3 / /a ro - tmpfs tmpfs rw",
  ];
  assertEquals(mountsBelow(parseMounts(lines.join("\n")), "/"), [
    { path: "/a", isReadOnly: true, type: "tmpfs" },
  ]);
});

Deno.test("mountsBelow() knows roots on a root, and none", () => {
  assertEquals(below("/", "1 1: /", "2 1: /", "3 2: /a", "4 1: /b"), ["/a"]);
  assertEquals(below("/", "3 2: /a", "4 2: /b", "5 4: /b/c"), [
    "/a",
    "/b",
    "/b/c",
  ]);
});
