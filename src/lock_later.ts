/**
 * Waiting for a lock beside the rest of a program.
 *
 * @module
 */

import { Block } from "../ffi/block.ts";
import { CLONE_FILES, LOCK_EX } from "../ffi/constants.ts";
import { SyscallError } from "../ffi/libc.ts";
import { refusalOf } from "./failure.ts";
import { Helper } from "./helper.ts";
import { lockNow } from "./lock_now.ts";
import { endWithParent } from "./process.ts";
import { untilReadable, type Waiting } from "./wait.ts";

/**
 * Waits until this process has the exclusive lock of an open file. Where
 * somebody else has it, a process waits for it, and no thread: the runtime has
 * few of them, and whoever is to give the lock back may need one.
 *
 * @param descriptor The descriptor of the file.
 * @returns Nothing, once it has.
 * @throws {SyscallError} If it cannot be locked.
 * @throws {LaunchError} If no process can wait for it.
 *
 * @example A file that nobody has locked
 * ```ts
 * import { memfdCreate } from "cage/ffi/libc.ts";
 * import { lockLater } from "cage/src/lock_later.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...lockLater(memfdCreate("example"))], []);
 * ```
 */
export function* lockLater(descriptor: number): Waiting<void> {
  if (lockNow(descriptor)) return;
  using block = new Block();
  block.append({
    steps: [
      endWithParent(),
      { call: "flock", args: [descriptor, LOCK_EX] },
      { call: "exit_group", args: [0] },
    ],
  });
  // With the same descriptors, not copies: others are told by their end. The
  // lock is the open file's, and stays when the process has ended.
  using helper = startHelper(block);
  yield* untilReadable(helper.pidfd);
  helper.wait();
  const failure = block.failure();
  if (failure?.stopped) throw new SyscallError("flock", failure.errno);
  // It was killed, or has the lock.
  yield* lockLater(descriptor);
}

function startHelper(block: Block): Helper {
  try {
    return new Helper(block, CLONE_FILES);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const what = "Cannot wait for another start of the instance";
    throw refusalOf(what, error, "raise the limits (ulimit -u, ulimit -n)");
  }
}
