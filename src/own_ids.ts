/**
 * Starts this program once more where a user has all ids of their containers,
 * and no others: files in there can belong to ids of `/etc/subuid`, which the
 * user reads and changes only in a user namespace of theirs. A process with
 * threads, as this one is, cannot enter one (setns(2)).
 *
 * Nobody has the host's root there, so the set-user-ID bit of the program has
 * no effect: execve(2). What it opens, it opens as the user.
 *
 * @module
 */

import { Block } from "../ffi/block.ts";
import { CLD_EXITED, CLOSE_RANGE_CLOEXEC, F_SETFD } from "../ffi/constants.ts";
import { asJob } from "./as_job.ts";
import { isLent } from "./caller.ts";
import type { Client } from "./client.ts";
import { CageError } from "./errors.ts";
import type { LaterNamespace } from "./facts.ts";
import { Helper } from "./helper.ts";
import type { Layout } from "./layout.ts";
import { endWithParent, noMorePrivileges, unblockSignals } from "./process.ts";
import type { PlanStep } from "./step.ts";
import { enterUserNamespace, keepGroups } from "./user_namespace_steps.ts";
import type { Waiting } from "./wait.ts";

/**
 * The variable that tells the program what the first one has found. Whoever
 * sets it themselves names files, as with options: nothing is lent to them.
 */
const VARIABLE = "CAGE_OWN_IDS";

/** What a program is told that was started with a user's ids. */
export interface OwnIds {
  /** Where files are, as the caller named them. */
  readonly layout: Layout;
  /** The directory of the caller. */
  readonly cwd: string;
  /** Whether the container runs. */
  readonly isRunning: boolean;
  /** What is open, where only root could find it. */
  readonly given?: Given;
}

/** Descriptors that this program passes on to itself. */
export interface Given {
  /** Of the upper directory; none if nothing was changed. */
  readonly upper?: number;
  /** Of the lower layers, the first on top. */
  readonly lower: readonly number[];
  /** Whether the first of them is lent to all users, to be read. */
  readonly isShared: boolean;
}

/**
 * Tells whether this program was started with the ids of a user.
 *
 * @param client Who calls.
 * @returns What it was told; nothing if it was started by the user.
 */
export function findOwnIds(
  { env, standing }: Pick<Client, "env" | "standing">,
): OwnIds | undefined {
  const text = env.get(VARIABLE);
  if (standing !== "rootless" || text === undefined) return;
  return JSON.parse(text);
}

/**
 * Starts this program with the same words, and waits for it.
 *
 * @param client Who calls.
 * @param told What it is told.
 * @param namespace Where it is started.
 * @returns Its exit status.
 * @throws {CageError} If it cannot be started.
 */
export function* runWithOwnIds(
  client: Client,
  told: OwnIds,
  namespace: LaterNamespace,
): Waiting<number> {
  using block = new Block();
  block.append({ steps: stepsOf(client, told, namespace) });
  using helper = new Helper(block);
  // It may ask, and be stopped then: this process with it.
  const { code, status } = yield* asJob(() => helper.untilEnded());
  if (code !== CLD_EXITED) throw new CageError(WHY, 128 + status);
  return status;
}

const WHY = "Cannot start cage with the ids of its containers";

function stepsOf(
  client: Client,
  told: OwnIds,
  namespace: LaterNamespace,
): PlanStep[] {
  const { upper, lower = [] } = told.given ?? {};
  const passed = upper === undefined ? lower : [upper, ...lower];
  const env = [...client.env].filter(([key]) => key !== VARIABLE)
    .map(([key, value]) => `${key}=${value}`);
  const argv = Deno.readTextFileSync("/proc/self/cmdline").split("\0");
  return [
    {
      call: "close_range",
      args: [3, 0xffffffff, CLOSE_RANGE_CLOEXEC],
      why: WHY,
    },
    ...passed.map((descriptor): PlanStep => ({
      call: "fcntl",
      args: [descriptor, F_SETFD, 0],
      why: WHY,
    })),
    // A group by which the host forbids something goes with its user.
    ...(isLent(client) ? [keepGroups([client.gid, ...client.groups])] : []),
    ...enterUserNamespace(namespace),
    noMorePrivileges(),
    endWithParent(),
    unblockSignals(),
    {
      call: "execve",
      args: [
        "/proc/self/exe",
        argv.slice(0, -1),
        [...env, `${VARIABLE}=${JSON.stringify(told)}`],
      ],
      why: WHY,
    },
  ];
}
