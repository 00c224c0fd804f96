import { assertEquals } from "@std/assert";
import { differences } from "../../src/line_diff.ts";
import { seeded } from "./seeded.ts";

/** The length of the longest common subsequence, by the book. */
function common(a: readonly string[], b: readonly string[]): number {
  let row = Array<number>(b.length + 1).fill(0);
  for (const one of a) {
    const next = [0];
    b.forEach((other, at) => {
      next.push(one === other ? row[at] + 1 : Math.max(row[at + 1], next[at]));
    });
    row = next;
  }
  return row[b.length];
}

/** What differences make of the old lines, and how many lines they touch. */
function applied(a: readonly string[], b: readonly string[]) {
  const result: string[] = [];
  let [at, count] = [0, 0];
  for (const { after, before } of differences(a, b)) {
    result.push(...a.slice(at, before[0]), ...b.slice(...after));
    count += before[1] - before[0] + after[1] - after[0];
    at = before[1];
  }
  return { result: [...result, ...a.slice(at)], count };
}

Deno.test("differences() finds the fewest lines that make the new text", () => {
  const random = seeded(3);
  for (let round = 0; round < 3_000; round++) {
    const [a, b] = [0, 1].map(() =>
      random.list(14, () => random.pick([..."abc"]))
    );
    const { count, result } = applied(a, b);
    assertEquals(result, b);
    assertEquals(count, a.length + b.length - 2 * common(a, b));
  }
});

Deno.test("differences() gives one difference where nothing is common", () => {
  const [a, b] = ["x", "y"].map((letter) =>
    Array.from({ length: 6_000 }, (_, at) => `${letter}${at}`)
  );
  assertEquals(differences(a, b), [{ before: [0, 6000], after: [0, 6000] }]);
  assertEquals(differences(a, a), []);
});
