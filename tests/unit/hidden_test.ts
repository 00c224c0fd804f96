import { assertEquals } from "@std/assert";
import { attachCovers, closeCovers, prepareCovers } from "../../src/hidden.ts";
import { MASK_FILE } from "../../src/restrictions.ts";

const HIDDEN = [
  { path: "/home", kind: "directory" },
  { path: "/etc/machine-id", kind: "file" },
] as const;

Deno.test("what mounts hide is covered by what is empty, and then read-only", () => {
  const copies = prepareCovers(HIDDEN).filter(({ call }) =>
    call === "open_tree"
  );
  assertEquals(copies.map(({ args }) => args[1]), ["cover0", MASK_FILE]);
  const targets = attachCovers(HIDDEN).map(({ args, call }) => [call, args[3]]);
  assertEquals(targets, [
    ["move_mount", "/home"],
    ["move_mount", "/etc/machine-id"],
  ]);
  const READ_ONLY = 1;
  const remounts = closeCovers(HIDDEN).filter(({ call }) => call === "mount");
  assertEquals(remounts.map(({ args }) => Number(args[3]) & READ_ONLY), [1]);
});

Deno.test("what the container mounts over anyway is not covered", () => {
  const own = ["/dev", "/dev/shm", "/proc", "/run/user/1", "/sys", "/tmp/x"]
    .map((path) => ({ path, kind: "directory" } as const));
  assertEquals(prepareCovers(own), []);
  assertEquals(attachCovers(own), []);
});
