/**
 * Users of the root file system, looked up where it is: the container reads
 * the two files into memory that it shares with the launcher, tells that it is
 * ready, and waits while the launcher works out the rest of the plan.
 *
 * @module
 */

import { O_NONBLOCK, O_RDONLY } from "../ffi/constants.ts";
import { UsageError } from "./errors.ts";
import { goTo, label, openInside, type PlanStep } from "./step.ts";

/** Most bytes of `/etc/passwd` and of `/etc/group`. */
export const DATABASE_SIZE = 1 << 20;

/** Buffers of a plan with {@linkcode lookupSteps}. */
export const LOOKUP_BUFFERS = {
  passwd: DATABASE_SIZE,
  group: DATABASE_SIZE,
  turn: 1,
} as const;

/** Descriptors of the two pipes between the container and the launcher. */
export interface Rendezvous {
  /** The container's end of the pipe on which it tells that it is ready. */
  readonly ready: number;
  /** The container's end of the pipe on which it waits. */
  readonly go: number;
  /** The launcher's end of that pipe, of which the container has a copy. */
  readonly goOfLauncher: number;
}

/**
 * Reads the files and waits. What follows in memory when the launcher has
 * written to the pipe is what the container does next; if the launcher is
 * gone, the pipe ends and so does the container.
 *
 * @param pipes The pipes.
 * @returns The steps, the last of a program.
 *
 * @example The last step
 * ```ts
 * import { lookupSteps } from "cage/src/lookup.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = lookupSteps({ ready: 10, go: 11, goOfLauncher: 12 });
 * assertEquals(steps.at(-1)?.name, "go");
 * ```
 */
export function lookupSteps({ ready, go }: Rendezvous): PlanStep[] {
  const turn = { buffer: "turn" };
  return [
    ...readDatabase("passwd"),
    ...readDatabase("group"),
    {
      call: "write",
      args: [ready, turn, 1],
      why: "Cannot tell the launcher that the container is ready",
    },
    ...waitForLauncher(go, "go"),
  ];
}

/**
 * Waits for a byte of the launcher, and ends if it has gone.
 *
 * @param go The descriptor of the pipe.
 * @param name The name of the step at which it goes on.
 * @returns The steps, in a program with {@linkcode LOOKUP_BUFFERS}.
 *
 * @example The last step
 * ```ts
 * import { waitForLauncher } from "cage/src/lookup.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(waitForLauncher(11, "go").at(-1)?.name, "go");
 * ```
 */
export function waitForLauncher(go: number, name: string): PlanStep[] {
  const [wait, gone] = [`wait-to-${name}`, `gone-before-${name}`];
  return [
    {
      name: wait,
      call: "read",
      args: [go, { buffer: "turn" }, 1],
      onError: { errno: "EINTR", goto: wait },
      // No byte is the end of the pipe.
      ifZero: gone,
      why: "Cannot wait for the launcher",
    },
    goTo(name),
    { name: gone, call: "exit_group", args: [1] },
    label(name),
  ];
}

/**
 * Decodes what a container read.
 *
 * @param file The name of the file, for the message.
 * @param buffer The buffer.
 * @param size The result of the read; negative if there is no file.
 * @returns The text, empty if there is no file.
 * @throws {UsageError} If the file is too large.
 *
 * @example A file that is not there
 * ```ts
 * import { databaseText } from "cage/src/lookup.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(databaseText("passwd", new Uint8Array(8), -1n), "");
 * ```
 */
export function databaseText(
  file: "passwd" | "group",
  buffer: Uint8Array,
  size: bigint,
): string {
  if (size >= BigInt(buffer.length)) {
    throw new UsageError(
      `Cannot use "/etc/${file}" of the root file system: it is larger than ` +
        `${buffer.length} bytes: remove what is not needed from it`,
    );
  }
  if (size <= 0n) return "";
  return new TextDecoder().decode(buffer.subarray(0, Number(size)));
}

/**
 * What cannot be read is as good as absent. Opening a FIFO must not wait, and
 * nothing is taken from a FIFO or a terminal: pread(2) reads neither.
 */
function readDatabase(file: "passwd" | "group"): PlanStep[] {
  return [
    openInside(`/etc/${file}`, O_RDONLY | O_NONBLOCK, {
      name: `open-${file}`,
      onError: {},
    }),
    {
      name: `read-${file}`,
      call: "pread64",
      // The error of the step before is no descriptor, and fails here too.
      args: [{ result: `open-${file}` }, { buffer: file }, DATABASE_SIZE, 0],
      onError: {},
    },
  ];
}
