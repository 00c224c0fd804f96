/**
 * The instance of a compiled container that runs already: who it is, and
 * whether it is one that a further command can join.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  LOCK_UN,
  O_CLOEXEC,
  O_PATH,
  O_RDONLY,
  SIGNALS,
  SIGSET_SIZE,
} from "../ffi/constants.ts";
import { O_DIRECTORY, O_NOFOLLOW } from "../ffi/open_flags.ts";
import {
  type InstancePlace,
  ownerOf,
  ownerSteps,
  PLACE,
  PLACE_HINT,
} from "./compiled_place.ts";
import { PARENT_SPACES, START_SPACES } from "./compiled_record.ts";
import { CALLER_USER } from "./compiled_start.ts";
import { type CompiledStep, ifSame, refuse } from "./compiled_step.ts";
import { timespec } from "./pid_file.ts";
import { quote } from "./quote.ts";
import { goTo, label, NONE } from "./step.ts";

/** The step to go to when an instance runs. */
export const RUNNING = "running";

/** The step to go to when it has turned out to be ending. */
export const ENDING = "ending";

/** The descriptor of pid 1 of an instance that runs. */
export const RUNNING_PIDFD = "pidfd";

/** `STATX_MTIME` and where it is in `struct statx`, linux/stat.h, Linux 4.11. */
const STATX_MTIME = 0x40;

const STATX_MTIME_OFFSET = 0x70;

/** Nanoseconds, of 32 bits, and 32 that are 0. */
const STATX_MTIME_NSEC_OFFSET = 0x78;

/**
 * How often another instance is looked for that ends, or has not begun, a
 * millisecond apart.
 */
export const PATIENCE = 1000;

/**
 * Finds the instance that the pid file names. What it says is believed only as
 * far as the record goes.
 *
 * @param place Where the instance is known.
 * @returns The steps, which go to {@linkcode RUNNING} if one runs.
 *
 * @example It may be ending
 * ```ts
 * import { findRunning } from "cage/src/compiled_running.ts";
 * import { assert } from "@std/assert";
 *
 * const steps = findRunning({
 *   directory: "/run/x",
 *   name: "pid",
 *   records: "/run/x/record",
 *   record: "{}\n",
 *   rights: '{"uid":0}\n',
 * });
 * assert(steps.some(({ call }) => call === "pidfd_open"));
 * ```
 */
export function findRunning(place: InstancePlace): CompiledStep[] {
  const { directory, name } = place;
  const path = `${directory}/${name}`;
  const [text, stat, statx] = ["text", "stat", "statx"].map((buffer) => ({
    buffer: `instance-${buffer}`,
  }));
  const [pid, length, record, pidfd] = [
    ...["instance", "instance-length", "record", RUNNING_PIDFD],
  ].map((result) => ({ result }));
  const why = `Cannot read pid file ${quote(path)}`;
  return [
    label("look-up"),
    ...[0, 8].map((offset): CompiledStep => ({
      call: "store",
      args: [text, offset, 0],
    })),
    {
      name: length.result,
      call: "pread64",
      args: [PLACE.file, text, LONGEST, 0],
      ifZero: "claim",
      why,
    },
    { name: pid.result, call: "parse", args: [text, 0], ifZero: "no-pid-file" },
    ...checkText(text, length, why),
    refuse(
      `Cannot use pid file ${quote(path)}: it holds something else: ` +
        "name another file with -p",
      { name: "no-pid-file" },
    ),
    label("find-record"),
    {
      name: record.result,
      call: "openat",
      args: [PLACE.records, text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC],
      onError: { errno: "ENOENT", goto: "gone" },
      why: "Cannot read the record of the instance",
    },
    {
      name: pidfd.result,
      call: "pidfd_open",
      args: [pid, 0],
      onError: { goto: "gone" },
    },
    // The descriptor first: now the id cannot come to mean another process.
    ...startOf(text, stat),
    {
      call: "statx",
      args: [record, "", AT_EMPTY_PATH, STATX_MTIME, statx],
      why,
    },
    {
      name: "recorded",
      call: "fetch",
      args: [statx, STATX_MTIME_OFFSET],
    },
    {
      name: "recorded-parent",
      call: "fetch",
      args: [statx, STATX_MTIME_NSEC_OFFSET],
    },
    ifSame({ result: "recorded" }, { result: "begun" }, "is-instance"),
    goTo("gone"),
    label("is-instance"),
    ...untilEnded(pidfd),
    ...checkWriter(path, why),
    ...checkRecord(place, record),
    goTo(RUNNING),
    label("gone"),
    { call: "unlinkat", args: [PLACE.records, text, 0], onError: {} },
    { call: "unlinkat", args: [PLACE.directory, name, 0], onError: {} },
    ...closePidFile(),
    goTo(PLACE.file.result),
  ];
}

