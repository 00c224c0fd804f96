import { assertEquals } from "@std/assert";
import { removeSteps } from "../../src/remove_steps.ts";

const MAP = [{ inside: 0, outside: 1000, count: 1 }];
const NAMESPACE = {
  descriptor: 30,
  map: { uid: MAP, gid: MAP, setgroups: "deny" },
  owner: { uid: 1000, gid: 100, groups: [27] },
  inside: { uid: 0, gid: 0 },
} as const;

Deno.test("removeSteps() removes by name in an open directory", () => {
  const steps = removeSteps(9, ["-x", "work"]);
  assertEquals(steps.find(({ call }) => call === "fchdir")?.args, [9]);
  assertEquals(
    steps.filter(({ call }) => call === "execve").map(({ args }) => args[1]),
    Array(2).fill(["rm", "-rf", "--one-file-system", "--", "-x", "work"]),
  );
});

Deno.test("removeSteps() has no more rights than a user when it removes", () => {
  const steps = removeSteps(9, ["upper"], NAMESPACE, [100, 27]);
  const order = ["setgroups", "setns", "setresgid", "setresuid", "execve"];
  const places = order.map((name) =>
    steps.findIndex(({ call }) => call === name)
  );
  assertEquals(places, places.toSorted((a, b) => a - b));
  assertEquals(places.includes(-1), false);
});
