/**
 * What `cage --check` says: what the caller may do and why, and what the kernel
 * offers for it.
 *
 * @module
 */

import type { Standing } from "./caller.ts";
import type { Kernel } from "./facts.ts";
import type { CallerIds, Policy } from "./policy.ts";
import { quote } from "./quote.ts";
import type { IdRange } from "./subids.ts";
import { wrap } from "./wrap.ts";

/**
 * What a caller gets: `root` and `granted` the host's root with restrictions,
 * `user` their own ids in a user namespace, `none` nothing, since it would take
 * the set-user-ID bit.
 */
export type CallerKind = Standing;

/** What the kernel offers. */
export interface CheckedKernel {
  /** How an overlay can be mounted, see `overlay.ts`. */
  readonly overlay: Kernel["overlay"];
  /**
   * Whether a layer can be an idmapped mount, Linux 5.19; absent if it is not
   * for the caller to have.
   */
  readonly idmappedLayers?: boolean;
  /** Whether there are user namespaces. */
  readonly userNamespaces: boolean;
  /** `/proc/sys/user/max_user_namespaces`, if it is there. */
  readonly maxUserNamespaces?: number;
  /** Whether system calls can be filtered. */
  readonly seccomp: boolean;
  /** Whether there are cgroup namespaces. */
  readonly cgroupNamespaces: boolean;
}

/** Everything that is checked. */
export interface CheckFacts {
  /** What the caller gets. */
  readonly kind: CallerKind;
  /** What of the policy grants it: `group cage`. */
  readonly grant?: string;
  /** The caller's name, if there is one. */
  readonly name?: string;
  /** The caller's ids. */
  readonly ids: CallerIds;
  /** The caller's ranges of users. */
  readonly subuids: readonly IdRange[];
  /** The caller's ranges of groups. */
  readonly subgids: readonly IdRange[];
  /** The path of the program. */
  readonly program: string;
  /** Whether the program is root's and has the set-user-ID bit. */
  readonly isSetuid: boolean;
  /** The path of the policy. */
  readonly policyFile: string;
  /** Whether there is such a file. */
  readonly hasPolicyFile: boolean;
  /** The policy. */
  readonly policy: Policy;
  /** What the kernel offers. */
  readonly kernel: CheckedKernel;
  /** Why a rootless caller gets no container, if so. */
  readonly refusal?: string;
  /** What of the host's root can only be read inside, in sentences. */
  readonly readOnly?: readonly string[];
  /** The directory of the caller's application directories. */
  readonly storage: string;
  /** The directory of the caller's pid files. */
  readonly state: string;
}

/**
 * Writes the report: a subject and a sentence about it, one after the other.
 *
 * @param facts What was found.
 * @returns The lines, each of 80 columns at most unless a path is longer.
 *
 * @example Somebody who is not root, without the set-user-ID bit
 * ```ts
 * import { checkReport } from "cage/src/check_report.ts";
 * import { DEFAULT_POLICY } from "cage/src/policy.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = checkReport({
 *   kind: "rootless",
 *   name: "alice",
 *   ids: { uid: 1000, gid: 100, groups: [27] },
 *   subuids: [],
 *   subgids: [],
 *   program: "/usr/local/bin/cage",
 *   isSetuid: false,
 *   policyFile: "/etc/cage/policy.json",
 *   hasPolicyFile: false,
 *   policy: DEFAULT_POLICY,
 *   kernel: {
 *     overlay: "descriptors",
 *     idmappedLayers: true,
 *     userNamespaces: true,
 *     seccomp: true,
 *     cgroupNamespaces: true,
 *   },
 *   storage: "/var/lib/microcontainer/user/1000",
 *   state: "/run/microcontainer/user/1000",
 * });
 * assertEquals(lines.slice(0, 2), [
 *   "caller   alice, user 1000, group 100, and group 27",
 *   "may      start containers as the kernel lets everybody: the program",
 * ]);
 * ```
 */
