/**
 * Becomes the supervisor of a command.
 *
 * @module
 */

import { F_SETFD } from "../ffi/constants.ts";
import { packElf } from "../ffi/elf.ts";
import {
  ALL_SIGNALS,
  execveat,
  HOST_ARCH,
  rtSigprocmask,
  sealedFile,
  syscall,
} from "../ffi/libc.ts";
import type { Notes } from "../ffi/notes.ts";
import type { Started } from "./launcher.ts";
import { keptBy, supervisorProgram } from "./supervisor.ts";

/**
 * Replaces this process, which keeps its id and its children, by the
 * supervisor of a command, a few kilobytes of memory.
 *
 * @param started The command.
 * @param notes Signals that came meanwhile and were written down.
 */
export function supervise(
  { claim, hold, pid }: Started,
  notes?: Notes,
): never {
  // Signals from here on are the supervisor's to pass on: blocked, or written
  // down by another thread.
  rtSigprocmask(ALL_SIGNALS);
  const held = hold?.descriptors ?? [];
  const program = supervisorProgram(pid, claim, held, notes?.reader);
  const file = sealedFile("cage", packElf(program, HOST_ARCH).bytes);
  keptBy({
    ...(claim === undefined ? {} : { pidFile: claim }),
    held: [...held, ...(notes === undefined ? [] : [notes.reader])],
  }).forEach((descriptor) => syscall("fcntl", descriptor, F_SETFD, 0));
  return execveat(file, ["cage"], []);
}
