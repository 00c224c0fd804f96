/**
 * Users of the machine who want no good: made for the tests, removed after.
 *
 * @module
 */

import {
  exists,
  hostMounts,
  loopDevices,
  processes,
  RUN_DIRECTORY,
  STATE_DIRECTORY,
  unescapeOctal,
} from "../../e2e/support/mod.ts";

import { recordsOf } from "./records.ts";

/** A user. */
export interface Person {
  /** The name. */
  readonly name: string;
  /** The id, which the group of the same name has too. */
  readonly uid: number;
  /** The home, on a real disk. */
  readonly home: string;
  /** The first id of the range in subuid(5) and subgid(5), if there is one. */
  readonly range?: number;
}

/** Those who attack. */
export interface People {
  /** Has ranges of ids. */
  readonly mallory: Person;
  /** Has none. */
  readonly plain: Person;
  /** The name of a group that both are in, as one that forbids something. */
  readonly group: string;
}

/** How many ids a range has. */
export const RANGE = 65536;

const PREFIX = "cagesec";

/** Far from what adduser(8) gives; apart for tests that run at once. */
const FIRST_UID = 21_000;
const FIRST_RANGE = 1_000_000_000;
const SLOTS = 1000;

/**
 * Makes the users, after removing those of tests that were killed.
 *
 * @param directory A directory of root's, for the homes.
 * @returns The users. {@linkcode removePeople} takes them away.
 */
export function makePeople(directory: string): People {
  for (const name of strayNames()) removeStray(name);
  const slot = Deno.pid % SLOTS;
  const group = `${PREFIX}-${Deno.pid}-shut`;
  removeName(group);
  must("groupadd", "--gid", `${FIRST_UID + 3 * SLOTS + slot}`, group);
  const make = (role: string, at: number, ranged: boolean): Person => {
    const name = `${PREFIX}-${Deno.pid}-${role}`;
    const uid = FIRST_UID + 3 * slot + at;
    const home = `${directory}/home/${role}`;
    const range = ranged ? FIRST_RANGE + slot * RANGE : undefined;
    removeName(name);
    must("groupadd", "--gid", `${uid}`, name);
    must(
      ...["useradd", "--system", "--uid", `${uid}`, "--gid", name],
      ...["--no-create-home", "--home-dir", home, "--shell", "/bin/sh"],
      ...["--no-log-init", "--groups", group, name],
    );
    if (range !== undefined) addRange(name, range);
    const person = { name, uid, home, range };
    renewHome(person);
    return person;
  };
  return {
    mallory: make("mallory", 0, true),
    plain: make("plain", 1, false),
    group,
  };
}

/**
 * Gives a user an empty home.
 *
 * @param person The user.
 */
export function renewHome({ home, uid }: Person): void {
  removeTree(home);
  Deno.mkdirSync(home, { recursive: true });
  Deno.chmodSync(home, 0o700);
  Deno.chownSync(home, uid, uid);
}

/**
 * Takes away what `cage` keeps for a user, and all that holds it.
 *
 * @param person The user.
 */
export function removeState({ uid, home, range }: Person): void {
  removeProcesses(uid, range);
  for (const path of [home, ...directoriesOf(uid)]) removeTree(path);
  for (const path of recordsOf([{ uid }])) Deno.removeSync(path);
}

function removeProcesses(uid: number, range?: number): void {
  for (const { pid } of processesOf(uid, range)) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It has just ended by itself.
    }
  }
}

/**
 * Takes the users away, with all that is theirs.
 *
 * @param people The users.
 */
export function removePeople({ mallory, plain, group }: People): void {
  for (const person of [mallory, plain]) {
    removeState(person);
    removeName(person.name);
  }
  removeName(group);
}

/** Where `cage` keeps what is a user's. */
export function directoriesOf(uid: number): string[] {
  return [
    ...[RUN_DIRECTORY, STATE_DIRECTORY].map((path) => `${path}/user/${uid}`),
    // Of a copy without the set-user-ID bit.
    `/tmp/microcontainer-${uid}`,
  ];
}

/** Processes any of whose ids is the user's, or of the user's range. */
function processesOf(uid: number, range?: number) {
  const isTheirs = (id: number) =>
    id === uid || range !== undefined && id >= range && id < range + RANGE;
  return processes().filter(({ pid }) => uidsOf(pid).some(isTheirs));
}

/**
 * Reads whose a process is.
 *
 * @param pid The id.
 * @returns Real, effective, saved and file system user; nothing if it ended.
 */
export function uidsOf(pid: number): number[] {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return status.match(/^Uid:\s+(.+)$/m)![1].split(/\s+/).map(Number);
  } catch {
    return [];
  }
}

/** The file systems that are mounted below are left as they are. */
function removeTree(path: string): void {
  if (!exists(path)) return;
  const points = hostMounts()
    .map((line) => unescapeOctal(line.split(" ")[4]))
    .filter((point) => point.startsWith(`${path}/`));
  for (const point of points.reverse()) call("umount", "-l", point);
  for (const line of loopDevices()) {
    const [device, ...file] = line.split(" ");
    if (file.join(" ").startsWith(`${path}/`)) {
      call("losetup", "--detach", `/dev/${device}`);
    }
  }
  must("rm", "-rf", "--one-file-system", "--", path);
}

/** An entry of each file, whoever wrote it first. */
function addRange(name: string, first: number): void {
  const range = `${first}-${first + RANGE - 1}`;
  must("usermod", "--add-subuids", range, "--add-subgids", range, name);
}

/** Names of tests whose process is no more. */
function strayNames(): string[] {
  return ["/etc/passwd", "/etc/group"].flatMap((path) =>
    Deno.readTextFileSync(path).split("\n")
      .map((line) => line.split(":")[0])
      .filter((name) => {
        const pid = name.match(`^${PREFIX}-([0-9]+)-`)?.[1];
        return pid !== undefined && !exists(`/proc/${pid}`);
      })
  );
}

/** Removes what tests left that were killed, their files too. */
function removeStray(name: string): void {
  removeName(name);
  const directories = new RegExp(`^cage-e2e-${name.split("-")[1]}-`);
  for (const entry of [...Deno.readDirSync("/var/tmp")]) {
    if (directories.test(entry.name)) removeTree(`/var/tmp/${entry.name}`);
  }
}

/** Removes a user, its own group and ranges, or a group. */
function removeName(name: string): void {
  const line = lineOf("/etc/passwd", name);
  if (line !== undefined) {
    const uid = Number(line.split(":")[2]);
    for (const path of directoriesOf(uid)) removeTree(path);
    for (const path of recordsOf([{ uid }])) Deno.removeSync(path);
    must("userdel", "--force", name);
  }
  if (lineOf("/etc/group", name) !== undefined) must("groupdel", name);
}

function lineOf(path: string, name: string): string | undefined {
  return Deno.readTextFileSync(path).split("\n")
    .find((line) => line.startsWith(`${name}:`));
}

/** At the end of a file of tests nothing can be waited for. */
function call(program: string, ...args: string[]): Deno.CommandOutput {
  return new Deno.Command(program, { args, stdin: "null" }).outputSync();
}

function must(program: string, ...args: string[]): void {
  const { success, stderr } = call(program, ...args);
  if (success) return;
  const text = new TextDecoder().decode(stderr);
  throw new Error(`${program} ${args.join(" ")}: ${text}`);
}
