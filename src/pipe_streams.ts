/**
 * Ends of pipes as streams. They wait as containers do: the runtime reads and
 * writes on threads of which it has few, and one that waits for a command would
 * be missing to whoever is to give that command something to do.
 *
 * @module
 */

import { O_NONBLOCK } from "../ffi/constants.ts";
import { close, hasErrno, read, syscall, write } from "../ffi/libc.ts";
import { UsageError } from "./errors.ts";
import { forget, readyLater } from "./reactor.ts";

/** linux/fcntl.h, Linux 6.1. */
const F_SETFL = 4;

/** As many bytes as a pipe has room for: pipe(7). */
const CHUNK = 1 << 16;

/**
 * Makes a stream of what can be read.
 *
 * @param descriptor The end of the pipe, which the stream closes in the end.
 * @returns The stream.
 * @throws {SyscallError} If it is no descriptor.
 *
 * @example What was written
 * ```ts
 * import { close, pipe2, write } from "cage/ffi/libc.ts";
 * import { readableOf } from "cage/src/pipe_streams.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { reader, writer } = pipe2();
 * write(writer, new TextEncoder().encode("text"));
 * close(writer);
 * assertEquals(await new Response(readableOf(reader)).text(), "text");
 * ```
 */
export function readableOf(
  descriptor: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const end = new End(descriptor);
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: CHUNK,
    async pull(controller) {
      const request = controller.byobRequest!;
      const { buffer, byteLength, byteOffset } = request.view!;
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      const size = await end.use("readable", (fd) => read(fd, bytes));
      if (size === undefined) return;
      if (size === 0) {
        end.close();
        controller.close();
      }
      request.respond(size);
    },
    cancel: () => end.close(),
  });
}

/**
 * Makes a stream that can be written to.
 *
 * @param descriptor The end of the pipe, which the stream closes in the end.
 * @returns The stream.
 * @throws {SyscallError} If it is no descriptor.
 *
 * @example Something to read
 * ```ts
 * import { close, pipe2, read } from "cage/ffi/libc.ts";
 * import { writableOf } from "cage/src/pipe_streams.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { reader, writer } = pipe2();
 * const stream = writableOf(writer).getWriter();
 * await stream.write(new Uint8Array(7));
 * await stream.close();
 * assertEquals(read(reader, new Uint8Array(8)), 7);
 * close(reader);
 * ```
 */
export function writableOf(
  descriptor: number,
): WritableStream<Uint8Array<ArrayBuffer>> {
  const end = new End(descriptor);
  return new WritableStream({
    start({ signal }) {
      signal.addEventListener("abort", () => end.close());
    },
    async write(bytes) {
      // Programs without types may give anything.
      if (!((bytes as unknown) instanceof Uint8Array)) {
        end.close();
        throw new UsageError(
          "Cannot write to a command what is no Uint8Array: use TextEncoder " +
            "for a text",
        );
      }
      for (let done = 0; done < bytes.length;) {
        const rest = bytes.subarray(done);
        const size = await end.use("writable", (fd) => write(fd, rest));
        if (size === undefined) return;
        done += size;
      }
    },
    close: () => end.close(),
    abort: () => end.close(),
  });
}

/** An end of a pipe, which another process never waits for here. */
class End {
  #descriptor: number | undefined;

  constructor(descriptor: number) {
    syscall("fcntl", descriptor, F_SETFL, O_NONBLOCK);
    this.#descriptor = descriptor;
  }

  /**
   * Nothing comes of it if it is closed meanwhile. It waits also for what is
   * there: a command that never stops writing leaves the program its turn.
   */
  async use(
    until: "readable" | "writable",
    action: (descriptor: number) => number,
  ): Promise<number | undefined> {
    for (;;) {
      if (this.#descriptor === undefined) return undefined;
      await readyLater(this.#descriptor, until);
      if (this.#descriptor === undefined) return undefined;
      try {
        return action(this.#descriptor);
      } catch (error) {
        if (!hasErrno(error, "EAGAIN")) {
          this.close();
          throw hasErrno(error, "EPIPE") ? brokenPipe() : error;
        }
      }
    }
  }

  close(): void {
    const descriptor = this.#descriptor;
    if (descriptor === undefined) return;
    this.#descriptor = undefined;
    forget(descriptor);
    close(descriptor);
  }
}

function brokenPipe(): Error {
  return new Deno.errors.BrokenPipe("Broken pipe");
}
