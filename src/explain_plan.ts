/**
 * Plans as what they would do.
 *
 * @module
 */

import { basename } from "@std/path";
import { SIGNALS } from "../ffi/constants.ts";
import type { Client } from "./client.ts";
import type { Explained, ExplainedPart } from "./explained.ts";
import type { LaunchPlan } from "./launch_plan.ts";
import type { Layout } from "./layout.ts";
import { type CommandFacts, commandPrograms, executionOf } from "./plan.ts";
import type { StandIns } from "./stand_ins.ts";
import type { PlanStep } from "./step.ts";
import { initProgram, supervisorProgram } from "./supervisor.ts";
import { callerText, launcherAs } from "./who.ts";

/** What is known of a launch beside its plan. */
export interface Way {
  /** What becomes of the instance. */
  readonly action: Explained["action"];
  /** What the launcher does before. */
  readonly before: readonly PlanStep[];
  /** Who calls. */
  readonly client: Pick<Client, "bases" | "gid" | "standing" | "uid">;
  /** Where files are. */
  readonly layout: Layout;
  /** Who sets the container up. */
  readonly pid1: string;
  /** Who is who inside. */
  readonly users: Pick<CommandFacts, "group" | "passwd">;
}

/**
 * Explains a plan: all programs of it, in the order in which they begin.
 *
 * @param plan The plan.
 * @param standIns What stands for the descriptors in it.
 * @param way What else is known.
 * @returns What would be done.
 * @throws {UsageError} If the user or a group is unknown.
 *
 * @example The command of an instance that runs
 * ```ts
 * import { explainPlan } from "cage/src/explain_plan.ts";
 * import { attachPlan } from "cage/src/launch_plan.ts";
 * import { layoutOf, ROOT_BASES } from "cage/src/layout.ts";
 * import { StandIns } from "cage/src/stand_ins.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const client = { standing: "root", uid: 0, gid: 0, env: new Map() } as const;
 * const plan = attachPlan({
 *   spec: { command: ["ls"] },
 *   client,
 *   stdio: {},
 *   container: { pidfd: 9, becomesRoot: false },
 *   record: { noNewPrivs: true },
 *   kernel: { overlay: "descriptors", signals: [], lastCapability: 40 },
 * });
 * const { command, user } = explainPlan(plan, new StandIns(), {
 *   action: "attach",
 *   before: [],
 *   client: { ...client, bases: ROOT_BASES },
 *   layout: layoutOf({}, "/"),
 *   pid1: "root",
 *   users: { passwd: "", group: "" },
 * });
 * assertEquals([command, user.uid], [["ls"], 0]);
 * ```
 */
export function explainPlan(
  plan: LaunchPlan,
  standIns: StandIns,
  { action, before, client, layout, pid1, users }: Way,
): Explained {
  const { spec } = plan;
  const pipes = {
    ready: standIns.of("pipe that tells the launcher"),
    go: standIns.of("pipe from the launcher"),
    goOfLauncher: standIns.of("the launcher's end of the pipe"),
  };
  const entry = {
    executable: standIns.of("program that leaves the launcher's memory"),
    memory: standIns.of("memory of the command"),
  };
  const facts = {
    ...plan.facts,
    ...{ entry, ready: pipes.ready },
    ...users,
  };
  const { run, start } = commandPrograms(spec, facts);
  const { command, user } = executionOf(spec, facts);
  const inside = `uid ${user.uid} inside`;
  const part = (phase: string, as: string, steps: readonly PlanStep[]) =>
    ({ phase, as, steps }) satisfies ExplainedPart;
  const { steps: first } = plan.first(pipes, entry);
  const isCreated = action === "create";
  return {
    caller: callerText(client),
    instance: spec.name ?? layout.pidFile,
    action,
    command: command.argv,
    user,
    descriptors: standIns.names,
    parts: [
      part("find everything", launcherAs(client), [
        ...before,
        {
          call: "clone",
          args: [plan.flags | SIGNALS.SIGCHLD],
          why: "Cannot start the first process",
        },
      ]),
      part("begin", pid1, first),
      part("start the command", pid1, start.steps),
      part(
        spec.initScript === undefined
          ? "leave the launcher's memory"
          : "init script",
        pid1,
        plan.entered.steps,
      ),
      part("become the command", `${pid1}, then ${inside}`, run.steps),
      ...(isCreated && plan.facts.parent.kind === "init"
        ? [part("be pid 1 until the command ends", pid1, initProgram().steps)]
        : []),
      part(
        "supervise until it ends",
        launcherAs(client),
        supervisorSteps(
          standIns,
          isCreated ? { layout, records: client.bases.records } : undefined,
        ),
      ),
    ],
  };
}

function supervisorSteps(
  standIns: StandIns,
  created?: { readonly layout: Layout; readonly records: string },
): readonly PlanStep[] {
  const child = standIns.of("the first process");
  if (created === undefined) return supervisorProgram(child).steps;
  const { layout: { pidFile }, records } = created;
  return supervisorProgram(child, {
    directory: standIns.of("directory of the pid file"),
    name: basename(pidFile),
    descriptor: standIns.of("pid file"),
    records,
  }).steps;
}