/**
 * Closes a pid file that is not the one any more.
 *
 * @returns The steps.
 *
 * @example Twice
 * ```ts
 * import { closePidFile } from "cage/src/compiled_running.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(closePidFile().map(({ call }) => call), ["close", "close"]);
 * ```
 */
export function closePidFile(): CompiledStep[] {
  return [PLACE.file, PLACE.unlocked].map((file) => ({
    call: "close",
    args: [file],
    onError: {},
  }));
}

const NEWLINE = 10;

/** Ten digits, a newline, and a byte that should not be there. */
const LONGEST = 12;

/**
 * A file that begins with a number may be anything, and is not to be removed:
 * a NUL is where the number ended, and there the file must end, or have its
 * newline as the last byte.
 */
function checkText(
  text: { readonly buffer: string },
  length: { readonly result: string },
  why: string,
): CompiledStep[] {
  const [at, byte, rest] = ["digit", "digit-byte", "behind-digits"]
    .map((result) => ({ result }));
  const cell = { buffer: "instance-cell" };
  return [
    ifSame(length, LONGEST, "no-pid-file"),
    { call: "store", args: [cell, 0, 0] },
    { name: at.result, call: "load", args: [cell, 0] },
    { name: byte.result, call: "fetch", args: [text, at] },
    // Its lowest byte alone.
    {
      call: "subtract",
      args: [0, byte, 56],
      ifZero: rest.result,
    },
    { name: "next-digit", call: "load", args: [cell, 1] },
    { call: "store", args: [cell, 0, { result: "next-digit" }] },
    goTo(at.result),
    { name: rest.result, call: "subtract", args: [length, at, 0] },
    ifSame(rest, 0, "find-record"),
    ifSame(rest, 1, "one-behind"),
    goTo("no-pid-file"),
    label("one-behind"),
    { call: "store", args: [cell, 0, 0] },
    { call: "pread64", args: [PLACE.file, cell, 1, at], why },
    { call: "load", args: [cell, -NEWLINE], ifZero: "find-record" },
  ];
}

/** Nobody is led to an instance by the file of somebody else. */
function checkWriter(path: string, why: string): CompiledStep[] {
  const writer = ownerOf(PLACE.file);
  return [
    ...ownerSteps(PLACE.file, why),
    ifSame(writer, 0, "told"),
    ifSame(writer, CALLER_USER, "told"),
    refuse(
      `Cannot use pid file ${
        quote(path)
      }: it is somebody else's: ${PLACE_HINT}`,
    ),
    label("told"),
  ];
}

/** When the process of an id began, and whether it is about to end. */
function startOf(
  text: { readonly buffer: string },
  stat: { readonly buffer: string },
): CompiledStep[] {
  const onError = { goto: "gone" };
  const [proc, process, file] = ["proc", "process", "process-stat"]
    .map((result) => ({ result }));
  return [
    {
      name: proc.result,
      call: "openat",
      args: [AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC],
      why: 'Cannot open "/proc"',
    },
    {
      name: process.result,
      call: "openat",
      args: [proc, text, O_PATH | O_DIRECTORY | O_CLOEXEC],
      onError,
    },
    {
      name: file.result,
      call: "openat",
      args: [process, "stat", O_RDONLY | O_CLOEXEC],
      onError,
    },
    { call: "read", args: [file, stat, 511], onError },
    // The last number first: one that was read has a NUL after it.
    { name: "signals", call: "parse", args: [stat, SIGNALS_SPACES] },
    { name: "memory", call: "parse", args: [stat, MEMORY_SPACES] },
    { name: "begun", call: "parse", args: [stat, START_SPACES] },
    { name: "parent", call: "parse", args: [stat, PARENT_SPACES] },
  ];
}

/**
 * Pid 1 that has ended has a supervisor still, which gives the directories and
 * the pid file back: under the lock, so that it is given back in between. One
 * that has another parent by now is killed: this shows before its supervisor
 * is seen to end, where the signal, which a process that ends takes, does not.
 */
