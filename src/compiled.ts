/**
 * Compiled containers: one program that is everything from the caller's command
 * line to the end of the command.
 *
 * ```text
 * launcher: rights given up, a copy in memory ── an instance runs? ── attach
 *   pid file, directories, layers, volumes, terminal
 *   clone ──────────────► pid 1: record, mounts, restrictions, init script
 *   supervisor              clone ────────────► the command
 *                           collects orphans
 * ```
 *
 * Everything here only computes; `compile.ts` writes the file.
 *
 * @module
 */

import {
  AT_FDCWD,
  CLONE_NEWUSER,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  O_CLOEXEC,
  O_WRONLY,
  PR_SET_NO_NEW_PRIVS,
  SIGNALS,
} from "../ffi/constants.ts";
import { HOST_ARCH } from "../ffi/arch.ts";
import { packElf } from "../ffi/elf.ts";
import type { Program } from "../ffi/step.ts";
import { joinProgram } from "./compiled_attach.ts";
import {
  argumentSteps,
  compiledEnvironment,
  INHERITED,
  runSteps,
} from "./compiled_command.ts";
import {
  claimSteps,
  INSTANCE_BUFFERS,
  unclaimSteps,
  unlockStep,
} from "./compiled_instance.ts";
import { type InstancePlace, PLACE } from "./compiled_place.ts";
import { recordSteps, SHARED, shareSteps } from "./compiled_record.ts";
import {
  FAILED,
  failSteps,
  MESSAGE_BUFFERS,
  withMessages,
} from "./compiled_messages.ts";
import { withoutLabels } from "./compiled_labels.ts";
import { stay, withFreed } from "./compiled_memory.ts";
import { type CompiledScript, scriptSteps } from "./compiled_script.ts";
import {
  hideStep,
  STACK,
  START_BUFFERS,
  startSteps,
} from "./compiled_start.ts";
import { closeRange, type CompiledStep, prefixed } from "./compiled_step.ts";
import {
  CONSOLE_BUFFERS,
  CONSOLE_PATH,
  consoleSteps,
} from "./compiled_console.ts";
import {
  CONSOLE,
  type SourcePlace,
  STORAGE,
  takeSources,
} from "./compiled_sources.ts";
import { HELD, type StoragePlace, takeStorage } from "./compiled_storage.ts";
import type { Facts } from "./facts.ts";
import { type IdMap, mapText } from "./idmap.ts";
import { SCRIPT_BUFFERS } from "./init_script.ts";
import { OVERLAY } from "./overlay.ts";
import {
  becomeInit,
  COMMAND,
  containerSteps,
  NAMESPACES,
  restrict,
} from "./plan.ts";
import { endWithParent, type Execution, startProcess } from "./process.ts";
import type { ContainerSpec } from "./spec.ts";
import { goTo, label, NONE, type PlanStep } from "./step.ts";
import type { Storage } from "./storage.ts";
import { COMMAND_ID, initProgram, supervisorProgram } from "./supervisor.ts";
import { wayDown } from "./way_down.ts";

/** Everything that a compiled container is made from. */
export interface Compilation {
  /** What is wanted. */
  readonly spec: ContainerSpec;
  /** Whose it is. */
  readonly uid: number;
  /** What is known, with the numbers of `compiled_storage.ts`. */
  readonly facts: Facts;
  /** Where the instance is known. */
  readonly instance: InstancePlace;
  /** Layers and volumes. */
  readonly sources: readonly SourcePlace[];
  /** Directories for what is changed; in memory if absent. */
  readonly storage?: StoragePlace;
  /** How the command runs. */
  readonly execution: Execution;
  /** The init script, and the variables that it runs with. */
  readonly script?: CompiledScript & { readonly env: readonly string[] };
}

/**
 * Writes the program of a compiled container.
 *
 * @param compilation What it is made from.
 * @returns The program, for `packElf`.
 */
