/**
 * Random arguments and hostile roots, a few of each kind; `make fuzz` plays
 * ten thousand cases of other seeds.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { test } from "../e2e/support/mod.ts";
import { type Kind, numbersOf } from "../fuzz/cases.ts";
import { fuzz } from "../fuzz/fuzz.ts";

/** A failure is to be the same one in each run, and seen again. */
const SEED = 3;

/** Plays the first cases of a kind, none of which may go wrong. */
async function play(kind: Kind, count: number): Promise<string[]> {
  const numbers = numbersOf(kind, count);
  const { counts, failures } = await fuzz({ seed: SEED, numbers });
  assertEquals(failures.map(({ text }) => text).join("\n\n"), "");
  return [...counts.keys()];
}

test("random arguments are read or refused, and nothing breaks", async () => {
  assertEquals((await play("pure", 1000)).sort(), ["read", "refused"]);
});

test("cage run with random arguments says a sentence or runs", async () => {
  const ends = await play("arguments", 30);
  assert(ends.includes("arguments 125") && ends.includes("arguments 0"));
});

test("cage on a hostile root says a sentence or runs", async () => {
  const ends = await play("root", 45);
  assert(ends.includes("root 125") && ends.includes("root 0"));
});