function untilEnded(pidfd: { readonly result: string }): CompiledStep[] {
  const waited = { buffer: "waited" };
  const parent = { result: "recorded-parent" };
  return [
    // There is none on file systems without nanoseconds, or of what outlives it.
    ifSame(parent, 0, "has-parent"),
    ifSame(parent, { result: "parent" }, "has-parent"),
    goTo("outlasted"),
    label("has-parent"),
    ifSame({ result: "signals" }, SIGKILL_SET, ENDING),
    ifSame({ result: "memory" }, 0, ENDING),
    ...waitForEnd(pidfd, { buffer: "instance-time" }, "is-running"),
    label(ENDING),
    { name: "rounds", call: "load", args: [waited, 1] },
    { call: "store", args: [waited, 0, { result: "rounds" }] },
    ifSame({ result: "rounds" }, PATIENCE, "outlasted"),
    { call: "flock", args: [PLACE.file, LOCK_UN], onError: {} },
    { call: "close_range", args: [RESET_FROM, 0xffffffff, 0], onError: {} },
    {
      call: "clock_nanosleep",
      args: [1, 0, MILLISECOND, NONE],
      onError: {},
    },
    goTo(PLACE.directory.result),
    // A supervisor may be stopped and not see it, or be gone. Two containers at
    // once would write to the same directories.
    label("outlasted"),
    ...waitForEnd(pidfd, GRACE, "does-not-end"),
    goTo("gone"),
    refuse(
      "Cannot start: the instance is killed and has not ended: try again, or " +
        "see what it waits for (ps -eo pid,stat,wchan,comm)",
      { name: "does-not-end" },
    ),
    label("is-running"),
  ];
}

/** Waits, and goes to a step if the process has not ended then. */
function waitForEnd(
  pidfd: { readonly result: string },
  time: Uint8Array | { readonly buffer: string },
  not: string,
): CompiledStep[] {
  const poll = { buffer: "instance-poll" };
  return [
    { call: "store", args: [poll, 0, pidfd] },
    { call: "store", args: [{ ...poll, offset: 4 }, 0, POLLIN] },
    {
      call: "ppoll",
      args: [poll, 1, time, NONE, SIGSET_SIZE],
      ifZero: not,
      onError: {},
    },
  ];
}

/** Where a thread has the signals that wait for it: field 31. */
const SIGNALS_SPACES = 29;
/** That set where the process is killed. */
const SIGKILL_SET = 1 << SIGNALS.SIGKILL - 1;
/** Where the size of the memory is, which a process gives back first. */
const MEMORY_SPACES = 21;
/** `POLLIN` of asm-generic/poll.h. */
const POLLIN = 1;

/** All descriptors but the standard ones. */
const RESET_FROM = 3;

const MILLISECOND = timespec(1_000_000n);

/** How long it is waited for in the end: ten seconds. */
const GRACE = timespec(10_000_000_000n);

/** Whose it is, and what was taken from root inside, must be what is here. */
function checkRecord(
  place: InstancePlace,
  record: { readonly result: string },
): CompiledStep[] {
  const buffer = { buffer: "instance-record" };
  return [
    {
      call: "pread64",
      args: [record, buffer, 255, 0],
      why: "Cannot read the record of the instance",
    },
    ...wordsOf(place.rights).flatMap(([offset, word]): CompiledStep[] => [
      {
        call: "load",
        args: [{ ...buffer, offset }, -word],
        ifZero: `recorded-${offset}`,
      },
      goTo("other-record"),
      label(`recorded-${offset}`),
    ]),
    goTo("same-record"),
    refuse(
      "Cannot run the command in the instance that runs: it is somebody " +
        "else's, or has other rights (--privileged, --no-new-privs): stop it " +
        "first, with -k, or use cage",
      { name: "other-record" },
    ),
    label("same-record"),
  ];
}

/**
 * Gives the numbers of 32 bits that a text is made of, and where each is. What
 * follows the last value of a record says nothing about rights.
 */
function wordsOf(rights: string): [offset: number, word: number][] {
  const bytes = new TextEncoder().encode(rights.replace(/}\n$/, ""));
  const view = new DataView(bytes.buffer);
  const last = bytes.length - 4;
  return Array.from({ length: Math.ceil(bytes.length / 4) }, (_, index) => {
    const offset = Math.min(4 * index, last);
    return [offset, view.getUint32(offset, true)];
  });
}