export function compiledProgram(compilation: Compilation): Program {
  const { execution, facts, instance, spec, storage, uid } = compilation;
  const { userNamespace } = facts;
  const supervisor = supervise(compilation);
  const hasInit = spec.init !== false && userNamespace === undefined;
  const parts = [supervisor, ...(hasInit ? [stayInit()] : [])];
  const join = joinProgram({
    ...(userNamespace === undefined ? {} : { namespace: userNamespace }),
    restrictions: restrict(spec.privileged, facts.kernel, userNamespace),
    command: RUN,
  });
  const steps: CompiledStep[] = [
    goTo(BEGIN),
    ...parts.flatMap(({ steps }) => steps),
    label(BEGIN),
    ...startSteps(uid),
    ...argumentSteps(execution.command.argv),
    ...shareSteps(),
    ...claimSteps(instance),
    ...(storage === undefined ? [] : takeStorage(storage)),
    ...takeSources(compilation.sources),
    ...consoleSteps(userNamespace !== undefined),
    {
      name: CHILD,
      call: "clone",
      args: [
        NAMESPACES | SIGNALS.SIGCHLD |
        (userNamespace === undefined ? 0 : CLONE_NEWUSER),
        NONE,
        NONE,
        NONE,
        NONE,
      ],
      ifZero: "inside",
      why: "Cannot create a container",
      hints: userNamespace === undefined ? HINTS : USER_HINTS,
    },
    // What the container is made from is not held by who supervises it.
    { call: "close_range", args: [CONSOLE, 0xffffffff, 0], onError: {} },
    // The lock is the container's, and ends when it is complete.
    { call: "close", args: [PLACE.file], onError: {} },
    goTo(supervisor.steps[0].name!),
    label("inside"),
    endWithParent(),
    ...recordSteps(instance),
    // From here on the supervisor removes the file, if this process fails.
    { call: "store", args: [{ buffer: "claimed" }, 0, 0] },
    ...(userNamespace === undefined ? [] : mapSteps(userNamespace.map)),
    hideStep(),
    ...insideSteps(compilation),
    ...initScript(compilation),
    ...startCommand(
      spec,
      hasInit ? becomeInitHere() : executeInit(),
    ),
    ...commandSteps(compilation),
    ...join.steps,
    ...failSteps(unclaimSteps(instance)),
  ];
  const program = {
    buffers: {
      ...START_BUFFERS,
      ...INSTANCE_BUFFERS,
      ...CONSOLE_BUFFERS,
      ...MESSAGE_BUFFERS,
      zero: 8,
      ...join.buffers,
      ...(compilation.script === undefined ? {} : SCRIPT_BUFFERS),
      // The last ones are of those who stay.
      [COMMAND]: 8,
      ...Object.assign({}, ...parts.map(({ buffers }) => buffers)),
    },
    steps: withMessages(withoutLabels(steps)),
    onStop: FAILED,
  };
  return withFreed(program, STACK, COMMAND);
}

/** Where the program begins: not with its first steps. */
const BEGIN = "begin";

const CHILD = "container";

const TOO_MANY = "too many run: stop some, or raise the limits of processes " +
  "(ulimit -u) and of namespaces (user.max_pid_namespaces)";

const HINTS = {
  EAGAIN: TOO_MANY,
  ENOSPC: TOO_MANY,
  EPERM: "root inside a container may not: run it outside",
  "": "the kernel must have mount, pid, ipc, uts and cgroup namespaces",
} as const;

const USER_HINTS = {
  ...HINTS,
  ENOSPC: "users may have no more user namespaces: raise " +
    "user.max_user_namespaces and user.max_pid_namespaces",
  EPERM: "users may have no user namespaces here: cage --check says why, and " +
    "what to do",
} as const;

/** It gives back what it holds as the one of any container does. */
function supervise({ instance, storage }: Compilation): CompiledPart {
  const results = [
    ...[CHILD, PLACE.directory.result, PLACE.unlocked.result],
    ...[PLACE.records.result, SHARED.result],
    ...(storage === undefined ? [] : HELD.map(({ result }) => result)),
  ];
  let buffers: Program["buffers"];
  const steps = stay("supervise", results, (results) => {
    const [child, directory, descriptor, records, name, ...held] = results;
    const program = prefixed(
      supervisorProgram(
        child,
        {
          ...{ directory, descriptor, name: instance.name, records: "" },
          record: [records, name],
        },
        held,
      ),
      "supervisor-",
    );
    buffers = program.buffers;
    return program.steps;
  });
  return { steps, buffers };
}

/** A part of the program, and what it needs. */
interface CompiledPart {
  readonly steps: readonly CompiledStep[];
  readonly buffers: Program["buffers"];
}

