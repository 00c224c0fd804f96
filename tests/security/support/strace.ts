/**
 * Lines of strace(1), options `-f -y --decode-pids=pidns`, as calls.
 *
 * @module
 */

/** A system call that has returned. */
export interface TracedCall {
  /** The thread, as strace(1) numbers it. */
  readonly pid: number;
  /** The name of the call. */
  readonly name: string;
  /** The arguments as they are shown. */
  readonly args: readonly string[];
  /** What follows the equals sign. */
  readonly result: string;
  /** The thread that a clone made, as strace(1) numbers it. */
  readonly child?: number;
  /** The line, or the first of two. */
  readonly line: string;
}

/** When a call began, and which it was. */
export interface Entry {
  /** The index of the call in {@linkcode readCalls}' list. */
  readonly call: TracedCall;
  /** The index of the line on which it began. */
  readonly began: number;
  /** The index of the line on which it returned. */
  readonly returned: number;
}

const COMPLETE = /^(\d+) +(\w+)\((.*)\) += (.+)$/;
const UNFINISHED = /^(\d+) +(\w+)\((.*) ?<unfinished \.\.\.>$/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/;
const CLONES = /^(clone3?|v?fork)$/;

/**
 * Reads a trace.
 *
 * @param text What strace(1) wrote.
 * @returns The calls that returned, in the order in which they began.
 * @throws {Error} If a line is none of strace(1).
 */
export function readCalls(text: string): Entry[] {
  const pending = new Map<number, { text: string; began: number }>();
  const entries: Entry[] = [];
  text.split("\n").forEach((line, at) => {
    if (line === "" || /^\d+ +(\+\+\+|---) /.test(line)) return;
    const unfinished = line.match(UNFINISHED);
    const resumed = line.match(RESUMED);
    if (unfinished !== null) {
      const [, pid, name, args] = unfinished;
      const text = `${pid} ${name}(${args}`;
      pending.set(Number(pid), { text, began: at });
      return;
    }
    let whole = line;
    let began = at;
    if (resumed !== null) {
      const first = pending.get(Number(resumed[1]));
      // What began before strace(1) came is of no interest.
      if (first === undefined) return;
      pending.delete(Number(resumed[1]));
      whole = first.text + resumed[3];
      began = first.began;
    }
    const call = toCall(whole);
    if (call === undefined) throw new Error(`Not a line of strace: ${whole}`);
    entries.push({ call, began, returned: at });
  });
  return entries.sort((a, b) => a.began - b.began);
}

function toCall(line: string): TracedCall | undefined {
  const match = line.match(COMPLETE);
  if (match === null) return undefined;
  const [, pid, name, args, result] = match;
  return {
    ...{ pid: Number(pid), name, args: splitArguments(args), result, line },
    ...CLONES.test(name) ? { child: childOf(result) } : {},
  };
}

/** In another pid namespace the number is another one than the tracer's. */
function childOf(result: string): number | undefined {
  const [, inside, outside] =
    result.match(/^(\d+)(?: \/\* (\d+) in strace's PID NS \*\/)?/) ?? [];
  return inside === undefined ? undefined : Number(outside ?? inside);
}

/**
 * Splits arguments at the commas between them.
 *
 * @param text All arguments.
 * @returns Each one.
 */
export function splitArguments(text: string): string[] {
  const args: string[] = [];
  let depth = 0;
  let start = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (quoted) {
      if (letter === "\\") at++;
      else if (letter === '"') quoted = false;
    } else if (letter === '"') quoted = true;
    else if ("([{".includes(letter)) depth++;
    else if (")]}".includes(letter)) depth--;
    else if (letter === "," && depth === 0) {
      args.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  const last = text.slice(start).trim();
  return last === "" && args.length === 0 ? [] : [...args, last];
}

/**
 * Reads a text in quotes.
 *
 * @param arg The argument as it is shown.
 * @returns The text, or nothing if it is something else.
 */
export function textOf(arg: string | undefined): string | undefined {
  const quoted = arg?.match(/^"((?:[^"\\]|\\.)*)"/)?.[1];
  return quoted?.replace(
    /\\(?:x([0-9a-f]{2})|([0-7]{1,3})|(.))/g,
    (_, hex, octal, letter) => {
      if (hex !== undefined) return String.fromCharCode(parseInt(hex, 16));
      if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8));
      return { n: "\n", t: "\t", r: "\r", v: "\v", f: "\f" }[letter as "n"] ??
        letter;
    },
  );
}

/**
 * Reads what a descriptor leads to.
 *
 * @param arg The argument as it is shown: `5</path>`, `AT_FDCWD</path>`.
 * @returns The number, which is absent for the working directory, and the path.
 */
export function descriptorOf(
  arg: string | undefined,
): { number?: number; path?: string } | undefined {
  const match = arg?.match(/^(\d+|AT_FDCWD)(?:<(.*)>(?:\(deleted\))?)?$/);
  if (match === null || match === undefined) return undefined;
  const [, number, path] = match;
  return { number: number === "AT_FDCWD" ? undefined : Number(number), path };
}
