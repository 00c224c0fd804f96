/**
 * What a traced launch did with paths of the host, and with whose rights.
 *
 * @module
 */

import { join } from "@std/path";
import {
  confine,
  type Credentials,
  credentialsOf,
  follow,
  type Mapping,
  setuidRoot,
} from "./credentials.ts";
import { descriptorOf, readCalls, textOf, type TracedCall } from "./strace.ts";

/** A path that a call named, or that an open led to. */
export interface Access {
  /** The call. */
  readonly call: TracedCall;
  /** The path, absolute. */
  readonly path: string;
  /** Whether only a descriptor was given, and no path was looked up. */
  readonly held: boolean;
  /** Whether something is created, changed or removed there. */
  readonly writes: boolean;
  /** Whether a program is executed. */
  readonly executes: boolean;
  /** Whose rights it was done with. */
  readonly as: Readonly<Credentials>;
  /** Whether the path is one of the container and not of the host. */
  readonly inside: boolean;
}

/** What is known of a launch beforehand. */
export interface Launch {
  /** The user who launches. */
  readonly uid: number;
  /** Ids of the user's namespace. */
  readonly mapping: Mapping;
  /** The setuid binary. */
  readonly program: string;
  /** The command; with it the launch is over. */
  readonly command: string;
}

/** Where the paths of a process begin. */
interface FileSystem {
  /** The working directory. */
  cwd: string;
  /** Whether the root is that of the container. */
  inside: boolean;
  /** Whether `/..` is a new file system, of which nobody else knows. */
  scratch: boolean;
}

/** The place of that file system in {@linkcode Access.path}. */
export const SCRATCH = "/[scratch]";

/** What a call was given. */
type Place = Pick<Access, "path" | "held">;

/** A thread. */
interface Thread {
  readonly credentials: Credentials;
  /** Shared by threads of a process. */
  fs: FileSystem;
  /** Whether it is the launch's, and not before or after. */
  launching: boolean;
}

/** Calls whose first argument is the directory of the second. */
const AT =
  /^(?!(l?stat|creat)$).*at2?$|^(statx|open_tree(_attr)?|mount_setattr|fspick|.*xattrat)$/;

/** Pairs of directory and path, where there is more than one. */
const PAIRS: Readonly<Record<string, readonly [number, number][]>> = {
  renameat: [[0, 1], [2, 3]],
  renameat2: [[0, 1], [2, 3]],
  linkat: [[0, 1], [2, 3]],
  move_mount: [[0, 1], [2, 3]],
  symlinkat: [[1, 2]],
};

/** Texts that are no paths come first in these. */
const SKIP: Readonly<Record<string, number>> = { symlink: 1, mount: 1 };

/** How many paths follow from there, where it is not one. */
const COUNT: Readonly<Record<string, number>> = {
  ...{ rename: 2, link: 2, pivot_root: 2 },
};

const CHANGES =
  /^(mkdir|mknod|unlink|rmdir|rename|link|symlink|l?chown|f?chmod|fchown|truncate|utime|l?setxattr|l?removexattr|creat|mount|umount|move_mount|pivot_root|bind)/;
const OPENS = /^open(at2?)?$/;

/** Their texts are names of other things than files. */
const NAMELESS = /^(fsopen|fsconfig|memfd_create|prctl|seccomp|keyctl)$/;
const OPENS_TO_WRITE = /\bO_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)\b/;

/**
 * Follows a launch.
 *
 * @param text What strace(1) wrote, from the execution of the binary on.
 * @param launch What is known of it.
 * @returns Accesses in the order in which they began.
 */
export function accessesOf(text: string, launch: Launch): Access[] {
  return new Follower(launch).follow(text);
}

/** What is above the new file system on `/` is that itself. */
function absolute(path: string, { cwd, scratch }: FileSystem): string {
  if (scratch && /^\/\.\.(\/|$)/.test(path)) {
    return join(SCRATCH, path.slice(3));
  }
  return join(path.startsWith("/") ? "/" : cwd, path);
}

function withoutSlash(path: string): string {
  return path.replace(/(.)\/+$/, "$1");
}

class Follower {
  readonly #launch: Launch;
  readonly #threads = new Map<number, Thread>();
  /** Where clones of mounts came from, by the number of their descriptor. */
  readonly #clones = new Map<number, string>();
  /** Those of them that are shown by a path of the new file system. */
  readonly #scratches = new Set<number>();
  readonly #accesses: Access[] = [];

  constructor(launch: Launch) {
    this.#launch = launch;
  }

  follow(text: string): Access[] {
    const entries = readCalls(text);
    const first = entries[0]?.call.pid;
    for (const { call } of entries) {
      const thread = this.#threadOf(call.pid, first);
      this.#note(call, thread);
      this.#change(call, thread);
    }
    return this.#accesses;
  }

  /** What a clone made is known when the clone began. */
  #threadOf(pid: number, first: number): Thread {
    const known = this.#threads.get(pid);
    if (known !== undefined) return known;
    if (pid !== first) throw new Error(`Nobody made the process ${pid}`);
    const thread: Thread = {
      credentials: credentialsOf(this.#launch.uid),
      fs: { cwd: "/", inside: false, scratch: false },
      launching: false,
    };
    this.#threads.set(pid, thread);
    return thread;
  }