/** The same as for any container; the kernel's own words are left out. */
function insideSteps(
  { facts, spec, storage }: Compilation,
): PlanStep[] {
  const source: Storage = storage === undefined ? { kind: "memory" } : {
    kind: "directories",
    source: storage.isPlans ? { upper: storage.upper, work: storage.work } : {
      mount: STORAGE,
      upper: wayDown(storage.above, storage.upper),
      work: wayDown(storage.above, storage.work),
    },
  };
  const upper = storage?.upper ?? "";
  return containerSteps(spec, { facts, storage: source, upper })
    .filter(({ blame, name }) =>
      blame === undefined && !/^overlay:.*-message$/.test(name ?? "")
    )
    .map(({ onError, ...step }) =>
      onError === undefined || step.name?.startsWith(OVERLAY)
        ? step
        : { ...step, onError }
    )
    // Where a plan opens the terminal by itself, its path is found later.
    .map((step) =>
      step.name === "device-console" && step.args[1] === CONSOLE_PATH.buffer
        ? { ...step, args: step.args.with(1, CONSOLE_PATH) }
        : step
    );
}

/** Pid 1 goes on as the program that it would execute elsewhere. */
function stayInit(): CompiledPart {
  let buffers: Program["buffers"];
  const steps = stay(INIT, [PLACE.file.result], ([lock]) => {
    const program = prefixed(initProgram(lock), `${INIT}-`);
    buffers = program.buffers;
    return [
      { name: "command-id", call: "load", args: [{ buffer: COMMAND }, 0] },
      {
        call: "store",
        args: [{ buffer: `${INIT}-${COMMAND_ID}` }, 0, {
          result: "command-id",
        }],
      },
      ...program.steps,
    ];
  });
  return { buffers, steps };
}

const INIT = "init";

function becomeInitHere(): CompiledStep[] {
  return [
    {
      call: "prctl",
      args: [PR_SET_NO_NEW_PRIVS, 1, NONE, NONE, NONE],
      why: "Cannot become pid 1 of the container",
    },
    goTo(`${INIT}-${PLACE.file.result}`),
  ];
}

/**
 * A user joins a container by way of its pid 1, which must be open for that:
 * so it has other memory, without the environment of the caller. Until it has,
 * the pid file is locked: execve(2) closes it, and with it goes the lock. Pid 1
 * has no descriptor of the host once others can look at it.
 */
function executeInit(): CompiledStep[] {
  const why = "Cannot become pid 1 of the container";
  const descriptor = { result: "init-program" };
  const { bytes, offsets } = packElf(initProgram(), HOST_ARCH);
  return [
    {
      name: descriptor.result,
      call: "memfd_create",
      args: ["cage-init", MFD_ALLOW_SEALING | MFD_CLOEXEC],
      why,
    },
    { call: "write", args: [descriptor, bytes, bytes.length], why },
    ...becomeInit({ descriptor, at: offsets[COMMAND_ID] }),
  ];
}

function startCommand(
  spec: ContainerSpec,
  init: readonly CompiledStep[],
): CompiledStep[] {
  if (spec.init === false) return [unlockStep()];
  const why = "Cannot start the command";
  return [
    startProcess(COMMAND, 0, "command-begins", why),
    ...init,
    label("command-begins"),
  ];
}

/** The only ids that everybody may map: user_namespaces(7). */
function mapSteps({ gid, setgroups, uid }: IdMap): CompiledStep[] {
  const why = "Cannot map the ids of the container";
  const write = (file: string, text: string): CompiledStep[] => [
    {
      name: `open-${file}`,
      call: "openat",
      args: [AT_FDCWD, `/proc/self/${file}`, O_WRONLY | O_CLOEXEC],
      why,
    },
    {
      call: "write",
      args: [{ result: `open-${file}` }, text, text.length],
      why,
    },
  ];
  return [
    // Before the groups, which are fixed then.
    ...write("setgroups", setgroups),
    ...write("uid_map", mapText(uid)),
    ...write("gid_map", mapText(gid)),
  ];
}

function initScript({ script, spec }: Compilation): CompiledStep[] {
  if (script === undefined) return [];
  const { env, ...found } = script;
  return scriptSteps(
    found,
    compiledEnvironment(env, inheritedOf(spec), "script-"),
  );
}

/** What `-e` gives is not looked up. */
function inheritedOf({ env = [] }: ContainerSpec): string[] {
  const given = new Set(env.map((text) => text.split("=")[0]));
  return INHERITED.filter((key) => !given.has(key));
}

function commandSteps({ execution, spec }: Compilation): CompiledStep[] {
  const env = compiledEnvironment(execution.env, inheritedOf(spec), "");
  return [label(RUN), closeRange(3), ...runSteps(execution, env)];
}

/** The label of the command, whoever starts it. */
const RUN = "run-command";
