/**
 * A bundle of the Open Container Initiative: what a runtime such as runc reads.
 *
 * @module
 */

import { bundleOf, type Place } from "./contenders.ts";

/**
 * Writes the bundle for a command, no more in it than others do as well.
 *
 * @param place Where.
 * @param command The command.
 */
export async function writeBundle(
  place: Place,
  command: readonly string[],
): Promise<void> {
  const path = bundleOf(place, command);
  await Deno.mkdir(path);
  await Deno.writeTextFile(
    `${path}/config.json`,
    JSON.stringify(configuration(place, command)),
  );
}

function configuration({ name, root }: Place, command: readonly string[]) {
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
      cgroupsPath: `/${name}`,
      namespaces: ["pid", "mount", "ipc", "uts"].map((type) => ({ type })),
    },
  };
}
