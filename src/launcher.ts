/**
 * Starts containers, joins and stops them: the way from a spec to a command
 * that runs.
 *
 * @module
 */

import {
  AT_FDCWD,
  LOCK_UN,
  MFD_ALLOW_SEALING,
  SIGNALS,
} from "../ffi/constants.ts";
import { packElf } from "../ffi/elf.ts";
import {
  close,
  flock,
  hasErrno,
  HOST_ARCH,
  memfdCreate,
  pidfdSendSignal,
  poll,
  statx,
  writeAll,
} from "../ffi/libc.ts";
import { ERRNO } from "../ffi/errno.ts";
import { PlanError, runPlan } from "./child.ts";
import { UsageError } from "./errors.ts";
import { errorOf, needsImage } from "./failure.ts";
import type { Caller, Facts } from "./facts.ts";
import { Hold } from "./hold.ts";
import { findCaller, findFacts, findKernel } from "./host.ts";
import { openImage } from "./image.ts";
import type { InitScript } from "./init_script.ts";
import {
  type Claim,
  claimInstance,
  findInstance,
  GRACE,
  releaseClaim,
  type Running,
  writePidFile,
} from "./instances.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { attachProgram, createProgram, NAMESPACES } from "./plan.ts";
import type { Stdio } from "./process.ts";
import { openSupervisor } from "./process_state.ts";
import { quote } from "./quote.ts";
import { openScript } from "./script_file.ts";
import type { ContainerSpec } from "./spec.ts";
import type { Storage } from "./storage.ts";
import { COMMAND_ID, initProgram } from "./supervisor.ts";
import { untilReadable, type Waiting } from "./wait.ts";

/** A command that runs, as a child of this process. */
export interface Started {
  /** The id of pid 1 of the container, or of the attached command. */
  readonly pid: number;
  /** A pidfd of it. */
  readonly pidfd: number;
  /** The pid file, no longer locked, if a container was created. */
  readonly claim?: Claim;
  /** Directories that nobody else may use as long as it runs. */
  readonly hold?: Hold;
}

/**
 * Runs a command in the instance of a spec, which is created if none runs.
 *
 * @param spec What is wanted.
 * @param stdio The standard descriptors of the command.
 * @returns The command, once it is executed.
 * @throws {CageError} If it cannot be run. Nothing is left behind then.
 */
export function* start(
  spec: ContainerSpec,
  stdio: Stdio = {},
): Waiting<Started> {
  const caller = findCaller();
  const layout = layoutOf(spec, caller.cwd);
  for (;;) {
    const found = yield* claimInstance(layout.pidFile);
    if ("descriptor" in found) {
      const hold = new Hold();
      return yield* create({ spec, stdio, caller, layout, claim: found, hold });
    }
    const attached = yield* attach(spec, stdio, caller, found);
    if (attached !== undefined) return attached;
  }
}

/**
 * Runs a command in an instance that runs.
 *
 * @param spec What is wanted; only its pid file tells which instance.
 * @param stdio The standard descriptors of the command.
 * @returns The command, or nothing if no instance runs.
 * @throws {CageError} If it cannot be run.
 */
export function* join(
  spec: ContainerSpec,
  stdio: Stdio = {},
): Waiting<Started | undefined> {
  const caller = findCaller();
  const { pidFile } = layoutOf(spec, caller.cwd);
  for (;;) {
    const running = yield* findInstance(pidFile);
    if (running === undefined) return undefined;
    const attached = yield* attach(spec, stdio, caller, running);
    if (attached !== undefined) return attached;
  }
}

/**
 * Stops an instance: SIGTERM, and SIGKILL if that does not help in time.
 *
 * @param spec Its pid file tells which instance.
 * @returns Whether there was one. It is gone now, and its pid file too.
 * @throws {CageError} If it cannot be stopped.
 */
export function* stop(spec: ContainerSpec): Waiting<boolean> {
  const { pidFile } = layoutOf(spec, findCaller().cwd);
  const running = yield* findInstance(pidFile);
  if (running === undefined) return false;
  const { pid, pidfd } = running;
  const supervisor = openSupervisor(pid);
  try {
    signal(pidfd, SIGNALS.SIGTERM);
    if (!(yield* endsInTime(pidfd))) {
      signal(pidfd, SIGNALS.SIGKILL);
      yield* untilReadable(pidfd);
    }
    // It may be stopped, as a job of a shell, and not see the end.
    if (supervisor !== undefined) yield* endsInTime(supervisor);
  } finally {
    close(pidfd);
    if (supervisor !== undefined) close(supervisor);
  }
  // Removes the file if nobody else has done so.
  const other = yield* findInstance(pidFile);
  if (other !== undefined) close(other.pidfd);
  return true;
}

