/**
 * The instance of a compiled container: its pid file and the lock of it, as
 * `instances.ts` has them.
 *
 * @module
 */

import {
  AT_EMPTY_PATH,
  LOCK_EX,
  LOCK_NB,
  LOCK_UN,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  SIG_SETMASK,
  SIGSET_SIZE,
  STATX_NLINK,
  STATX_NLINK_OFFSET,
  STATX_SIZE,
} from "../ffi/constants.ts";
import { O_NOFOLLOW } from "../ffi/open_flags.ts";
import {
  type InstancePlace,
  openPlaces,
  PLACE,
  PLACE_HINT,
} from "./compiled_place.ts";
import { closePidFile, findRunning } from "./compiled_running.ts";
import type { CompiledStep } from "./compiled_step.ts";
import { quote } from "./quote.ts";
import { goTo, label, NONE } from "./step.ts";

/** Buffers of a program with {@linkcode claimSteps}. */
export const INSTANCE_BUFFERS = {
  claimed: 8,
  waited: 8,
  "instance-stat": 512,
  "instance-text": 48,
  "instance-cell": 8,
  "instance-statx": STATX_SIZE,
  "instance-record": 256,
  "instance-poll": 8,
  "instance-time": 16,
  times: 32,
} as const;

/**
 * Finds the instance that runs, or takes the pid file for a new one.
 *
 * @param place Where it is known.
 * @returns The steps; they go to {@linkcode RUNNING} if one runs.
 *
 * @example Under a lock
 * ```ts
 * import { claimSteps } from "cage/src/compiled_instance.ts";
 * import { assert } from "@std/assert";
 *
 * const steps = claimSteps({
 *   directory: "/run/x",
 *   name: "pid",
 *   records: "/run/x/record",
 *   record: "{}\n",
 *   rights: '{"uid":0}\n',
 * });
 * assert(steps.some(({ call }) => call === "flock"));
 * ```
 */
export function claimSteps(place: InstancePlace): CompiledStep[] {
  return [
    ...openPlaces(place),
    ...openPidFile(place),
    ...findRunning(place),
    label("claim"),
    // Not before it is known to be no file of somebody else's.
    { call: "fchmod", args: [PLACE.file, 0o600], onError: {} },
    { call: "store", args: [{ buffer: "claimed" }, 0, 1] },
  ];
}

/**
 * Removes the pid file of an instance that could not be started.
 *
 * @param place Where it is known.
 * @returns The steps, which never fail.
 *
 * @example Only one that was claimed
 * ```ts
 * import { unclaimSteps } from "cage/src/compiled_instance.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(unclaimSteps({ name: "pid" })[0].ifZero, "unclaimed");
 * ```
 */
export function unclaimSteps(
  { name }: Pick<InstancePlace, "name">,
): CompiledStep[] {
  return [
    {
      call: "load",
      args: [{ buffer: "claimed" }, 0],
      ifZero: "unclaimed",
    },
    { call: "unlinkat", args: [PLACE.directory, name, 0], onError: {} },
    label("unclaimed"),
  ];
}

/**
 * Gives the lock of the pid file back, which the first process inside has:
 * whoever waits for it finds a container that is complete.
 *
 * @returns The step.
 *
 * @example The call
 * ```ts
 * import { unlockStep } from "cage/src/compiled_instance.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(unlockStep().call, "flock");
 * ```
 */
export function unlockStep(): CompiledStep {
  return { call: "flock", args: [PLACE.file, LOCK_UN], onError: {} };
}

/** Where `stx_rdev_major` is in `struct statx` of linux/stat.h: no file has it. */
const STATX_DEVICE_OFFSET = 0x80;

function openPidFile({ directory, name }: InstancePlace): CompiledStep[] {
  const why = `Cannot open pid file ${quote(`${directory}/${name}`)}`;
  const mask = (byte: number): CompiledStep => ({
    call: "rt_sigprocmask",
    args: [
      SIG_SETMASK,
      new Uint8Array(SIGSET_SIZE).fill(byte),
      NONE,
      SIGSET_SIZE,
    ],
  });
  const statx = { buffer: "instance-statx" };
  return [
    {
      name: PLACE.file.result,
      call: "openat",
      args: [
        PLACE.directory,
        name,
        O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
        0o600,
      ],
      why,
      hints: { "": PLACE_HINT },
    },
    // `/dev/null` is as empty as a new one, and would be removed in the end.
    {
      call: "statx",
      args: [PLACE.file, "", AT_EMPTY_PATH, STATX_NLINK, statx],
      why,
    },
    {
      call: "load",
      args: [{ ...statx, offset: STATX_DEVICE_OFFSET }, 0],
      ifZero: "no-device",
    },
    goTo("no-pid-file"),
    label("no-device"),
    {
      name: PLACE.unlocked.result,
      call: "openat",
      args: [
        PLACE.directory,
        name,
        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
      ],
      onError: { errno: "ENOENT", goto: "replaced" },
      why,
      hints: { "": PLACE_HINT },
    },
    {
      call: "flock",
      args: [PLACE.file, LOCK_EX | LOCK_NB],
      ifZero: "locked",
      onError: { errno: "EAGAIN" },
      why,
    },
    // Somebody else starts or stops it: whoever waits can be interrupted.
    mask(0),
    {
      name: "wait-for-lock",
      call: "flock",
      args: [PLACE.file, LOCK_EX],
      onError: { errno: "EINTR", goto: "wait-for-lock" },
      why,
    },
    mask(0xff),
    label("locked"),
    // A file is never used again but replaced.
    {
      call: "statx",
      args: [PLACE.file, "", AT_EMPTY_PATH, STATX_NLINK, statx],
      why,
    },
    {
      call: "load",
      args: [{ ...statx, offset: STATX_NLINK_OFFSET }, 0],
      ifZero: "replaced",
    },
    goTo("look-up"),
    label("replaced"),
    ...closePidFile(),
    goTo(PLACE.file.result),
  ];
}
