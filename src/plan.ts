/**
 * Plans: what a container is, as a list of system calls. Everything here only
 * computes; `launcher.ts` carries it out.
 *
 * A plan has two programs, since users are looked up in a root file system
 * that the first one mounts: {@linkcode createProgram} or
 * {@linkcode attachProgram}, and then {@linkcode commandPrograms}.
 *
 * What runs programs of the root file system leaves the launcher's memory
 * first, see `enter.ts`: the init script goes on in {@linkcode scriptProgram}
 * then, and the command after that.
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
import type { Argument, Program } from "../ffi/step.ts";
import {
  ENTER_BUFFERS,
  ENTERED,
  enteredProgram,
  enterSteps,
  type Entry,
  keepForNext,
} from "./enter.ts";
import { attachParts, prepareParts, SKELETON_LAYER } from "./compose_steps.ts";
import { commandLine, containerEnvironment } from "./environment.ts";
import type { Facts, Kernel, LaterNamespace, UserNamespace } from "./facts.ts";
import {
  checkMapped,
  groupsInside,
  type IdMap,
  toInside,
  toOutside,
} from "./idmap.ts";
import {
  ABSENT_LAYER,
  absentLayer,
  copyHostFiles,
  hostFiles,
  mountHostFiles,
} from "./host_files.ts";
import type { Graphics } from "./graphics.ts";
import { giveRuntime, privateFiles } from "./graphics_command.ts";
import {
  addFromOutside,
  addHere,
  type Addition,
  ADDITION_BUFFERS,
  takeAddition,
} from "./graphics_mounts.ts";
import { fuseSteps } from "./fuse_overlay.ts";
import { attachCovers, closeCovers, prepareCovers } from "./hidden.ts";
import {
  type InitScript,
  initScriptSteps,
  runScriptSteps,
  SCRIPT_BUFFERS,
} from "./init_script.ts";
import {
  LOOKUP_BUFFERS,
  lookupSteps,
  type Rendezvous,
  waitForLauncher,
} from "./lookup.ts";
import {
  coverSteps,
  fileSystemSteps,
  openDevices,
  type Owner,
  privateSteps,
  rootSteps,
  takeKernelFiles,
  TTY,
} from "./mounts.ts";
import { OVERLAY_BUFFERS, overlaySteps } from "./overlay.ts";
import {
  beginSteps,
  endWithParent,
  executeDescriptor,
  executeSteps,
  type Execution,
  outliveParent,
  startProcess,
  type Stdio,
  stdioSteps,
} from "./process.ts";
import { maskSteps, prepareMasks, restrictionSteps } from "./restrictions.ts";
import type { ContainerSpec } from "./spec.ts";
import { label, NONE, phase, type PlanStep } from "./step.ts";
import {
  attachLayers,
  layerPaths,
  scratchSteps,
  type Storage,
  storagePaths,
  storageSteps,
} from "./storage.ts";
import {
  enterUserNamespace,
  idSteps,
  keepGroups,
  type NamespaceEntry,
  ownerSteps,
  rootIdSteps,
} from "./user_namespace_steps.ts";
import { resolveUser } from "./users.ts";
import { attachVolumes, prepareVolumes } from "./volume_steps.ts";

/** The namespaces of a container, flags of clone(2) and setns(2). */
export const NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
  CLONE_NEWUTS | CLONE_NEWCGROUP;

/** The buffer with the id of the command, as {@linkcode startProcess} has it. */
export const COMMAND = "command";

/** What {@linkcode createProgram} needs beside the spec. */
export interface Creation {
  /** The path of the upper directory, for messages. */
  readonly upper: string;
  /** What is known of the machine. */
  readonly facts: Facts;
  /** Where changes are kept. */
  readonly storage: Storage;
  /** The init script, if there is one. */
  readonly script?: InitScript;
  /** The pipes to the launcher. */
  readonly pipes: Rendezvous;
  /** The way of the init script out of the launcher's memory. */
  readonly entry: Entry;
}

/** What {@linkcode commandPrograms} needs beside the spec. */
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
  /** Whether all goes on when the supervisor is killed. */
  readonly outlives?: boolean;
  /** The ids that there are, if the container has a user namespace. */
  readonly ids?: {
    readonly map: IdMap;
    /** The groups of the caller, as the host counts. */
    readonly kept: readonly number[];
  };
  /** What the command gets if it is a graphical one. */
  readonly graphics?: Graphics;
  /** The way of the command out of the launcher's memory. */
  readonly entry: Entry;
  /** The descriptor that is open until the command is executed. */
  readonly ready: number;
}

