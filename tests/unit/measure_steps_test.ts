import { assertEquals } from "@std/assert";
import { measureSteps, parseMeasure } from "../../src/measure_steps.ts";

const MAP = [{ inside: 0, outside: 1000, count: 1 }];
const NAMESPACE = {
  descriptor: 30,
  map: { uid: MAP, gid: MAP, setgroups: "deny" },
  owner: { uid: 1000, gid: 100, groups: [27] },
  inside: { uid: 0, gid: 0 },
} as const;
const WISH = { directory: 9, answer: 8, nothing: 7 };

Deno.test("measureSteps() names nothing, and gives no environment", () => {
  const steps = measureSteps(WISH);
  assertEquals(steps.find(({ call }) => call === "fchdir")?.args, [9]);
  assertEquals(
    steps.filter(({ call }) => call === "execve").map(({ args }) => args),
    ["/usr/bin/du", "/bin/du"].map((file) => [
      ...[file, ["du", "-s", "-k", "-x", "."], []],
    ]),
  );
});

Deno.test("measureSteps() leaves nothing open but where the answer goes", () => {
  const steps = measureSteps(WISH);
  assertEquals(
    steps.filter(({ call }) => /close_range|dup3/.test(call)).map(({ args }) =>
      args.slice(0, 2)
    ),
    [[3, 0xffffffff], [7, 0], [8, 1], [7, 2]],
  );
});

Deno.test("measureSteps() has no more rights than a user when it counts", () => {
  const groups = [100, 27];
  const steps = measureSteps({ ...WISH, namespace: NAMESPACE, groups });
  const order = ["setgroups", "setns", "setresgid", "setresuid", "execve"];
  const places = order.map((name) =>
    steps.findIndex(({ call }) => call === name)
  );
  assertEquals(places, places.toSorted((a, b) => a - b));
  assertEquals(places.includes(-1), false);
});

Deno.test("parseMeasure() takes a whole answer and no other", () => {
  assertEquals(parseMeasure("0\t.\n"), 0);
  assertEquals(parseMeasure("4194304\t.\n"), 2 ** 32);
  for (const text of ["", "4", "4\t.", "4\tx\n", "-4\t.\n", "4\t.\n4\t.\n"]) {
    assertEquals(parseMeasure(text), undefined, text);
  }
});
