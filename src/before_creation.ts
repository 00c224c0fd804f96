/**
 * What the launcher does before a container begins, in words of system calls.
 * The plan is what follows.
 *
 * @module
 */

import {
  AT_FDCWD,
  LOCK_EX,
  LOCK_NB,
  O_CREAT,
  O_RDWR,
} from "../ffi/constants.ts";
import type { UserNamespace } from "./facts.ts";
import { mapText } from "./idmap.ts";
import { absolute, type Layout } from "./layout.ts";
import { quote } from "./quote.ts";
import type { ContainerSpec } from "./spec.ts";
import type { PlanStep } from "./step.ts";

/** Where things are, and what is missing there. */
export interface Places {
  /** The paths of the container. */
  readonly layout: Layout;
  /** Directories to be made, those above first. */
  readonly missing: readonly string[];
  /** The directory that relative paths start at. */
  readonly cwd: string;
}

/**
 * Lists what is done.
 *
 * @param spec What is wanted.
 * @param places Where.
 * @param namespace The user namespace of the container, if it has one.
 * @returns The steps.
 *
 * @example The first directory
 * ```ts
 * import { beforeCreation } from "cage/src/before_creation.ts";
 * import { layoutOf } from "cage/src/layout.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const places = { layout: layoutOf({}, "/"), missing: ["/x"], cwd: "/" };
 * const [step] = beforeCreation({}, places, undefined);
 * assertEquals(step.call, "mkdirat");
 * ```
 */
export function beforeCreation(
  { ephemeral, volumes = [] }: ContainerSpec,
  { cwd, layout, missing }: Places,
  namespace: UserNamespace | undefined,
): PlanStep[] {
  const directories = ephemeral
    ? []
    : [["upper", layout.upper], ["work", layout.work]] as const;
  return [
    ...missing.map((path): PlanStep => ({
      call: "mkdirat",
      args: [AT_FDCWD, path],
      why: `Cannot create directory ${quote(path)}`,
    })),
    {
      call: "openat",
      args: [AT_FDCWD, layout.pidFile, O_RDWR | O_CREAT],
      why: "Cannot open the pid file",
    },
    lock(layout.pidFile, LOCK_EX, "Cannot be the only one that starts it"),
    ...layout.lower.map((path) => open(path, `lower directory ${quote(path)}`)),
    ...directories.flatMap(([kind, path]) => [
      open(path, `${kind} directory ${quote(path)}`),
      lock(
        path,
        LOCK_EX | LOCK_NB,
        `Cannot be the only one with ${quote(path)}`,
      ),
    ]),
    ...volumes.map(({ host }) =>
      open(absolute(host, cwd), `volume ${quote(host)}`)
    ),
    ...(namespace === undefined ? [] : mapSteps(namespace)),
  ];
}

function open(path: string, what: string): PlanStep {
  return {
    call: "openat2",
    args: [AT_FDCWD, path],
    why: `Cannot open ${what}`,
  };
}

function lock(path: string, operation: number, why: string): PlanStep {
  return { call: "flock", args: [path, operation], why };
}

function mapSteps({ map }: UserNamespace): PlanStep[] {
  return ([["uid_map", map.uid], ["gid_map", map.gid]] as const).map(
    ([file, rows]) => ({
      call: "write",
      args: [`/proc/PID/${file}`, mapText(rows)],
      why: "Cannot give the user namespace its ids",
    }),
  );
}
