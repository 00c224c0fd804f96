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
import type { Started } from "./launcher.ts";
import { supervisorProgram } from "./supervisor.ts";

/**
 * Replaces this process, which keeps its id and its children, by the
 * supervisor of a command, a few kilobytes of memory.
 *
 * @param started The command.
 */
export function supervise({ claim, hold, pid }: Started): never {
  // Signals from here on are the supervisor's to pass on.
  rtSigprocmask(ALL_SIGNALS);
  const program = supervisorProgram(pid, claim, hold?.descriptors);
  const file = sealedFile("cage", packElf(program, HOST_ARCH).bytes);
  const kept = [
    claim === undefined ? [] : [claim.descriptor, claim.directory],
    hold?.descriptors ?? [],
  ].flat();
  kept.forEach((descriptor) => syscall("fcntl", descriptor, F_SETFD, 0));
  return execveat(file, ["cage"], []);
}
