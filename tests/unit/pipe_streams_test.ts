import { assertEquals, assertRejects } from "@std/assert";
import { pipe2 } from "../../ffi/libc.ts";
import { readableOf, writableOf } from "../../src/pipe_streams.ts";

/** More than the runtime has threads for reading: 32. */
const MANY = 40;

function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("streams of pipes read at the same time, however many there are", async () => {
  const before = descriptors();
  const pipes = Array.from({ length: MANY }, () => pipe2());
  const texts = pipes.map(({ reader }) =>
    new Response(readableOf(reader)).text()
  );
  for (const { writer } of pipes) {
    const stream = writableOf(writer).getWriter();
    await stream.write(new TextEncoder().encode("text"));
    await stream.close();
  }
  assertEquals(await Promise.all(texts), pipes.map(() => "text"));
  assertEquals(descriptors(), before);
});

Deno.test("streams of pipes pass on more than a pipe holds", async () => {
  const { reader, writer } = pipe2();
  const bytes = new Uint8Array(1 << 20).map((_, index) => index);
  const read = new Response(readableOf(reader)).bytes();
  await new Blob([bytes]).stream().pipeTo(writableOf(writer));
  const sum = async (data: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  assertEquals(await sum(await read), await sum(bytes));
});

Deno.test("streams of pipes end when nobody wants them, also while they wait", async () => {
  const before = descriptors();
  const { reader, writer } = pipe2();
  const stream = writableOf(writer).getWriter();
  const full = stream.write(new Uint8Array(1 << 20));
  const gone = assertRejects(() => full, Error, "no longer");
  await stream.abort(new Error("no longer"));
  await gone.catch(() => {});
  const silent = pipe2();
  const waiting = readableOf(silent.reader).getReader();
  const chunk = waiting.read();
  await waiting.cancel();
  assertEquals((await chunk).done, true);
  const broken = writableOf(silent.writer).getWriter();
  await assertRejects(
    () => broken.write(new Uint8Array(1)),
    Deno.errors.BrokenPipe,
  );
  await readableOf(reader).cancel();
  assertEquals(descriptors(), before);
});

Deno.test("streams of pipes leave a program its turn, however much there is to read", async () => {
  const endless = Deno.openSync("/dev/zero");
  const { reader, writer } = pipe2();
  const sink = writableOf(writer);
  const abort = new AbortController();
  const piped = endless.readable.pipeTo(sink, { signal: abort.signal });
  const read = (async () => {
    for await (const _ of readableOf(reader));
  })();
  await new Promise((resolve) => setTimeout(resolve));
  abort.abort();
  await assertRejects(() => piped);
  await read;
});
