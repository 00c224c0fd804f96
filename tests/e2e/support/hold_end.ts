/**
 * Instances that are killed and do not end yet.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { type Result, spawn, until } from "./process.ts";
import type { Context } from "./test.ts";
import { exists } from "./words.ts";

const PROGRAM = fromFileUrl(new URL("hold_end.py", import.meta.url));

/**
 * Runs a command twice, the second time when the supervisor of the first has
 * been killed and its pid 1 has begun to end, which shows nowhere.
 *
 * @param t The test.
 * @param words The command: it prints a line, and ends with its input.
 * @returns What was printed first, how the second one ended, and whether that
 * tried to join the first.
 */
export async function runOverKilled(
  t: Context,
  words: readonly string[],
): Promise<
  { readonly first: string; readonly second: Result; readonly joined: boolean }
> {
  await using first = spawn(words);
  const [line] = await first.seen(/^.+\n/);
  const pid = Number(Deno.readTextFileSync(t.pidFile));
  await using holder = spawn(["python3", PROGRAM, `${pid}`]);
  await holder.seen("waits");
  first.kill("SIGKILL");
  await holder.seen("holds");
  await until(() => !exists(`/proc/${first.pid}`), "the supervisor's end");
  const trace = `${t.scratch}/trace`;
  // It waits: for that end, or for what it does in the namespaces.
  const waits = new RegExp(`pidfd_open\\(${pid},[^]*ppoll\\(`);
  const calls = [
    "strace",
    "-f",
    "-o",
    trace,
    "-e",
    "trace=pidfd_open,ppoll,setns",
  ];
  await using second = spawn(words, { within: calls });
  await second.close();
  const traced = () => exists(trace) ? Deno.readTextFileSync(trace) : "";
  await until(() => waits.test(traced()), "a look at the first one");
  await holder.end();
  const result = await second.result;
  return { first: line, second: result, joined: traced().includes("setns(") };
}
