import { assert, assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/errors.ts";
import { parseVolume } from "../../src/volumes.ts";
import { seeded } from "./seeded.ts";

Deno.test("parseVolume() reads HOST and INSIDE", () => {
  assertEquals(parseVolume("/srv:/data"), {
    host: "/srv",
    inside: "/data",
    readOnly: false,
  });
});

Deno.test("parseVolume() maps HOST alone to the same path inside", () => {
  assertEquals(parseVolume("/srv//web/"), {
    host: "/srv//web/",
    inside: "/srv/web",
    readOnly: false,
  });
});

Deno.test("parseVolume() reads the modes ro and rw", () => {
  assertEquals(parseVolume("/a:/b:ro").readOnly, true);
  assertEquals(parseVolume("/a:/b:rw").readOnly, false);
});

Deno.test("parseVolume() leaves the path of the host as given", () => {
  assertEquals(parseVolume("../x/./y:/b").host, "../x/./y");
});

Deno.test("parseVolume() takes escaped colons and backslashes", () => {
  assertEquals(parseVolume("/a\\:b:/c\\\\:ro"), {
    host: "/a:b",
    inside: "/c\\",
    readOnly: true,
  });
});

Deno.test("parseVolume() normalises the path inside and keeps it inside", () => {
  const cases = [
    ["/a//b", "/a/b"],
    ["//a", "/a"],
    ["///a/", "/a"],
    ["/a/./b/.", "/a/b"],
    ["/a/../b", "/b"],
    ["/../../etc", "/etc"],
    ["/a/../../../b/..c/...", "/b/..c/..."],
    ["/ü 日/ ", "/ü 日/ "],
  ];
  for (const [given, inside] of cases) {
    assertEquals(parseVolume(`x:${given}`).inside, inside);
  }
});

const ADVICE = ": write HOST, HOST:INSIDE or HOST:INSIDE:ro, " +
  'and "\\:" for a colon in a path';

Deno.test("parseVolume() refuses a malformed volume and says what is valid", () => {
  const root = "the path inside is the root, which the layers make";
  const cases = [
    ["", "a part of it is empty"],
    [":/a", "a part of it is empty"],
    ["/a:", "a part of it is empty"],
    ["/a:/b:", "a part of it is empty"],
    ["/a:/b:ro:x", "it has more than three parts"],
    ["/a:/b:RO", 'its mode "RO" is neither "ro" nor "rw"'],
    ["src", 'the path inside, "src", is not absolute'],
    ["/a:b", 'the path inside, "b", is not absolute'],
    ["/a:ro", 'the path inside, "ro", is not absolute'],
    ["/", root],
    ["/a:/", root],
    ["/a:/b/../..", root],
    ["/a://.", root],
  ];
  for (const [text, why] of cases) {
    const error = assertThrows(() => parseVolume(text), UsageError);
    assertEquals(
      error.message,
      `Cannot map volume "${text}": ${why}${ADVICE}`,
    );
  }
});

Deno.test("parseVolume() gives back any paths that were escaped", () => {
  const random = seeded(3);
  const path = () => `/x${random.text("a:\\, ü😀", 8)}`;
  for (let round = 0; round < 1000; round++) {
    const volume = {
      host: path(),
      inside: path(),
      readOnly: random.pick([true, false]),
    };
    const parts = [volume.host, volume.inside].map((part) =>
      part.replace(/[:\\]/g, "\\$&")
    );
    if (volume.readOnly) parts.push("ro");
    assertEquals(parseVolume(parts.join(":")), volume);
  }
});

Deno.test("parseVolume() never leaves a dot element in the path inside", () => {
  const random = seeded(4);
  for (let round = 0; round < 2000; round++) {
    const path = `/${random.text("./a", 12)}/z`;
    const { inside } = parseVolume(`host:${path}`);
    assert(/^(\/[^/]+)+$/.test(inside), inside);
    const elements = inside.split("/");
    assert(!elements.includes(".") && !elements.includes(".."), inside);
  }
});

Deno.test("parseVolume() refuses a path inside that is very deep", () => {
  const deep = (depth: number) => `/a:${"/b".repeat(depth)}`;
  assertEquals(parseVolume(deep(200)).inside.length, 400);
  assertThrows(
    () => parseVolume(deep(201)),
    UsageError,
    "the path inside has more than 200 parts",
  );
});
