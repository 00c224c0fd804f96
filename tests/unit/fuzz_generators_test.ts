import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { OPTIONS } from "../../src/options.ts";
import { randomArguments, spell } from "../fuzz/arguments.ts";
import { type Kind, kindOf, numbersOf, randomOf } from "../fuzz/cases.ts";
import { type Entry, hostileRoot, inOrder } from "../fuzz/hostile_root.ts";
import { byteMark, bytesOf } from "../fuzz/marks.ts";
import { pureArguments } from "../fuzz/pure.ts";
import { argumentsRun, rootRun } from "../fuzz/runs.ts";
import { longWord, oddWord, shortened } from "../fuzz/values.ts";
import type { Random } from "./seeded.ts";

/** How many cases each property is looked for in. */
const MANY = 800;

function many<T>(make: (random: Random) => T): T[] {
  return Array.from({ length: MANY }, (_, n) => make(randomOf(1, n)));
}

Deno.test("a case is the same again for the same seed and number", () => {
  assertEquals(many(pureArguments), many(pureArguments));
  assertEquals(many(argumentsRun), many(argumentsRun));
  assertEquals(many(rootRun), many(rootRun));
});

Deno.test("a case is another one for another seed or number", () => {
  const first = (seed: number, number: number) => {
    const random = randomOf(seed, number);
    return Array.from({ length: 4 }, () => random.below(1 << 30)).join();
  };
  const all = [1, 2, 3, 1000].flatMap((seed) =>
    [1, 2, 3, 1000].map((number) => first(seed, number))
  );
  assertEquals(new Set(all).size, 16);
});

Deno.test("kindOf() makes three of twenty cases runs", () => {
  const kinds = Array.from({ length: 10_000 }, (_, n) => kindOf(n + 1));
  const count = (kind: Kind) => kinds.filter((each) => each === kind).length;
  assertEquals(
    [count("pure"), count("arguments"), count("root")],
    [8500, 500, 1000],
  );
});

Deno.test("numbersOf() gives cases of one kind, from the first", () => {
  assertEquals(numbersOf("pure", 3), [1, 2, 3]);
  assertEquals(numbersOf("arguments", 2), [7, 27]);
  assertEquals(numbersOf("root", 3), [13, 20, 33]);
});

Deno.test("oddWord() makes words that execve(2) takes", () => {
  for (const word of many((random) => oddWord(random))) {
    assert(!word.includes("\0"));
  }
  const lengths = many(longWord).map((word) => bytesOf(word).length);
  assertEquals(Math.max(...lengths), 131071);
});

Deno.test("shortened() keeps what execve(2) takes", () => {
  const sizeOf = (word: string) => bytesOf(shortened(word)).length;
  assertEquals(shortened("é"), "é");
  assertEquals(sizeOf("a".repeat(131071)), 131071);
  assert(sizeOf("a".repeat(131072)) < 131072);
  assert(sizeOf("漢".repeat(65536)) < 131072);
});

Deno.test("oddWord() makes control characters, other scripts, and no text", () => {
  const words = many((random) => oddWord(random)).join("");
  const odd = ["\x1b", "\n", "\u0085", "\u202e", "漢", "😀", byteMark(0xff)];
  assertEquals(odd.filter((character) => !words.includes(character)), []);
});

Deno.test("randomArguments() spells every option in every way", () => {
  const lines = many((random) =>
    randomArguments(random, {
      value: () => "value",
      command: () => ["true"],
      most: 9,
    }).join(" ")
  ).join("\n");
  for (const { long, short, value } of OPTIONS) {
    assert(lines.includes(`--${long}`), long);
    if (value === undefined) continue;
    assert(lines.includes(`--${long}=value`), long);
    assert(lines.includes(`--${long} value`), long);
    if (short === undefined) continue;
    for (
      const way of [`-${short} value`, `-${short}value`, `-${short}=value`]
    ) {
      assert(lines.includes(way), way);
    }
  }
  assert(/ -k[a-zA-Z] value/.test(lines));
});

Deno.test("spell() keeps a value whole", () => {
  for (const words of many((random) => spell(random, OPTIONS[0], "a b"))) {
    assert(words.at(-1)?.endsWith("a b"));
  }
});

Deno.test("hostileRoot() makes every kind of thing", () => {
  const things = many(hostileRoot)
    .flatMap(({ entries }) => entries.map(({ thing }) => thing.kind));
  assertEquals([...new Set(things)].sort(), [
    ...["chain", "directory", "fifo", "file", "link", "missing", "no-device"],
    ...["null", "socket", "sparse", "whiteout"],
  ]);
});

Deno.test("hostileRoot() puts nothing where a link would lead elsewhere", () => {
  for (const { entries } of many(hostileRoot)) {
    entries.forEach(({ path }, index) => {
      const above = entries.slice(0, index)
        .filter((entry) => path.startsWith(`${entry.path}/`));
      assert(above.every(({ thing }) => thing.kind === "directory"));
    });
  }
});

Deno.test("inOrder() makes what is above first, and each place once", () => {
  const entry = (path: string, kind: "missing" | "fifo"): Entry => ({
    path,
    thing: { kind },
  });
  const directory: Entry = {
    path: "etc",
    thing: { kind: "directory", names: [], mode: 0, owner: 0, attributes: {} },
  };
  assertEquals(
    inOrder([
      ...[entry("etc/hosts", "fifo"), directory, entry("var/tmp", "fifo")],
      ...[entry("etc/hosts", "missing"), entry("var", "missing")],
    ]).map(({ path, thing }) => [path, thing.kind]),
    [["etc", "directory"], ["var", "missing"], ["etc/hosts", "fifo"]],
  );
});

Deno.test("runs name neither seed nor machine", () => {
  const runs = [...many(argumentsRun), ...many(rootRun)];
  for (const { words } of runs) {
    assert(!words.some((word) => /cage-e2e|e2e-[0-9]/.test(word)));
  }
  assertNotEquals(runs[0], runs[1]);
});
