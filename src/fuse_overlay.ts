/**
 * An overlay that a program makes, fuse-overlayfs, where the kernel's cannot
 * have its upper directory.
 *
 * What the program serves must not be in reach of a container that it serves:
 * a signal to everybody (`kill -9 -1`) would take the root from below it, and
 * whoever may trace the program has the descriptors of the host that it has.
 * So it is started from outside: by a process that enters the user namespace
 * and the mount namespace of the container and not its pid namespace, while the
 * container waits for its ids. There it is nobody's child, and nobody sees it.
 *
 * It has a mount namespace of its own, in which nothing keeps the mount that it
 * serves. When the container has ended, its mount namespace goes, the mount
 * with it, what was written last is served still, and then the program ends.
 *
 * @module
 */

import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  CLONE_NEWNS,
  CLONE_NEWUSER,
  CLOSE_RANGE_CLOEXEC,
  MNT_DETACH,
  O_CLOEXEC,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  PR_CAP_AMBIENT,
  SIGINFO,
} from "../ffi/constants.ts";
import { S_IFREG } from "../ffi/file_types.ts";
import type { Program } from "../ffi/step.ts";
import type { Identity } from "./caller.ts";
import type { Skeleton } from "./facts.ts";
import { FUSE_PROGRAM } from "./fuse_words.ts";
import { ROOT } from "./overlay.ts";
import {
  endWithParent,
  startProcess,
  unblockSignals,
  waitForProcess,
} from "./process.ts";
import { quote } from "./quote.ts";
import { CAPABILITY_VERSION } from "./restrictions.ts";
import {
  attachMount,
  copyMount,
  INERT,
  label,
  NONE,
  type PlanStep,
  prefixes,
} from "./step.ts";

/** What an overlay is made of. All paths are absolute, and of the host. */
export interface FuseOverlay {
  /** The path of the program. */
  readonly program: string;
  /** The paths of the lower layers, the top first. */
  readonly layers: readonly string[];
  /** The path of the upper directory. */
  readonly upper: string;
  /** The path of the work directory, on the same mount. */
  readonly work: string;
  /** Directories of the upper layer that are there before they are needed. */
  readonly skeleton: readonly Skeleton[];
  /** Files that no layer has and that have to be there, empty. */
  readonly absent: readonly string[];
  /** Ids inside that are not the caller's, if there are any. */
  readonly guest?: Pick<Identity, "gid" | "uid">;
}

/** What the process has that starts the program. */
export interface FuseDescriptors {
  /** A pidfd of the container's first process. */
  readonly container: number;
  /** A file for what the program has to say. */
  readonly words: number;
}

/**
 * Capabilities that the program has where it is not root: to mount, and for the
 * files of whomever there is in the container. Numbers of linux/capability.h.
 */
const CAPABILITIES = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_FOWNER: 3,
  CAP_FSETID: 4,
  CAP_SYS_ADMIN: 21,
  CAP_MKNOD: 27,
  CAP_SETFCAP: 31,
};

/**
 * A directory that is in every `/proc`, and empty (proc_root_init() of
 * fs/proc/root.c, Linux 2.6 to 6.18). What is mounted on it covers no layer.
 */
const PLACE = "/proc/driver";

/** prctl(2): add a capability to the ambient set, linux/prctl.h, Linux 4.3. */
const PR_CAP_AMBIENT_RAISE = 2;

/** What is there, in the mount namespace of the program. */
const STORAGE = `${PLACE}/storage`;
const ABSENT = `${PLACE}/absent`;
const MOUNT = `${PLACE}/mount`;

/** Characters that options of the program are divided by. */
const SPECIAL = /[:,\\]/;

/**
 * Tells whether the program can be given the upper and the work directory: of
 * their paths it reads what is below the directory that has both.
 *
 * @param fuse The directories.
 * @returns Whether it can.
 *
 * @example A colon above, and one below
 * ```ts
 * import { canBeNamed } from "cage/src/fuse_overlay.ts";
 * import { assert } from "@std/assert";
 *
 * assert(canBeNamed({ upper: "/a:b/upper", work: "/a:b/work" }));
 * assert(!canBeNamed({ upper: "/a/b:c/upper", work: "/a/work" }));
 * ```
 */
export function canBeNamed(
  fuse: Pick<FuseOverlay, "upper" | "work">,
): boolean {
  const { upper, work } = waysDown(fuse);
  return !SPECIAL.test(upper) && !SPECIAL.test(work);
}

/**
 * Mounts the overlay where {@linkcode fuseSteps} takes it: what a child of the
 * launcher does while the container waits.
 *
 * @param fuse What the overlay is made of.
 * @param descriptors What the child has.
 * @returns The program, to be run by clone(2) without flags. It exits with 1 if
 * fuse-overlayfs has failed, which has said why.
 *
 * @example What is executed
 * ```ts
 * import { fuseProgram } from "cage/src/fuse_overlay.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const { steps } = fuseProgram({
 *   program: "/usr/bin/fuse-overlayfs",
 *   layers: ["/"],
 *   upper: "/mnt/a/upper",
 *   work: "/mnt/a/work",
 *   skeleton: [],
 *   absent: [],
 * }, { container: 10, words: 11 });
 * assertEquals(steps.at(-1)?.args[0], "/usr/bin/fuse-overlayfs");
 * ```
 */
