/**
 * Programs on a terminal of their own.
 *
 * @module
 */

import { type Child, type RunOptions, spawn } from "./process.ts";
import { exists } from "./words.ts";

/** How a program is run on a terminal. */
export interface TerminalOptions extends RunOptions {
  /** Rows and columns. */
  readonly size?: readonly [rows: number, columns: number];
  /** Rows and columns after SIGUSR1 to the bridge. */
  readonly nextSize?: readonly [rows: number, columns: number];
}

/**
 * Passes bytes between pipes and a new terminal, whose session the program
 * leads; ends as the program ends.
 */
const BRIDGE = `
import fcntl, os, pty, select, signal, struct, sys, termios

def resize(fd, size):
    rows, columns = map(int, size.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

pid, master = pty.fork()
if pid == 0:
    resize(0, sys.argv[1])
    os.execvp(sys.argv[3], sys.argv[3:])
signal.signal(signal.SIGUSR1, lambda *_: resize(master, sys.argv[2]))
sources = [0, master]
while True:
    ready, _, _ = select.select(sources, [], [])
    if 0 in ready:
        data = os.read(0, 65536)
        if data:
            os.write(master, data)
        else:
            sources.remove(0)
    if master in ready:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        os.write(1, data)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
`;

/** The system's own, since one of another place may be a slow wrapper. */
const PYTHON = exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

/**
 * Starts a program on a new terminal; `write` of what is returned types, and
 * SIGUSR1 changes the size.
 *
 * @param words The program and its arguments.
 * @param options What it gets.
 * @returns The running bridge, whose output is what the terminal shows.
 */
export function spawnOnTerminal(
  words: readonly string[],
  options: TerminalOptions = {},
): Child {
  const { size = [24, 80], nextSize = [25, 81], within = [] } = options;
  const bridge = [PYTHON, "-c", BRIDGE, size.join("x"), nextSize.join("x")];
  return spawn([...bridge, ...within, ...words], { ...options, within: [] });
}

/**
 * Tells why there are no terminals for tests.
 *
 * @returns A reason, or nothing.
 */
export function whyNoTerminal(): string | undefined {
  try {
    new Deno.Command(PYTHON, { args: ["-c", "import pty"] }).outputSync();
    return undefined;
  } catch {
    return "there is no python3";
  }
}
