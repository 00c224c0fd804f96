/**
 * What the rest of the project calls the kernel with: plain numbers, texts and
 * bytes in, numbers out, and no pointers.
 *
 * @module
 */

export { hasErrno, SyscallError } from "./errors.ts";
export * from "./files.ts";
export { HOST_ARCH } from "./arch.ts";
export * from "./processes.ts";
export * from "./signals.ts";
export { type Changed, syscall, type Value } from "./syscall.ts";
export { Watch } from "./watch.ts";
