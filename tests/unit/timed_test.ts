import { assertEquals } from "@std/assert";
import { Block } from "../../ffi/block.ts";
import type { Program } from "../../ffi/step.ts";
import { startQuietly } from "../../src/quiet_start.ts";
import { close, waitPidfd } from "../../ffi/libc.ts";
import { Trace } from "../../src/trace.ts";
import { timedLines } from "../../src/timed.ts";

/** What a trace tells of a program that a child runs, without the times. */
function traced(program: Program): string[] {
  const lines: string[] = [];
  {
    using block = new Block();
    using trace = new Trace((line) => lines.push(line));
    block.append(trace.follow(block, program, "create"));
    const { pidfd } = startQuietly(block, 0);
    waitPidfd(pidfd);
    close(pidfd);
  }
  return lines.map((line) => line.replaceAll(/[<]?\d+\.\d{6}[>]?/g, "").trim());
}

Deno.test("Trace tells steps as they ran, with their results", () => {
  assertEquals(
    traced({
      buffers: { zero: 8 },
      steps: [
        { call: "umask", args: [0o27] },
        { name: "old", call: "umask", args: [0o22] },
        { call: "load", args: [{ buffer: "zero" }, 0], ifZero: "end" },
        { call: "getpid", args: [] },
        { name: "end", call: "fcntl", args: [999, 2, 1], onError: {} },
        { call: "exit_group", args: [0] },
      ],
    }).slice(1),
    [
      "create: umask(0o22) = 23",
      "create: fcntl(999, F_SETFD, 1) = -1 EBADF (bad file descriptor)",
      "create: exit_group(0) = ?",
    ],
  );
});

Deno.test("Trace tells the step that stopped a program", () => {
  assertEquals(
    traced({
      steps: [
        { call: "chdir", args: ["/nowhere"] },
        { call: "getpid", args: [] },
      ],
    }),
    ['create: chdir("/nowhere") = -1 ENOENT (no such file or directory)'],
  );
});

Deno.test("Trace follows jumps after errors", () => {
  assertEquals(
    traced({
      steps: [
        {
          call: "fcntl",
          args: [999, 2, 1],
          onError: { errno: "EBADF", goto: "end" },
        },
        { call: "exit_group", args: [1] },
        { name: "end", call: "exit_group", args: [3] },
      ],
    }),
    [
      "create: fcntl(999, F_SETFD, 1) = -1 EBADF (bad file descriptor)",
      "create: exit_group(3) = ?",
    ],
  );
});

Deno.test("timedLines() sorts phases by time, and leaves out what did not run", () => {
  const step = { call: "getpid", args: [] } as const;
  const jump = { call: "load", args: [] } as const;
  assertEquals(
    timedLines([
      { phase: "create", step, at: 5_000_000n, result: 7n },
      { phase: "create", step, at: 0n, result: 0n },
      { phase: "enter", step, at: 9_000_000n, result: 8n },
      { phase: "start", step: jump, at: 8_000_000n, result: 0n },
      { phase: "start", step, at: 7_000_000n, result: 9n },
    ]),
    [
      "0.000000 create: getpid() = 7 <0.002000>",
      "0.002000 start: getpid() = 9 <0.002000>",
      "0.004000 enter: getpid() = 8",
    ],
  );
});
