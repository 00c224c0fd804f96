/**
 * The command line: flags to a spec, a spec to an exit status. Only this file
 * prints and exits.
 *
 * @module
 */

import { SyscallError } from "./ffi/libc.ts";
import { checkArguments } from "./src/arguments.ts";
import { blockSignals } from "./src/block_signals.ts";
import { checkReport } from "./src/check_report.ts";
import { findCheckFacts } from "./src/check.ts";
import { drive, InterruptedError } from "./src/drive.ts";
import { CageError, STATUS_FAILED } from "./src/errors.ts";
import { reasonOf } from "./src/failure.ts";
import { parseFlags } from "./src/flags.ts";
import { helpText, versionText } from "./src/help.ts";
import { start, stop } from "./src/launcher.ts";
import { reset } from "./src/reset.ts";
import { supervise } from "./src/supervise.ts";
import { VERSION } from "./src/version.ts";

/**
 * Runs the command line.
 *
 * @param argv The arguments, without the name of the program.
 * @returns The exit status, unless this process becomes the supervisor of a
 * command, whose status it ends with.
 */
export function main(argv: readonly string[]): number {
  try {
    return run(argv);
  } catch (error) {
    // Whoever pressed Ctrl-C knows.
    if (error instanceof InterruptedError) return error.status;
    console.error(`cage: ${sentenceOf(error)}`);
    return error instanceof CageError ? error.status : STATUS_FAILED;
  }
}

function run(argv: readonly string[]): number {
  checkArguments(argv);
  const invocation = parseFlags(argv);
  switch (invocation.kind) {
    case "help":
      console.log(helpText());
      return 0;
    case "version":
      console.log(versionText(VERSION));
      return 0;
    case "check":
      console.log(checkReport(findCheckFacts()).join("\n"));
      return 0;
    case "reset":
      if (invocation.stops) drive(stop(invocation.spec));
      drive(reset(invocation.spec));
      return 0;
    case "kill":
      drive(stop(invocation.spec));
      return 0;
    case "run":
      blockSignals();
      return supervise(drive(start(invocation.spec)));
  }
}

/** A trace of the stack is of no use to who reads this. */
function sentenceOf(error: unknown): string {
  if (error instanceof CageError) return error.message;
  if (error instanceof SyscallError) {
    return `Cannot go on: ${error.call}: ${reasonOf(error.errno)}`;
  }
  const what = error instanceof Error ? error.message : String(error);
  return `Cannot go on: ${what}: this is a defect of cage, please report it`;
}

if (import.meta.main) Deno.exit(main(Deno.args));
