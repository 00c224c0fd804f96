/**
 * Starts containers, joins and stops them: the way from a spec to a command
 * that runs.
 *
 * @module
 */

import { LOCK_UN, MFD_ALLOW_SEALING, SIGNALS } from "../ffi/constants.ts";
import { packElf } from "../ffi/elf.ts";
import {
  close,
  flock,
  HOST_ARCH,
  memfdCreate,
  poll,
  writeAll,
} from "../ffi/libc.ts";
import { ERRNO } from "../ffi/errno.ts";
import { findAttachment } from "./attachment.ts";
import type { AdditionWish } from "./add_graphics.ts";
import { type Plan, PlanError, runPlan } from "./child.ts";
import { Descriptors } from "./descriptors.ts";
import { Hold, openDirectories } from "./directories.ts";
import { UsageError } from "./errors.ts";
import type { Facts } from "./facts.ts";
import { errorOf, needsImage } from "./failure.ts";
import { findFacts } from "./find_facts.ts";
import { findersFor } from "./finders.ts";
import { findRefusal } from "./find_userns.ts";
import { type Client, findClient } from "./client.ts";
import { findKernel } from "./host.ts";
import type { GraphicsLook } from "./find_graphics.ts";
import type { InitScript } from "./init_script.ts";
import {
  type Claim,
  claimInstance,
  findInstance,
  GRACE,
  type Recorded,
  releaseClaim,
  type Running,
  writePidFile,
} from "./instances.ts";
import { attachPlan, beginsInNew, createPlan } from "./launch_plan.ts";
import { type Layout, layoutOf } from "./layout.ts";
import type { Stdio } from "./process.ts";
import { openSupervisor, stateOf } from "./process_state.ts";
import { quote } from "./quote.ts";
import { originOf } from "./record.ts";
import { signal } from "./signal.ts";
import { openScript } from "./script_file.ts";
import type { SessionBus } from "./session_bus.ts";
import { markSlot, takeSlot } from "./slots.ts";
import type { ContainerSpec } from "./spec.ts";
import type { Storage } from "./storage.ts";
import { COMMAND_ID, initProgram, type Supervision } from "./supervisor.ts";
import type { Trace } from "./trace.ts";
import { untilLoaded, untilReadable, type Waiting } from "./wait.ts";
import { writeMaps } from "./write_maps.ts";

/** A command that runs, as a child of its supervisor. */
export interface Started {
  /** The id of pid 1 of the container, or of the attached command. */
  readonly pid: number;
  /** A pidfd of it. */
  readonly pidfd: number;
  /** The pid file, no longer locked, if a container was created. */
  readonly claim?: Claim;
  /** What nobody else may use as long as it runs. */
  readonly hold?: Hold;
  /** What is to be removed with the pid file. */
  readonly recorded?: Recorded;
  /** A pidfd of the supervisor, if that is not to be this process. */
  readonly supervisor?: number;
}

/** A command that runs, and what the caller knows its instance by. */
export interface Launched extends Started {
  /** The name of the instance, or the path of its pid file without one. */
  readonly name: string;
}

/** Gets a sentence for the user about what the command will not be given. */
export type Tell = (note: string) => void;

/**
 * Runs a command in the instance of a spec, which is created if none runs.
 *
 * @param spec What is wanted.
 * @param stdio The standard descriptors of the command.
 * @param tell Gets what is to be told before the command runs.
 * @returns The command, once it is executed.
 * @throws {CageError} If it cannot be run. Nothing is left behind then.
 */
export function* start(
  spec: ContainerSpec,
  stdio: Stdio = {},
  tell: Tell = () => {},
): Waiting<Launched> {
  const client = findClient(spec);
  const layout = layoutOf(spec, client.cwd, client.bases);
  const name = spec.name ?? layout.pidFile;
  for (;;) {
    const found = yield* claimInstance(layout, client);
    if ("descriptor" in found) {
      const hold = new Hold();
      const starting = { spec, stdio, tell, client };
      const creating = { ...starting, layout, claim: found, hold };
      return { name, ...yield* create(creating) };
    }
    const attached = yield* attach({ spec, stdio, tell, client }, found);
    if (attached !== undefined) return { name, ...attached };
  }
}