export function fuseProgram(
  fuse: FuseOverlay,
  { container, words }: FuseDescriptors,
): Program {
  return {
    buffers: { zero: 8, fuse: 8, "fuse-info": SIGINFO.size },
    steps: [
      ...enterSteps(container),
      ...skeletonSteps(fuse),
      ...layerSteps(fuse),
      ...absentSteps(fuse.absent),
      ...waitSteps(fuse),
      ...handOverSteps(fuse),
      { call: "exit_group", args: [0] },
      label("execute-fuse"),
      ...executeSteps(fuse, words),
    ],
  };
}

/**
 * Takes the overlay that {@linkcode fuseProgram} has mounted, over the root of
 * the private mount namespace, in place of the steps of the kernel's overlay.
 *
 * @returns The steps; `ROOT` is a descriptor.
 *
 * @example The root
 * ```ts
 * import { fuseSteps } from "cage/src/fuse_overlay.ts";
 * import { ROOT } from "cage/src/overlay.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(fuseSteps()[0].name, ROOT);
 * ```
 */
export function fuseSteps(): PlanStep[] {
  const why = "Cannot use the overlay of fuse-overlayfs";
  return [
    copyMount(AT_FDCWD, PLACE, false, { name: ROOT, why }),
    attachMount(ROOT, "/", { why }),
  ];
}

/** The directory that has both, and the ways down from there. */
function waysDown(
  { upper, work }: Pick<FuseOverlay, "upper" | "work">,
): { readonly above: string; readonly upper: string; readonly work: string } {
  const [some, others] = [upper, work].map((path) =>
    path.split("/").filter((part) => part !== "")
  );
  const differ = some.findIndex((part, index) => part !== others[index]);
  const end = differ === -1 ? some.length : differ;
  return {
    above: `/${some.slice(0, end).join("/")}`,
    upper: some.slice(end).join("/"),
    work: others.slice(end).join("/"),
  };
}

/**
 * The mount namespace of its own is a copy of the container's, which is where
 * to come back to.
 */
function enterSteps(container: number): PlanStep[] {
  const why = "Cannot enter the namespaces of the container";
  return [
    {
      call: "setns",
      args: [container, CLONE_NEWUSER | CLONE_NEWNS],
      why,
    },
    endWithParent(),
    { call: "umask", args: [0] },
    {
      name: "container",
      call: "openat",
      args: [AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC],
      why,
    },
    {
      call: "unshare",
      args: [CLONE_NEWNS],
      why: "Cannot make a mount namespace for the overlay",
      hints: { ENOSPC: "raise the limit user.max_mnt_namespaces" },
    },
  ];
}

/**
 * What cannot be made is not there to be written to, and no more. An empty
 * directory hides what is below it by an attribute, or where there can be none
 * by a file: fuse-overlayfs(1) takes either.
 */
function skeletonSteps(
  { skeleton, upper }: Pick<FuseOverlay, "skeleton" | "upper">,
): PlanStep[] {
  return skeleton.flatMap(({ isEmpty, mode, path }): PlanStep[] => {
    const end = `skeleton:${path}`;
    const whole = `${upper}${path}`;
    const flags = O_CREAT | O_WRONLY | O_CLOEXEC;
    return [
      {
        call: "mkdirat",
        args: [AT_FDCWD, whole, mode],
        onError: { goto: end },
      },
      ...(isEmpty
        ? [
          {
            call: "openat",
            args: [AT_FDCWD, `${whole}/.wh..wh..opq`, flags, 0o600],
            onError: {},
          } as const,
        ]
        : []),
      label(end),
    ];
  });
}

/**
 * Layers get names without a special character. Mounts below them are seen, as
 * by any path, since the kernel lets nobody take a part of a tree that hides
 * what another user has mounted.
 */
function layerSteps(
  { layers, upper, work }: Pick<FuseOverlay, "layers" | "upper" | "work">,
): PlanStep[] {
  const { above } = waysDown({ upper, work });
  const whyPlace = "Cannot mount a tmpfs for the overlay";
  const sources = [
    ...layers.map((path, index) => ({
      path,
      place: layerPlace(index),
      why: `Cannot use lower directory ${quote(path)}`,
    })),
    {
      path: above,
      place: STORAGE,
      why: `Cannot use upper directory ${quote(upper)}`,
    },
  ];
  return [
    // Before anything is mounted that they would have a copy of.
    ...sources.map(({ path, place, why }) =>
      copyMount(AT_FDCWD, path, true, { name: place, why })
    ),
    {
      call: "mount",
      args: ["tmpfs", PLACE, "tmpfs", INERT, "mode=0755"],
      why: whyPlace,
    },
    ...sources.flatMap(({ place, why }) => [
      makeDirectory(place),
      attachMount(place, place, { why }),
    ]),
    makeDirectory(MOUNT),
  ];
}

