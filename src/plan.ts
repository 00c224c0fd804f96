/**
 * Plans: what a container is, as a list of system calls. Everything here only
 * computes; `launcher.ts` carries it out.
 *
 * A plan has two programs, since users are looked up in a root file system
 * that the first one mounts: {@linkcode createProgram} or
 * {@linkcode attachProgram}, and then {@linkcode commandProgram}.
 *
 * @module
 */

import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUTS,
  CLONE_PARENT,
  F_ADD_SEALS,
  F_SEAL_ALL,
  PR_SET_NO_NEW_PRIVS,
} from "../ffi/constants.ts";
import type { Program } from "../ffi/step.ts";
import { commandLine, containerEnvironment } from "./environment.ts";
import type { Facts, Kernel } from "./facts.ts";
import {
  ABSENT_LAYER,
  absentLayer,
  copyHostFiles,
  hostFiles,
  mountHostFiles,
} from "./host_files.ts";
import {
  type InitScript,
  initScriptSteps,
  SCRIPT_BUFFERS,
} from "./init_script.ts";
import type { Layout } from "./layout.ts";
import { LOOKUP_BUFFERS, lookupSteps, type Rendezvous } from "./lookup.ts";
import {
  coverSteps,
  fileSystemSteps,
  openDevices,
  privateSteps,
  rootSteps,
} from "./mounts.ts";
import {
  layerName,
  openLayers,
  OVERLAY_MESSAGE,
  OVERLAY_MESSAGE_SIZE,
  overlaySteps,
} from "./overlay.ts";
import {
  beginSteps,
  executeDescriptor,
  executeSteps,
  type Execution,
  startProcess,
  type Stdio,
} from "./process.ts";
import { maskSteps, prepareMasks, restrictionSteps } from "./restrictions.ts";
import type { ContainerSpec } from "./spec.ts";
import { label, NONE, type PlanStep } from "./step.ts";
import { scratchSteps, type Storage, storageSteps } from "./storage.ts";
import { resolveUser } from "./users.ts";
import { attachVolumes, openVolumes } from "./volume_steps.ts";

/** The namespaces of a container, flags of clone(2) and setns(2). */
export const NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
  CLONE_NEWUTS | CLONE_NEWCGROUP;

/** The buffer with the id of the command, as {@linkcode startProcess} has it. */
export const COMMAND = "command";

/** What {@linkcode createProgram} needs beside the spec. */
export interface Creation {
  /** The paths. */
  readonly layout: Layout;
  /** What is known of the machine. */
  readonly facts: Facts;
  /** Where changes are kept. */
  readonly storage: Storage;
  /** The init script, if there is one. */
  readonly script?: InitScript;
  /** The pipes to the launcher. */
  readonly pipes: Rendezvous;
}

/** What {@linkcode commandProgram} needs beside the spec. */
export interface CommandFacts {
  /** The environment of the caller. */
  readonly callerEnv: ReadonlyMap<string, string>;
  /** The text of `/etc/passwd` inside. */
  readonly passwd: string;
  /** The text of `/etc/group` inside. */
  readonly group: string;
  /** The standard descriptors of the command. */
  readonly stdio: Stdio;
  /** What becomes of the process that waits. */
  readonly parent: CommandParent;
}

/**
 * What the process becomes that starts the command: pid 1 of ours, by the
 * descriptor of its program and the place in it for the id of the command; the
 * command itself; or nothing, when the command is attached.
 */
export type CommandParent =
  | { readonly kind: "init"; readonly descriptor: number; readonly at: number }
  | { readonly kind: "command" }
  | { readonly kind: "attached" };

/**
 * Creates a container, up to the point where users can be looked up in it.
 *
 * @param spec What is wanted.
 * @param creation What else is known.
 * @returns The program, to be run by clone(2) with {@linkcode NAMESPACES}.
 *
 * @example The order of things
 * ```ts
 * import { layoutOf } from "cage/src/layout.ts";
 * import { createProgram } from "cage/src/plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { steps } = createProgram({}, {
 *   layout: layoutOf({}, "/"),
 *   facts: {
 *     caller: { cwd: "/", env: new Map() },
 *     kernel: { overlay: "descriptors", signals: [], lastCapability: 40 },
 *     root: { mode: 0o755, uid: 0, gid: 0 },
 *     absent: [],
 *     host: { hostname: "box" },
 *     volumes: [],
 *     storageInside: [],
 *   },
 *   storage: { kind: "directories" },
 *   pipes: { ready: 10, go: 11, goOfLauncher: 12 },
 * });
 * const order = ["fsopen", "pivot_root", "capset"] as const;
 * const places = order.map((call) => steps.findIndex((s) => s.call === call));
 * assertEquals(places, places.toSorted((a, b) => a - b));
 * ```
 */
