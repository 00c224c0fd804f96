import { assertEquals } from "@std/assert";
import { aspectsOf, type Entry, selects, typeOf } from "../../src/changes.ts";

const FILE: Entry = {
  ...{ mode: 0o100644, uid: 1, gid: 2, size: 5, modified: 7n },
  rdev: [0, 0],
};
const DIRECTORY: Entry = { ...FILE, mode: 0o040755 };
const same = { isSameContent: () => true, isSameAttributes: () => true };
const other = { isSameContent: () => false, isSameAttributes: () => false };

Deno.test("aspectsOf() finds each thing that can be another one", () => {
  assertEquals(aspectsOf(FILE, FILE, same), []);
  assertEquals(aspectsOf(FILE, FILE, other), ["content", "xattrs"]);
  const all = { ...FILE, mode: 0o104644, gid: 3, modified: 8n };
  assertEquals(aspectsOf(FILE, all, same), ["mode", "owner", "time"]);
  assertEquals(aspectsOf(FILE, { ...FILE, size: 6 }, same), ["content"]);
});

Deno.test("aspectsOf() tells of another type alone", () => {
  assertEquals(aspectsOf(FILE, DIRECTORY, other), ["type"]);
});

Deno.test("aspectsOf() takes no notice of size and time of a directory", () => {
  const later = { ...DIRECTORY, size: 4096, modified: 9n };
  assertEquals(aspectsOf(DIRECTORY, later, same), []);
  assertEquals(aspectsOf(DIRECTORY, { ...later, uid: 0 }, same), ["owner"]);
});

Deno.test("aspectsOf() compares the numbers of devices", () => {
  const device: Entry = { ...FILE, mode: 0o020600, rdev: [1, 3] };
  const next: Entry = { ...device, rdev: [1, 5] };
  assertEquals(aspectsOf(device, device, same), []);
  assertEquals(aspectsOf(device, next, same), ["content"]);
});

Deno.test("typeOf() knows all types", () => {
  const types = [1, 2, 4, 6, 8, 10, 12].map((bits) =>
    typeOf({ mode: bits << 12 })
  );
  assertEquals(
    types,
    [
      ...["fifo", "char", "directory", "block", "file", "link", "socket"],
    ] as typeof types,
  );
});

Deno.test("selects() knows what is below a path and on the way to it", () => {
  assertEquals(selects("/x", []), "all");
  assertEquals(selects("/x", ["/"]), "all");
  assertEquals(selects("/", ["/x"]), "way");
  assertEquals(selects("/a/b", ["/c", "/a/b"]), "all");
  assertEquals(selects("/a/bc", ["/a/b"]), "none");
});
