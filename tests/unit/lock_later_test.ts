import { assertEquals, assertRejects } from "@std/assert";
import { LOCK_EX, O_RDWR } from "../../ffi/constants.ts";
import { close, flock, open, SyscallError } from "../../ffi/libc.ts";
import { lockLater } from "../../src/lock_later.ts";
import { Pipe } from "../../src/pipe.ts";
import { driveLater } from "../../src/reactor.ts";
import { untilReadable } from "../../src/wait.ts";

/** More than the runtime has threads for waiting: 32. */
const MANY = 40;

function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("lockLater() leaves the threads of the runtime to others, however many wait", async () => {
  const path = await Deno.makeTempFile();
  using stack = new DisposableStack();
  stack.defer(() => Deno.removeSync(path));
  const opened = () => open(path, O_RDWR);
  const before = descriptors();
  const holder = opened();
  flock(holder, LOCK_EX);
  const drives = Array.from({ length: MANY }, async () => {
    const file = opened();
    await driveLater(lockLater(file));
    close(file);
  });
  // Whoever has the lock waits for something before giving it back.
  using pipe = new Pipe();
  const waiting = driveLater(untilReadable(pipe.reader));
  await Deno.readTextFile(path);
  pipe.closeWriter();
  await waiting;
  close(holder);
  await Promise.all(drives);
  pipe.closeReader();
  assertEquals(descriptors(), before);
});

Deno.test("lockLater() says what is wrong with a descriptor", async () => {
  const error = await assertRejects(
    () => driveLater(lockLater(-1)),
    SyscallError,
  );
  assertEquals(error.code, "EBADF");
});
