/**
 * Finds out what a call would do, without doing it.
 *
 * @module
 */

import { packElf } from "../ffi/elf.ts";
import { hasErrno, HOST_ARCH, pidfdOpen } from "../ffi/libc.ts";
import { findAttachment } from "./attachment.ts";
import { beforeCreation } from "./before_creation.ts";
import { type Client, findClient } from "./client.ts";
import { isLent } from "./caller.ts";
import { Descriptors } from "./descriptors.ts";
import { CageError } from "./errors.ts";
import { explainPlan } from "./explain_plan.ts";
import type { Explained } from "./explained.ts";
import { findFacts } from "./find_facts.ts";
import { findersFor } from "./finders.ts";
import {
  foreseeDirectories,
  foreseeVolumes,
  missingAbove,
} from "./foreseen.ts";
import { findKernel } from "./host.ts";
import { peekInstance } from "./instances.ts";
import { absolute, type Layout, layoutOf } from "./layout.ts";
import { attachPlan, createPlan } from "./launch_plan.ts";
import { quote } from "./quote.ts";
import type { InstanceRecord } from "./record.ts";
import { findRecord } from "./record_file.ts";
import { readUsers } from "./read_users.ts";
import { openScript } from "./script_file.ts";
import type { ContainerSpec } from "./spec.ts";
import { StandIns } from "./stand_ins.ts";
import type { Storage } from "./storage.ts";
import { COMMAND_ID, initProgram } from "./supervisor.ts";
import type { Waiting } from "./wait.ts";
import { createdAs } from "./who.ts";

/**
 * Finds out what a call would do. Nothing is made, locked or changed.
 *
 * @param spec What is wanted.
 * @returns What would be done.
 * @throws {CageError} If the call would be refused.
 */
export function* explainCall(spec: ContainerSpec): Waiting<Explained> {
  const client = findClient(spec);
  const layout = layoutOf(spec, client.cwd, client.bases);
  using kept = new Descriptors();
  const call = { client, kept, layout, spec, standIns: new StandIns() };
  return explainAttached(call) ?? (yield* explainCreated(call));
}

/** A call, and what it takes to look at it. */
interface Call {
  readonly spec: ContainerSpec;
  readonly client: Client;
  readonly layout: Layout;
  readonly kept: Descriptors;
  readonly standIns: StandIns;
}

/** If the instance runs. */
function explainAttached(call: Call): Explained | undefined {
  const { client, kept, layout, spec, standIns } = call;
  const pid = peekInstance(layout, client);
  const record = pid && findRecord(client.bases.records, pid);
  if (!pid || !record) return undefined;
  checkOwner(layout.pidFile, record, client);
  const pidfd = openRunning(pid);
  if (pidfd === undefined) return undefined;
  kept.keep(pidfd);
  const found = findAttachment({ pid, pidfd, record }, client);
  if (found === undefined) return undefined;
  const container = { ...found, pidfd: standIns.of("pid 1 of the instance") };
  const kernel = findKernel(client);
  const plan = attachPlan({
    ...{ spec, client, stdio: {}, container, record, kernel },
  });
  const roots = isLent(client) ? [] : [`/proc/${pid}/root`];
  return explainPlan(plan, standIns, {
    action: "attach",
    before: [{
      call: "pidfd_open",
      args: [pid],
      why: "Cannot find pid 1 of it",
    }],
    ...{ client, layout },
    pid1: createdAs(client, container.userNamespace),
    // What is not to be seen from outside is most likely as on the host.
    users: readUsers([...roots, ...layout.lower], client),
  });
}

/** It may have just ended. */
function openRunning(pid: number): number | undefined {
  try {
    return pidfdOpen(pid);
  } catch (error) {
    if (hasErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

function* explainCreated(call: Call): Waiting<Explained> {
  const { client, kept, layout, spec, standIns } = call;
  const volumes = foreseeVolumes(spec.volumes ?? [], client, kept);
  const mount = standIns.of("file system of the upper directory");
  const directories = spec.ephemeral
    ? undefined
    : foreseeDirectories(layout, client, mount, kept);
  const { directories: source, facts } = findFacts(
    ...[{ ...spec, volumes: volumes.found }, layout, client] as const,
    directories && (() => directories.found),
    yield* findersFor(spec, client),
    kept,
  );
  const named = {
    ...facts,
    volumes: facts.volumes.map((volume, index) => ({
      ...volume,
      host: absolute(spec.volumes![index].host, client.cwd),
    })),
  };
  const storage: Storage = source === undefined
    ? { kind: "memory" }
    : { kind: "directories", source };
  using script = openScript(spec.initScript, client);
  const { offsets } = packElf(initProgram(), HOST_ARCH);
  const descriptor = standIns.of("program of pid 1");
  const plan = createPlan({
    ...{ spec, client, storage, stdio: {}, upper: layout.upper },
    facts: standIns.within(named),
    script: script && {
      ...script.script,
      descriptor: standIns.of(`init script ${quote(script.script.path)}`),
    },
    init: spec.init === false
      ? undefined
      : { kind: "init", descriptor, at: offsets[COMMAND_ID] },
  });
  const missing = [
    ...missingAbove(layout.pidFile, ownerOfPidFile(layout, client), kept),
    ...directories?.missing ?? [],
    ...volumes.missing,
  ];
  const roots = [...(spec.ephemeral ? [] : [layout.upper]), ...layout.lower];
  return explainPlan(plan, standIns, {
    action: "create",
    before: beforeCreation(
      spec,
      { layout, missing, cwd: client.cwd },
      facts.userNamespace,
    ),
    ...{ client, layout },
    pid1: createdAs(client, facts.userNamespace),
    users: readUsers(roots, client),
  });
}

/** With whose rights the pid file is opened. */
function ownerOfPidFile({ named }: Layout, client: Client): Client {
  return named.pidFile ? client : { ...client, standing: "root" };
}

function checkOwner(
  path: string,
  { uid }: Pick<InstanceRecord, "uid">,
  client: Client,
): void {
  if (client.standing === "root" || client.uid === uid) return;
  throw new CageError(
    `Cannot explain what ${quote(path)} runs: the instance belongs to user ` +
      `${uid}: name one of your own with -n or -p`,
  );
}