function layerPlace(index: number): string {
  return `${PLACE}/${index}`;
}

function makeDirectory(path: string): PlanStep {
  return {
    call: "mkdirat",
    args: [AT_FDCWD, path, 0o755],
    why: "Cannot make directories for the overlay",
  };
}

/** A layer below all others. */
function absentSteps(paths: readonly string[]): PlanStep[] {
  if (paths.length === 0) return [];
  const above = paths.flatMap((path) => prefixes(path).slice(0, -1));
  return [
    ...["", ...new Set(above)].map((path) => makeDirectory(`${ABSENT}${path}`)),
    ...paths.map((path): PlanStep => ({
      call: "mknodat",
      args: [AT_FDCWD, `${ABSENT}${path}`, S_IFREG | 0o644, 0],
      why: "Cannot make a layer for files of the host",
    })),
  ];
}

/** Without them, nobody but root has any capability once it is executed. */
function capabilitySteps(): PlanStep[] {
  const why = `Cannot keep the capabilities of ${FUSE_PROGRAM}`;
  const [all, none] = [0xffffffff, 0];
  const bits = Object.values(CAPABILITIES);
  const inheritable = bits.reduce((set, bit) => set | 1 << bit, 0);
  const words = (...numbers: number[]) =>
    new Uint8Array(new Uint32Array(numbers).buffer);
  const data = words(all, all, inheritable, all, all, none);
  return [
    { call: "capset", args: [words(CAPABILITY_VERSION, 0), data], why },
    ...bits.map((bit): PlanStep => ({
      call: "prctl",
      args: [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, NONE, NONE],
      why,
    })),
  ];
}

/** It goes to the background, and ends, when it serves. */
function waitSteps({ program }: FuseOverlay): PlanStep[] {
  const why = `Cannot start ${quote(program)}`;
  return [
    startProcess("fuse", 0, "execute-fuse", why),
    ...waitForProcess("fuse", "fuse-serves", why),
    label("fuse-serves"),
  ];
}

/**
 * The mount goes from this mount namespace to that of the container: whatever
 * comes of that, it must not stay, or the program would serve it for ever.
 */
function handOverSteps({ upper }: FuseOverlay): PlanStep[] {
  const why = `Cannot use upper directory ${quote(upper)}`;
  const name = "taken";
  return [
    copyMount(AT_FDCWD, MOUNT, false, { name, onError: {}, why }),
    { call: "umount2", args: [MOUNT, MNT_DETACH], why },
    { call: "setns", args: [{ result: "container" }, CLONE_NEWNS], why },
    attachMount(name, PLACE, { why }),
  ];
}

function executeSteps(fuse: FuseOverlay, words: number): PlanStep[] {
  const why = `Cannot run ${quote(fuse.program)}`;
  return [
    endWithParent(),
    ...capabilitySteps(),
    {
      name: "nothing",
      call: "openat",
      args: [AT_FDCWD, "/dev/null", O_RDWR],
      why: 'Cannot open "/dev/null"',
    },
    ...[{ result: "nothing" }, words, words].map((from, to): PlanStep => ({
      call: "dup3",
      args: [from, to, 0],
      why,
    })),
    { call: "close_range", args: [3, 0xffffffff, CLOSE_RANGE_CLOEXEC], why },
    unblockSignals(),
    ...giveSteps(fuse),
    execute(fuse, []),
    label("gives-nothing"),
    // All files are root's then, instead of not to be changed.
    execute(fuse, ["squash_to_root"]),
  ];
}

/**
 * Some file systems, such as NFS, let a user give no file to another one, not
 * even to one of the user's own ranges.
 */
function giveSteps({ guest, work }: FuseOverlay): PlanStep[] {
  if (guest === undefined) return [];
  const path = `${work}/.cage-given`;
  const { gid, uid } = guest;
  return [
    {
      call: "mknodat",
      args: [AT_FDCWD, path, S_IFREG | 0o600, 0],
      onError: {},
    },
    {
      call: "fchownat",
      args: [AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW],
      onError: { goto: "gives-nothing" },
    },
    { call: "unlinkat", args: [AT_FDCWD, path, 0], onError: {} },
  ];
}

/**
 * Every user of the container has to reach what another one serves, and
 * set-user-ID bits count as in the kernel's overlay: defaults only for root.
 */
function execute(
  fuse: FuseOverlay,
  more: readonly string[],
): PlanStep {
  const { absent, layers, program } = fuse;
  const { upper, work } = waysDown(fuse);
  const lower = [
    ...layers.map((_, index) => layerPlace(index)),
    ...(absent.length > 0 ? [ABSENT] : []),
  ];
  const options = [
    `lowerdir=${lower.join(":")}`,
    `upperdir=${STORAGE}/${upper}`,
    `workdir=${STORAGE}/${work}`,
    "allow_other",
    "suid",
    ...more,
  ].join(",");
  return {
    call: "execve",
    args: [program, [FUSE_PROGRAM, "-o", options, MOUNT], []],
    why: `Cannot run ${quote(program)}`,
  };
}
