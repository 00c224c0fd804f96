/**
 * Runs a shell script on a composed view, as a user without any privilege. The
 * argument is {@linkcode View} as JSON.
 *
 * @module
 */

import { Block } from "../../../ffi/block.ts";
import {
  CLONE_NEWNS,
  CLONE_NEWUSER,
  O_PATH,
  O_WRONLY,
  PR_SET_DUMPABLE,
} from "../../../ffi/constants.ts";
import {
  ALL_SIGNALS,
  close,
  open,
  pidfdOpen,
  pipe2,
  prctl,
  read,
  rtSigprocmask,
  syscall,
  waitPidfd,
  write,
} from "../../../ffi/libc.ts";
import type { Composition } from "../../../src/compose.ts";
import {
  attachParts,
  prepareParts,
  SKELETON_LAYER,
} from "../../../src/compose_steps.ts";
import { errorOf } from "../../../src/failure.ts";
import { findComposition } from "../../../src/find_composition.ts";
import { ABSENT_LAYER, absentLayer } from "../../../src/host_files.ts";
import { privateSteps, rootSteps } from "../../../src/mounts.ts";
import { OVERLAY_BUFFERS, overlaySteps } from "../../../src/overlay.ts";
import { unblockSignals } from "../../../src/process.ts";
import { readOnlyPlaces } from "../../../src/read_only_places.ts";
import type { PlanStep } from "../../../src/step.ts";
import {
  scratchSteps,
  type Storage,
  storagePaths,
  storageSteps,
} from "../../../src/storage.ts";

/** What is wanted. */
export interface View {
  /** Who is to have it, by the ids of user and group; who runs this if absent. */
  readonly uid?: number;
  /** The real paths of the lower layers. */
  readonly layers: readonly string[];
  /** A directory with `upper` and `work`; changes are lost without one. */
  readonly storage?: string;
  /** How the kernel takes an overlay; by paths if absent. */
  readonly how?: "descriptors" | "paths" | "mount";
  /** Paths inside of files that no layer has. */
  readonly absent?: readonly string[];
  /** Paths inside at which nothing of the layers is to be seen. */
  readonly empty?: readonly string[];
  /** The script. */
  readonly script: string;
  /** Whether to write on standard error what was composed, in what time. */
  readonly isTold?: boolean;
}

if (import.meta.main) Deno.exit(show(JSON.parse(Deno.args[0])));

function show(view: View): number {
  if (view.uid !== undefined) become(view.uid);
  const begin = performance.now();
  const storage: Storage = view.storage === undefined ? { kind: "memory" } : {
    kind: "directories",
    source: { upper: `${view.storage}/upper`, work: `${view.storage}/work` },
  };
  const upper = view.storage === undefined
    ? undefined
    : open(`${view.storage}/upper`, O_PATH);
  const { empty = [], layers } = view;
  const composition = findComposition({ layers, upper, empty });
  if (composition === undefined) {
    console.log("Nothing is to be composed");
    return 1;
  }
  const found = performance.now();
  const [go, shown, ready] = [pipe2(), pipe2(), pipe2()];
  using block = new Block(64 << 20);
  const steps = stepsOf(view, composition, storage, {
    go: go.reader,
    ready: ready.writer,
    shown: shown.writer,
  });
  block.append({ buffers: { zero: 8, byte: 1, ...OVERLAY_BUFFERS }, steps });
  const planned = performance.now();
  const mask = rtSigprocmask(ALL_SIGNALS);
  const pid = block.start(CLONE_NEWUSER | CLONE_NEWNS);
  const pidfd = pidfdOpen(pid);
  writeFile(`/proc/${pid}/setgroups`, "deny");
  writeFile(`/proc/${pid}/uid_map`, `0 ${view.uid ?? Deno.uid()} 1`);
  writeFile(`/proc/${pid}/gid_map`, `0 ${view.uid ?? Deno.gid()} 1`);
  [go.reader, ready.writer, shown.writer].forEach(close);
  write(go.writer, new Uint8Array(1));
  read(ready.reader, new Uint8Array(1));
  const started = performance.now();
  read(shown.reader, new Uint8Array(1));
  const attached = performance.now();
  const status = waitPidfd(pidfd)?.status ?? 1;
  rtSigprocmask(mask);
  const failure = block.failure();
  if (failure?.stopped) console.log(errorOf(failure).message);
  if (view.isTold) {
    const places = readOnlyPlaces(composition, (name) => block.errno(name));
    console.error(places.join("\n"));
    const { parts } = composition;
    console.error(JSON.stringify({
      parts: parts.length,
      overlays: parts.filter(({ kind }) => kind === "overlay").length,
      steps: steps.length,
      foundMs: found - begin,
      plannedMs: planned - found,
      shownMs: attached - started,
    }));
  }
  return status;
}

function stepsOf(
  { absent = [], how = "paths", script }: View,
  composition: Composition,
  storage: Storage,
  pipes: { go: number; ready: number; shown: number },
): PlanStep[] {
  const paths = storagePaths(storage);
  const byte = { buffer: "byte" };
  return [
    { call: "read", args: [pipes.go, byte, 1] },
    { call: "umask", args: [0] },
    ...privateSteps(),
    ...scratchSteps({ uid: 0, gid: 0 }),
    ...storageSteps(storage, { mode: 0o755, uid: 0, gid: 0 }),
    ...absentLayer(absent),
    { call: "write", args: [pipes.ready, byte, 1] },
    ...prepareParts({ composition, storage: paths, skeleton: [], absent }),
    ...overlaySteps({
      layers: [SKELETON_LAYER, ...(absent.length > 0 ? [ABSENT_LAYER] : [])],
      storage: paths,
      kept: { upper: paths.upper, lower: ["/"] },
      skeleton: [],
      how,
      isUsers: true,
    }),
    ...attachParts(composition),
    { call: "write", args: [pipes.shown, byte, 1] },
    ...rootSteps(),
    { call: "mount", args: ["tmpfs", "/tmp", "tmpfs", 0, 0] },
    { call: "umask", args: [0o022] },
    unblockSignals(),
    {
      call: "execve",
      args: ["/bin/sh", ["sh", "-c", script], ["PATH=/usr/bin:/bin"]],
      why: "Cannot run the script",
    },
  ];
}

/** This thread alone, which starts the container: the others do nothing. */
function become(uid: number): void {
  syscall("setgroups", 0, 0);
  syscall("setresgid", uid, uid, uid);
  syscall("setresuid", uid, uid, uid);
  // Who is not may not write the maps of a process with the same memory.
  prctl(PR_SET_DUMPABLE, 1);
}

function writeFile(path: string, text: string): void {
  const file = open(path, O_WRONLY);
  write(file, new TextEncoder().encode(text));
  close(file);
}
