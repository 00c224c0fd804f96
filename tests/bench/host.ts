/**
 * Mount namespaces of the benchmark's own, in which everything is measured and
 * with which everything that was mounted there goes away.
 *
 * @module
 */

import { type Child, spawn } from "../e2e/support/process.ts";
import { exists } from "../e2e/support/words.ts";
import { namespaceOf } from "./processes.ts";

/** Longer than all that is measured, in milliseconds. */
const PATIENCE = 7_200_000;

/** The configuration of firejail, in which Debian forbids `--chroot`. */
const FIREJAIL = "/etc/firejail/firejail.config";

/** A mount namespace, as long as it is not removed. */
export class Host implements AsyncDisposable {
  /** Words before whatever is to run there. */
  readonly within: readonly string[];
  /** The id of the process that keeps it. */
  readonly pid: number;
  /** The namespace, as a link of /proc. */
  readonly namespace: string;
  readonly #keeper: Child;

  private constructor(keeper: Child) {
    this.#keeper = keeper;
    this.pid = keeper.pid;
    this.namespace = namespaceOf(keeper.pid)!;
    this.within = ["nsenter", `--mount=/proc/${keeper.pid}/ns/mnt`, "--"];
  }

  /**
   * Makes a mount namespace.
   *
   * @param scripts Shell scripts that mount what is wanted; the first failure
   * ends them.
   * @returns The namespace, in which they have run.
   */
  static async open(...scripts: string[]): Promise<Host> {
    // Interrupts go to all of a terminal's processes, and this one has to be
    // there for what is removed then. It ends with its standard input.
    const script = [
      "trap '' INT TERM HUP QUIT",
      ...scripts,
      "echo ready",
      "exec cat",
    ].join("\n");
    const keeper = spawn([
      ...["unshare", "--mount", "--propagation=private"],
      ...["sh", "-ec", script],
    ], { patience: PATIENCE });
    try {
      await keeper.seen("ready");
      return new Host(keeper);
    } catch (error) {
      await keeper[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Removes it, if nothing runs there any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper[Symbol.asyncDispose]();
  }
}

/**
 * Gives the script for a host on which every contender starts and leaves
 * nothing: with control groups of version 2 alone, without which some runtimes
 * do not start, and with a /run of its own.
 *
 * @param scratch A directory for files.
 * @returns A shell script.
 */
export function hostScript(scratch: string): string {
  return [
    "mount -t tmpfs -o mode=755 run /run",
    ...hasOldControlGroups()
      ? ["umount -R /sys/fs/cgroup", "mount -t cgroup2 cgroup2 /sys/fs/cgroup"]
      : [],
    ...exists(FIREJAIL)
      ? [
        `sed 's/^#* *chroot no/chroot yes/' ${FIREJAIL} >${scratch}/firejail`,
        `mount --bind ${scratch}/firejail ${FIREJAIL}`,
      ]
      : [],
  ].join("\n");
}

/** Of the first version or of both. */
export function hasOldControlGroups(): boolean {
  return exists("/sys/fs/cgroup") &&
    !exists("/sys/fs/cgroup/cgroup.controllers");
}

/**
 * Gives a script that mounts until the table of mounts has so many lines.
 *
 * @param count How many.
 * @param scratch A directory, in which others are made to mount on.
 * @returns A shell script. It fails if there are more already.
 */
export function mountsScript(count: number, scratch: string): string {
  return `mkdir -p ${scratch}/source
at=$(wc -l </proc/self/mountinfo)
[ "$at" -le ${count} ]
while [ "$at" -lt ${count} ]; do
  at=$((at + 1))
  mkdir -p ${scratch}/$at
  mount --bind ${scratch}/source ${scratch}/$at
done`;
}