/** Everything about a container that is being created. */
interface Creating {
  readonly spec: ContainerSpec;
  readonly stdio: Stdio;
  readonly caller: Caller;
  readonly layout: Layout;
  readonly claim: Claim;
  readonly hold: Hold;
}

function* create(creating: Creating): Waiting<Started> {
  const { caller, claim, hold, layout, spec } = creating;
  try {
    if (!spec.ephemeral) hold.take(layout);
    const facts = findFacts(spec, layout, caller);
    using script = openScript(spec.initScript, caller.cwd);
    const started = yield* createSomehow(creating, facts, script?.script);
    flock(claim.descriptor, LOCK_UN);
    return { ...started, claim, hold };
  } catch (error) {
    hold[Symbol.dispose]();
    releaseClaim(claim);
    throw forUser(error);
  }
}

/** In an image if the file system says that it cannot hold the changes. */
function* createSomehow(
  creating: Creating,
  facts: Facts,
  script?: InitScript,
): Waiting<Started> {
  const { layout, spec } = creating;
  const kind = spec.ephemeral ? "memory" : "directories";
  try {
    return yield* createOn({ kind }, creating, facts, script);
  } catch (error) {
    if (!(error instanceof PlanError) || !needsImage(error.failure)) {
      throw error;
    }
  }
  checkTogether(layout);
  const disk = openImage(layout.image);
  try {
    const storage = { kind: "image", device: disk.device } as const;
    return yield* createOn(storage, creating, facts, script);
  } finally {
    close(disk.descriptor);
  }
}

/** What an image would hide: the two directories do not fit together. */
function checkTogether({ upper, work }: Layout): void {
  const [first, second] = [upper, work].map((path) => statx(AT_FDCWD, path));
  const isTogether = String(first.dev) === String(second.dev) &&
    first.mountId === second.mountId;
  if (isTogether) return;
  throw new UsageError(
    `Cannot use work directory ${quote(work)}: it is not on the file system ` +
      `of ${quote(upper)}: use -w to put it there`,
  );
}

function* createOn(
  storage: Storage,
  { caller, claim, hold, layout, spec, stdio }: Creating,
  facts: Facts,
  script?: InitScript,
): Waiting<Started> {
  const init = spec.init === false ? undefined : openInit();
  try {
    const { pid, pidfd } = yield* runPlan({
      flags: NAMESPACES,
      first: (pipes) =>
        createProgram(spec, { facts, layout, pipes, script, storage }),
      spec,
      facts: {
        callerEnv: caller.env,
        parent: init ?? { kind: "command" },
        stdio,
      },
      ready: (pid) => {
        // They are there now, if they were not before.
        if (storage.kind === "directories") hold.take(layout);
        writePidFile(claim, pid);
      },
    });
    return { pid, pidfd };
  } finally {
    if (init !== undefined) close(init.descriptor);
  }
}

function* attach(
  spec: ContainerSpec,
  stdio: Stdio,
  caller: Caller,
  { pidfd }: Running,
): Waiting<Started | undefined> {
  const kernel = findKernel();
  try {
    return yield* runPlan({
      flags: 0,
      first: (pipes) => attachProgram(pidfd, pipes, kernel),
      spec,
      facts: { callerEnv: caller.env, parent: { kind: "attached" }, stdio },
    });
  } catch (error) {
    // It ended in between: there may be another one, or none.
    const isGone = error instanceof PlanError &&
      error.failure.step.call === "setns" &&
      error.failure.errno === ERRNO.ESRCH;
    if (isGone) return undefined;
    throw forUser(error);
  } finally {
    close(pidfd);
  }
}

function forUser(error: unknown): unknown {
  return error instanceof PlanError ? errorOf(error.failure) : error;
}

/** The program of pid 1, in memory that has no name. */
function openInit() {
  const { bytes, offsets } = packElf(initProgram(), HOST_ARCH);
  const descriptor = memfdCreate("cage-init", MFD_ALLOW_SEALING);
  writeAll(descriptor, bytes);
  return { kind: "init", descriptor, at: offsets[COMMAND_ID] } as const;
}

function* endsInTime(pidfd: number): Waiting<boolean> {
  yield { kind: "readable", descriptor: pidfd, atMost: GRACE };
  return poll([{ fd: pidfd }], 0).length > 0;
}

/** One that has just ended needs no signal. */
function signal(pidfd: number, number: number): void {
  try {
    pidfdSendSignal(pidfd, number);
  } catch (error) {
    if (!hasErrno(error, "ESRCH")) throw error;
  }
}
