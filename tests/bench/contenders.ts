/**
 * What root measures: programs that run a command with its own processes,
 * mounts, IPC and host name.
 *
 * @module
 */

import { existsSync } from "@std/fs";
import { bundleOf, type Place, programOf } from "./place.ts";

/** Something that is measured. */
export interface Contender {
  /** Its name in tables. */
  readonly name: string;
  /** Gives the words that run a command. */
  readonly words: (place: Place, command: readonly string[]) => string[];
  /** Gives the words that bring about what is needed before. */
  readonly prepare?: (place: Place, command: readonly string[]) => string[];
  /** Gives the words that remove what it might have left. */
  readonly remove?: (place: Place) => string[];
}

/** What the others are compared with. */
export const PEER = "bwrap";

/** The same, with the mounts that `cage` makes of itself. */
export const PEER_MOUNTS = "bwrap, mounts of cage";

/** The program that ends at once, on the runtime and behind the guard. */
export const EMPTY = "empty program, guarded";

/** Words of bwrap(1) for the namespaces that all have. */
export const BWRAP_NAMESPACES: readonly string[] = [
  "--unshare-pid",
  "--unshare-ipc",
  "--unshare-uts",
];

/** Words of unshare(1) for the same. */
export const UNSHARE_NAMESPACES: readonly string[] = [
  "--mount",
  "--pid",
  "--fork",
  "--ipc",
  "--uts",
];

/** Empty programs on the runtime, which start no container. */
export const RUNTIME: readonly Contender[] = [
  { name: EMPTY, words: ({ empty }) => [empty] },
  {
    name: "empty program, deno run",
    words: (place) => [
      ...deno(place),
      `${place.checkout}/tests/bench/empty.ts`,
    ],
  },
];

/** Programs that run a command on the root of busybox. */
export const ON_BUSYBOX: readonly Contender[] = [
  {
    name: "cage",
    words: ({ cage, name, root }, command) => [
      ...[cage, "-n", name, "-l", root, "--"],
      ...command,
    ],
  },
  {
    name: "cage, deno run",
    words: (place, command) => [
      ...deno(place),
      ...[`${place.checkout}/mod.ts`, "-n", place.name, "-l", place.root],
      ...["--", ...command],
    ],
  },
  {
    name: "cage --compile",
    prepare: (place, command) => [
      ...[place.cage, "--compile", compiledOf(place, command)],
      ...["-n", place.name, "-l", place.root, "--", ...command],
    ],
    words: (place, command) => [compiledOf(place, command)],
  },
  {
    name: "bwrap",
    words: ({ root }, command) => [
      ...["bwrap", "--bind", root, "/", "--proc", "/proc", "--dev", "/dev"],
      ...BWRAP_NAMESPACES,
      ...command,
    ],
  },
  {
    name: PEER_MOUNTS,
    words: ({ root }, command) => [
      ...["bwrap", "--bind", root, "/", "--proc", "/proc", "--dev", "/dev"],
      ...[...BWRAP_NAMESPACES, "--unshare-cgroup", "--cap-drop", "ALL"],
      ...mountsOfCage(),
      ...command,
    ],
  },
  oci("crun"),
  oci("runc"),
  {
    name: "unshare",
    words: ({ root }, command) => [
      ...["unshare", ...UNSHARE_NAMESPACES, `--root=${root}`, "--mount-proc"],
      ...command,
    ],
  },
  {
    // Without a profile and with the option that Debian's configuration
    // forbids, see host.ts.
    name: "firejail",
    words: ({ root }, command) => [
      ...["firejail", "--quiet", "--noprofile", "--ipc-namespace"],
      ...[`--chroot=${root}`, ...command],
    ],
  },
  {
    name: "systemd-nspawn",
    words: ({ root }, command) => [
      ...["systemd-nspawn", "--quiet", "--register=no", "--keep-unit"],
      ...[`--directory=${root}`, ...command],
    ],
  },
  {
    name: "podman",
    words: ({ root, state }, command) => [
      // The latter may not be longer than 50 characters; /run is ours, see
      // host.ts.
      ...["podman", `--root=${state}/podman`, "--runroot=/run/podman"],
      ...["--storage-driver=vfs", "run"],
      ...["--rm", "--network=host", "--cgroups=disabled"],
      ...["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"],
      ...["--rootfs", root, ...command],
    ],
  },
  {
    name: "docker",
    prepare: ({ name, root }) => [
      ...["sh", "-ec"],
      `docker version >/dev/null\ntar -C "$1" -c . | docker import - "$2"`,
      ...["sh", root, name],
    ],
    words: ({ name }, command) => [
      ...["docker", "run", "--rm", "--network=host", name, ...command],
    ],
    remove: ({ name }) => ["docker", "rmi", "--force", name],
  },
];

/** Programs that run a command on the root of this machine. */
export const ON_MACHINE: readonly Contender[] = [
  {
    name: "cage",
    words: ({ cage, name }, command) => [cage, "-n", name, "--", ...command],
  },
  {
    name: "cage, deno run",
    words: (place, command) => [
      ...deno(place),
      ...[`${place.checkout}/mod.ts`, "-n", place.name, "--", ...command],
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

/**
 * Gives a runtime of the Open Container Initiative, which reads a bundle.
 *
 * @param program The name of the program.
 * @param flags Flags for it.
 * @returns The contender.
 */
export function oci(
  program: string,
  flags: readonly string[] = [],
): Contender {
  const root = ({ state }: Place) => [
    ...[program, `--root=${state}/${program}`, ...flags],
  ];
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
 * What `cage` mounts beside `/proc` and `/dev`, in words of bwrap(1), which has
 * no `--ro-bind` for a place that is not there: kernels differ in `/proc`.
 */
function mountsOfCage(): string[] {
  const bind = (path: string) => ["--ro-bind", path, path];
  const readOnly = ["bus", "fs", "irq", "sys", "sysrq-trigger"];
  const empty = ["kcore", "keys", "latency_stats", "sched_debug", "timer_list"]
    .concat("interrupts");
  const proc = (name: string) => `/proc/${name}`;
  return [
    ...bind("/sys"),
    ...["/tmp", "/var/tmp", "/run"].flatMap((path) => ["--tmpfs", path]),
    ...["/run/lock", "/run/user"].flatMap((path) => ["--dir", path]),
    ...["--dev-bind", "/dev/null", "/dev/console"],
    ...["/etc/resolv.conf", "/etc/hosts", ...readOnly.map(proc)]
      .filter((path) => existsSync(path)).flatMap(bind),
    ...empty.map(proc).filter((path) => existsSync(path))
      .flatMap((path) => ["--ro-bind", "/dev/null", path]),
    ...["acpi", "asound", "scsi"].map(proc)
      .concat("/sys/devices/virtual/powercap", "/sys/firmware")
      .filter((path) => existsSync(path)).flatMap((path) => ["--tmpfs", path]),
  ];
}

function compiledOf(place: Place, command: readonly string[]): string {
  return `${place.state}/compiled-${programOf(command)}`;
}

function deno({ deno, denoFlags }: Place): string[] {
  return [deno, "run", "-A", ...denoFlags];
}
