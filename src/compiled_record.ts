/**
 * The record of a compiled container, and what its processes tell each other.
 *
 * @module
 */

import {
  AT_FDCWD,
  MAP_ANONYMOUS,
  MAP_SHARED,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_WRONLY,
  PROT_READ,
  PROT_WRITE,
} from "../ffi/constants.ts";
import { O_NOFOLLOW } from "../ffi/open_flags.ts";
import { type InstancePlace, PLACE } from "./compiled_place.ts";
import { type CompiledStep, ifSame, refuse } from "./compiled_step.ts";
import { goTo, label, NONE } from "./step.ts";

/** The id of the launcher, as the host counts. */
export const LAUNCHER = { result: "launcher" } as const;

/**
 * Memory in which a container tells its id as a text, and an attached command
 * its id as a number.
 */
export const SHARED = { result: "shared" } as const;

/** Field 22 of proc_pid_stat(5) is so many spaces after the name. */
export const START_SPACES = 20;

/** And field 4, the parent. */
export const PARENT_SPACES = 2;

/**
 * Gets memory that the processes of a container share with its supervisor.
 *
 * @returns The steps; its address is {@linkcode SHARED}.
 *
 * @example The call
 * ```ts
 * import { shareSteps } from "cage/src/compiled_record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(shareSteps()[0].call, "mmap");
 * ```
 */
export function shareSteps(): CompiledStep[] {
  return [
    {
      name: SHARED.result,
      call: "mmap",
      args: [
        ...[0, 4096, PROT_READ | PROT_WRITE],
        ...[MAP_SHARED | MAP_ANONYMOUS, -1, 0],
      ],
      onError: { goto: "no-memory" },
    },
    goTo("memory"),
    { ...refuse("Cannot get memory"), name: "no-memory" },
    label("memory"),
    { name: LAUNCHER.result, call: "getpid", args: [] },
  ];
}

/**
 * Tells who a new container is, in its pid file and its record: what its first
 * process does first, on the `/proc` of the host.
 *
 * @param place Where it is known.
 * @returns The steps.
 *
 * @example The id is a text of `/proc`
 * ```ts
 * import { recordSteps } from "cage/src/compiled_record.ts";
 * import { assert } from "@std/assert";
 *
 * const steps = recordSteps({ record: "{}\n" });
 * assert(steps.some(({ call }) => call === "readlinkat"));
 * ```
 */
export function recordSteps(
  { record }: Pick<InstancePlace, "record">,
): CompiledStep[] {
  const why = "Cannot record the instance";
  const stat = { buffer: "instance-stat" };
  const [file, begun] = [{ result: "own-record" }, { result: "own-start" }];
  const text = new TextEncoder().encode(record);
  return [
    // It may have ended before this process was tied to it. The other number
    // first: a number that was read has a NUL after it.
    {
      name: "own-stat",
      call: "openat",
      args: [AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC],
      why,
    },
    { call: "read", args: [{ result: "own-stat" }, stat, 511], why },
    { name: begun.result, call: "parse", args: [stat, START_SPACES] },
    { name: "own-parent", call: "parse", args: [stat, PARENT_SPACES] },
    ifSame({ result: "own-parent" }, LAUNCHER, "tied"),
    refuse(
      "Cannot record the instance: who started it has ended, or /proc is that " +
        "of another pid namespace: mount one of this namespace (unshare " +
        "--mount-proc)",
    ),
    label("tied"),
    {
      name: "own-length",
      call: "readlinkat",
      args: [AT_FDCWD, "/proc/self", SHARED, 32],
      why,
    },
    {
      call: "write",
      args: [PLACE.file, SHARED, { result: "own-length" }],
      why: "Cannot write the pid file",
    },
    {
      call: "write",
      args: [PLACE.file, "\n", 1],
      why: "Cannot write the pid file",
    },
    {
      name: file.result,
      call: "openat",
      args: [
        PLACE.records,
        SHARED,
        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
        0o600,
      ],
      onError: { errno: "EEXIST", goto: "stale-record" },
      why,
    },
    goTo("new-record"),
    // Of a process that had the same id. A new file is cheaper than an old one
    // that is made empty, which some file systems write to the disk when it is
    // closed.
    {
      name: "stale-record",
      call: "unlinkat",
      args: [PLACE.records, SHARED, 0],
      why,
    },
    goTo(file.result),
    label("new-record"),
    { call: "write", args: [file, text, text.length], why },
    ...[0, 16].flatMap((time): CompiledStep[] => [
      { call: "store", args: [{ buffer: "times" }, time, begun] },
      { call: "store", args: [{ buffer: "times" }, time + 8, LAUNCHER] },
    ]),
    { call: "utimensat", args: [file, NONE, { buffer: "times" }, 0], why },
  ];
}
