/**
 * A desktop of a user that nobody looks at: an X server with a cookie, a
 * Wayland compositor, a sound server, a session bus. All are Debian's own.
 *
 * @module
 */

import { type Running, until } from "./process.ts";
import { exists } from "./words.ts";

/** Starts a program as the user of a desktop, with variables besides. */
export type Start = (
  words: readonly string[],
  env: Readonly<Record<string, string>>,
) => Running;

/** The sound server's only way out, to nowhere. */
export const SINK = "nowhere";

/** Programs that run until they are ended. */
export class Desktop implements AsyncDisposable {
  /** Variables of programs that are to be seen or heard there. */
  readonly env: Record<string, string> = {};
  /** The directory of its sockets. */
  readonly runtime: string;
  readonly #directory: string;
  readonly #start: Start;
  readonly #programs: Running[] = [];
  readonly #displays: number[] = [];

  /**
   * Prepares a desktop.
   *
   * @param directory An empty directory of the user, with a short path.
   * @param start Starts a program as the user.
   * @param runtime The directory of its sockets, which is made.
   */
  constructor(
    directory: string,
    start: Start,
    runtime: string = `${directory}/run`,
  ) {
    this.runtime = runtime;
    this.#directory = directory;
    this.#start = start;
  }

  /** Makes that directory. */
  async prepare(): Promise<this> {
    await this.#run(["mkdir", "-pm", "700", this.runtime]);
    this.env.XDG_RUNTIME_DIR = this.runtime;
    return this;
  }

  /**
   * Starts an X server. The cookie file has entries of other displays and of
   * other machines too.
   *
   * @param flags More flags of it.
   * @returns The number of its display.
   */
  async startX(...flags: string[]): Promise<number> {
    const secret = this.#path("server-cookie");
    const cookie = newCookie();
    await this.#addCookie(secret, ":0", cookie);
    const frames = this.#path(`frames${this.#displays.length}`);
    await this.#run(["mkdir", frames]);
    const number = freeDisplay();
    this.#displays.push(number);
    const server = this.#keep([
      ...[
        "Xvfb",
        `:${number}`,
        "-displayfd",
        "1",
        "-nolisten",
        "tcp",
        "-auth",
        secret,
      ],
      ...["-screen", "0", "320x200x24", "-fbdir", frames, ...flags],
    ]);
    await server.seen(`${number}`);
    const file = this.#path("cookies");
    await this.#addCookie(file, `elsewhere/unix:${number}`, newCookie());
    await this.#addCookie(file, `:${number}`, cookie);
    await this.#addCookie(file, `:${number + 1}`, newCookie());
    Object.assign(this.env, { DISPLAY: `:${number}`, XAUTHORITY: file });
    return number;
  }

  /** The screen of an X server, as it is now: xwd(1) of X11. */
  screen(index = 0): Uint8Array<ArrayBuffer> {
    return Deno.readFileSync(
      this.#path(`frames${index}/Xvfb_screen0`),
    );
  }

  /** Starts a Wayland compositor. */
  async startWayland(name = "wayland-5"): Promise<void> {
    this.#keep([
      ...["weston", "--backend=headless-backend.so", "--no-config"],
      ...["--idle-time=0", `--socket=${name}`],
    ]);
    await this.#untilThere(`${this.runtime}/${name}`);
    this.env.WAYLAND_DISPLAY = name;
  }

  /** Starts a sound server. */
  async startSound(): Promise<void> {
    const cookie = this.#path("sound-cookie");
    this.#keep([
      ...["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1"],
      ...["--disable-shm", "--use-pid-file=no"],
      `--load=module-native-protocol-unix auth-cookie=${cookie}`,
      `--load=module-null-sink sink_name=${SINK}`,
    ]);
    await this.#untilThere(`${this.runtime}/pulse/native`);
    this.env.PULSE_COOKIE = cookie;
  }

  /** Starts a session bus. */
  async startBus(): Promise<void> {
    const path = `${this.runtime}/bus`;
    const bus = this.#keep([
      ...["dbus-daemon", "--session", "--nofork", "--nopidfile"],
      ...[`--address=unix:path=${path}`, "--print-address=1"],
    ]);
    await bus.seen(/^unix:/m);
  }

  /** Starts everything. */
  async startAll(): Promise<void> {
    await this.startX();
    await this.startWayland();
    await this.startSound();
  }

  /** Starts a program outside, that has the desktop as programs inside have. */
  start(words: readonly string[]): Running {
    const child = this.#start(words, this.env);
    this.#programs.push(child);
    return child;
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs.reverse()) {
      try {
        program.kill("SIGTERM");
      } catch {
        // It has ended.
      }
      await program.result.catch(() => {});
    }
    for (const number of this.#displays) {
      for (const path of [`.X${number}-lock`, `.X11-unix/X${number}`]) {
        await Deno.remove(`/tmp/${path}`).catch(() => {});
      }
    }
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }

  #keep(words: readonly string[]): Running {
    const home = { HOME: this.#directory, XDG_RUNTIME_DIR: this.runtime };
    const child = this.#start(words, home);
    this.#programs.push(child);
    return child;
  }

  async #run(words: readonly string[]): Promise<void> {
    const { status, stderr } = await this.#start(words, {}).end();
    if (status !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
  }

  async #addCookie(file: string, name: string, cookie: string): Promise<void> {
    await this.#run(["xauth", "-q", "-f", file, "add", name, ".", cookie]);
  }

  async #untilThere(path: string): Promise<void> {
    await until(() => exists(path), `${path} is there`);
  }
}

/** Far from those of people; two tests at once are not likely to agree. */
function freeDisplay(): number {
  for (;;) {
    const [word] = crypto.getRandomValues(new Uint16Array(1));
    const number = 1000 + word % 9000;
    const paths = [`/tmp/.X${number}-lock`, `/tmp/.X11-unix/X${number}`];
    if (!paths.some(exists)) return number;
  }
}

/** 128 random bits, as mcookie(1) gives them. */
function newCookie(): string {
  return crypto.getRandomValues(new Uint8Array(16)).toHex();
}
