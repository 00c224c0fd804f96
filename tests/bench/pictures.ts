/**
 * Pictures of measurements, drawn by Vega-Lite.
 *
 * @module
 */

import { run } from "../e2e/support/process.ts";
import { CHECKOUT } from "../e2e/support/words.ts";
import { chartsOf } from "./charts.ts";
import type { Measurements } from "./measurements.ts";
import { withDarkPaper } from "./theme.ts";

/** What the packages of the charting library have to be. */
const LOCK = `${CHECKOUT}/.ci/charts.lock`;

/** Also for packages that have to be got first, in milliseconds. */
const PATIENCE = 300_000;

/** What came of drawing: the names of pictures, or why there are none. */
export type Pictures =
  | { readonly directory: string; readonly names: readonly string[] }
  | { readonly reason: string };

/**
 * Draws all pictures. The library is a guest: it has no permissions, and only
 * what is in the lock file is run.
 *
 * @param measurements What they show.
 * @param directory Where they are written; it is made.
 * @returns What came of it.
 */
export async function drawPictures(
  measurements: Measurements,
  directory: string,
): Promise<Pictures> {
  const { status, stderr, stdout } = await run([
    ...[Deno.execPath(), "run", "--no-config", "--no-prompt", "--quiet"],
    ...[`--lock=${LOCK}`, "--frozen", `${CHECKOUT}/tests/bench/draw.ts`],
  ], {
    stdin: JSON.stringify(chartsOf(measurements)),
    env: { NO_COLOR: "1" },
    patience: PATIENCE,
  });
  if (status !== 0) {
    const [reason] = stderr.trim().split("\n");
    return { reason };
  }
  const drawn: Record<string, string> = JSON.parse(stdout);
  await Deno.mkdir(directory, { recursive: true });
  for (const [name, svg] of Object.entries(drawn)) {
    await Deno.writeTextFile(
      `${directory}/${name}.svg`,
      withDarkPaper(svg) + "\n",
    );
  }
  return {
    directory: directory.slice(directory.lastIndexOf("/") + 1),
    names: Object.keys(drawn),
  };
}
