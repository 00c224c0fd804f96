/**
 * The entry guard: machine code that the kernel starts before the runtime.
 *
 * A runtime obeys its environment, its signals and its command line before
 * the first line of TypeScript runs, which would make a setuid program a root
 * shell for anyone. The guard leaves it nothing to obey. It is put in front
 * of a program file, and does, in this order:
 *
 * 1. takes SIGCHLD back from a caller who ignores it, since the children of
 *    such a process cannot be waited for (wait(2));
 * 2. blocks every signal but those that an instruction causes
 *    ({@linkcode GUARD_SIGNALS});
 * 3. opens `/dev/null` for each of the descriptors 0, 1 and 2 that is closed,
 *    the wrong way round, so that using it is an error as before;
 * 4. has all other descriptors closed on exec, so that no program which the
 *    runtime starts inherits the caller's (close_range(2), since Linux 5.11;
 *    without it they stay as they are);
 * 5. keeps the working directory as descriptor {@linkcode CALLER_DIRECTORY}
 *    and goes to `/`, so that a directory which is gone, or is the caller's
 *    own and full of configuration, is out of reach;
 * 6. of a setuid program, makes the process not dumpable, whatever
 *    `fs.suid_dumpable` says (proc_sys_fs(5)): its files in `/proc` belong to
 *    root and nobody else may trace it. Other processes stay as they are,
 *    since a user without privileges could not write their own `uid_map`;
 * 7. maps the dynamic loader;
 * 8. replaces argv[0] by arguments of ours, keeps the others, and replaces
 *    the environment;
 * 9. jumps to the loader, or to a static program itself.
 *
 * The kernel would start a dynamic loader first, and the caller's `LD_…` and
 * `GLIBC_TUNABLES` would be its to judge. Of a setuid program it believes
 * little of that (ld.so(8), "secure-execution mode"); here it is not asked,
 * since it sees our environment alone. Nothing depends on how a C library
 * keeps its environment.
 *
 * What the caller passed can still be read in `/proc/self/environ` and
 * `/proc/self/cmdline`. If something fails, a sentence is written and the
 * status is 125. The guard needs less stack than the kernel lets a caller's
 * arguments fill; where a limit is smaller, the kernel ends the process.
 *
 * @module
 */

import { CALLER_DIRECTORY, SIGNALS_VARIABLE } from "./guarded.ts";
import { offsetOf, type Place, readElf, takeOver } from "./elf_file.ts";
import { guardCode, WORDS } from "./guard_code.ts";

export { CALLER_DIRECTORY, SIGNALS_VARIABLE };

// SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV and SIGSYS come from what
// the program does itself. 32 and 33 are the C library's own: with the second
// blocked, setuid(3) would wait for its other threads for ever. 9 and 19
// cannot be blocked.
const LEFT_ALONE = [4, 5, 6, 7, 8, 9, 11, 19, 31, 32, 33];

/**
 * Mask of signals that are blocked when the runtime starts, in the order of
 * sigset_t: signal n is bit n - 1. Threads of the runtime inherit it, so
 * these signals stay pending until somebody takes them.
 */
export const GUARD_SIGNALS: bigint = LEFT_ALONE.reduce(
  (mask, signal) => mask & ~(1n << BigInt(signal - 1)),
  (1n << 64n) - 1n,
);

/** What a guard hands to the program behind it. */
export interface GuardOptions {
  /** Arguments in place of the caller's argv[0]; the first is the name. */
  readonly arguments: readonly string[];
  /** The environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Puts a guard in front of a program.
 *
 * @param file The whole program file, which stays as it is. If
 * `deno compile` is to write to it, it has to do so before.
 * @param options What the program is given in place of the caller's.
 * @returns The new program file.
 * @throws {TypeError} If the file is no executable for a known architecture,
 * or has a guard already.
 * @throws {RangeError} If there is no argument, or a text cannot be passed.
 *
 * @example A shell that sees nothing of its caller
 * ```ts
 * import { addGuard } from "cage/ffi/guard.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile();
 * const guarded = addGuard(await Deno.readFile("/bin/sh"), {
 *   arguments: ["sh", "-c", 'echo "$PATH $HOSTILE $1"', "sh"],
 *   environment: { PATH: "/bin" },
 * });
 * await Deno.writeFile(path, guarded, { mode: 0o755 });
 * await Deno.chmod(path, 0o755);
 * const { stdout } = await new Deno.Command(path, {
 *   args: ["word"],
 *   env: { HOSTILE: "yes" },
 * }).output();
 * await Deno.remove(path);
 * assertEquals(new TextDecoder().decode(stdout), "/bin  word\n");
 * ```
 */
export function addGuard(
  file: Uint8Array,
  options: GuardOptions,
): Uint8Array<ArrayBuffer> {
  if (options.arguments.length === 0) {
    throw new RangeError("Cannot add a guard: it needs the program's name");
  }
  const variables = Object.entries(options.environment).map(toVariable);
  const texts = [...options.arguments, ...variables].map(toText);
  if (hasGuard(file)) {
    throw new TypeError(
      "Cannot add a guard: the program has one, which must be added last",
    );
  }
  return takeOver(file, (place) => {
    const words = [
      GUARD_SIGNALS,
      BigInt(CALLER_DIRECTORY),
      place.file.entry - place.address,
      place.headers - place.address,
      BigInt(place.count),
      place.loader === undefined ? 0n : place.loader - place.address,
      BigInt(options.arguments.length),
      BigInt(variables.length),
    ];
    return assemble(place, words, texts);
  });
}

/**
 * Tells whether a program starts with a guard. One that `deno compile` wrote
 * to afterwards has it too, though it cannot run: its headers are elsewhere
 * than the guard says.
 *
 * @param file The whole program file.
 * @returns Whether the code at its entry point is a guard's.
 * @throws {TypeError} If the file is no executable for a known architecture.
 *
 * @example A program as it is installed
 * ```ts
 * import { hasGuard } from "cage/ffi/guard.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(hasGuard(Deno.readFileSync("/bin/true")), false);
 * ```
 */
export function hasGuard(file: Uint8Array): boolean {
  const elf = readElf(file);
  const offset = offsetOf(elf, elf.entry);
  const { code } = guardCode(elf.arch);
  return offset !== undefined &&
    code.subarray(0, -8 * WORDS).every((byte, index) =>
      file[offset + index] === byte
    );
}

function assemble(
  { file: { arch } }: Place,
  words: readonly bigint[],
  texts: readonly Uint8Array[],
): Uint8Array {
  const { code } = guardCode(arch);
  const size = texts.reduce((sum, text) => sum + 8 + text.length, code.length);
  const result = new Uint8Array(size);
  result.set(code);
  const view = new DataView(result.buffer);
  words.forEach((word, index) =>
    view.setBigInt64(
      code.length + 8 * (index - WORDS),
      BigInt.asIntN(64, word),
      true,
    )
  );
  let at = code.length + 8 * texts.length;
  texts.forEach((text, index) => {
    view.setBigInt64(code.length + 8 * index, BigInt(at), true);
    result.set(text, at);
    at += text.length;
  });
  return result;
}

function toVariable([name, value]: [string, string]): string {
  if (name === "" || name.includes("=") || name === SIGNALS_VARIABLE) {
    throw new RangeError(
      `Cannot add a guard: "${name}" cannot be the name of a variable`,
    );
  }
  return `${name}=${value}`;
}

function toText(text: string): Uint8Array {
  if (text.includes("\0")) {
    throw new RangeError("Cannot add a guard: a text contains a NUL character");
  }
  return new TextEncoder().encode(`${text}\0`);
}