/** How a command is run: by two processes, or by one that changes. */
export interface CommandPrograms {
  /** What is put after the first program of the plan. */
  readonly start: Program;
  /** What is put after {@linkcode scriptProgram}. */
  readonly run: Program;
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

/** A container that runs, as a command that is to join it has to know it. */
export interface Attachment {
  /** A pidfd of its pid 1. */
  readonly pidfd: number;
  /** Whether the container is root's, though the caller is somebody else. */
  readonly becomesRoot: boolean;
  /** Whether nothing is taken from root inside. */
  readonly privileged?: boolean;
  /** Its user namespace, if it has one. */
  readonly userNamespace?: Pick<UserNamespace, "inside" | "map"> & {
    /** The groups of pid 1, as the host counts. */
    readonly groups: readonly number[];
    /** Whether all rights over the container are those that are had in it. */
    readonly isFirst: boolean;
  };
}

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
 *   upper: "/srv/upper",
 *   facts: {
 *     callerEnv: new Map(),
 *     becomesRoot: false,
 *     kernel: { overlay: "descriptors", signals: [], lastCapability: 40 },
 *     layers: [{ mount: 20, path: "/", isMapped: false }],
 *     root: { mode: 0o755, uid: 0, gid: 0 },
 *     skeleton: [],
 *     hidden: [],
 *     absent: [],
 *     host: { hostname: "box" },
 *     volumes: [],
 *     storageInside: [],
 *   },
 *   storage: { kind: "memory" },
 *   pipes: { ready: 10, go: 11, goOfLauncher: 12 },
 *   entry: { executable: 13, memory: 14 },
 * });
 * const order = ["fsopen", "pivot_root", "capset"] as const;
 * const places = order.map((call) => steps.findIndex((s) => s.call === call));
 * assertEquals(places, places.toSorted((a, b) => a - b));
 * ```
 */
export function createProgram(
  spec: ContainerSpec,
  { entry, facts, pipes, script, storage, upper }: Creation,
): Program {
  const { userNamespace: namespace } = facts;
  const later = isLater(namespace) ? namespace : undefined;
  const isInside = namespace !== undefined && later === undefined;
  return {
    buffers: { ...BUFFERS, ...SCRIPT_BUFFERS, ...OVERLAY_BUFFERS },
    steps: [
      ...phase("become pid 1", [
        ...beginSteps(pipes, facts.kernel.signals),
        // Until then it has no ids.
        ...(isInside ? waitForLauncher(pipes.go, "mapped") : []),
        ...(facts.becomesRoot ? rootIdSteps() : []),
        ...(later === undefined
          ? []
          : [keepGroups([later.owner.gid, ...later.owner.groups])]),
      ]),
      ...containerSteps(spec, { facts, storage, upper }),
      ...phase(
        "run the init script",
        script === undefined ? [] : initScriptSteps(
          script,
          enterSteps(entry, [], "Cannot start the init script"),
        ),
      ),
      ...phase("look users up", lookupSteps(pipes)),
    ],
  };
}

/**
 * Makes a container of new namespaces: all that is mounted, and all that is
 * taken from root inside.
 *
 * @param spec What is wanted.
 * @param creation What else is known.
 * @returns The steps, in a program with `OVERLAY_BUFFERS` and `zero`.
 *
 * @example The last step takes capabilities
 * ```ts
 * import { containerSteps } from "cage/src/plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = containerSteps({}, {
 *   upper: "/srv/upper",
 *   facts: {
 *     callerEnv: new Map(),
 *     becomesRoot: false,
 *     kernel: { overlay: "either", signals: [], lastCapability: 40 },
 *     layers: [{ mount: 20, path: "/", isMapped: false }],
 *     root: { mode: 0o755, uid: 0, gid: 0 },
 *     skeleton: [],
 *     hidden: [],
 *     absent: [],
 *     host: { hostname: "box" },
 *     volumes: [],
 *     storageInside: [],
 *   },
 *   storage: { kind: "memory" },
 * });
 * assertEquals(steps.at(-1)?.call, "capset");
 * ```
 */
export function containerSteps(
  spec: ContainerSpec,
  { facts, storage, upper }: Pick<Creation, "facts" | "storage" | "upper">,
): PlanStep[] {
  const { graphics, kernel, layers, userNamespace: namespace } = facts;
  const shares = graphics?.graphics.shares ?? [];
  // Those of the caller cover the others.
  const volumes = [...shares, ...spec.volumes ?? []];
  const sources = [...graphics?.sources ?? [], ...facts.volumes];
  const files = hostFiles(facts.host);
  const absent = storage.kind === "fuse" ? [] : absentLayer(facts.absent);
  const later = isLater(namespace) ? namespace : undefined;
  const isInside = namespace !== undefined && later === undefined;
  const owner = ownerOf(namespace);
  return [
    ...phase("take what is the host's", [
      ...privateSteps(),
      ...openDevices(facts.console),
      ...(isInside ? takeKernelFiles() : []),
      ...scratchSteps(owner ?? ROOT_OWNER),
      ...attachLayers(layers, later),
      ...prepareVolumes(volumes, sources),
    ]),
    ...phase("keep changes", storageSteps(storage, facts.root)),
    // From here on only mounting is done as root.
    ...phase("make what covers files", [
      ...(later === undefined ? [] : ownerSteps(later)),
      ...prepareMasks(),
      ...prepareCovers(facts.hidden),
      ...copyHostFiles(files),
      ...absent,
    ]),
    ...phase("mount the root", viewSteps(facts, storage, upper)),
    ...phase("leave the host's root", [
      ...rootSteps(),
      ...attachCovers(facts.hidden),
    ]),
    ...phase(
      "mount /proc, /sys, /dev, /tmp, /run",
      fileSystemSteps({ owner, isPrivileged: spec.privileged, isInside }),
    ),
    ...phase("cover what is the host's", [
      ...coverSteps(facts.storageInside, owner),
      ...(spec.privileged ? [] : maskSteps()),
      ...mountHostFiles(files),
    ]),
    ...phase("mount volumes", attachVolumes(volumes, sources)),
    ...phase("give up rights", [
      ...closeCovers(facts.hidden),
      ...(later === undefined ? [] : enter(later)),
      ...(isInside ? becomeRoot(namespace) : []),
      ...restrict(spec.privileged, kernel, namespace),
    ]),
  ];
}

/**
 * Enters a running container, up to the point where users are looked up.
 *
 * @param container What is known of it.
 * @param pipes The pipes to the launcher.
 * @param kernel What the kernel offers.
 * @param addition What is added to the container.
 * @returns The program, to be run by clone(2).
 *
 * @example The same restrictions as at the start
 * ```ts
 * import { attachProgram } from "cage/src/plan.ts";
 * import { assert } from "@std/assert";
 *
 * const pipes = { ready: 10, go: 11, goOfLauncher: 12 };
 * const container = { pidfd: 9, becomesRoot: false };
 * const { steps } = attachProgram(container, pipes, {
 *   overlay: "descriptors",
 *   signals: [],
 *   lastCapability: 40,
 * });
 * assert(steps.some(({ call }) => call === "capset"));
 * ```
 */
export function attachProgram(
  container: Attachment,
  pipes: Rendezvous,
  kernel: Kernel,
  addition: Addition = { shares: [], sources: [] },
): Program {
  const { becomesRoot, pidfd, privileged, userNamespace } = container;
  const namespaces: PlanStep = {
    call: "setns",
    args: [pidfd, NAMESPACES],
    why: "Cannot enter the running instance",
    hints: { ESRCH: "it has just ended: try again" },
  };
  return {
    buffers: { ...BUFFERS, ...ADDITION_BUFFERS },
    steps: [
      ...phase("begin", [
        ...beginSteps(pipes, kernel.signals),
        ...(becomesRoot ? rootIdSteps() : []),
      ]),
      ...phase(
        "enter the instance",
        enterAll(pidfd, namespaces, userNamespace, addition),
      ),
      ...phase(
        "give up rights",
        restrict(privileged, kernel, userNamespace),
      ),
      ...phase("look users up", lookupSteps(pipes)),
    ],
  };
}

/**
 * Begins what runs outside of the launcher's memory, with the init script.
 *
 * @param spec What is wanted.
 * @param callerEnv The environment of the caller.
 * @param script The init script, if there is one.
 * @returns The program, the first of its memory.
 *
 * @example Without a script
 * ```ts
 * import { scriptProgram } from "cage/src/plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(scriptProgram({}, new Map()).steps.length, 1);
 * ```
 */
export function scriptProgram(
  spec: ContainerSpec,
  callerEnv: ReadonlyMap<string, string>,
  script?: InitScript,
): Program {
  if (script === undefined) return enteredProgram([]);
  const { env } = containerEnvironment({
    user: { uid: 0, gid: 0, groups: [0] },
    callerEnv,
    extra: spec.env ?? [],
  });
  return enteredProgram(runScriptSteps(script, env));
}

/**
 * Runs the command: what a process does after {@linkcode createProgram} or
 * {@linkcode attachProgram}, and the command itself before it is executed.
 *
 * @param spec What is wanted.
 * @param facts What else is known.
 * @returns The programs.
 * @throws {UsageError} If the user or a group is unknown.
 *
 * @example As pid 1
 * ```ts
 * import { commandPrograms } from "cage/src/plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { run, start } = commandPrograms({ command: ["/bin/true"] }, {
 *   callerEnv: new Map(),
 *   passwd: "",
 *   group: "",
 *   stdio: {},
 *   parent: { kind: "command" },
 *   entry: { executable: 13, memory: 14 },
 *   ready: 10,
 * });
 * assertEquals(start.steps.at(-1)?.call, "execveat");
 * assertEquals(run.steps.at(-1)?.args[0], "/bin/true");
 * ```
 */
export function commandPrograms(
  spec: ContainerSpec,
  facts: CommandFacts,
): CommandPrograms {
  const { ready } = facts;
  const execution = executionOf(spec, facts);
  return {
    start: { steps: phase("start the command", startSteps(facts)) },
    run: {
      steps: phase("become the command", [
        { name: ENTERED, call: "getpid", args: [] },
        // The launcher sees its end when the command is executed.
        keepForNext(ready, false),
        ...executeSteps(execution),
      ]),
    },
  };
}

/** The root directory of the container: all layers as one. */
function viewSteps(
  { absent, composition, kernel, layers, skeleton, userNamespace }: Facts,
  storage: Storage,
  upper: string,
): PlanStep[] {
  if (storage.kind === "fuse") return fuseSteps();
  const lowest = absent.length > 0 ? [ABSENT_LAYER] : [];
  const paths = storagePaths(storage);
  const common = {
    storage: paths,
    ...(storage.kind === "directories"
      ? { kept: { upper, lower: layers.map(({ path }) => path) } }
      : {}),
    how: kernel.overlay,
    isUsers: userNamespace !== undefined,
    ...(isLater(userNamespace) ? { namespace: userNamespace } : {}),
  };
  if (composition === undefined) {
    const all = [...layerPaths(layers), ...lowest];
    return overlaySteps({ ...common, layers: all, skeleton });
  }
  return [
    ...prepareParts({ composition, storage: paths, skeleton, absent }),
    ...overlaySteps({
      ...common,
      layers: [SKELETON_LAYER, ...lowest],
      skeleton: [],
    }),
    ...attachParts(composition),
  ];
}

/** Whose the files of a container are that has no user namespace. */
const ROOT_OWNER = { uid: 0, gid: 0 };

function isLater(
  namespace: UserNamespace | undefined,
): namespace is LaterNamespace {
  return namespace?.descriptor !== undefined;
}

/** By the ids that the plan has when it mounts. */
function ownerOf(namespace: UserNamespace | undefined): Owner | undefined {
  if (namespace === undefined) return undefined;
  const { inside, map, owner } = namespace;
  const tty = toOutside(map.gid, TTY);
  if (isLater(namespace)) return { ...ids(owner), tty: tty ?? owner.gid };
  return { ...ids(inside), tty: tty === undefined ? inside.gid : TTY };
}

function ids({ gid, uid }: UserNamespace["inside"]): UserNamespace["inside"] {
  return { gid, uid };
}

/**
 * Who has rights only in the user namespace needs them first; for whoever has
 * more, the groups are kept, and the rights last as long as possible.
 */
function enterAll(
  descriptor: number,
  namespaces: PlanStep,
  user: Attachment["userNamespace"],
  addition: Addition,
): PlanStep[] {
  if (user === undefined) return [namespaces, ...addHere(addition)];
  const entry = { descriptor, inside: user.inside };
  return user.isFirst
    ? [
      ...enter(entry),
      ...takeAddition(addition),
      namespaces,
      ...addHere(addition),
    ]
    : [
      keepGroups(user.groups),
      namespaces,
      ...addFromOutside(addition, entry),
      ...enter(entry),
    ];
}

/** Whoever keeps their number is not root from the beginning. */
function becomeRoot({ inside, map, owner }: UserNamespace): PlanStep[] {
  const isRoot = toInside(map.uid, owner.uid) === inside.uid &&
    toInside(map.gid, owner.gid) === inside.gid;
  return isRoot ? [] : [...idSteps(inside), endWithParent()];
}

/** The change of user takes back that the process ends with the launcher. */
function enter(entry: NamespaceEntry): PlanStep[] {
  return [...enterUserNamespace(entry), endWithParent()];
}

/**
 * Takes from root inside what it does not have.
 *
 * @param privileged Whether nothing is taken.
 * @param kernel What the kernel offers.
 * @param namespace The user namespace of the container, if it has one.
 * @returns The steps.
 *
 * @example Nothing
 * ```ts
 * import { restrict } from "cage/src/plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(restrict(true, { lastCapability: 40 }, undefined), []);
 * ```
 */
export function restrict(
  privileged: boolean | undefined,
  { lastCapability }: Pick<Kernel, "lastCapability">,
  namespace: Pick<UserNamespace, "map"> | undefined,
): PlanStep[] {
  if (privileged) return [];
  const keepsGroups = namespace?.map.setgroups === "deny";
  return restrictionSteps(lastCapability, keepsGroups);
}

const BUFFERS = {
  zero: 8,
  [COMMAND]: 8,
  ...ENTER_BUFFERS,
  ...LOOKUP_BUFFERS,
} as const;

function startSteps(facts: CommandFacts): PlanStep[] {
  const { entry, outlives, parent, ready, stdio } = facts;
  const why = "Cannot start the command";
  const enter = [...stdioSteps(stdio), ...enterSteps(entry, [ready], why)];
  if (parent.kind === "command") return enter;
  const flags = parent.kind === "attached" ? CLONE_PARENT : 0;
  return [
    startProcess(COMMAND, flags, "enter", why),
    ...(parent.kind === "init"
      ? [...(outlives ? [outliveParent()] : []), ...becomeInit(parent)]
      : [{ call: "exit_group", args: [0] } as const]),
    label("enter"),
    // At once, and again when it has become the user.
    ...(parent.kind === "attached" ? [endWithParent()] : []),
    ...enter,
  ];
}

/**
 * Works out how the command runs.
 *
 * @param spec What is wanted.
 * @param facts What else is known.
 * @returns Who it runs as, and with what.
 * @throws {UsageError} If the user or a group is unknown.
 *
 * @example Root's shell
 * ```ts
 * import { executionOf } from "cage/src/plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const execution = executionOf({}, {
 *   callerEnv: new Map(),
 *   passwd: "",
 *   group: "",
 *   parent: { kind: "command" },
 * });
 * assertEquals(execution.command, { file: "/bin/sh", argv: ["-sh"] });
 * ```
 */
export function executionOf(
  spec: ContainerSpec,
  facts:
    & Pick<
      CommandFacts,
      "callerEnv" | "graphics" | "group" | "ids" | "outlives" | "passwd"
    >
    & { readonly parent: Pick<CommandParent, "kind"> },
): Execution {
  const { callerEnv, graphics, group, ids, outlives, parent, passwd } = facts;
  const user = resolveUser(spec.user, spec.group, passwd, group);
  const groups = ids === undefined
    ? [...new Set([...user.groups, ...graphics?.groups ?? []])]
    : groupsInside(user, ids.map);
  if (ids !== undefined) {
    const areNamed = (spec.group ?? spec.user?.split(":")[1]) !== undefined;
    checkMapped(user, ids.map, ids.kept, areNamed);
  }
  const { env, path, shell } = containerEnvironment({
    user,
    callerEnv,
    ...(graphics === undefined ? {} : { graphics: graphics.variables }),
    extra: spec.env ?? [],
  });
  return {
    user,
    directory: spec.directory ?? "/",
    command: commandLine(spec.command, shell),
    path,
    env,
    ...(parent.kind === "init"
      ? {}
      : { afterParent: outlives ? "go on" : "end" } as const),
    ...(groups === undefined ? {} : { groups }),
    noNewPrivs: spec.noNewPrivs ?? false,
    ...(graphics === undefined ? {} : {
      asRoot: giveRuntime(graphics, user),
      asUser: privateFiles(graphics),
    }),
  };
}

/**
 * Becomes pid 1 of ours, whose program gets the id of the command, and cannot
 * change then.
 *
 * @param program A descriptor of the program, and the place for the id.
 * @returns The steps, in a program with the buffer {@linkcode COMMAND}.
 *
 * @example The last step
 * ```ts
 * import { becomeInit } from "cage/src/plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const steps = becomeInit({ descriptor: 9, at: 100 });
 * assertEquals(steps.at(-1)?.call, "execveat");
 * ```
 */
export function becomeInit(
  { at, descriptor }: { readonly descriptor: Argument; readonly at: number },
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
