import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { HOST_ARCH } from "../../../ffi/arch.ts";
import { Block } from "../../../ffi/block.ts";
import { callNumber } from "../../../ffi/calls.ts";
import { close, pipe2, SyscallError, Watch, write } from "../../../ffi/libc.ts";
import { Child, END_WITH_PARENT } from "./tools.ts";

Deno.test("Watch tells the ends of many children, each once", async () => {
  using stack = new DisposableStack();
  using watch = new Watch();
  const { reader, writer } = pipe2();
  const children = Array.from({ length: 100 }, (_, i) => {
    const block = new Block(0x8000);
    block.append({
      steps: [
        END_WITH_PARENT,
        { call: "read", args: [reader, { buffer: "byte" }, 1] },
        { call: "exit_group", args: [i] },
      ],
      buffers: { byte: 1 },
    });
    stack.use(block);
    const child = stack.use(new Child(block));
    watch.add(child.pidfd);
    return child;
  });
  write(writer, new Uint8Array(children.length));
  const told: number[] = [];
  while (told.length < children.length) told.push(...await watch.wait());
  assertEquals(
    told.toSorted((a, b) => a - b),
    children.map(({ pidfd }) => pidfd).toSorted((a, b) => a - b),
  );
  children.forEach((child, i) => assertEquals(child.end().status, i));
  close(reader);
  close(writer);
});

Deno.test("Watch lets the runtime go on while it waits", async () => {
  using watch = new Watch();
  const { reader, writer } = pipe2();
  watch.add(reader);
  const waiting = watch.wait();
  await new Promise<void>((resolve) => setTimeout(resolve));
  write(writer, new Uint8Array(1));
  assertEquals(await waiting, [reader]);
  close(reader);
  close(writer);
});

Deno.test("Watch does not tell a descriptor that was taken out", async () => {
  using watch = new Watch();
  const [out, still] = [pipe2(), pipe2()];
  watch.add(out.reader);
  watch.add(still.reader);
  watch.remove(out.reader);
  write(out.writer, new Uint8Array(1));
  write(still.writer, new Uint8Array(1));
  assertEquals(await watch.wait(), [still.reader]);
  for (const { reader, writer } of [out, still]) {
    close(reader);
    close(writer);
  }
});

/** The other thread has been told of it already. */
Deno.test("Watch does not tell what was taken out when its event had come", async () => {
  using watch = new Watch();
  const [out, still] = [pipe2(), pipe2()];
  watch.add(out.reader);
  watch.add(still.reader);
  const waiting = watch.wait();
  while (!isThreadWaiting());
  write(out.writer, new Uint8Array(1));
  while (isThreadWaiting());
  watch.remove(out.reader);
  assertEquals(await waiting, []);
  write(still.writer, new Uint8Array(1));
  assertEquals(await watch.wait(), [still.reader]);
  for (const { reader, writer } of [out, still]) {
    close(reader);
    close(writer);
  }
});

/** Whether a thread of this process is in epoll_pwait(2): proc_pid_syscall(5). */
function isThreadWaiting(): boolean {
  const number = callNumber("epoll_pwait", HOST_ARCH);
  return [...Deno.readDirSync("/proc/self/task")].some(({ name }) =>
    Deno.readTextFileSync(`/proc/self/task/${name}/syscall`)
      .startsWith(`${number} `)
  );
}

Deno.test("Watch ends its waiting when it is disposed", async () => {
  const before = [...Deno.readDirSync("/proc/self/fd")].length;
  const watch = new Watch();
  const waiting = watch.wait();
  watch[Symbol.dispose]();
  watch[Symbol.dispose]();
  assertEquals(await waiting, []);
  assertEquals(await watch.wait(), []);
  assertEquals([...Deno.readDirSync("/proc/self/fd")].length, before);
});

Deno.test("Watch refuses to wait twice at a time, and descriptors that never end", async () => {
  const watch = new Watch();
  const waiting = watch.wait();
  await assertRejects(() => watch.wait(), TypeError, "Cannot wait twice");
  const error = assertThrows(() => watch.add(-1), SyscallError);
  assert(error.code === "EBADF");
  watch[Symbol.dispose]();
  assertEquals(await waiting, []);
});