  #note(call: TracedCall, { credentials, fs, launching }: Thread): void {
    if (!launching) return;
    const as = { ...credentials };
    const executes = call.name.startsWith("execve");
    const writes = CHANGES.test(call.name) ||
      /^open/.test(call.name) && OPENS_TO_WRITE.test(call.args.join());
    const places = this.#placesOf(call, fs);
    // What an open led to, whatever links were on the way.
    if (OPENS.test(call.name) && !fs.scratch) {
      places.push({ path: descriptorOf(call.result)?.path ?? "", held: false });
    }
    const { inside } = fs;
    const known = new Set<string>();
    for (const { held, ...place } of places) {
      const path = withoutSlash(place.path);
      if (!path.startsWith("/") || path.startsWith("/memfd:")) continue;
      if (known.has(path)) continue;
      known.add(path);
      this.#accesses.push({ call, path, held, writes, executes, as, inside });
    }
  }

  #placesOf(call: TracedCall, fs: FileSystem): Place[] {
    const { name, args } = call;
    if (NAMELESS.test(name)) return [];
    if (PAIRS[name] ?? AT.test(name)) {
      const inRoot = args.join().includes("RESOLVE_IN_ROOT");
      return (PAIRS[name] ?? [[0, 1]]).flatMap(([directory, path]) =>
        this.#resolve(args[directory], textOf(args[path]), fs, inRoot)
      );
    }
    const skip = SKIP[name] ?? 0;
    return args.slice(skip, skip + (COUNT[name] ?? 1)).flatMap((arg) => {
      const text = textOf(arg);
      if (text === undefined) {
        return { path: descriptorOf(arg)?.path ?? "", held: true };
      }
      return text === "" ? [] : { path: absolute(text, fs), held: false };
    });
  }

  #resolve(
    directory: string,
    path: string | undefined,
    fs: FileSystem,
    inRoot: boolean,
  ): Place[] {
    if (path?.startsWith("/") && !inRoot) {
      return [{ path: absolute(path, fs), held: false }];
    }
    const base = this.#baseOf(directory, fs.cwd);
    if (base === undefined) return [];
    return path === undefined || path === ""
      ? [{ path: base, held: true }]
      : [{ path: join(base, path), held: false }];
  }

  /** A clone of a mount is shown as a root of its own. */
  #baseOf(directory: string, cwd: string): string | undefined {
    const { number, path } = descriptorOf(directory) ?? {};
    if (number === undefined) return path ?? cwd;
    const origin = this.#clones.get(number);
    if (this.#scratches.has(number)) return origin;
    if (origin !== undefined && path !== undefined) return join(origin, path);
    return path?.startsWith("/") ? path : undefined;
  }

  #change(call: TracedCall, thread: Thread): void {
    const { name, args, result, pid } = call;
    follow(thread.credentials, call, this.#launch.mapping);
    if (call.child !== undefined) this.#add(call, thread);
    const succeeded = !result.startsWith("-1") && result !== "?";
    if (!succeeded) return;
    const made = descriptorOf(result)?.number;
    if (made !== undefined && made > 2) {
      this.#clones.delete(made);
      this.#scratches.delete(made);
    }
    if (name === "open_tree" && /OPEN_TREE_CLONE/.test(args[2])) {
      const [origin] = this.#placesOf(call, thread.fs);
      if (origin !== undefined) this.#clones.set(made!, origin.path);
    }
    if (name === "mount" && textOf(args[2]) === "tmpfs" && args[1] === '"/"') {
      thread.fs.scratch = true;
    }
    if (OPENS.test(name) && thread.fs.scratch) {
      const [place] = this.#placesOf(call, thread.fs);
      if (place?.path.startsWith(SCRATCH)) {
        this.#clones.set(made!, place.path);
        this.#scratches.add(made!);
      }
    }
    if (name === "chdir" || name === "fchdir") {
      const [place] = this.#placesOf(call, thread.fs);
      if (place !== undefined) thread.fs.cwd = place.path;
    }
    if (name === "pivot_root" || name === "chroot") thread.fs.inside = true;
    if (name === "execve") this.#execute(pid, textOf(args[0]), thread);
  }

  #add(call: TracedCall, parent: Thread): void {
    const flags = call.args.join();
    const shares = flags.includes("CLONE_FS") || flags.includes("CLONE_THREAD");
    const child: Thread = {
      credentials: { ...parent.credentials },
      fs: shares ? parent.fs : { ...parent.fs },
      launching: parent.launching,
    };
    if (flags.includes("CLONE_NEWUSER")) confine(child.credentials);
    this.#threads.set(call.child!, child);
  }

  #execute(pid: number, path: string | undefined, thread: Thread): void {
    const { program, command } = this.#launch;
    if (path === program) {
      const credentials = setuidRoot(thread.credentials);
      this.#threads.set(pid, { ...thread, credentials, launching: true });
    } else if (path === command && thread.fs.inside) {
      this.#threads.set(pid, { ...thread, launching: false });
    }
  }
}
