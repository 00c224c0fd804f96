/**
 * A user without privileges, made for the benchmark and removed with it.
 *
 * @module
 */

import { output, run } from "../e2e/support/process.ts";

/** A user, as long as it is not removed. */
export class User implements AsyncDisposable {
  /** The name. */
  readonly name: string = `cage-bench-${Deno.pid}`;
  /** The directory that is the user's. */
  readonly directory: string;
  /** The id of the user. */
  uid = -1;
  /** The id of the group. */
  gid = -1;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /**
   * Makes a user, with subordinate ids if the machine gives any.
   *
   * @param directory The path of the user's directory, which is made.
   * @returns The user.
   */
  static async make(directory: string): Promise<User> {
    const user = new User(directory);
    try {
      await output([
        ...["useradd", "--no-create-home", "--user-group"],
        ...[`--home-dir=${directory}`, "--shell=/bin/sh", user.name],
      ]);
      user.uid = Number(await output(["id", "-u", user.name]));
      user.gid = Number(await output(["id", "-g", user.name]));
      await Deno.mkdir(directory, { mode: 0o700 });
      await Deno.chown(directory, user.uid, user.gid);
      return user;
    } catch (error) {
      await user[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A script that gives the user a directory in a new /run. */
  get script(): string {
    const owner = `-o ${this.uid} -g ${this.gid}`;
    return `install -d -m 0700 ${owner} ${this.#runtime}`;
  }

  /** Where login(1) puts it, as podman takes no path of 50 characters. */
  get #runtime(): string {
    return `/run/user/${this.uid}`;
  }

  /** Words before whatever the user runs. */
  get within(): readonly string[] {
    return [
      ...["setpriv", `--reuid=${this.uid}`, `--regid=${this.gid}`],
      ...["--clear-groups", "env", `HOME=${this.directory}`],
      ...[`XDG_RUNTIME_DIR=${this.#runtime}`, `USER=${this.name}`],
      ...[`LOGNAME=${this.name}`, `--chdir=${this.directory}`],
    ];
  }

  /** Removes the user, whose processes have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { status } = await run(["id", this.name]);
    if (status !== 0) return;
    await output(["userdel", this.name]);
  }
}
