/**
 * Programs that a test runs: to their end, or as long as it likes.
 *
 * @module
 */

/** Bounds a wait for what never comes; nothing that works takes so long. */
const PATIENCE_MS = 120_000;

/** Bounds a wait for a line of output, after which nothing comes any more. */
const LINE_PATIENCE_MS = 15_000;

/** How a program is run. */
export interface RunOptions {
  /** What it reads; nothing if absent. */
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
  /** Variables on top of the test's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it gets `env` alone. */
  readonly clearEnv?: boolean;
  /** The directory that it starts in. */
  readonly cwd?: string;
  /** Words before the program: another program that executes it. */
  readonly within?: readonly string[];
  /** After how many milliseconds it is killed; two minutes if absent. */
  readonly patience?: number;
}

/** How a program ended. */
export interface Result {
  /** The exit status; 128+n if signal n ended it. */
  readonly status: number;
  /** What it wrote, as text. */
  readonly stdout: string;
  /** What it wrote on standard error, as text. */
  readonly stderr: string;
}

/** A program that runs. */
export interface Running extends AsyncDisposable {
  /** The id of the process. */
  readonly pid: number;
  /** What it wrote up to now. */
  readonly output: string;
  /** How it ends. */
  readonly result: Promise<Result>;
  /** Resolves when the output has what is looked for, and gives the match. */
  seen(pattern: RegExp | string): Promise<RegExpMatchArray>;
  /** Writes to its standard input. */
  write(text: string): Promise<void>;
  /** Closes its standard input. */
  close(): Promise<void>;
  /** Sends it a signal. */
  kill(signal: Deno.Signal): void;
  /** Closes its standard input and waits for its end. */
  end(): Promise<Result>;
}

const running = new Set<Child>();

/**
 * Runs a program to its end.
 *
 * @param words The program and its arguments.
 * @param options What it gets.
 * @returns How it ended.
 */
export async function run(
  words: readonly string[],
  options: RunOptions = {},
): Promise<Result> {
  await using child = spawn(words, options);
  if (options.stdin !== undefined) await child.write(options.stdin);
  return await child.end();
}

/**
 * Runs a program that must succeed.
 *
 * @param words The program and its arguments.
 * @param options What it gets.
 * @returns What it wrote.
 * @throws {Error} If it ends with anything but 0.
 */
export async function output(
  words: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await run(words, options);
  if (status === 0) return stdout;
  throw new Error(`${words.join(" ")}: status ${status}: ${stderr}${stdout}`);
}

/** What runs tests in the background may have it ignore SIGINT and SIGQUIT. */
const DEFAULT_SIGNALS = ["--default-signal", "--"];

/**
 * Starts a program.
 *
 * @param words The program and its arguments.
 * @param options What it gets; of its input only what is written later.
 * @returns The running program.
 */
export function spawn(
  words: readonly string[],
  options: RunOptions = {},
): Child {
  const child = new Child(
    new Deno.Command("env", {
      args: [...DEFAULT_SIGNALS, ...options.within ?? [], ...words],
      cwd: options.cwd,
      env: options.env,
      clearEnv: options.clearEnv,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn(),
    options.patience,
  );
  running.add(child);
  child.result.finally(() => running.delete(child)).catch(() => {});
  return child;
}

/** Kills what a test started and did not wait for. */
export async function killRunning(): Promise<void> {
  await Promise.all([...running].map((child) => child[Symbol.asyncDispose]()));
}

/** A program that runs, see {@linkcode spawn}. */
export class Child implements Running {
  readonly pid: number;
  readonly result: Promise<Result>;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  #stdout = "";
  #stderr = "";
  #ended = false;
  #changed = Promise.withResolvers<void>();

  /**
   * Takes a process over.
   *
   * @param child The process, all of its streams piped.
   * @param patience After how many milliseconds it is killed.
   */
  constructor(child: Deno.ChildProcess, patience: number = PATIENCE_MS) {
    this.#child = child;
    this.pid = child.pid;
    this.#stdin = child.stdin.getWriter();
    this.#stdin.closed.catch(() => {});
    this.result = this.#watch(patience);
    this.result.catch(() => {});
  }

  get output(): string {
    return this.#stdout;
  }

  async seen(pattern: RegExp | string): Promise<RegExpMatchArray> {
    const regExp = typeof pattern === "string"
      ? new RegExp(`^${RegExp.escape(pattern)}\\r?$`, "m")
      : pattern;
    const late = new Patience(LINE_PATIENCE_MS);
    try {
      while (true) {
        const match = this.#stdout.match(regExp);
        if (match !== null) return match;
        if (this.#ended) throw this.#unseen(regExp, "it has ended");
        await Promise.race([this.#changed.promise, late.over]);
        if (late.isOver) throw this.#unseen(regExp, "it never came");
      }
    } finally {
      late.stop();
    }
  }

  async write(text: string | Uint8Array<ArrayBuffer>): Promise<void> {
    const bytes = typeof text === "string"
      ? new TextEncoder().encode(text)
      : text;
    try {
      await this.#stdin.write(bytes);
    } catch (error) {
      // Who does not read to the end is free not to.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }

  async close(): Promise<void> {
    await this.#stdin.close().catch(() => {});
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  async end(): Promise<Result> {
    await this.close();
    return await this.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) {
      try {
        this.#child.kill("SIGKILL");
      } catch {
        // It has just ended by itself.
      }
    }
    await this.close();
    await this.result.catch(() => {});
  }

  async #watch(patience: number): Promise<Result> {
    const late = new Patience(patience);
    late.over.then(() => late.isOver && this.#child.kill("SIGKILL"));
    const [{ code }] = await Promise.all([
      this.#child.status,
      this.#read(this.#child.stdout, (text) => this.#stdout += text),
      this.#read(this.#child.stderr, (text) => this.#stderr += text),
    ]).finally(() => late.stop());
    this.#ended = true;
    this.#changed.resolve();
    await this.close();
    return { status: code, stdout: this.#stdout, stderr: this.#stderr };
  }

  async #read(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    add: (text: string) => void,
  ): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      add(text);
      const changed = this.#changed;
      this.#changed = Promise.withResolvers();
      changed.resolve();
    }
  }

  #unseen(pattern: RegExp, why: string): Error {
    return new Error(
      `${pattern} was not seen, ${why}: ` +
        JSON.stringify({ stdout: this.#stdout, stderr: this.#stderr }),
    );
  }
}

/** A deadline that only something broken meets. */
class Patience {
  readonly over: Promise<void>;
  isOver = false;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #resolve: () => void;

  constructor(milliseconds: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.over = promise;
    this.#resolve = resolve;
    this.#timer = setTimeout(() => {
      this.isOver = true;
      resolve();
    }, milliseconds);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#resolve();
  }
}

/**
 * Waits for something that no event tells of, such as the end of a process
 * that is not a child.
 *
 * @param check Gives anything but `undefined` and `false` when it is so.
 * @param what What is waited for, for the error.
 * @param patience How many milliseconds are long enough.
 * @returns What the check gave.
 * @throws {Error} If it never gets so.
 */
export async function until<T>(
  check: () => T | undefined | false,
  what: string,
  patience: number = 20_000,
): Promise<T> {
  const end = performance.now() + patience;
  while (true) {
    const value = check();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
