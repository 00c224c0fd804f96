/**
 * Ordinary users who run suites of tests, and copies of what they run: the
 * checkout, Deno, and the directories above may be for others alone.
 *
 * @module
 */

import { existsSync } from "@std/fs";
import { join } from "@std/path";
import { ROOTS } from "../tests/e2e/support/roots.ts";
import { wordsAs } from "../tests/security/support/as.ts";
import {
  makePeople,
  type Person,
  removePeople,
} from "../tests/security/support/people.ts";

/** Whether a user has ranges in subuid(5) and subgid(5). */
export type Kind = "with ranges" | "without ranges";

/** Users, and what they can read. */
export interface Stage extends Disposable {
  /** The checkout. */
  readonly root: string;
  /** The program under test, without a setuid bit. */
  readonly cage: string;
  /** The path of Deno. */
  readonly deno: string;
  /** Gives the words that make a program a user's. */
  words(kind: Kind, env: Readonly<Record<string, string>>): string[];
}

/** Not /var/tmp, which is another one inside. */
const PARENT = "/var/cache";

const PREFIX = "cage-users-";

/** Where roots of Debian are kept, below a home. */
const DEBIAN = ".cache/cage-tests";

/** What of a checkout is made, or is of no use to tests. */
const LEFT_OUT = [".deno", ".git", "bin", "node_modules"];

/** What users are told of the machine, beside who they are. */
const PASSED_ON = /^(?:(?:https?|no|all)_proxy|NO_COLOR)$/i;

/** Signals that end a run before its time. */
const ENDINGS: readonly [signal: Deno.Signal, number: number][] = [
  ["SIGHUP", 1],
  ["SIGINT", 2],
  ["SIGTERM", 15],
];

/**
 * Makes users, and copies for them.
 *
 * @param root The checkout.
 * @param binary The program under test.
 * @param hasImportMap Whether the sources of @std are elsewhere than in JSR.
 * @returns Both, until it is disposed of or a signal ends the run.
 */
export function setStage(
  root: string,
  binary: string,
  hasImportMap: boolean,
): Stage {
  using stack = new DisposableStack();
  removeStrays();
  const directory = Deno.makeTempDirSync({
    dir: PARENT,
    prefix: `${PREFIX}${Deno.pid}-`,
  });
  stack.defer(() => must("rm", "-rf", "--", directory));
  Deno.chmodSync(directory, 0o755);
  const at = (name: string) => join(directory, name);
  copyCheckout(root, at("checkout"));
  copyProgram(binary, at("cage"));
  copyProgram(Deno.execPath(), at("deno"));
  const people = makePeople(directory);
  stack.defer(() => removePeople(people));
  const { mallory: ranged, plain } = people;
  stack.defer(() => [ranged, plain].forEach(removeScratch));
  const runtime = makeRuntimeDirectory(ranged, stack);
  const within = giveFuse(at("fuse"));
  giveDebian(ranged);
  if (!hasImportMap) [ranged, plain].forEach(giveModules);
  const all = stack.move();
  removeAtSignals(all);
  return {
    root: at("checkout"),
    cage: at("cage"),
    deno: at("deno"),
    words: (kind, env) => [
      ...within,
      ...(kind === "with ranges"
        ? wordsOf(ranged, { ...env, XDG_RUNTIME_DIR: runtime })
        : wordsOf(plain, env)),
    ],
    [Symbol.dispose]: () => all.dispose(),
  };
}

function wordsOf(
  person: Person,
  env: Readonly<Record<string, string>>,
): string[] {
  const passedOn = Object.entries(Deno.env.toObject())
    .filter(([name]) => PASSED_ON.test(name));
  return wordsAs(person, { ...Object.fromEntries(passedOn), ...env });
}

/** Directories of runs that were killed. */
function removeStrays(): void {
  for (const { name } of Deno.readDirSync(PARENT)) {
    const pid = name.match(`^${PREFIX}([0-9]+)-`)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    must("rm", "-rf", "--", join(PARENT, name));
  }
}

