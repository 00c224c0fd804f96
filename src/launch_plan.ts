/**
 * What a launch runs: all programs of a container, or of a command that
 * attaches. It is what `child.ts` carries out and what `--explain` prints.
 *
 * @module
 */

import { CLONE_NEWUSER } from "../ffi/constants.ts";
import type { Program } from "../ffi/step.ts";
import type { Client } from "./client.ts";
import type { Entry } from "./enter.ts";
import type { Facts, Kernel, UserNamespace } from "./facts.ts";
import type { Graphics } from "./graphics.ts";
import type { Addition } from "./graphics_mounts.ts";
import type { InitScript } from "./init_script.ts";
import type { Rendezvous } from "./lookup.ts";
import {
  type Attachment,
  attachProgram,
  type CommandFacts,
  type CommandParent,
  createProgram,
  NAMESPACES,
  scriptProgram,
} from "./plan.ts";
import type { Stdio } from "./process.ts";
import type { InstanceRecord } from "./record.ts";
import type { ContainerSpec } from "./spec.ts";
import type { Storage } from "./storage.ts";

/** What a launch runs. */
export interface LaunchPlan {
  /** Flags of clone(2) for the process that begins. */
  readonly flags: number;
  /** What it does, up to the point where users can be looked up. */
  readonly first: (pipes: Rendezvous, entry: Entry) => Program;
  /** What is done outside of the launcher's memory, before the command. */
  readonly entered: Program;
  /** What is wanted of the command. */
  readonly spec: ContainerSpec;
  /** What else is known for the command. */
  readonly facts: Omit<CommandFacts, "entry" | "group" | "passwd" | "ready">;
}

/** Who wants which command. */
export interface Wish {
  /** What is wanted. */
  readonly spec: ContainerSpec;
  /** Who wants it. */
  readonly client: Pick<Client, "env" | "standing">;
  /** The standard descriptors of the command. */
  readonly stdio: Stdio;
}

/** A container to be created. */
export interface Creation extends Wish {
  /** What is known of the machine. */
  readonly facts: Facts;
  /** Where changes are kept. */
  readonly storage: Storage;
  /** The path of the upper directory, for messages. */
  readonly upper: string;
  /** The init script, if there is one. */
  readonly script?: InitScript | undefined;
  /** Pid 1 of ours, unless the command is to be it. */
  readonly init?: CommandParent | undefined;
}

/** A command that is to join a container. */
export interface Joining extends Wish {
  /** What is known of the container. */
  readonly container: Attachment;
  /** What was recorded of it. */
  readonly record: Pick<InstanceRecord, "noNewPrivs">;
  /** What the kernel offers. */
  readonly kernel: Kernel;
  /** What is added for graphical programs. */
  readonly added?: {
    readonly addition: Addition;
    readonly graphics: Graphics;
  } | undefined;
}

/**
 * Plans a container and its first command.
 *
 * @param creation What it is made from.
 * @returns The plan.
 *
 * @example Its own ids
 * ```ts
 * import { createPlan } from "cage/src/launch_plan.ts";
 * import { CLONE_NEWUSER } from "cage/ffi/constants.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { flags } = createPlan({
 *   spec: {},
 *   client: { env: new Map(), standing: "root" },
 *   stdio: {},
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
 * });
 * assertEquals(flags & CLONE_NEWUSER, 0);
 * ```
 */
export function createPlan(creation: Creation): LaunchPlan {
  const { client, facts, init, script, spec, stdio, storage, upper } = creation;
  const { graphics, userNamespace } = facts;
  return {
    flags: beginsInNew(userNamespace) ? NAMESPACES | CLONE_NEWUSER : NAMESPACES,
    first: (pipes, entry) =>
      createProgram(spec, {
        ...{ entry, facts, upper, pipes, storage },
        ...(script === undefined ? {} : { script }),
      }),
    entered: scriptProgram(spec, client.env, script),
    spec,
    facts: {
      callerEnv: client.env,
      parent: init ?? { kind: "command" },
      outlives: outlives(spec, client),
      stdio,
      ...(graphics === undefined ? {} : { graphics: graphics.graphics }),
      ...idsOf(userNamespace),
    },
  };
}

/**
 * Plans a command in a container that runs.
 *
 * @param joining What is known.
 * @returns The plan.
 *
 * @example No namespaces of its own
 * ```ts
 * import { attachPlan } from "cage/src/launch_plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { flags, spec } = attachPlan({
 *   spec: {},
 *   client: { env: new Map(), standing: "root" },
 *   stdio: {},
 *   container: { pidfd: 9, becomesRoot: false },
 *   record: { noNewPrivs: true },
 *   kernel: { overlay: "descriptors", signals: [], lastCapability: 40 },
 * });
 * assertEquals([flags, spec.noNewPrivs], [0, true]);
 * ```
 */
export function attachPlan(joining: Joining): LaunchPlan {
  const { added, client, container, kernel, record, spec, stdio } = joining;
  const { userNamespace } = container;
  return {
    flags: 0,
    first: (pipes) => attachProgram(container, pipes, kernel, added?.addition),
    entered: scriptProgram(spec, client.env),
    spec: { ...spec, noNewPrivs: spec.noNewPrivs || record.noNewPrivs },
    facts: {
      callerEnv: client.env,
      parent: { kind: "attached" },
      outlives: outlives(spec, client),
      stdio,
      ...(added === undefined ? {} : { graphics: added.graphics }),
      ...(userNamespace === undefined ? {} : {
        ids: { map: userNamespace.map, kept: userNamespace.groups },
      }),
    },
  };
}

/**
 * Whether a container begins in a user namespace whose ids are still to be
 * written.
 *
 * @param namespace The user namespace, if the container has one.
 * @returns Whether it does.
 *
 * @example None
 * ```ts
 * import { beginsInNew } from "cage/src/launch_plan.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(beginsInNew(undefined), false);
 * ```
 */
export function beginsInNew(namespace: UserNamespace | undefined): boolean {
  return namespace !== undefined && namespace.descriptor === undefined;
}

/**
 * An instance of a user counts as long as its supervisor is there, who is a
 * process of theirs.
 */
function outlives(
  { detached }: ContainerSpec,
  { standing }: Pick<Client, "standing">,
): boolean {
  return detached === true && standing !== "user";
}

function idsOf(
  namespace: UserNamespace | undefined,
): Pick<CommandFacts, "ids"> {
  if (namespace === undefined) return {};
  const { map, owner } = namespace;
  return { ids: { map, kept: [owner.gid, ...owner.groups] } };
}
