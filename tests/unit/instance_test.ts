import { assertEquals } from "@std/assert";
import {
  inOrder,
  type Instance,
  nameOfPidFile,
  storedOf,
} from "../../src/instance.ts";

const STATES = ["/run/microcontainer", "/run/microcontainer/user/7"];

Deno.test("nameOfPidFile() finds the name of a pid file at its usual place", () => {
  const names = [
    ["/run/microcontainer/web.pid", "web"],
    ["/run/microcontainer/user/7/a.pid.pid", "a.pid"],
    ["/run/microcontainer/a\nb.pid", "a\nb"],
    ["/run/microcontainer/pid", undefined],
    ["/run/microcontainer/.pid", undefined],
    ["/run/microcontainer/user/8/web.pid", undefined],
    ["/run/microcontainer/../web.pid", undefined],
    ["/web.pid", undefined],
    ["", undefined],
  ] as const;
  for (const [path, name] of names) {
    assertEquals(nameOfPidFile(path, STATES), name, path);
  }
});

Deno.test("storedOf() knows application directories and images", () => {
  const known = [
    ["default", true, { directory: "default" }],
    ["default.ext4", false, { directory: "default" }],
    ["app-a\nb", true, { name: "a\nb", directory: "app-a\nb" }],
    ["app-x.ext4", true, { name: "x.ext4", directory: "app-x.ext4" }],
    ["app-x.ext4", false, { name: "x", directory: "app-x" }],
    ["app-x.ext4.new", false, undefined],
    ["app-", true, undefined],
    ["app-x", false, undefined],
    ["user", true, undefined],
    ["default.ext4", true, undefined],
  ] as const;
  for (const [file, isDirectory, stored] of known) {
    assertEquals(storedOf(file, isDirectory), stored, file);
  }
});

Deno.test("inOrder() has what runs first, then names, then users", () => {
  const instances: Instance[] = [
    { state: "stored", uid: 0, name: "b" },
    { state: "stored", uid: 0 },
    { state: "running", uid: 1000, name: "b", pid: 9 },
    { state: "running", uid: 7, name: "b", pid: 10 },
    { state: "running", uid: 0, pid: 12 },
    { state: "running", uid: 0, pid: 3 },
  ];
  assertEquals(
    inOrder(instances).map((instance) => instances.indexOf(instance)),
    [5, 4, 3, 2, 1, 0],
  );
});
