import { assertEquals } from "@std/assert";
import type { Part } from "../../src/compose.ts";
import { readOnlyPlaces } from "../../src/read_only_places.ts";

const EINVAL = 22;

function places(parts: readonly Part[], ...refused: string[]): string[] {
  return readOnlyPlaces(
    { skeleton: [], parts, upper: [] },
    (step) => refused.some((path) => step === `part:${path}`) ? EINVAL : 0,
  );
}

function overlay(path: string): Part {
  return { path, kind: "overlay", lower: [path] };
}

function file(path: string): Part {
  return { path, kind: "file", lower: [path], hindrance: "file" };
}

Deno.test("readOnlyPlaces() says nothing of what can be written to", () => {
  assertEquals(places([overlay("/a"), overlay("/b")]), []);
});

Deno.test("readOnlyPlaces() says each reason once", () => {
  const closed = { kind: "directory", hindrance: "closed" } as const;
  const mounted = { kind: "directory", hindrance: "mounted" } as const;
  assertEquals(
    places([
      { path: "/a", lower: ["/a"], ...mounted },
      overlay("/b"),
      { path: "/c", lower: ["/c"], ...mounted },
      { path: "/d", lower: ["/d"], ...closed },
      overlay("/e"),
    ], "/e"),
    [
      '"/a", "/c" can only be read: mounted read-only outside',
      '"/d" can only be read: something is mounted below, and you may not ' +
      "look into it",
      '"/e" can only be read: no overlay of it is possible: invalid argument',
    ],
  );
});

Deno.test("readOnlyPlaces() sums up what is too much", () => {
  const names = ["1", "2", "3", "4", "5", "6"];
  const [sentence] = places(names.map((name) => file(`/etc/${name}`)));
  assertEquals(
    sentence,
    '6 files in "/etc" can only be read: something is mounted beside, and it cannot be copied',
  );
  const [scattered] = places(
    names.map((name) => overlay(`/${name}/a`)),
    ...names.map((name) => `/${name}/a`),
  );
  assertEquals(
    scattered,
    '"/1/a", "/2/a", "/3/a", "/4/a" and 2 others can only be read: no ' +
      "overlay of it is possible: invalid argument",
  );
});
