/**
 * The command line: flags to a spec, a spec to an exit status. Only this file
 * prints and exits.
 *
 * @module
 */

import { SyscallError } from "./ffi/libc.ts";
import type { Notes } from "./ffi/notes.ts";
import { checkArguments } from "./src/arguments.ts";
import { drive, InterruptedError } from "./src/drive.ts";
import { CageError, STATUS_FAILED } from "./src/errors.ts";
import { reasonOf } from "./src/failure.ts";
import { type Invocation, parseFlags } from "./src/flags.ts";
import { type Launched, start, stop } from "./src/launcher.ts";
import { noteSignals } from "./src/note_signals.ts";
import { supervise } from "./src/supervise.ts";
import { VERSION } from "./src/version.ts";

/**
 * Runs the command line.
 *
 * @param argv The arguments, without the name of the program.
 * @returns The exit status, unless this process becomes the supervisor of a
 * command, whose status it ends with.
 */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await run(argv);
  } catch (error) {
    // Whoever pressed Ctrl-C knows.
    if (error instanceof InterruptedError) return error.status;
    tell(sentenceOf(error));
    return error instanceof CageError ? error.status : STATUS_FAILED;
  }
}

/** What a launch does not need is loaded when it is asked for. */
async function run(argv: readonly string[]): Promise<number> {
  checkArguments(argv);
  const invocation = parseFlags(argv);
  switch (invocation.kind) {
    case "run": {
      const notes = noteSignals();
      const launching = start(invocation.spec, {}, tell);
      return goOn(await drive(launching, notes), notes);
    }
    case "kill":
      await drive(stop(invocation.spec));
      return 0;
    case "reset": {
      const { confirmReset, reset } = await import("./src/reset.ts");
      const { isSure, stops } = invocation;
      if (!isSure) await drive(confirmReset(invocation.spec, stops));
      if (stops) await drive(stop(invocation.spec));
      await drive(reset(invocation.spec));
      return 0;
    }
    case "list": {
      const { list } = await import("./src/list.ts");
      say(await drive(list(invocation.isJson)));
      return 0;
    }
    case "check": {
      const { findCheckFacts } = await import("./src/check.ts");
      const { checkReport } = await import("./src/check_report.ts");
      say(checkReport(findCheckFacts()).join("\n"));
      return 0;
    }
    case "compile": {
      const { compile } = await import("./src/compile.ts");
      compile(invocation.spec, invocation.file);
      return 0;
    }
    case "explain":
      say(await explain(invocation));
      return 0;
    case "diff": {
      const { diff } = await import("./src/diff.ts");
      return await drive(diff(invocation.spec, invocation.wish));
    }
    case "apply": {
      const { apply } = await import("./src/apply.ts");
      return await drive(apply(invocation.spec, invocation.wish));
    }
    case "export": {
      const { exportTar } = await import("./src/export.ts");
      return await drive(exportTar(invocation.spec, invocation.wish));
    }
    case "help":
    case "usage":
    case "version": {
      const text = await import("./src/help.ts");
      const texts = {
        help: text.helpText,
        usage: text.usageText,
        version: () => text.versionText(VERSION),
      };
      say(texts[invocation.kind]());
      return 0;
    }
  }
}

async function explain(
  { file, isJson, spec }: Invocation & { readonly kind: "explain" },
): Promise<string> {
  const { safeJson } = await import("./ffi/json.ts");
  if (file !== undefined) {
    const { explainFile } = await import("./src/explain_file.ts");
    const lines = explainFile(file);
    if (lines !== undefined) {
      return isJson ? safeJson({ lines }, 2) : lines.join("\n");
    }
  }
  const { explainCall } = await import("./src/explain_call.ts");
  const explained = await import("./src/explained.ts");
  // As in a launch, which resets what is handled.
  noteSignals();
  const call = await drive(explainCall(spec));
  return isJson
    ? safeJson(explained.explainedValue(call), 2)
    : explained.explainedLines(call).join("\n");
}

/** With a supervisor of its own, the command needs this process no more. */
function goOn(launched: Launched, notes: Notes | undefined): number {
  if (launched.supervisor === undefined) return supervise(launched, notes);
  try {
    console.log(launched.name);
  } catch {
    // Nobody reads it. The command runs, which is what the status says.
  }
  return 0;
}

function say(text: string): void {
  try {
    console.log(text);
  } catch (error) {
    const { message } = error as Error;
    const reason = message.replace(/ \(os error \d+\)$/, "");
    throw new CageError(
      "Cannot write to the standard output: " +
        `${reason.charAt(0).toLowerCase()}${reason.slice(1)}: ` +
        "write it somewhere else",
    );
  }
}

/** Where that cannot be written, nobody reads it: what was begun goes on. */
function tell(note: string): void {
  try {
    console.error(`cage: ${note}`);
  } catch {
    // The status tells.
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

if (import.meta.main) Deno.exit(await main(Deno.args));
