/**
 * How a compiled container begins: it gives up every right that its file could
 * carry, and becomes a copy of itself that nobody can change.
 *
 * What runs inside must not get at the file (CVE-2019-5736): `/proc/PID/exe` of
 * whoever starts it is a sealed file in memory.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  F_ADD_SEALS,
  F_SEAL_ALL,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  O_RDWR,
  PR_SET_DUMPABLE,
  PROT_READ,
  PROT_WRITE,
  SIG_SETMASK,
  SIGACTION_SIZE,
  SIGSET_SIZE,
} from "../ffi/constants.ts";
import type { Argument, Program } from "../ffi/step.ts";
import { FAILED } from "./compiled_messages.ts";
import { type CompiledStep, ifSame, refuse } from "./compiled_step.ts";
import { STATUS_FAILED } from "./errors.ts";
import { CAPABILITY_VERSION } from "./restrictions.ts";
import { goTo, label, NONE } from "./step.ts";

/** The step that gives the environment of the caller, a vector. */
export const CALLER_ENVIRONMENT = "caller-environment";

/** The step that tells who the caller is. */
export const CALLER_USER = { result: "user" } as const;

/** The step that gives the address of the number of arguments. */
export const STACK = "stack";

/** Buffers of a program with {@linkcode startSteps}. */
export const START_BUFFERS = { cell: 8 } as const;

/** The name of the process in ps(1), as that of any supervisor. */
const NAME = "cage";

/** `NAME` as a number of 32 bits, little endian. */
const NAME_WORD = 0x65676163;

/** The status of who executes the copy from inside: "cannot be executed". */
const NOT_STARTED = 126;

/**
 * Writes the program of the file: it unpacks the one that is in it.
 *
 * @param packed The executable of that program, packed.
 * @param size How many bytes it has.
 * @returns The program.
 *
 * @example Rights are given up first
 * ```ts
 * import { wrapperProgram } from "cage/src/compiled_start.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { steps } = wrapperProgram(new Uint8Array(8), 8);
 * const calls = ["getresuid", "setresuid", "unpack", "execveat"];
 * assertEquals(
 *   steps.map(({ call }) => String(call)).filter((call) => calls.includes(call)),
 *   calls,
 * );
 * ```
 */
export function wrapperProgram(packed: Uint8Array, size: number): Program {
  const sorry = "cage: Cannot copy the program into memory\n";
  return {
    buffers: { ids: 24 },
    steps: [
      { name: STACK, call: "stack", args: [] },
      { name: "argc", call: "fetch", args: [{ result: STACK }, 0] },
      ...giveUpSteps(),
      // A limit on the size of files has one sent.
      blockSignals(),
      ...environmentSteps(),
      ...becomeCopy(packed, size),
      {
        name: FAILED,
        call: "write",
        args: [2, sorry, sorry.length],
        onError: {},
      },
      { call: "exit_group", args: [STATUS_FAILED] },
    ],
    onStop: FAILED,
  };
}

/**
 * Begins, in the copy.
 *
 * @param uid Whose the container is.
 * @returns The steps.
 *
 * @example Nobody else's
 * ```ts
 * import { startSteps } from "cage/src/compiled_start.ts";
 * import { assert } from "@std/assert";
 *
 * assert(startSteps(0).some(({ call }) => call === "getuid"));
 * ```
 */
export function startSteps(uid: number): CompiledStep[] {
  return [
    { name: STACK, call: "stack", args: [] },
    { name: "argc", call: "fetch", args: [{ result: STACK }, 0] },
    ...checkName(),
    { name: CALLER_USER.result, call: "getuid", args: [] },
    ifSame(CALLER_USER, uid, "own"),
    refuse(
      uid === 0
        ? "Cannot start the container: it was compiled by root, and is root's: " +
          "compile one of your own"
        : `Cannot start the container: it was compiled by user ${uid}, and is ` +
          "theirs: compile one of your own",
    ),
    label("own"),
    ...environmentSteps(),
    ...tidySteps(),
  ];
}

/**
 * The real ids are all ids, and no capability is had that a file gave: root
 * gets its own back when it executes the copy.
 */
function giveUpSteps(): CompiledStep[] {
  const ids = (offset: number) => ({ buffer: "ids", offset });
  const [user, group] = [{ result: "own-user" }, { result: "own-group" }];
  const version = new Uint8Array(
    new Uint32Array([CAPABILITY_VERSION, 0]).buffer,
  );
  return [
    { call: "getresuid", args: [ids(0), ids(4), ids(8)] },
    { call: "getresgid", args: [ids(12), ids(16), ids(20)] },
    { name: user.result, call: "load", args: [ids(0), 0] },
    { name: group.result, call: "load", args: [ids(12), 0] },
    { call: "setresgid", args: [group, group, group] },
    { call: "setresuid", args: [user, user, user] },
    { call: "capset", args: [version, new Uint8Array(24)] },
  ];
}