export function createProgram(
  spec: ContainerSpec,
  { facts, layout, pipes, script, storage }: Creation,
): Program {
  const { volumes = [] } = spec;
  const files = hostFiles(facts.host);
  const absent = absentLayer(facts.absent);
  const layers = [
    ...layout.lower.map((_, index) => layerName(index)),
    ...(absent.length > 0 ? [ABSENT_LAYER] : []),
  ];
  const scriptEnv = containerEnvironment({
    user: { uid: 0, gid: 0, groups: [0] },
    callerEnv: facts.caller.env,
    extra: spec.env ?? [],
  }).env;
  return {
    buffers: {
      ...BUFFERS,
      ...SCRIPT_BUFFERS,
      [OVERLAY_MESSAGE]: OVERLAY_MESSAGE_SIZE,
    },
    steps: [
      ...beginSteps(pipes, facts.kernel.signals),
      ...privateSteps(),
      // What is named by a path of the host, while that path means the host.
      ...openLayers(layout.lower),
      ...openDevices(facts.caller.terminal),
      ...scratchSteps(),
      ...openVolumes(volumes, facts.volumes),
      ...storageSteps(storage, layout, facts.root),
      ...prepareMasks(),
      ...copyHostFiles(files),
      ...absent,
      ...overlaySteps(layers, facts.kernel.overlay),
      ...rootSteps(),
      ...fileSystemSteps(),
      ...coverSteps(facts.storageInside),
      ...maskSteps(),
      ...mountHostFiles(files),
      ...attachVolumes(volumes, facts.volumes),
      ...restrictionSteps(facts.kernel.lastCapability),
      ...(script === undefined ? [] : initScriptSteps(script, scriptEnv)),
      ...lookupSteps(pipes),
    ],
  };
}

/**
 * Enters a running container, up to the point where users are looked up.
 *
 * @param container A pidfd of its pid 1.
 * @param pipes The pipes to the launcher.
 * @param kernel What the kernel offers.
 * @returns The program, to be run by clone(2).
 *
 * @example The same restrictions as at the start
 * ```ts
 * import { attachProgram } from "cage/src/plan.ts";
 * import { assert } from "@std/assert";
 *
 * const pipes = { ready: 10, go: 11, goOfLauncher: 12 };
 * const { steps } = attachProgram(9, pipes, {
 *   overlay: "descriptors",
 *   signals: [],
 *   lastCapability: 40,
 * });
 * assert(steps.some(({ call }) => call === "capset"));
 * ```
 */
export function attachProgram(
  container: number,
  pipes: Rendezvous,
  kernel: Kernel,
): Program {
  return {
    buffers: BUFFERS,
    steps: [
      ...beginSteps(pipes, kernel.signals),
      {
        call: "setns",
        args: [container, NAMESPACES],
        why: "Cannot enter the running instance",
        hints: { ESRCH: "it has just ended: try again" },
      },
      ...restrictionSteps(kernel.lastCapability),
      ...lookupSteps(pipes),
    ],
  };
}

/**
 * Runs the command: what a process does after {@linkcode createProgram} or
 * {@linkcode attachProgram}.
 *
 * @param spec What is wanted.
 * @param facts What else is known.
 * @returns The program, to be put after the first.
 * @throws {UsageError} If the user or a group is unknown.
 *
 * @example As pid 1
 * ```ts
 * import { commandProgram } from "cage/src/plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { steps } = commandProgram({ command: ["/bin/true"] }, {
 *   callerEnv: new Map(),
 *   passwd: "",
 *   group: "",
 *   stdio: {},
 *   parent: { kind: "command" },
 * });
 * assertEquals(steps.at(-1)?.args[0], "/bin/true");
 * ```
 */
export function commandProgram(
  spec: ContainerSpec,
  facts: CommandFacts,
): Program {
  const { parent } = facts;
  const execution = executionOf(spec, facts);
  if (parent.kind === "command") return { steps: executeSteps(execution) };
  const flags = parent.kind === "attached" ? CLONE_PARENT : 0;
  return {
    steps: [
      startProcess(COMMAND, flags, "enter", "Cannot start the command"),
      ...(parent.kind === "init"
        ? becomeInit(parent)
        : [{ call: "exit_group", args: [0] } as const]),
      label("enter"),
      ...executeSteps(execution),
    ],
  };
}

const BUFFERS = { zero: 8, [COMMAND]: 8, ...LOOKUP_BUFFERS } as const;

function executionOf(spec: ContainerSpec, facts: CommandFacts): Execution {
  const { callerEnv, group, parent, passwd, stdio } = facts;
  const user = resolveUser(spec.user, spec.group, passwd, group);
  const { env, path, shell } = containerEnvironment({
    user,
    callerEnv,
    extra: spec.env ?? [],
  });
  return {
    user,
    directory: spec.directory ?? "/",
    command: commandLine(spec.command, shell),
    path,
    env,
    stdio,
    endsWithParent: parent.kind !== "init",
  };
}

/** The program of pid 1 gets the id of the command, and cannot change then. */
function becomeInit(
  { at, descriptor }: { readonly descriptor: number; readonly at: number },
): PlanStep[] {
  const why = "Cannot become pid 1 of the container";
  return [
    {
      call: "pwrite64",
      args: [descriptor, { buffer: COMMAND }, 4, at],
      why,
    },
    { call: "fcntl", args: [descriptor, F_ADD_SEALS, F_SEAL_ALL], why },
    {
      call: "prctl",
      args: [PR_SET_NO_NEW_PRIVS, 1, NONE, NONE, NONE],
      why,
    },
    executeDescriptor(descriptor, ["cage-init"], [], { why }),
  ];
}
