/**
 * The library: containers in a program that goes on while they run.
 *
 * @module
 */

import { CLD_EXITED, SIGNALS } from "../ffi/constants.ts";
import { close, type Ended, waitPidfd } from "../ffi/libc.ts";
import { checkSpec } from "./check_spec.ts";
import { findClient } from "./client.ts";
import { CageError, UsageError } from "./errors.ts";
import type { Instance } from "./instance.ts";
import { releaseClaim } from "./instances.ts";
import * as launcher from "./launcher.ts";
import { quote } from "./quote.ts";
import { driveLater } from "./reactor.ts";
import { signal as send } from "./signal.ts";
import type { ContainerSpec } from "./spec.ts";
import type { Stdio } from "./process.ts";
import { type StdioChoice, StdioPipes } from "./stdio.ts";
import {
  untilLoaded,
  untilLocked,
  untilReadable,
  type Waiting,
} from "./wait.ts";

export type { Instance, StdioChoice };

/**
 * What a container is launched with beside its spec. One that is detached has
 * `/dev/null` in place of what is this program's.
 */
export interface LaunchOptions {
  /** Standard input; that of this program if absent. */
  readonly stdin?: StdioChoice;
  /** Standard output; that of this program if absent. */
  readonly stdout?: StdioChoice;
  /** Standard error; that of this program if absent. */
  readonly stderr?: StdioChoice;
}

/** How a command ended. */
export interface Status {
  /** Its exit status; 128 and the number of the signal that ended it. */
  readonly code: number;
  /**
   * The signal, if one ended the process that was waited for: an attached
   * command, or all of a container. A command under pid 1 is told by its code.
   */
  readonly signal?: Signal;
}

/** The name of a signal, see signal(7). */
export type Signal = keyof typeof SIGNALS;

/** A command that runs. */
export interface Container {
  /** The id of pid 1 of the container, or of an attached command. */
  readonly pid: number;
  /**
   * How the command ended, once it has. Of one that is detached it is told by
   * its code alone, and this program may end unless it asks. Until it asks, it
   * has two descriptors open for it, and its supervisor stays when it has ended.
   */
  readonly status: Promise<Status>;
  /** Sentences about what a graphical command was not given. */
  readonly notes: readonly string[];
  /** What the command reads, if `stdin` is "piped". */
  readonly stdin?: WritableStream<Uint8Array<ArrayBuffer>>;
  /** What the command writes, if `stdout` is "piped". */
  readonly stdout?: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What the command writes as errors, if `stderr` is "piped". */
  readonly stderr?: ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * Sends a signal to the command. Nothing happens if it has ended.
   *
   * @param signal The name of the signal; SIGTERM if absent.
   * @throws {UsageError} If there is no such signal.
   */
  kill(signal?: Signal): void;
}

/**
 * Runs a command in the instance of a spec, which is created if none runs.
 *
 * Containers end with the program that launched them, unless they are
 * detached.
 *
 * @param spec What is wanted; everything has a default.
 * @param options The standard descriptors.
 * @returns The command, once it is executed.
 * @throws {UsageError} If the spec contradicts itself or names what is not.
 * @throws {CommandError} If the command cannot be executed.
 * @throws {InitScriptError} If the init script failed.
 * @throws {LaunchError} If a system call failed.
 *
 * @example A command in memory
 * ```ts
 * import { launch } from "jsr:@pepper/cage";
 *
 * const container = await launch({ ephemeral: true, command: ["true"] });
 * console.log((await container.status).code);
 * ```
 */
export async function launch(
  spec: ContainerSpec,
  options: LaunchOptions = {},
): Promise<Container> {
  checkSpec(spec);
  return await begin(
    options,
    (stdio, tell) => launcher.start(spec, stdio, tell),
  );
}

/**
 * Runs a command in an instance that runs.
 *
 * @param spec Its `name` or `pidFile` tells which instance; the rest says how
 * the command runs.
 * @param options The standard descriptors.
 * @returns The command, once it is executed.
 * @throws {CageError} If no such instance runs, or the command cannot be run.
 *
 * @example A second command
 * ```ts
 * import { attach, launch } from "jsr:@pepper/cage";
 *
 * const spec = { name: "example", ephemeral: true };
 * const first = await launch({ ...spec, command: ["sleep", "60"] });
 * const second = await attach({ ...spec, command: ["true"] });
 * console.log((await second.status).code);
 * first.kill();
 * await first.status;
 * ```
 */
