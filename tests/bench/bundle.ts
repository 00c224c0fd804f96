/**
 * A bundle of the Open Container Initiative: what a runtime such as runc reads.
 *
 * @module
 */

import { bundleOf, type Place } from "./place.ts";

/** A user and group of the host that root inside is. */
export interface Owner {
  /** The user. */
  readonly uid: number;
  /** The group. */
  readonly gid: number;
}

/**
 * Writes the bundle for a command, no more in it than others do as well.
 *
 * @param place Where.
 * @param command The command.
 * @param owner Whom a user namespace is for, if there is to be one.
 */
export async function writeBundle(
  place: Place,
  command: readonly string[],
  owner?: Owner,
): Promise<void> {
  const path = bundleOf(place, command);
  await Deno.mkdir(path);
  await Deno.writeTextFile(
    `${path}/config.json`,
    JSON.stringify(configuration(place, command, owner)),
  );
}

function configuration(
  { name, root }: Place,
  command: readonly string[],
  owner?: Owner,
) {
  return {
    ociVersion: "1.0.2",
    hostname: "bench",
    root: { path: root },
    process: {
      args: command,
      cwd: "/",
      env: ["PATH=/bin"],
      user: { uid: 0, gid: 0 },
    },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      {
        destination: "/dev",
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "mode=755"],
      },
    ],
    linux: {
      namespaces: [...owner ? ["user"] : [], "pid", "mount", "ipc", "uts"]
        .map((type) => ({ type })),
      ...owner
        ? { uidMappings: one(owner.uid), gidMappings: one(owner.gid) }
        : { cgroupsPath: `/${name}` },
    },
  };
}

function one(hostID: number) {
  return [{ containerID: 0, hostID, size: 1 }];
}
