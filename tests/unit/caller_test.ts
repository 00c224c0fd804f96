import { assertEquals } from "@std/assert";
import { basesOf } from "../../src/caller.ts";

Deno.test("basesOf() keeps files of users apart, and those of root together", () => {
  const bases = [
    basesOf({ standing: "root", uid: 0 }),
    basesOf({ standing: "granted", uid: 1000 }),
    basesOf({ standing: "user", uid: 1000 }),
    basesOf({ standing: "user", uid: 1001 }),
  ];
  assertEquals(bases[0], bases[1]);
  assertEquals(new Set(bases.map(({ storage }) => storage)).size, 3);
  assertEquals(new Set(bases.map(({ state }) => state)).size, 3);
});