export async function attach(
  spec: ContainerSpec,
  options: LaunchOptions = {},
): Promise<Container> {
  checkSpec(spec);
  return await begin(options, function* (stdio, tell) {
    const started = yield* launcher.join(spec, stdio, tell);
    if (started !== undefined) return started;
    throw new CageError(
      "Cannot attach: no such instance runs: use launch() to start it",
    );
  });
}

/**
 * Stops an instance: SIGTERM, and SIGKILL if that does not help in 5 seconds.
 *
 * @param spec Its `name` or `pidFile` tells which instance.
 * @returns Whether there was one. It is gone now, and its pid file too.
 * @throws {CageError} If it cannot be stopped.
 *
 * @example By name
 * ```ts
 * import { stop } from "jsr:@pepper/cage";
 *
 * console.log(await stop({ name: "example" }));
 * ```
 */
export async function stop(
  spec: Pick<ContainerSpec, "name" | "pidFile">,
): Promise<boolean> {
  checkSpec(spec);
  return await driveLater(launcher.stop(spec));
}

/**
 * Lists the caller's instances, those that run and those of which changes are
 * kept where they are by default; root gets those of everybody. What the
 * changes take is counted.
 *
 * @returns The instances: those that run first, each kind in the order of
 * names. What cannot be known is absent.
 * @throws {CageError} If it cannot be found out who calls.
 *
 * @example Names and sizes
 * ```ts
 * import { list } from "jsr:@pepper/cage";
 *
 * for (const { name, size, state } of await list()) {
 *   console.log(name ?? "(default)", state, size);
 * }
 * ```
 */
export async function list(): Promise<Instance[]> {
  return await driveLater(function* () {
    const { findInstances } = yield* untilLoaded(import("./find_instances.ts"));
    return yield* findInstances(findClient({}));
  }());
}

async function begin(
  options: LaunchOptions,
  start: (stdio: Stdio, tell: launcher.Tell) => Waiting<launcher.Started>,
): Promise<Container> {
  using pipes = new StdioPipes(options);
  const notes: string[] = [];
  const started = await driveLater(
    start(pipes.inside, (note) => notes.push(note)),
  );
  let hasEnded = false;
  let status: Promise<Status> | undefined;
  const ended = () =>
    status ??= driveLater(untilEnded(started, () => hasEnded = true));
  // Who waits for something does not end.
  if (started.supervisor === undefined) ended();
  return {
    pid: started.pid,
    get status() {
      return ended();
    },
    notes,
    ...pipes.takeStreams(),
    kill(signal: Signal = "SIGTERM") {
      const number = numberOf(signal);
      if (!hasEnded) send(started.pidfd, number);
    },
  };
}

/** Programs without types may give anything. */
function numberOf(signal: Signal): number {
  if (Object.hasOwn(SIGNALS, signal)) return SIGNALS[signal];
  throw new UsageError(
    `Cannot send ${quote(String(signal))}: use the name of a signal, such as ` +
      '"SIGTERM"',
  );
}

/**
 * Until it is waited for, the process is there to get a signal. A supervisor
 * ends as what it supervises.
 */
function* untilEnded(
  { claim, hold, pidfd, recorded, supervisor }: launcher.Started,
  ended: () => void,
): Waiting<Status> {
  const child = supervisor ?? pidfd;
  yield* untilReadable(child);
  ended();
  hold?.[Symbol.dispose]();
  const end = waitPidfd(child)!;
  close(pidfd);
  if (supervisor !== undefined) close(supervisor);
  if (claim !== undefined) {
    yield* untilLocked(claim.descriptor);
    releaseClaim(claim, recorded);
  }
  return statusOf(end);
}

function statusOf({ code, status }: Ended): Status {
  if (code === CLD_EXITED) return { code: status };
  const names = Object.keys(SIGNALS) as Signal[];
  const signal = names.find((name) => SIGNALS[name] === status);
  return { code: 128 + status, ...(signal === undefined ? {} : { signal }) };
}
