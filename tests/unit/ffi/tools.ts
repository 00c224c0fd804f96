/**
 * What the tests of `ffi/` share.
 *
 * @module
 */

import type { Arch } from "../../../ffi/arch.ts";
import { Block } from "../../../ffi/block.ts";
import { PR_SET_PDEATHSIG, SIGNALS } from "../../../ffi/constants.ts";
import {
  ALL_SIGNALS,
  close,
  type Ended,
  pidfdOpen,
  pidfdSendSignal,
  rtSigprocmask,
  waitPidfd,
} from "../../../ffi/libc.ts";
import type { Program, Step } from "../../../ffi/step.ts";

/** CLD_EXITED and CLD_KILLED of asm-generic/siginfo.h. */
export const EXITED = 1;
export const KILLED = 2;

/**
 * First step of a child that waits for something: a test that is killed leaves
 * nobody behind.
 */
export const END_WITH_PARENT: Step = {
  call: "prctl",
  args: [PR_SET_PDEATHSIG, SIGNALS.SIGKILL],
};

/** A child, which is killed if a test ends before it. */
export class Child implements Disposable {
  /** The descriptor of the child. */
  readonly pidfd: number;
  #open = true;

  /** Starts a child with all signals blocked, as the runtime's must be. */
  constructor(block: Block, flags = 0) {
    const mask = rtSigprocmask(ALL_SIGNALS);
    try {
      this.pidfd = pidfdOpen(block.start(flags));
    } finally {
      rtSigprocmask(mask);
    }
  }

  /** Waits for the child, and closes its descriptor. */
  end(): Ended {
    const ended = waitPidfd(this.pidfd)!;
    this.#open = false;
    close(this.pidfd);
    return ended;
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    pidfdSendSignal(this.pidfd, SIGNALS.SIGKILL);
    this.end();
  }
}

/** Runs the programs of a block to their end. */
export function finish(block: Block, flags = 0): Ended {
  using child = new Child(block, flags);
  return child.end();
}

/** Runs a program to its end; the block is the caller's to dispose. */
export function run(program: Program): { block: Block; ended: Ended } {
  const block = new Block();
  block.append(program);
  return { block, ended: finish(block) };
}

/** Does something in a directory that is gone afterwards. */
export async function inTempDir<T>(
  act: (directory: string) => T | Promise<T>,
): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "cage-ffi-" });
  try {
    return await act(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Whether a command can be run; if not, says that its test is skipped. */
export async function has(command: string): Promise<boolean> {
  try {
    await new Deno.Command(command, { args: ["--version"] }).output();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`skipped: there is no ${command}`);
    return false;
  }
}

/** Runs a command to its end and gives what it printed; it must succeed. */
export async function output(
  command: string,
  ...args: string[]
): Promise<{ stdout: string; stderr: string }> {
  const done = await new Deno.Command(command, { args }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const stderr = text(done.stderr);
  if (!done.success) throw new Error(`${command} failed: ${stderr}`);
  return { stdout: text(done.stdout), stderr };
}

/** What the GNU assembler makes of some assembly. */
export interface Assembled {
  /** The machine code. */
  readonly code: Uint8Array;
  /** Where each label is in it. */
  readonly labels: Readonly<Record<string, number>>;
}

/** Assembles for an architecture; undefined if its tools are missing. */
export async function assemble(
  arch: Arch,
  assembly: string,
): Promise<Assembled | undefined> {
  const prefix = arch === Deno.build.arch ? "" : `${arch}-linux-gnu-`;
  if (!await has(`${prefix}as`)) return;
  const dialect = arch === "x86_64" ? ".intel_syntax noprefix\n" : "";
  return await inTempDir(async (directory) => {
    const at = (name: string) => `${directory}/${name}`;
    await Deno.writeTextFile(at("a.s"), dialect + assembly);
    await output(`${prefix}as`, "-o", at("a.o"), at("a.s"));
    await output(
      `${prefix}objcopy`,
      ...["-O", "binary", "-j", ".text", at("a.o"), at("a.bin")],
    );
    const { stdout } = await output(`${prefix}nm`, at("a.o"));
    const labels = [...stdout.matchAll(/^([0-9a-f]+) t (\w+)$/gm)]
      .map(([, address, name]) => [name, parseInt(address, 16)]);
    return {
      code: await Deno.readFile(at("a.bin")),
      labels: Object.fromEntries(labels),
    };
  });
}