export function checkReport(facts: CheckFacts): string[] {
  const subjects: [string, string | undefined][] = [
    ["caller", callerText(facts)],
    ["may", RIGHTS[facts.kind](facts)],
    ["program", programText(facts)],
    ["root", ROOTS[facts.kind]],
    ["ids", idsText(facts)],
    ["layers", layersText(facts)],
    ["host", facts.readOnly?.join("; ") || undefined],
    ["volumes", volumesText(facts)],
    ["limits", limitsText(facts)],
    ["storage", storageText(facts)],
    ["policy", policyText(facts)],
    ["kernel", kernelText(facts)],
  ];
  return subjects.flatMap(([subject, text]) =>
    text === undefined ? [] : paragraph(subject, text)
  );
}

/** Columns of the subject, and of a whole line. */
const INDENT = 9;
const COLUMNS = 80;

/** Most items of a list, so that the report stays on one screen. */
const MAX_ITEMS = 4;

const RIGHTS: Record<CallerKind, (facts: CheckFacts) => string> = {
  root: () => "start containers as root of this machine: you are root",
  granted: ({ grant, policyFile }) =>
    `start containers as root of this machine: ${quote(policyFile)} grants ` +
    `it to ${grant}`,
  user: ({ policyFile, program }) =>
    `start containers with your own rights: ${quote(program)} is setuid ` +
    `root, and ${quote(policyFile)} grants you no more`,
  rootless: ({ program, refusal }) =>
    refusal === undefined
      ? "start containers as the kernel lets everybody: the program " +
        `${quote(program)} has no rights to lend`
      : `not start containers: ${refusal}`,
};

const MACHINE_ROOT = "inside is root of this machine with less to do, and " +
  "with all of it if --privileged is given";

const ROOTS: Record<CallerKind, string | undefined> = {
  root: MACHINE_ROOT,
  granted: MACHINE_ROOT,
  user: "inside is you outside: what you cannot do there, it cannot",
  rootless: "inside is you outside: what you cannot do there, it cannot",
};

function callerText({ ids: { gid, groups, uid }, name }: CheckFacts): string {
  const others = groups.filter((group) => group !== gid);
  const more = others.length === 0
    ? ""
    : `, and group${others.length > 1 ? "s" : ""} ${some(others.map(String))}`;
  const who = name === undefined ? "" : `${name}, `;
  return `${who}user ${uid}, group ${gid}${more}`;
}

/** Others than root are told with what they may do. */
function programText({ isSetuid, kind, program }: CheckFacts) {
  if (kind !== "root") return;
  return isSetuid
    ? `${quote(program)} is setuid root, so that others can use it too`
    : `${quote(program)} is not setuid root, so that nobody else can use it`;
}

function idsText(facts: CheckFacts): string | undefined {
  const { ids, kind, name, subgids, subuids } = facts;
  if (kind !== "user" && kind !== "rootless") return;
  if (subuids.length > 0 && subgids.length > 0) {
    return `inside, 0 is you, and then come ${rangesText(subuids)} of ` +
      `/etc/subuid for users, ${rangesText(subgids)} of /etc/subgid for groups`;
  }
  const files = [
    ...(subuids.length > 0 ? [] : ["/etc/subuid"]),
    ...(subgids.length > 0 ? [] : ["/etc/subgid"]),
  ].join(" and ");
  return `inside there is one, yours, as 0 or as -u says: you have no range ` +
    `in ${files}: usermod --add-subuids 100000-165535 ` +
    `--add-subgids 100000-165535 ${name ?? ids.uid} gives more`;
}

function rangesText(ranges: readonly IdRange[]): string {
  return some(
    ranges.map(({ count, start }) =>
      count === 1 ? `${start}` : `${start}-${start + count - 1}`
    ),
  );
}

