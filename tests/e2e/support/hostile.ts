/**
 * Roots that somebody prepared to get at the host.
 *
 * @module
 */

import { dirname } from "@std/path";
import { fingerprint } from "./files.ts";
import { isRootless } from "./mode.ts";
import { output, spawn } from "./process.ts";

/** A directory of the host that must stay as it is, and unread. */
export class Canary {
  /** Its path. */
  readonly path: string;
  #before = "";

  /**
   * Makes one.
   *
   * @param path Where.
   */
  constructor(path: string) {
    this.path = path;
    Deno.mkdirSync(`${path}/empty`, { recursive: true });
    // Whoever reads this finds a user that nobody else knows.
    Deno.writeTextFileSync(`${path}/passwd`, "spy:x:7:7::/:/bin/sh\n");
    Deno.writeTextFileSync(`${path}/secret`, "of the host\n");
  }

  /** Whether it is as it was when this was first asked for. */
  async isUnchanged(): Promise<boolean> {
    const now = await fingerprint(this.path);
    this.#before ||= now;
    return now === this.#before;
  }
}

/** Something that is not what belongs at a path. */
export interface Trap {
  /** What it is, after "is". */
  readonly what: string;
  /** Puts it there. */
  readonly lay: (path: string, canary: string) => Promise<void> | void;
}

/**
 * Makes a trap of a symbolic link.
 *
 * @param to Where it leads.
 * @returns The trap.
 */
export function linkTo(to: string): Trap {
  return link(`a link to ${to}`, () => to);
}

const link = (what: string, to: (canary: string) => string): Trap => ({
  what,
  lay: (path, canary) => Deno.symlinkSync(to(canary), path),
});

/** Links that lead to the host for whoever follows them as they are. */
export const LINKS: readonly Trap[] = [
  link("an absolute link to the host", (canary) => canary),
  link("a link up to the host", (canary) => `${"../".repeat(20)}${canary}`),
  link(
    "a link through /proc to the host",
    (canary) => `/proc/1/root/proc/self/root/..${canary}`,
  ),
  link("the caller's directory", () => "/proc/self/fd/250"),
  link("another name of that", () => "/proc/thread-self/fd/250/."),
  link("the working directory", () => "/proc/self/cwd"),
  link("the working directory of pid 1", () => "/proc/1/cwd/../empty"),
  link("the root of pid 1", () => "/proc/1/root"),
  link("the program", () => "/proc/self/exe"),
  link("a link in a circle", () => "/circle"),
  link("a link to nowhere", () => "/no/where"),
];

const sockets: Disposable[] = [];

/** Closes what traps keep open. */
export function closeTraps(): void {
  sockets.splice(0).forEach((socket) => socket[Symbol.dispose]());
}

/** What is no directory and no link; a device is made by root alone. */
export const NODES: readonly Trap[] = [
  { what: "a file", lay: (path) => Deno.writeTextFileSync(path, "a file\n") },
  {
    what: "a FIFO",
    lay: async (path) => void await output(["mkfifo", path]),
  },
  {
    what: "a socket",
    // Closing it removes it.
    lay: (path) => void sockets.push(Deno.listen({ transport: "unix", path })),
  },
  ...(isRootless ? [] : [{
    what: "a device",
    lay: async (path: string) =>
      void await output(["mknod", path, "c", "1", "5"]),
  }]),
];

/**
 * Puts a trap in the place of whatever is there.
 *
 * @param trap The trap.
 * @param path The place.
 * @param canary Where it is to lead.
 */
export async function lay(
  { lay }: Trap,
  path: string,
  canary: string,
): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
  await Deno.mkdir(dirname(path), { recursive: true });
  await lay(path, canary);
}

/** Exchanges two names of each pair, again and again: renameat2(2). */
const EXCHANGE = `
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
names = [name.encode() for name in sys.argv[1:]]
pairs = list(zip(names[::2], names[1::2]))
EXCHANGE, HERE = 2, -100
print("ready", flush=True)
while True:
    for one, other in pairs:
        if libc.renameat2(HERE, one, HERE, other, EXCHANGE) != 0:
            sys.exit("cannot exchange: %d" % ctypes.get_errno())
`;

/**
 * Exchanges things with what is beside them, until it is disposed of.
 *
 * @param paths The paths; beside each is one that ends in `.trap`.
 * @returns What does it.
 */
export async function exchanging(
  paths: readonly string[],
): Promise<AsyncDisposable> {
  const pairs = paths.flatMap((path) => [path, `${path}.trap`]);
  const child = spawn(["/usr/bin/python3", "-c", EXCHANGE, ...pairs]);
  await child.seen("ready");
  return child;
}
