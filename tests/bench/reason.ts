/**
 * Why a program failed, in its own words.
 *
 * @module
 */

/**
 * Picks from what a program said why it failed.
 *
 * @param stderr What it said.
 * @param status How it ended.
 * @returns The last line that speaks of an error, or the last one.
 */
export function reasonOf(stderr: string, status: number): string {
  const lines = stderr.split("\n").map((line) => line.trim()).filter(Boolean);
  return lines.findLast((line) => /\berror\b/i.test(line)) ?? lines.at(-1) ??
    `it ended with status ${status}`;
}
