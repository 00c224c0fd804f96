/**
 * Measures `cage` beside other programs, and writes docs/benchmarks.md.
 *
 * ```text
 * main.ts [--rounds=10] [--runs=10] [--output=FILE] [--import-map=FILE]
 * ```
 *
 * @module
 */

import { parseArgs } from "node:util";
import { killDescendants, leftovers } from "../e2e/support/leftovers.ts";
import { output } from "../e2e/support/process.ts";
import { whyNoBusybox } from "../e2e/support/roots.ts";
import { whyNoProgram } from "../e2e/support/test.ts";
import { CHECKOUT, whyNoCage } from "../e2e/support/words.ts";
import { machineLines, versionsOf } from "./machine.ts";
import { COMMAND, measureAll, type Measurements } from "./measure.ts";
import { PAYLOAD } from "./memory.ts";
import { report } from "./report.ts";
import { Site } from "./site.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    runs: { type: "string", default: "10" },
    output: { type: "string", default: `${CHECKOUT}/docs/benchmarks.md` },
    "import-map": { type: "string" },
  },
});

async function main(): Promise<void> {
  const why = Deno.uid() !== 0
    ? "only root may start these containers"
    : whyNoBusybox() ?? whyNoProgram("hyperfine") ?? whyNoCage();
  if (why !== undefined) throw new Error(`Cannot measure: ${why}`);
  const amount = { rounds: +values.rounds, runs: +values.runs };
  await using site = await Site.make(leftovers(), [COMMAND, PAYLOAD]);
  // What is measured ends, then this does, and the place is removed.
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      console.error(`Ending: ${signal} came`);
      killDescendants();
    });
  }
  const machine = await machineLines();
  const measured = await measureAll(site, amount, (text) => {
    console.error(text);
  });
  const text = report(measured, {
    lines: [
      ...machine,
      `Versions: ${(await versionsOf(programsOf(measured))).join(", ")}`,
    ],
    amount,
    place: site.place,
    isMounted: site.within.length > 0,
  });
  console.log(text);
  await Deno.writeTextFile(values.output, text);
  await output([Deno.execPath(), "fmt", "--quiet", values.output]);
  console.error(`Written: ${values.output.replace(`${CHECKOUT}/`, "")}`);
}

function programsOf({ busybox, machine }: Measurements): string[] {
  const names = [...busybox, ...machine].map(({ name }) => name)
    .filter((name) => !name.includes(" "));
  return [...new Set(["deno", ...names, "hyperfine"])];
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exitCode = 1;
}
// Listeners of signals would keep this going.
Deno.exit();
