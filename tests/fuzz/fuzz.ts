/**
 * Plays cases and tells which of them went wrong.
 *
 * @module
 */

import { kindOf, randomOf } from "./cases.ts";
import { readCase } from "./pure.ts";
import { argumentsRun, rootRun } from "./runs.ts";
import { shellLine } from "./shell.ts";
import { type Setting, Stage } from "./stage.ts";

/** A case that went wrong. */
export interface Failure {
  /** Its number. */
  readonly number: number;
  /** What is wrong and how to see it again, some lines. */
  readonly text: string;
}

/** What came of some cases. */
export interface Outcome {
  /** Those that went wrong. */
  readonly failures: readonly Failure[];
  /** How often which exit status was seen, and how many were only read. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Which cases are played, and how. */
export interface Plan extends Setting {
  /** The seed of all cases. */
  readonly seed: number;
  /** The numbers of the cases. */
  readonly numbers: readonly number[];
  /** Called after each case. */
  readonly played?: (number: number, told: Told) => void;
  /** Called after a case that went wrong. */
  readonly failed?: (failure: Failure) => void;
}

/** What is told about a case, right or wrong. */
export interface Told {
  /** The command for a shell. */
  readonly command: string;
  /** How it ended, in a word. */
  readonly end: string;
  /** What it wrote. */
  readonly output?: string;
  /** What is wrong. */
  readonly faults: readonly string[];
}

/**
 * Plays cases, one after the other.
 *
 * @param plan Which, and how.
 * @returns What came of them.
 */
export async function fuzz(plan: Plan): Promise<Outcome> {
  await using stage = new Stage(plan);
  const failures: Failure[] = [];
  const counts = new Map<string, number>();
  for (const number of plan.numbers) {
    const told = await play(stage, plan.seed, number);
    counts.set(told.end, (counts.get(told.end) ?? 0) + 1);
    plan.played?.(number, told);
    if (told.faults.length === 0) continue;
    const failure = { number, text: describe(plan.seed, number, told) };
    failures.push(failure);
    plan.failed?.(failure);
  }
  return { failures, counts };
}

/** A case that cannot be played is one that went wrong. */
async function play(
  stage: Stage,
  seed: number,
  number: number,
): Promise<Told> {
  try {
    return await playCase(stage, seed, number);
  } catch (error) {
    const why = error instanceof Error ? error.stack : String(error);
    return { command: "", end: "broken", faults: [`It is broken: ${why}`] };
  }
}

async function playCase(
  stage: Stage,
  seed: number,
  number: number,
): Promise<Told> {
  const random = randomOf(seed, number);
  const kind = kindOf(number);
  if (kind === "pure") {
    const { faults, refused, words } = readCase(random);
    const command = shellLine(["cage", ...words]);
    return { command, faults, end: refused ? "refused" : "read" };
  }
  const make = kind === "root" ? rootRun : argumentsRun;
  const { command, ending, faults } = await stage.play(random, make);
  const { status, stderr, stdout } = ending;
  return {
    command,
    faults,
    end: `${kind} ${status}`,
    output: JSON.stringify({ status, stderr, stdout }),
  };
}

/** Long words say no more than their beginning. */
const MOST = 3000;

function describe(seed: number, number: number, told: Told): string {
  const cut = (text: string) =>
    text.length > MOST ? `${text.slice(0, MOST)}…` : text;
  return [
    `Case ${number} of seed ${seed} (${kindOf(number)}) went wrong:`,
    ...told.faults.map((fault) => `  - ${cut(fault)}`),
    `  $ ${cut(told.command)}`,
    ...told.output === undefined ? [] : [`  ${cut(told.output)}`],
    `  To see it again: make fuzz SEED=${seed} CASE=${number}`,
  ].join("\n");
}