/**
 * Runs a command in an instance that runs.
 *
 * @param spec What is wanted; only its pid file tells which instance.
 * @param stdio The standard descriptors of the command.
 * @param tell Gets what is to be told before the command runs.
 * @returns The command, or nothing if no instance runs.
 * @throws {CageError} If it cannot be run.
 */
export function* join(
  spec: ContainerSpec,
  stdio: Stdio = {},
  tell: Tell = () => {},
): Waiting<Started | undefined> {
  const client = findClient(spec);
  const layout = layoutOf(spec, client.cwd, client.bases);
  for (;;) {
    const running = yield* findInstance(layout, client);
    if (running === undefined) return undefined;
    const attached = yield* attach({ spec, stdio, tell, client }, running);
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
  const client = findClient(spec);
  const layout = layoutOf(spec, client.cwd, client.bases);
  const running = yield* findInstance(layout, client);
  if (running === undefined) return false;
  const { pid, pidfd } = running;
  const supervisor = openSupervisor(pid);
  try {
    signal(pidfd, SIGNALS.SIGTERM);
    // As a job of a shell it may be stopped, and so may its supervisor, which
    // does not see the end then.
    signal(pidfd, SIGNALS.SIGCONT);
    if (supervisor !== undefined) signal(supervisor, SIGNALS.SIGCONT);
    if (!(yield* endsInTime(pidfd))) {
      signal(pidfd, SIGNALS.SIGKILL);
      yield* untilReadable(pidfd);
    }
    if (supervisor !== undefined) yield* endsInTime(supervisor);
  } finally {
    close(pidfd);
    if (supervisor !== undefined) close(supervisor);
  }
  // Removes the file if nobody else has done so.
  const other = yield* findInstance(layout, client);
  if (other !== undefined) close(other.pidfd);
  return true;
}

/** Everything about a command that is being started. */
interface Starting {
  readonly spec: ContainerSpec;
  readonly stdio: Stdio;
  readonly tell: Tell;
  readonly client: Client;
}

/** Everything about a container that is being created. */
interface Creating extends Starting {
  readonly layout: Layout;
  readonly claim: Claim;
  readonly hold: Hold;
}

function* create(creating: Creating): Waiting<Started> {
  const { claim, client, hold, spec, tell } = creating;
  let recorded: Recorded | undefined;
  using bus = spec.dbus ? yield* sessionBus(client) : undefined;
  try {
    if (bus !== undefined) yield* bus.open(hold);
    const slot = client.standing === "user" ? slotFor(client) : undefined;
    if (slot !== undefined) hold.keep(slot);
    using script = openScript(spec.initScript, client);
    const record = (written: Recorded) => {
      recorded = written;
      if (slot !== undefined) markSlot(slot, written.pid);
      bus?.notes.forEach(tell);
    };
    const on = createOn(creating, record, script?.script);
    const started = yield* createSomehow(creating, on, bus?.found);
    if (started.supervisor !== undefined) {
      leave([claim.descriptor, claim.directory, ...hold.descriptors]);
      return started;
    }
    flock(claim.descriptor, LOCK_UN);
    return { ...started, claim, hold, recorded };
  } catch (error) {
    hold[Symbol.dispose]();
    releaseClaim(claim, recorded);
    throw forUser(error);
  }
}

/** A supervisor has copies: what is locked stays locked. */
function leave(descriptors: readonly number[]): void {
  descriptors.forEach(close);
}

function slotFor(client: Client): number {
  const { instances } = client.policy.limits;
  return takeSlot(`${client.bases.state}/slots`, instances);
}

/** Images are loaded by those launches that need one. */
type Images = typeof import("./image.ts");

/** Creates a container on a storage. */
type CreateOn = (storage: Storage, facts: Facts) => Waiting<Started>;

/** In an image if the file system says that it cannot hold the changes. */
function* createSomehow(
  creating: Creating,
  createOn: CreateOn,
  bus: GraphicsLook["bus"],
): Waiting<Started> {
  const { client, hold, layout, spec } = creating;
  const finders = yield* findersFor(spec, client);
  const find = (kept: Descriptors, hold?: Hold) =>
    findFacts(
      ...[spec, layout, client] as const,
      hold && ((root) => openDirectories(layout, client, root, hold, kept)),
      finders,
      kept,
      bus,
    );
  if (spec.ephemeral) {
    using kept = new Descriptors();
    return yield* createOn({ kind: "memory" }, find(kept).facts);
  }
  try {
    using kept = new Descriptors();
    const { directories: source, facts } = find(kept, hold);
    const storage = { kind: "directories", source: source! } as const;
    if (client.standing !== "rootless") return yield* createOn(storage, facts);
    return yield* createOwn(creating, createOn, storage, facts);
  } catch (error) {
    if (client.standing === "rootless" || !isAboutUpper(error)) throw error;
  }
  const images = yield* untilLoaded(import("./image.ts"));
  checkImage(layout, client, images);
  // The mounts that were taken are gone with the attempt.
  using kept = new Descriptors();
  const { device, path } = openDisk(layout.image, client, kept, images);
  return yield* createOn({ kind: "image", path, device }, find(kept).facts);
}

/** Nobody but root mounts an image, but there is a program for anybody. */
function* createOwn(
  { client, layout }: Creating,
  createOn: CreateOn,
  storage: Storage & { readonly kind: "directories" },
  facts: Facts,
): Waiting<Started> {
  try {
    return yield* createOn(storage, facts);
  } catch (error) {
    if (!isAboutUpper(error)) throw error;
    const { findFuse } = yield* untilLoaded(import("./find_fuse.ts"));
    const overlay = findFuse(layout.upper, storage.source, facts, client.env);
    return yield* createOn({ kind: "fuse", overlay }, facts);
  }
}

function isAboutUpper(error: unknown): boolean {
  return error instanceof PlanError && needsImage(error.failure);
}

function openDisk(
  path: string,
  client: Client,
  kept: Descriptors,
  { openImage }: Images,
) {
  const most = client.standing === "user"
    ? client.policy.limits.imageBytes
    : Infinity;
  const { descriptor, device } = openImage(path, most);
  kept.keep(descriptor);
  return { path, device };
}

/**
 * A file system that a user can write to as they like is not one to be mounted:
 * what the kernel reads there it takes for its own.
 */
function checkImage(
  { image, named, upper }: Layout,
  client: Client,
  { checkImages }: Images,
): void {
  if (client.standing === "root") return;
  if (!named.upper && !named.work) {
    if (client.standing === "user") {
      checkImages(image, client.policy.limits.images);
    }
    return;
  }
  throw new UsageError(
    `Cannot use upper directory ${quote(upper)}: its file system cannot hold ` +
      "an overlay, and an image of yours would not be safe: use -U to put it " +
      "elsewhere, or leave it out",
  );
}

function createOn(
  { claim, client, hold, layout, spec, stdio, tell }: Creating,
  record: (written: Recorded) => void,
  script: InitScript | undefined,
): CreateOn {
  return function* (storage, facts) {
    const init = spec.init === false ? undefined : openInit();
    const { upper } = layout;
    const { privileged = false, noNewPrivs = false } = spec;
    try {
      const supervision = { pidFile: claim, held: hold.descriptors };
      const wish = { client, init, script, spec, stdio };
      const plan = createPlan({ ...wish, facts, storage, upper });
      const { outlives = false } = plan.facts;
      return yield* runSupervised(supervision, tell, {
        ...plan,
        ...(beginsInNew(facts.userNamespace)
          ? { prepare: prepareOn(storage, facts, client, upper) }
          : {}),
        ready: (pid) => {
          const { uid } = client;
          const origin = originOf(layout, storage, spec.command);
          const whose = { uid, privileged, noNewPrivs, origin };
          record(writePidFile(claim, pid, whose, outlives));
          facts.graphics?.graphics.notes.forEach(tell);
        },
      });
    } finally {
      if (init !== undefined) close(init.descriptor);
    }
  };
}

/** By a process of its own, or else by this one. */
function* runSupervised(
  supervision: Supervision,
  tell: Tell,
  plan: Plan,
): Waiting<Started> {
  const { debug, detached } = plan.spec;
  const traced = debug ? { ...plan, trace: yield* traceTo(tell) } : plan;
  if (!detached) return yield* runPlan(traced);
  const { Detachment } = yield* untilLoaded(import("./detach.ts"));
  using detachment = new Detachment(supervision);
  const process = yield* runPlan({ ...traced, detachment });
  return { ...process, supervisor: detachment.release() };
}

function* traceTo(tell: Tell): Waiting<Trace> {
  const { Trace } = yield* untilLoaded(import("./trace.ts"));
  return new Trace(tell);
}

/** A container that begins in its own user namespace waits for this. */
function prepareOn(
  storage: Storage,
  { userNamespace }: Facts,
  { env }: Client,
  upper: string,
): Plan["prepare"] {
  return function* ({ pid, pidfd }) {
    writeMaps(pid, userNamespace!.map, env.get("PATH"));
    if (storage.kind !== "fuse") return;
    const { mountFuse } = yield* untilLoaded(import("./mount_fuse.ts"));
    yield* mountFuse(pidfd, storage.overlay, upper);
  };
}

function* attach(
  { client, spec, stdio, tell }: Starting,
  running: Running,
): Waiting<Started | undefined> {
  const { pidfd, record } = running;
  const kernel = findKernel(client);
  using kept = new Descriptors();
  const hold = new Hold();
  using bus = spec.dbus ? yield* sessionBus(client) : undefined;
  try {
    if (spec.privileged && !record.privileged) throw notPrivileged();
    const container = findAttachment(running, client);
    if (container === undefined) return undefined;
    const added = spec.graphics
      ? yield* graphicsToAdd({
        ...{ spec, client, running, bus, hold, kept },
        map: container.userNamespace?.map,
      })
      : undefined;
    const supervision = { held: hold.descriptors };
    const wish = { client, spec, stdio };
    const started = yield* runSupervised(supervision, tell, {
      ...attachPlan({ ...wish, added, container, kernel, record }),
      ready: () => {
        bus?.notes.forEach(tell);
        added?.graphics.notes.forEach(tell);
      },
    });
    if (started.supervisor === undefined) return { ...started, hold };
    leave(hold.descriptors);
    return started;
  } catch (error) {
    hold[Symbol.dispose]();
    // It ended in between: there may be another one, or none.
    if (error instanceof PlanError && isGone(error.failure, running)) {
      return undefined;
    }
    throw forUser(error);
  } finally {
    close(pidfd);
  }
}

/** A pid namespace that is about to end takes no process: clone(2). */
function isGone(
  { errno, step: { call } }: PlanError["failure"],
  { pid, record }: Running,
): boolean {
  if (call === "setns") return errno === ERRNO.ESRCH;
  return call === "clone" && errno === ERRNO.ENOMEM &&
    stateOf(pid, record) !== "running";
}

function* sessionBus(client: Client): Waiting<SessionBus> {
  const { SessionBus } = yield* untilLoaded(import("./session_bus.ts"));
  return new SessionBus(client);
}

function* graphicsToAdd(wish: AdditionWish) {
  const { addGraphics } = yield* untilLoaded(import("./add_graphics.ts"));
  return yield* addGraphics(wish);
}

function notPrivileged(): UsageError {
  return new UsageError(
    "Cannot use --privileged: the instance was started without: stop it " +
      "first, with -k",
  );
}

function forUser(error: unknown): unknown {
  if (!(error instanceof PlanError)) return error;
  return findRefusal(error.failure) ?? errorOf(error.failure);
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
