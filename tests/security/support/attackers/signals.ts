/**
 * Starts a program again and again, and sends it signals from the first
 * instant to its end: `signals.ts REQUEST`, see {@linkcode SignalsRequest}.
 * It prints a line of JSON for each start.
 *
 * @module
 */

/** What is asked for, as JSON. */
export interface SignalsRequest {
  /** The program and its arguments. */
  readonly words: readonly string[];
  /** What each start is sent. */
  readonly rounds: readonly (readonly number[])[];
  /** Whether signals are ignored when the program starts. */
  readonly ignore: boolean;
}

/** How a start ended. */
export interface SignalsReport {
  /** The signals. */
  readonly signals: readonly number[];
  /** How many were sent. */
  readonly sent: number;
  /** The exit status; 128+n if signal n ended it. */
  readonly status: number;
  /** What it wrote. */
  readonly stdout: string;
  /** What it wrote on standard error. */
  readonly stderr: string;
}

const SIG_IGN = 1n;

/**
 * As many at once as get through the start. One that is queued and handled
 * takes time, and more of them than that would only keep the program busy.
 */
const FLOOD = 2000;
const PAUSE_US = 100;
const P_PID = 1;
const WNOHANG_WEXITED_WNOWAIT = 1 | 4 | 0x1000000;

/** siginfo_t of asm-generic/siginfo.h, Linux 6.1, in words of 32 bits. */
const SIGINFO_WORDS = 32;
const SI_SIGNO = 0;
const SI_CODE = 2;
const SI_STATUS = 6;
const CLD_EXITED = 1;

async function attack(
  words: readonly string[],
  signals: readonly number[],
): Promise<SignalsReport> {
  const child = new Deno.Command(words[0], {
    args: words.slice(1),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const info = new Int32Array(SIGINFO_WORDS);
  let sent = 0;
  while (info[SI_SIGNO] === 0) {
    for (const signal of signals) libc.symbols.kill(child.pid, signal);
    sent += signals.length;
    libc.symbols.waitid(P_PID, child.pid, info, WNOHANG_WEXITED_WNOWAIT);
    if (sent > FLOOD) libc.symbols.usleep(PAUSE_US);
  }
  // Not every signal is one that Deno knows.
  child.status.catch(() => {});
  const [stdout, stderr] = await Promise.all(
    [child.stdout, child.stderr].map((stream) => new Response(stream).text()),
  );
  const status = info[SI_STATUS] + (info[SI_CODE] === CLD_EXITED ? 0 : 128);
  return { signals, sent, status, stdout, stderr };
}

const libc = Deno.dlopen("libc.so.6", {
  kill: { parameters: ["i32", "i32"], result: "i32" },
  signal: { parameters: ["i32", "u64"], result: "u64" },
  usleep: { parameters: ["u32"], result: "i32" },
  waitid: { parameters: ["i32", "i32", "buffer", "i32"], result: "i32" },
});

if (import.meta.main) {
  const request: SignalsRequest = JSON.parse(Deno.args[0]);
  for (const signals of request.rounds) {
    // 17 is SIGCHLD, without which no child could be waited for.
    const ignored = signals.filter((signal) => signal !== 17);
    if (request.ignore) ignored.forEach((n) => libc.symbols.signal(n, SIG_IGN));
    console.log(JSON.stringify(await attack(request.words, signals)));
  }
}