function copyCheckout(from: string, to: string): void {
  Deno.mkdirSync(to);
  const names = [...Deno.readDirSync(from)].map(({ name }) => name)
    .filter((name) => !LEFT_OUT.includes(name));
  must("cp", "-R", "--", ...names.map((name) => join(from, name)), to);
  // The import map of other sources of @std.
  const map = ".deno/std_map.json";
  if (existsSync(join(from, map))) {
    Deno.mkdirSync(join(to, ".deno"));
    Deno.copyFileSync(join(from, map), join(to, map));
  }
  must("chmod", "-R", "a+rX", to);
}

function copyProgram(from: string, to: string): void {
  Deno.copyFileSync(from, to);
  Deno.chmodSync(to, 0o755);
}

/** As a login makes it, see pam_systemd(8). */
function makeRuntimeDirectory({ uid }: Person, stack: DisposableStack): string {
  const parent = "/run/user";
  const path = `${parent}/${uid}`;
  if (!existsSync(parent)) {
    Deno.mkdirSync(parent, { mode: 0o755 });
    stack.defer(() => must("rmdir", "--ignore-fail-on-non-empty", parent));
  }
  Deno.mkdirSync(path, { recursive: true });
  stack.defer(() => must("rm", "-rf", "--", path));
  Deno.chmodSync(path, 0o700);
  Deno.chownSync(path, uid, uid);
  return path;
}

/**
 * Lets everybody open /dev/fuse, as systems do with whom users log in, but
 * nowhere else: in a mount namespace.
 */
function giveFuse(path: string): string[] {
  if (!existsSync("/dev/fuse")) return [];
  // Documentation/admin-guide/devices.txt of Linux.
  must("mknod", "--mode=666", path, "c", "10", "229");
  const script = 'mount --bind "$0" /dev/fuse; exec "$@"';
  return ["unshare", "--mount", "sh", "-ec", script, path];
}

/** The first argument is copied to the second one by the words that follow. */
const UNPACK = `
from=$1 to=$2; shift 2
tar -C "$from" -c --one-file-system --exclude='./dev/*' . | "$@" \\
  bash -ec 'mkdir -p "$1"; exec tar -C "$1" -xp --numeric-owner' bash "$to"`;

/** Gives a user roots that were made for root's tests, with ids of the user. */
function giveDebian(person: Person): void {
  if (!existsSync(ROOTS)) return;
  const mapped = ["unshare", "--user", "--map-root-user", "--map-auto", "--"];
  for (const { name } of Deno.readDirSync(ROOTS)) {
    if (!name.startsWith("debian-")) continue;
    must(
      ...["bash", "-o", "pipefail", "-ec", UNPACK, "bash"],
      ...[join(ROOTS, name), join(person.home, DEBIAN, name)],
      ...[...wordsAs(person), ...mapped],
    );
  }
}

/** Gives a user what has been got from JSR. */
function giveModules({ home, uid }: Person): void {
  const { modulesCache } = JSON.parse(must(Deno.execPath(), "info", "--json"));
  if (!existsSync(modulesCache)) return;
  const cache = join(home, ".cache/deno");
  Deno.mkdirSync(cache, { recursive: true });
  must("cp", "-R", "--", modulesCache, join(cache, "remote"));
  must("chown", "-R", `${uid}:${uid}`, join(home, ".cache"));
}

/** What tests made that were killed, in the directories of everybody. */
function removeScratch({ uid }: Person): void {
  must(
    ...["find", "/tmp", "/var/tmp", "/dev/shm", "-mindepth", "1", "-maxdepth"],
    ...["1", "-uid", `${uid}`, "-exec", "rm", "-rf", "--", "{}", "+"],
  );
}

function removeAtSignals(all: DisposableStack): void {
  for (const [signal, number] of ENDINGS) {
    const end = () => {
      all.dispose();
      Deno.exit(128 + number);
    };
    Deno.addSignalListener(signal, end);
    all.defer(() => Deno.removeSignalListener(signal, end));
  }
}

function must(program: string, ...args: string[]): string {
  const { success, stderr, stdout } = new Deno.Command(program, {
    args,
    stdin: "null",
  }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (success) return text(stdout);
  throw new Error(`Cannot run "${program} ${args.join(" ")}": ${text(stderr)}`);
}
