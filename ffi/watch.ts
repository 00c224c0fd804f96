/**
 * Waiting for many descriptors without stopping the runtime.
 *
 * @module
 */

import { O_CLOEXEC } from "./constants.ts";
import { SyscallError } from "./errors.ts";
import { ERRNO } from "./errno.ts";
import { close, write } from "./files.ts";
import { HOST_ARCH } from "./arch.ts";
import { Mapping, rawCallLater } from "./native.ts";
import { syscall } from "./syscall.ts";
import { word } from "./data.ts";

/** sys/epoll.h: linux/eventpoll.h, Linux 6.1. */
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const EPOLLOUT = 4;

/** `struct epoll_event` has a hole before the data, save on x86_64. */
const DATA_OFFSET = HOST_ARCH === "x86_64" ? 4 : 8;
const EVENT_SIZE = DATA_OFFSET + 8;

/** Most events of one call. */
const MOST = 64;

/**
 * A set of descriptors. A pidfd can be read when its process has ended.
 *
 * @example The end of a child
 * ```ts
 * import { Watch } from "cage/ffi/watch.ts";
 * import { Block } from "cage/ffi/block.ts";
 * import { close, pidfdOpen, waitPidfd } from "cage/ffi/libc.ts";
 * import { assertEquals } from "@std/assert";
 *
 * using block = new Block();
 * const pidfd = pidfdOpen(block.start(0));
 * using watch = new Watch();
 * watch.add(pidfd);
 * assertEquals(await watch.wait(), [pidfd]);
 * waitPidfd(pidfd);
 * close(pidfd);
 * ```
 */
export class Watch implements Disposable {
  readonly #epoll: number;
  readonly #wake: number;
  readonly #events = new Mapping(EVENT_SIZE * MOST);
  /** A number may be another descriptor's when its event is looked at. */
  readonly #numbers = new Map<bigint, number>();
  #lastKey = 0n;
  #waiting = false;
  #closed = false;

  /**
   * Makes an empty set.
   *
   * @throws {SyscallError} If there are no descriptors left.
   */
  constructor() {
    using stack = new DisposableStack();
    stack.use(this.#events);
    const kept = (descriptor: number) => stack.adopt(descriptor, close);
    this.#epoll = kept(syscall("epoll_create1", O_CLOEXEC));
    this.#wake = kept(syscall("eventfd2", 0, O_CLOEXEC));
    this.add(this.#wake);
    stack.move();
  }

  /**
   * Adds a descriptor.
   *
   * @param fd The descriptor.
   * @param until What it is waited for: that it can be read, or written to.
   * @throws {SyscallError} If it cannot be waited for, or is in the set.
   */
  add(fd: number, until: "readable" | "writable" = "readable"): void {
    const key = ++this.#lastKey;
    const event = new Uint8Array(EVENT_SIZE);
    const view = new DataView(event.buffer);
    view.setUint32(0, until === "readable" ? EPOLLIN : EPOLLOUT, true);
    view.setBigUint64(DATA_OFFSET, key, true);
    syscall("epoll_ctl", this.#epoll, EPOLL_CTL_ADD, fd, event);
    this.#numbers.set(key, fd);
  }

  /**
   * Takes a descriptor out of the set, which must happen before it is closed.
   * Nothing happens if it is not in it, as one that was told of is not.
   *
   * @param fd The descriptor.
   * @throws {SyscallError} If it was closed already.
   */
  remove(fd: number): void {
    if (!this.#numbers.values().some((number) => number === fd)) return;
    syscall("epoll_ctl", this.#epoll, EPOLL_CTL_DEL, fd, 0);
    for (const [key, number] of this.#numbers) {
      if (number === fd) this.#numbers.delete(key);
    }
  }

  /**
   * Waits for one or more of the descriptors. Each is told once, and then is no
   * longer in the set.
   *
   * @returns The descriptors; none if the set is disposed.
   * @throws {SyscallError} If it fails.
   * @throws {TypeError} If it is being waited already.
   */
  async wait(): Promise<number[]> {
    if (this.#closed) return [];
    if (this.#waiting) throw new TypeError("Cannot wait twice at a time");
    this.#waiting = true;
    try {
      const count = await this.#call();
      if (this.#closed) return [];
      const view = new DataView(this.#events.bytes.buffer);
      const keys = Array.from(
        { length: count },
        (_, i) => view.getBigUint64(EVENT_SIZE * i + DATA_OFFSET, true),
      );
      // Without those that were taken out since.
      const found = keys.flatMap((key) => this.#numbers.get(key) ?? []);
      found.forEach((fd) => this.remove(fd));
      return found;
    } finally {
      this.#waiting = false;
      if (this.#closed) this.#release();
    }
  }

  /** Ends the waiting, and gives back what the set holds. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    // The other thread still uses the memory and the descriptors.
    if (this.#waiting) {
      write(this.#wake, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]));
    } else this.#release();
  }

  /** epoll_pwait(2), which a signal may interrupt on any thread. */
  async #call(): Promise<number> {
    const args = [this.#epoll, this.#events.address, MOST, -1].map(word);
    for (;;) {
      const result = Number(await rawCallLater("epoll_pwait", args));
      if (result >= 0) return result;
      if (-result !== ERRNO.EINTR) {
        throw new SyscallError("epoll_pwait", -result);
      }
    }
  }

  #release(): void {
    close(this.#epoll);
    close(this.#wake);
    this.#events[Symbol.dispose]();
  }
}
