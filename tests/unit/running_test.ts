import { assert, assertEquals, assertThrows } from "@std/assert";
import { Block } from "../../ffi/block.ts";
import { close, pidfdOpen, poll, waitPidfd } from "../../ffi/libc.ts";
import { isOfEnded } from "../../src/process_state.ts";
import { memoryOf } from "../../src/running.ts";

/** Calls it with the id of a process that has ended and is still there. */
function withZombie(fn: (pid: number) => void): void {
  using block = new Block();
  const pid = block.start(0);
  const pidfd = pidfdOpen(pid);
  try {
    while (poll([{ fd: pidfd }], 1000).length === 0);
    fn(pid);
  } finally {
    waitPidfd(pidfd);
    close(pidfd);
  }
}

Deno.test("memoryOf() tells nothing of a process that has ended", () => {
  withZombie((pid) => assertEquals(memoryOf(pid), undefined));
  assertEquals(memoryOf(0), undefined);
});

Deno.test("isOfEnded() knows each way in which a process is gone", () => {
  const errorOf = (path: string) =>
    assertThrows(() => Deno.readTextFileSync(path));
  withZombie((pid) => {
    for (const file of ["mountinfo", "environ"]) {
      assert(isOfEnded(errorOf(`/proc/${pid}/${file}`)), file);
    }
  });
  assert(isOfEnded(errorOf("/proc/0/stat")));
  assert(!isOfEnded(errorOf("/proc/self/attr")));
  assert(!isOfEnded(undefined));
});
