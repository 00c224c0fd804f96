/**
 * What is measured: programs that run a command with its own processes,
 * mounts, IPC and host name.
 *
 * @module
 */

import { CHECKOUT } from "../e2e/support/words.ts";

/** What a command is run on. */
export interface Place {
  /** The path of a root file system that has a static busybox and no more. */
  readonly root: string;
  /** A directory for what a program keeps. */
  readonly state: string;
  /** The name of the container. */
  readonly name: string;
  /** An empty program, built as `bin/cage` is. */
  readonly empty: string;
  /** Arguments of `deno run`. */
  readonly denoFlags: readonly string[];
}

/** Something that is measured. */
export interface Contender {
  /** Its name in tables. */
  readonly name: string;
  /** Gives the words that run a command. */
  readonly words: (place: Place, command: readonly string[]) => string[];
  /** Gives the words that bring about what is needed before. */
  readonly prepare?: (place: Place) => string[];
  /** Gives the words that remove what it might have left. */
  readonly remove?: (place: Place) => string[];
}

/** What the others are compared with. */
export const PEER = "bwrap";

/** The program that ends at once, on the runtime and behind the guard. */
export const EMPTY = "empty program, guarded";

/** The program that is measured, as `make` builds it. */
export const CAGE = `${CHECKOUT}/bin/cage`;

const BWRAP_NAMESPACES = [
  "--unshare-pid",
  "--unshare-ipc",
  "--unshare-uts",
];

const SOURCE = `${CHECKOUT}/mod.ts`;

/** Empty programs on the runtime, which start no container. */
export const RUNTIME: readonly Contender[] = [
  { name: EMPTY, words: ({ empty }) => [empty] },
  {
    name: "empty program, deno run",
    words: ({ denoFlags }) => [
      ...deno(denoFlags),
      `${CHECKOUT}/tests/bench/empty.ts`,
    ],
  },
];

/** Programs that run a command on the root of busybox. */
export const ON_BUSYBOX: readonly Contender[] = [
  {
    name: "cage",
    words: ({ name, root }, command) => [
      ...[CAGE, "-n", name, "-l", root, "--"],
      ...command,
    ],
  },
  {
    name: "cage, deno run",
    words: ({ denoFlags, name, root }, command) => [
      ...deno(denoFlags),
      ...[SOURCE, "-n", name, "-l", root, "--"],
      ...command,
    ],
  },
  {
    name: "bwrap",
    words: ({ root }, command) => [
      ...["bwrap", "--bind", root, "/", "--proc", "/proc", "--dev", "/dev"],
      ...BWRAP_NAMESPACES,
      ...command,
    ],
  },
  oci("crun"),
  oci("runc"),
  {
    name: "unshare",
    words: ({ root }, command) => [
      ...["unshare", "--mount", "--pid", "--fork", "--ipc", "--uts"],
      ...[`--root=${root}`, "--mount-proc"],
      ...command,
    ],
  },
  {
    name: "systemd-nspawn",
    words: ({ root }, command) => [
      ...["systemd-nspawn", "--quiet", "--register=no", "--keep-unit"],
      ...[`--directory=${root}`],
      ...command,
    ],
  },
  {
    name: "podman",
    words: ({ root, state }, command) => [
      ...["podman", `--root=${state}/podman`],
      ...[`--runroot=${state}/podman-run`, "--storage-driver=vfs", "run"],
      ...["--rm", "--network=host", "--cgroups=disabled"],
      ...["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"],
      ...["--rootfs", root],
      ...command,
    ],
  },
  {
    name: "docker",
    prepare: ({ name, root }) => [
      ...[
        "sh",
        "-ec",
        `docker version >/dev/null
tar -C "$1" -c . | docker import - "$2"`,
      ],
      ...["sh", root, name],
    ],
    words: ({ name }, command) => [
      ...["docker", "run", "--rm", "--network=host", name],
      ...command,
    ],
    remove: ({ name }) => ["docker", "rmi", "--force", name],
  },
];

/** Programs that run a command on the root of this machine. */
export const ON_MACHINE: readonly Contender[] = [
  {
    name: "cage",
    words: ({ name }, command) => [CAGE, "-n", name, "--", ...command],
  },
  {
    name: "cage, deno run",
    words: ({ denoFlags, name }, command) => [
      ...deno(denoFlags),
      ...[SOURCE, "-n", name, "--"],
      ...command,
    ],
  },
  {
    name: "bwrap",
    words: (_, command) => [
      ...["bwrap", "--bind", "/", "/", "--proc", "/proc", "--dev", "/dev"],
      ...BWRAP_NAMESPACES,
      ...command,
    ],
  },
  {
    name: "firejail",
    words: (_, command) => [
      ...["firejail", "--quiet", "--noprofile", "--ipc-namespace"],
      ...command,
    ],
  },
];

/** A runtime of the Open Container Initiative, which reads a bundle. */
function oci(program: string): Contender {
  const root = ({ state }: Place) => [program, `--root=${state}/${program}`];
  return {
    name: program,
    words: (place, command) => [
      ...root(place),
      ...["run", `--bundle=${bundleOf(place, command)}`, place.name],
    ],
    remove: (place) => [...root(place), "delete", "--force", place.name],
  };
}

/**
 * Gives the path of the bundle for a command; only its first word matters.
 *
 * @param place Where bundles are.
 * @param command The command.
 * @returns The path.
 */
export function bundleOf(
  { state }: Place,
  [program]: readonly string[],
): string {
  return `${state}/bundle-${program.split("/").at(-1)}`;
}

function deno(flags: readonly string[]): string[] {
  return [Deno.execPath(), "run", "-A", ...flags];
}
