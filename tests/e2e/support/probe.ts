/**
 * A program that tells what the entry guard left of its caller, built into a
 * file as `cage` is: `probe [--to=FILE] [ARGUMENT…]`.
 *
 * @module
 */

const libc = Deno.dlopen("libc.so.6", {
  getuid: { parameters: [], result: "u32" },
  geteuid: { parameters: [], result: "u32" },
});

/** What it prints, as JSON. */
export interface Report {
  /** Arguments. */
  readonly args: string[];
  /** The environment of the runtime. */
  readonly env: Record<string, string>;
  /** The environment that the caller passed. */
  readonly callerEnv: string[];
  /** Real and effective user. */
  readonly users: [number, number];
  /** The working directory. */
  readonly cwd: string;
  /** What the descriptors lead to. */
  readonly descriptors: Record<string, string>;
  /** Masks of signals, by their names in `/proc/self/status`. */
  readonly signals: Record<string, string>;
  /** What a child process says. */
  readonly child: string;
}

function readLink(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
}

function report(): Report {
  const status = Deno.readTextFileSync("/proc/self/status");
  const numbers = [...Deno.readDirSync("/proc/self/fd")].map((e) => e.name);
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", "grep SigBlk /proc/self/status; ls /proc/self/fd"],
  });
  return {
    args: Deno.args,
    env: Deno.env.toObject(),
    callerEnv: Deno.readTextFileSync("/proc/self/environ").split("\0"),
    users: [libc.symbols.getuid(), libc.symbols.geteuid()],
    cwd: Deno.cwd(),
    descriptors: Object.fromEntries(
      numbers.map((number) => [number, readLink(`/proc/self/fd/${number}`)])
        .filter(([, path]) => path !== ""),
    ),
    signals: Object.fromEntries(
      [...status.matchAll(/^((?:Sig|Shd)\w+):\s+([0-9a-f]{16})$/gm)]
        .map(([, name, mask]) => [name, mask]),
    ),
    child: new TextDecoder().decode(child.outputSync().stdout),
  };
}

if (import.meta.main) {
  // Long enough for whoever sends signals meanwhile.
  await Promise.all(
    Array.from({ length: 20 }, () => Deno.stat("/proc/self/status")),
  );
  const text = JSON.stringify(report());
  const to = Deno.args.find((word) => word.startsWith("--to="));
  if (to !== undefined) Deno.writeTextFileSync(to.slice(5), text);
  else console.log(text);
  Deno.exit(3);
}
