/**
 * Plays ten thousand random cases, or one again: `make fuzz`.
 *
 * The environment chooses: SEED, CASE, CASES; KEEP leaves the files of cases;
 * WITHIN is a JSON array of words before the command (setpriv(1)), OWNER the
 * `user:group` that the files of cases belong to then.
 *
 * @module
 */

import { fuzz, type Told } from "./fuzz.ts";

const SHOWN_EVERY = 1000;

function number(name: string, otherwise: number): number {
  const text = Deno.env.get(name) || String(otherwise);
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new Error(`Cannot use ${name}=${text}: it is no number`);
}

const seed = number("SEED", Math.floor(Date.now() / 1000) % 1_000_000);
const only = number("CASE", 0);
const count = number("CASES", 10_000);
const within = Deno.env.get("WITHIN");
const owner = Deno.env.get("OWNER");

function show(number: number, told: Told): void {
  if (only > 0) {
    console.log(`$ ${told.command}\n${told.end}\n${told.output ?? ""}`);
  } else if (number % SHOWN_EVERY === 0) {
    console.log(`${number} of ${count}`);
  }
}

console.log(`Seed ${seed}`);
const { counts, failures } = await fuzz({
  seed,
  numbers: only > 0
    ? [only]
    : Array.from({ length: count }, (_, index) => index + 1),
  ...within ? { within: JSON.parse(within) } : {},
  ...owner ? { owner } : {},
  keep: Boolean(Deno.env.get("KEEP")),
  played: show,
  failed: ({ text }) => console.error(`\n${text}\n`),
});
const sums = [...counts].sort().map(([end, sum]) => `${sum} ${end}`).join(", ");
console.log(`\n${sums}: ${failures.length} went wrong`);
Deno.exit(failures.length === 0 ? 0 : 1);