function layersText({ kernel, kind, policy }: CheckFacts): string | undefined {
  if (kind !== "user") return;
  const roots = pathsText(policy.trustedRoots);
  if (policy.trustedRoots.length === 0) {
    return "have the owners that they have outside: the policy trusts no " +
      "directory for more";
  }
  return kernel.idmappedLayers
    ? `below ${roots} belong to your ids inside, and elsewhere to whom they ` +
      "do outside: the policy trusts the former"
    : "have the owners that they have outside, those that the policy trusts " +
      "too: the kernel has no idmapped layers, which take Linux 5.19";
}

function volumesText({ kind, policy }: CheckFacts): string | undefined {
  if (kind !== "user") return;
  if (policy.volumes === undefined) {
    return "come from wherever you can open: the policy names no directories";
  }
  if (policy.volumes.length === 0) return "are not allowed by the policy";
  return `come from below ${pathsText(policy.volumes)}, where you can open ` +
    "them: the policy names no other directory";
}

function limitsText({ kind, policy }: CheckFacts): string | undefined {
  if (kind !== "user") return;
  const { imageBytes, images, instances } = policy.limits;
  const each = images === 0 ? "" : ` of ${sizeText(imageBytes)} at most`;
  return `${plural(instances, "container")} at a time, and ` +
    `${plural(images, "image")}${each}, by the policy`;
}

function storageText({ state, storage }: CheckFacts) {
  return `changes are in ${quote(storage)}, pid files in ${quote(state)}`;
}

function policyText(
  { hasPolicyFile, kind, policyFile }: CheckFacts,
): string | undefined {
  if (kind === "rootless") return;
  const file = quote(policyFile);
  return hasPolicyFile ? `is ${file}` : `is the default: there is no ${file}`;
}

const OVERLAYS: Record<Kernel["overlay"], string> = {
  descriptors: "overlays of descriptors",
  paths: "overlays of paths",
  mount: "overlays by mount(2) alone",
  either: "overlays",
};

function kernelText({ kernel }: CheckFacts): string {
  const { maxUserNamespaces: most } = kernel;
  const limit = most === undefined ? "" : ` (${most} at most)`;
  const features: (readonly [boolean, string, string])[] = [
    [true, OVERLAYS[kernel.overlay], ""],
    ...(kernel.idmappedLayers === undefined
      ? []
      : [[kernel.idmappedLayers, "idmapped layers", ""] as const]),
    [
      kernel.userNamespaces && most !== 0,
      `user namespaces${limit}`,
      ", without which only root can start containers",
    ],
    [
      kernel.seccomp,
      "filters of system calls",
      ", without which containers start with --privileged only",
    ],
    [kernel.cgroupNamespaces, "cgroup namespaces", ""],
  ];
  const there = features.filter(([is]) => is).map(([, what]) => what);
  const missing = features.filter(([is]) => !is)
    .map(([, what, so]) => `; it has no ${what}${so}`);
  return `has ${there.join(", ")}${missing.join("")}`;
}

function sizeText(bytes: number): string {
  const unit = ["GiB", "MiB", "KiB"].findIndex((_, index) =>
    bytes > 0 && bytes % 2 ** (30 - 10 * index) === 0
  );
  if (unit < 0) return plural(bytes, "byte");
  return `${bytes / 2 ** (30 - 10 * unit)} ${["GiB", "MiB", "KiB"][unit]}`;
}

function pathsText(paths: readonly string[]): string {
  return some(paths.map(quote));
}

function some(items: readonly string[]): string {
  const more = items.length - MAX_ITEMS;
  const first = items.slice(0, MAX_ITEMS).join(", ");
  return more > 0 ? `${first} and ${more} more` : first;
}

function plural(count: number, word: string): string {
  return `${count === 0 ? "no" : count} ${word}${count === 1 ? "" : "s"}`;
}

/** A subject, and its text beside it. */
function paragraph(subject: string, text: string): string[] {
  return wrap(text, COLUMNS - INDENT).map((line, index) =>
    (index === 0 ? subject : "").padEnd(INDENT) + line
  );
}
