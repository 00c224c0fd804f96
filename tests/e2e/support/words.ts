/**
 * The command under test.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";

/** The root of the checkout. */
export const CHECKOUT: string = fromFileUrl(
  new URL("../../..", import.meta.url),
).replace(/\/$/, "");

/**
 * The words that run `cage`: the environment variable CAGE as a JSON array
 * (`["deno", "run", "-A", "/checkout/mod.ts"]`) or as a path; `bin/cage` of
 * the checkout if it is not set.
 *
 * @returns The words, to be followed by the arguments.
 */
export function cageWords(): string[] {
  const text = Deno.env.get("CAGE") || `${CHECKOUT}/bin/cage`;
  const words: string[] = text.startsWith("[") ? JSON.parse(text) : [text];
  const [program, ...rest] = words;
  const relative = program.includes("/") && !program.startsWith("/");
  return [relative ? `${CHECKOUT}/${program}` : program, ...rest];
}

/**
 * The words that run a program with the modules of the checkout, wherever it
 * is.
 *
 * @returns The words, to be followed by its path and arguments.
 */
export function denoWords(): string[] {
  return [Deno.execPath(), "run", "-A", "-q", importFlag()];
}

/**
 * Tells Deno where `@std` is: by the environment variable IMPORT_MAP, as the
 * runner of the tests sets it, or by the configuration of the checkout.
 *
 * @returns The flag.
 */
export function importFlag(): string {
  const map = Deno.env.get("IMPORT_MAP");
  return map ? `--import-map=${map}` : `--config=${CHECKOUT}/deno.json`;
}

/**
 * Tells why `cage` cannot be run.
 *
 * @returns A sentence, or nothing if it can be run.
 */
export function whyNoCage(): string | undefined {
  const program = cageWords()[0];
  if (!program.includes("/") || exists(program)) return undefined;
  return `Cannot find ${program}: run "make" first, or set CAGE`;
}

/**
 * Tells whether a path leads to anything, without following a last link.
 *
 * @param path The path.
 * @returns Whether it does.
 */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
