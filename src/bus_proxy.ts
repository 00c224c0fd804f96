/**
 * The process of xdg-dbus-proxy(1) as steps, and sentences about it.
 *
 * @module
 */

import {
  AT_FDCWD,
  CLOSE_RANGE_CLOEXEC,
  F_SETFD,
  O_CLOEXEC,
  O_RDWR,
} from "../ffi/constants.ts";
import type { Program } from "../ffi/step.ts";
import type { Identity } from "./caller.ts";
import { noMorePrivileges, startProcess, unblockSignals } from "./process.ts";
import { label, type PlanStep } from "./step.ts";
import { idSteps } from "./user_namespace_steps.ts";

/** The name of the program. */
export const PROXY = "xdg-dbus-proxy";

/** What the proxy is started with. */
export interface Proxy {
  /** The path of the program. */
  readonly program: string;
  /** The address of the bus. */
  readonly address: string;
  /** The path of the socket that it makes. */
  readonly socket: string;
  /** Who it becomes; it stays who it is if absent. */
  readonly as?:
    | Pick<Identity, "gid" | "uid"> & {
      /** Whether the supplementary groups are not that user's. */
      readonly isOther: boolean;
    }
    | undefined;
  /** The end of a pipe: it writes there once, and ends when nobody can read. */
  readonly ready: number;
  /** The descriptor for what it has to say. */
  readonly words: number;
}

/**
 * Starts the proxy as nobody's child, so that nobody has to wait for it.
 *
 * @param proxy What it is started with.
 * @returns The program, which ends when the proxy is executed.
 *
 * @example The last step
 * ```ts
 * import { proxyProgram } from "cage/src/bus_proxy.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { steps } = proxyProgram({
 *   program: "/usr/bin/xdg-dbus-proxy",
 *   address: "unix:path=/run/user/7/bus",
 *   socket: "/run/user/7/proxy",
 *   as: { uid: 7, gid: 8, isOther: false },
 *   ready: 9,
 *   words: 10,
 * });
 * assertEquals(steps.at(-1)?.call, "execve");
 * ```
 */
export function proxyProgram(
  { address, as, program, ready, socket, words }: Proxy,
): Program {
  const nothing = { result: "nothing" };
  const flags = O_RDWR | O_CLOEXEC;
  const argv = [program, address, socket, `--fd=${ready}`];
  return {
    buffers: { zero: 8, proxy: 8 },
    steps: [
      startProcess("proxy", 0, "execute-proxy", WHY),
      { call: "exit_group", args: [0] },
      label("execute-proxy"),
      { call: "setsid", args: [], why: WHY },
      { call: "chdir", args: ["/"], why: WHY },
      { call: "umask", args: [0o077] },
      {
        name: nothing.result,
        call: "openat",
        args: [AT_FDCWD, "/dev/null", flags],
        why: WHY,
      },
      ...[nothing, words, words].map((from, to): PlanStep => ({
        call: "dup3",
        args: [from, to, 0],
        why: WHY,
      })),
      {
        call: "close_range",
        args: [3, 0xffffffff, CLOSE_RANGE_CLOEXEC],
        why: WHY,
      },
      { call: "fcntl", args: [ready, F_SETFD, 0], why: WHY },
      ...becomeUser(as),
      noMorePrivileges(),
      unblockSignals(),
      {
        call: "execve",
        args: [program, argv, []],
        why: `Cannot run ${PROXY}`,
        hints: { "": "reinstall it" },
      },
    ],
  };
}

/**
 * Says that the program is not there.
 *
 * @returns The sentence.
 *
 * @example The sentence
 * ```ts
 * import { busMissing } from "cage/src/bus_proxy.ts";
 * import { assert } from "@std/assert";
 *
 * assert(busMissing().endsWith("install it, or leave out --dbus"));
 * ```
 */
export function busMissing(): string {
  return `Cannot use --dbus: ${PROXY} is not there: install it, or leave out ` +
    "--dbus";
}

/**
 * Says that the program failed.
 *
 * @param said What it said.
 * @returns The sentence.
 *
 * @example The sentence
 * ```ts
 * import { busFailed } from "cage/src/bus_proxy.ts";
 * import { assert } from "@std/assert";
 *
 * assert(busFailed("no bus\n").includes("xdg-dbus-proxy failed: no bus:"));
 * ```
 */
export function busFailed(said: string): string {
  const words = said.trim().split("\n").join("; ");
  return `Cannot use --dbus: ${PROXY} failed${words && `: ${words}`}: see ` +
    "that DBUS_SESSION_BUS_ADDRESS is right, or leave out --dbus";
}

const WHY = `Cannot start ${PROXY}`;

/** The groups first: they can be changed only as root. */
function becomeUser(as: Proxy["as"]): PlanStep[] {
  if (as === undefined) return [];
  const group = new Uint8Array(new Uint32Array([as.gid]).buffer);
  return [
    ...(as.isOther
      ? [{ call: "setgroups", args: [1, group], why: WHY } as const]
      : []),
    ...idSteps(as),
  ];
}
