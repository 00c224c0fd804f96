/**
 * Measures `cage` beside other programs, and writes docs/benchmarks.md with its
 * pictures.
 *
 * ```text
 * main.ts [--rounds=10] [--runs=10] [--output=FILE] [--import-map=FILE]
 *         [--kept=FILE] [--again]
 * ```
 *
 * What was measured is kept in a file; with `--again` it is told anew without
 * being measured anew.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { leftovers } from "../e2e/support/leftovers.ts";
import { output } from "../e2e/support/process.ts";
import { whyNoBusybox } from "../e2e/support/roots.ts";
import { whyNoProgram } from "../e2e/support/test.ts";
import { CHECKOUT, whyNoCage } from "../e2e/support/words.ts";
import { type Machine, thisMachine, versionsOf } from "./machine.ts";
import { measureAll } from "./measure.ts";
import type { Measurements } from "./measurements.ts";
import { drawPictures } from "./pictures.ts";
import { report } from "./report.ts";
import type { Amount } from "./rounds.ts";
import { Site } from "./site.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    runs: { type: "string", default: "10" },
    output: { type: "string", default: `${CHECKOUT}/docs/benchmarks.md` },
    kept: { type: "string", default: `${CHECKOUT}/bin/benchmarks.json` },
    again: { type: "boolean", default: false },
    "import-map": { type: "string" },
  },
});

async function main(): Promise<void> {
  if (!values.again) {
    const measurements = await measure();
    await Deno.writeTextFile(values.kept, JSON.stringify(measurements));
  }
  const measurements = JSON.parse(await Deno.readTextFile(values.kept));
  const directory = values.output.replace(/\.md$/, "");
  const pictures = await drawPictures(measurements, directory);
  const text = report(measurements, pictures);
  console.log(text);
  await Deno.writeTextFile(values.output, text);
  const written = "names" in pictures
    ? pictures.names.map((name) => `${directory}/${name}.svg`)
    : [];
  await output([Deno.execPath(), "fmt", "--quiet", values.output, ...written]);
  console.error(`Written: ${values.output.replace(`${CHECKOUT}/`, "")}`);
}

async function measure(): Promise<Measurements> {
  const why = Deno.uid() !== 0
    ? "only root may start these containers"
    : whyNoBusybox() ?? whyNoProgram("hyperfine") ?? whyNoCage();
  if (why !== undefined) throw new Error(`Cannot measure: ${why}`);
  const amount = amountOf(values.rounds, values.runs);
  const machine = await thisMachine();
  await using site = await Site.make(leftovers(), (site) => {
    // What is measured ends, then this does, and the place is removed.
    for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => {
        console.error(`Ending, since ${signal} came`);
        site.interrupt(`${signal} came`);
      });
    }
  });
  const measured = await measureAll(site, amount, (text) => {
    console.error(text);
  }).catch((error) => {
    // That what was killed has failed is no news.
    site.root.goOn();
    throw error;
  });
  const versions = await versionsOf(programsOf(measured.groups));
  return {
    ...measured,
    circumstances: circumstancesOf(machine, versions),
    source: {
      kernel: machine.kernel,
      processor: machine.processor,
      version: versions[0],
    },
  };
}

function amountOf(rounds: string, runs: string): Amount {
  const amount = { rounds: Number(rounds), runs: Number(runs) };
  const isCount = (value: number) => Number.isSafeInteger(value) && value > 0;
  if (isCount(amount.rounds) && isCount(amount.runs)) return amount;
  throw new Error(
    `Cannot measure "${rounds}" rounds of "${runs}" runs: give numbers from 1`,
  );
}

function circumstancesOf(
  { kernel, load, memory, processor }: Machine,
  versions: readonly string[],
): string[] {
  return [
    `Kernel: ${kernel}`,
    `Processor: ${processor}; ${memory.toFixed(0)} GiB of memory`,
    `Load before: ${load.toFixed(1)}`,
    `Versions: ${versions.join(", ")}`,
  ];
}

/** Only names of programs; others have words in them. */
function programsOf(groups: Measurements["groups"]): Map<string, string> {
  const names = Object.values(groups).flat().map(({ name }) => name)
    .filter((name) => !name.includes(" "));
  const programs = ["cage", "deno", "hyperfine", ...names];
  const paths = new Map([
    ["cage", `${CHECKOUT}/bin/cage`],
    ["deno", Deno.execPath()],
  ]);
  return new Map(programs.map((name) => [name, paths.get(name) ?? name]));
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exitCode = 1;
}
// Listeners of signals would keep this going.
Deno.exit();
