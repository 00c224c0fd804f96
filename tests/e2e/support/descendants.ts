/**
 * Processes that come from the tests, however often they fork.
 *
 * @module
 */

import { CHECKOUT } from "./words.ts";

const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;

const libc = Deno.dlopen("libc.so.6", {
  prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" },
  waitpid: { parameters: ["i32", "pointer", "i32"], result: "i32" },
});

// From the beginning, so that nothing can hide.
adoptOrphans(true);

/**
 * Chooses whether an orphan becomes a child of the tests, see prctl(2), or of
 * the machine's first process as for any other program.
 *
 * @param adopt Whether the tests take it.
 */
export function adoptOrphans(adopt: boolean): void {
  libc.symbols.prctl(PR_SET_CHILD_SUBREAPER, adopt ? 1n : 0n, 0n, 0n, 0n);
}

/** A process, as proc_pid_stat(5) shows it. */
export interface Process {
  /** The id. */
  readonly pid: number;
  /** The id of the parent. */
  readonly parent: number;
  /** A letter; `Z` for one that has ended. */
  readonly state: string;
  /** The arguments, or the name in brackets. */
  readonly command: string;
}

/**
 * Lists the processes that come from the tests, also when their parents have
 * ended. Those that have ended and are nobody's but ours are collected.
 *
 * @param root The process whose descendants are listed.
 * @returns The processes that still run or that their parent left uncollected.
 */
export function descendants(root: number = Deno.pid): Process[] {
  const all = processes();
  const family = new Set([root]);
  let size = 0;
  while (size !== family.size) {
    size = family.size;
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid);
  }
  family.delete(root);
  return all.filter((process) => family.has(process.pid) && !collect(process));
}

/** Every process of the machine. */
export function processes(): Process[] {
  return [...Deno.readDirSync("/proc")]
    .filter(({ name }) => /^[0-9]+$/.test(name))
    .flatMap(({ name }) => readProcess(Number(name)));
}

/**
 * Reads what a process is.
 *
 * @param pid The id.
 * @returns The process, or nothing if there is none.
 */
export function readProcess(pid: number): Process[] {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return [];
  const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
  const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const command = (read(`/proc/${pid}/cmdline`) ?? "").split("\0").join(" ")
    .replaceAll(CHECKOUT, ".").trim() || `[${name}]`;
  return [{ pid, parent: Number(parent), state, command }];
}

/** Only to be called when none of the children is waited for by a test. */
function collect({ pid, parent, state }: Process): boolean {
  if (state !== "Z" || parent !== Deno.pid) return false;
  return libc.symbols.waitpid(pid, null, WNOHANG) !== 0;
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
