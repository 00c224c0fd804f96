/**
 * What a user without privileges measures, each with a user namespace.
 *
 * @module
 */

import {
  BWRAP_NAMESPACES,
  type Contender,
  oci,
  UNSHARE_NAMESPACES,
} from "./contenders.ts";

/** Programs that run a command on the root of busybox. */
export const ROOTLESS: readonly Contender[] = [
  {
    name: "cage",
    words: ({ cage, name, root }, command) => [
      ...[cage, "-n", name, "-l", root, "--"],
      ...command,
    ],
  },
  {
    name: "bwrap",
    words: ({ root }, command) => [
      ...["bwrap", "--unshare-user", "--bind", root, "/"],
      ...["--proc", "/proc", "--dev", "/dev"],
      ...BWRAP_NAMESPACES,
      ...command,
    ],
  },
  oci("crun", ["--cgroup-manager=disabled"]),
  oci("runc"),
  {
    name: "unshare",
    words: ({ root }, command) => [
      ...["unshare", "--user", "--map-root-user", ...UNSHARE_NAMESPACES],
      ...[`--root=${root}`, "--mount-proc"],
      ...command,
    ],
  },
  {
    name: "podman",
    words: ({ root }, command) => [
      ...["podman", "run", "--rm", "--network=host", "--cgroups=disabled"],
      ...["--rootfs", root, ...command],
    ],
  },
];
