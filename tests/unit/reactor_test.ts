import { assertEquals } from "@std/assert";
import { write } from "../../ffi/libc.ts";
import { Pipe } from "../../src/pipe.ts";
import { driveLater } from "../../src/reactor.ts";
import type { Waiting } from "../../src/wait.ts";

function* reading(
  descriptor: number,
  atMost?: number,
): Waiting<void> {
  yield {
    kind: "readable",
    descriptor,
    ...(atMost === undefined ? {} : { atMost }),
  };
}

function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** Else a program could not end: one thread would wait for ever. */
Deno.test({
  name: "driveLater() waits no longer for what never comes",
  sanitizeOps: true,
  async fn() {
    using pipe = new Pipe();
    const before = descriptors();
    await driveLater(reading(pipe.reader, 1));
    assertEquals(descriptors(), before);
  },
});

Deno.test({
  name: "driveLater() waits for many at the same time, and keeps nothing",
  sanitizeOps: true,
  async fn() {
    using stack = new DisposableStack();
    const pipes = Array.from({ length: 100 }, () => stack.use(new Pipe()));
    const before = descriptors();
    const ended: number[] = [];
    const drives = pipes.map(async ({ reader }, index) => {
      await driveLater(reading(reader));
      ended.push(index);
    });
    for (const index of [70, 3]) {
      write(pipes[index].writer, new Uint8Array(1));
      await drives[index];
    }
    assertEquals(ended, [70, 3]);
    for (const { writer } of pipes) write(writer, new Uint8Array(1));
    await Promise.all(drives);
    assertEquals(descriptors(), before);
  },
});

Deno.test({
  name: "driveLater() waits again after it gave up",
  sanitizeOps: true,
  async fn() {
    using silent = new Pipe();
    using loud = new Pipe();
    const both = function* (): Waiting<string> {
      yield* reading(silent.reader, 1);
      write(loud.writer, new Uint8Array(1));
      yield* reading(loud.reader);
      return "heard";
    };
    assertEquals(await driveLater(both()), "heard");
  },
});
