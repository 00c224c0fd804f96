/**
 * What is right and wrong about how a run ended.
 *
 * @module
 */

/** What a run may end with, beside what `cage` itself says. */
export interface Allowed {
  /** Exit statuses of the command and of the init script. */
  readonly statuses: readonly number[];
  /** What nobody may see. */
  readonly secret?: string;
}

/** How a run ended. */
export interface Ending {
  /** The exit status; 128+n if signal n ended it. */
  readonly status: number;
  /** What it wrote. */
  readonly stdout: string;
  /** What it wrote on standard error. */
  readonly stderr: string;
  /** Whether it had to be killed. */
  readonly late: boolean;
}

/** `cage` failed itself; the command cannot be executed; was not found. */
const OWN_STATUSES = [125, 126, 127];

/** Names of signals that end a program that has gone wrong, by status. */
const CRASHES: Readonly<Record<number, string>> = {
  132: "SIGILL",
  133: "SIGTRAP",
  134: "SIGABRT",
  135: "SIGBUS",
  136: "SIGFPE",
  139: "SIGSEGV",
  159: "SIGSYS",
};

/** Words of the runtime and of V8 when something has gone wrong. */
const RUNTIME = new RegExp(
  [
    String.raw`^\s+at (?:async |new )?\S.*(?::\d+:\d+|<anonymous>)`,
    String.raw`\b(?:file|ext|node|data):\S*:\d+:\d+`,
    ...["panicked", "Uncaught", "RUST_BACKTRACE", "^error: "],
    ...["Deno has ", "Fatal (?:error|JavaScript|process)", "# Check failed"],
    ...["this is a defect of cage", "core dumped", "stack traceback"],
    ...["\\[object ", "\\bundefined\\b", "(?:Type|Range|Reference)Error"],
  ].join("|"),
  "m",
);

/** What programs of the root say: their name, and what is wrong. */
const INSIDE =
  /^(?:inside|\/dev\/fd\/[0-9]+|\S{0,20}(?:sh|true|busybox|cat|ls|id|mkdir|head)): /;

/**
 * Judges how a run ended.
 *
 * @param ending How it ended.
 * @param allowed What it may end with.
 * @returns What is wrong, in sentences.
 */
export function faultsOfEnding(ending: Ending, allowed: Allowed): string[] {
  if (ending.late) return ["It had to be killed, since it did not end"];
  const { secret } = allowed;
  const all = `${ending.stdout}\n${ending.stderr}`;
  const trace = RUNTIME.exec(all)?.[0];
  return [
    ...faultsOfStatus(ending.status, allowed),
    ...trace ? [`The runtime shows: ${JSON.stringify(trace)}`] : [],
    ...secret && all.includes(secret) ? ["What is outside can be read"] : [],
    ...faultsOfMessages(ending),
  ];
}

/**
 * Judges a sentence for a user.
 *
 * @param sentence The sentence.
 * @returns What is wrong, in sentences.
 */
export function faultsOfSentence(sentence: string): string[] {
  const trace = RUNTIME.exec(sentence)?.[0];
  return [
    ...sentence.trim() === "" ? ["A message is empty"] : [],
    ...faultsOfLine(sentence),
    ...trace ? [`The runtime shows: ${JSON.stringify(trace)}`] : [],
  ];
}

function faultsOfStatus(status: number, { statuses }: Allowed): string[] {
  if (statuses.includes(status)) return [];
  const signal = CRASHES[status];
  if (signal !== undefined) return [`It ended with ${status}: ${signal}`];
  return OWN_STATUSES.includes(status)
    ? []
    : [`It ended with ${status}, which nothing gives`];
}

/** What -G says before the command runs, and --debug when it does. */
const NOTES =
  /^cage: (?:No [\w ]+ for (?:-G|--dbus): |".*" is closed to -u |\d+\.\d{6} \w+: \w+\()/;

function faultsOfMessages({ status, stderr }: Ending): string[] {
  const lines = stderr.split("\n");
  const rest = lines.pop();
  const all = lines.filter((line) => line.startsWith("cage: "));
  const own = all.filter((line) => !NOTES.test(line));
  // What runs inside may say what it likes, unless it was not run.
  const isOwn = own.length > 0 || status === 125;
  const others = lines.filter((line) => !line.startsWith("cage: "));
  return [
    ...rest ? [`The last line has no end: ${JSON.stringify(rest)}`] : [],
    ...all.flatMap(faultsOfLine),
    ...own.length > 1 ? ["There is more than one message"] : [],
    ...status === 125 && own.length === 0 ? ["There is no message"] : [],
    ...others.filter((line) => isOwn && !INSIDE.test(line))
      .map((line) => `A line is nobody's: ${JSON.stringify(line)}`),
  ];
}

function faultsOfLine(line: string): string[] {
  const control = /\p{Cc}/u.exec(line)?.[0];
  return control === undefined
    ? []
    : [`A message has a control character: ${JSON.stringify(control)}`];
}