/** Arguments and variables are two vectors on the stack, one after the other. */
function environmentSteps(): CompiledStep[] {
  const name = (text: string) => text;
  return [
    {
      name: name("first"),
      call: "subtract",
      args: [{ result: STACK }, -16, 0],
    },
    {
      name: name("skipped"),
      call: "subtract",
      args: [0, { result: "argc" }, 3],
    },
    {
      name: name(CALLER_ENVIRONMENT),
      call: "subtract",
      args: [{ result: name("first") }, { result: name("skipped") }, 0],
    },
  ];
}

function becomeCopy(packed: Uint8Array, size: number): CompiledStep[] {
  const [copy, argv, written] = ["copy", "argv", "written"]
    .map((result) => ({ result }));
  const [memory, end] = ["memory", "end"].map((result) => ({ result }));
  const block = new Uint8Array(packed.length + BEHIND);
  block.set(packed);
  return [
    {
      name: memory.result,
      call: "mmap",
      args: [
        ...[0, size + BEHIND, PROT_READ | PROT_WRITE],
        ...[MAP_PRIVATE | MAP_ANONYMOUS, -1, 0],
      ],
    },
    // The same bytes are in memory once.
    { name: end.result, call: "subtract", args: [block, -packed.length, 0] },
    { call: "unpack", args: [block, end, memory] },
    { name: argv.result, call: "subtract", args: [{ result: STACK }, -8, 0] },
    { call: "store", args: [argv, 0, NAME] },
    {
      name: copy.result,
      call: "memfd_create",
      args: [NAME, MFD_ALLOW_SEALING | MFD_CLOEXEC],
    },
    { name: written.result, call: "write", args: [copy, memory, size] },
    // A limit on the size of files can leave a part of it.
    ifSame(written, size, "written-whole"),
    { call: "close", args: [-1] },
    { name: "written-whole", call: "fchmod", args: [copy, 0o555] },
    { call: "fcntl", args: [copy, F_ADD_SEALS, F_SEAL_ALL] },
    {
      call: "execveat",
      args: [copy, "", argv, { result: CALLER_ENVIRONMENT }, AT_EMPTY_PATH],
      onError: {},
    },
  ];
}

/** What `unpack` takes beside a block and what is in it. */
const BEHIND = 7;

/** A link inside to `/proc/self/exe` leads here too. */
function checkName(): CompiledStep[] {
  return [
    { name: "argv0", call: "fetch", args: [{ result: STACK }, 8] },
    {
      name: "argv0-word",
      call: "load",
      args: [{ result: "argv0" }, -NAME_WORD],
      ifZero: "started",
    },
    { call: "exit_group", args: [NOT_STARTED] },
    label("started"),
  ];
}

/**
 * Keeps others from tracing the process, what it starts, and from opening what
 * it has open.
 *
 * @returns The step.
 *
 * @example The call
 * ```ts
 * import { hideStep } from "cage/src/compiled_start.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(hideStep().call, "prctl");
 * ```
 */
export function hideStep(): CompiledStep {
  return {
    call: "prctl",
    args: [PR_SET_DUMPABLE, 0, NONE, NONE, NONE],
    why: "Cannot keep others from tracing the process",
  };
}

function blockSignals(): CompiledStep {
  const all = new Uint8Array(SIGSET_SIZE).fill(0xff);
  return {
    call: "rt_sigprocmask",
    args: [SIG_SETMASK, all, NONE, SIGSET_SIZE],
  };
}

/** As it is for every program that starts containers. */
function tidySteps(): CompiledStep[] {
  const cell = { buffer: "cell" };
  const opened: Argument = { result: "standard" };
  const signal: Argument = { result: "signal" };
  return [
    blockSignals(),
    {
      name: opened.result,
      call: "openat",
      args: [AT_FDCWD, "/dev/null", O_RDWR],
      why: 'Cannot open "/dev/null"',
    },
    ...[0, 1, 2].map((number) => ifSame(opened, number, opened.result)),
    { call: "close_range", args: [3, 0xffffffff, 0], onError: {} },
    { call: "umask", args: [0], onError: {} },
    // Those that a caller ignores, but not what nohup(1) and a shell's `&` set.
    { call: "store", args: [cell, 0, 3] },
    { name: signal.result, call: "load", args: [cell, 1] },
    { call: "store", args: [cell, 0, signal] },
    {
      call: "rt_sigaction",
      args: [signal, new Uint8Array(SIGACTION_SIZE), NONE, SIGSET_SIZE],
      onError: {},
    },
    ifSame(signal, 64, "tidy"),
    goTo(signal.result),
    label("tidy"),
  ];
}
