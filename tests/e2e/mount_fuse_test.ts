import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { Block } from "../../ffi/block.ts";
import {
  CLD_EXITED,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  P_ALL,
  PR_SET_PDEATHSIG,
  SIGINFO,
  WEXITED,
} from "../../ffi/constants.ts";
import {
  ALL_SIGNALS,
  close,
  type Ended,
  ids,
  pidfdOpen,
  pidfdSendSignal,
  pipe2,
  prctl,
  rtSigprocmask,
  syscall,
  waitPidfd,
  write,
} from "../../ffi/libc.ts";
import { drive } from "../../src/drive.ts";
import { CageError } from "../../src/errors.ts";
import { findProgram } from "../../src/find_program.ts";
import { type FuseOverlay, fuseSteps } from "../../src/fuse_overlay.ts";
import { type IdMap, planIdMap } from "../../src/idmap.ts";
import { mountFuse } from "../../src/mount_fuse.ts";
import { privateSteps, rootSteps } from "../../src/mounts.ts";
import { scratchSteps } from "../../src/storage.ts";
import { writeMaps } from "../../src/write_maps.ts";

const program = findProgram("fuse-overlayfs", undefined);
const options = {
  ignore: program === undefined || ids().uid[1] !== 0,
};

/** A place whose file system holds no overlay: another one. */
async function withPlace(use: (place: string) => Promise<void> | void) {
  const top = await Deno.makeTempDir();
  const run = (...args: string[]) =>
    new Deno.Command(args[0], {
      args: args.slice(1),
    }).outputSync().success;
  const place = join(top, "place");
  try {
    for (const name of ["lower", "upper", "work", "place", "root"]) {
      await Deno.mkdir(join(top, name));
    }
    const data = `lowerdir=${top}/lower,upperdir=${top}/upper,` +
      `workdir=${top}/work`;
    if (!run("mount", "-t", "overlay", "overlay", "-o", data, place)) {
      throw new Error("Cannot mount an overlay");
    }
    await Deno.mkdir(join(place, "upper"));
    await Deno.mkdir(join(place, "work"));
    await use(place);
  } finally {
    run("umount", place);
    await Deno.remove(top, { recursive: true });
  }
}

/** Runs a script in the root of an overlay, as the plan of a container does. */
async function runIn(fuse: FuseOverlay, script: string): Promise<Ended> {
  const { gid: [gid], groups, uid: [uid] } = ids();
  const map = planIdMap({
    caller: { uid, gid, groups },
    subuids: [],
    subgids: [],
    hasVolumes: false,
  });
  using block = new Block();
  const go = pipe2();
  block.append({
    buffers: { byte: 1, zero: 8 },
    steps: [
      { call: "prctl", args: [PR_SET_PDEATHSIG, 9] },
      { call: "read", args: [go.reader, { buffer: "byte" }, 1] },
      ...privateSteps(),
      ...scratchSteps({ uid: 0, gid: 0 }),
      ...fuseSteps(),
      ...rootSteps(),
      {
        call: "execve",
        args: ["/bin/sh", ["sh", "-c", script], ["PATH=/usr/bin:/bin"]],
      },
    ],
  });
  const flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID;
  const pidfd = startIn(block, flags, map);
  try {
    await drive(mountFuse(pidfd, fuse, fuse.upper));
    write(go.writer, new Uint8Array(1));
    return waitPidfd(pidfd)!;
  } catch (error) {
    pidfdSendSignal(pidfd, 9);
    waitPidfd(pidfd);
    throw error;
  } finally {
    [pidfd, go.reader, go.writer].forEach(close);
  }
}

function startIn(block: Block, flags: number, map: IdMap): number {
  const mask = rtSigprocmask(ALL_SIGNALS);
  try {
    const pid = block.start(flags);
    writeMaps(pid, map, undefined);
    return pidfdOpen(pid);
  } finally {
    rtSigprocmask(mask);
  }
}

function fuseAt(place: string): FuseOverlay {
  return {
    program: program!,
    layers: ["/"],
    upper: join(place, "upper"),
    work: join(place, "work"),
    skeleton: [{ path: "/made", mode: 0o755 }],
    absent: ["/etc/absent.conf"],
  };
}

Deno.test(
  "mountFuse() gives a root that keeps its changes above",
  options,
  () =>
    withPlace(async (place) => {
      const script = "test -e /etc/passwd && test -e /etc/absent.conf && " +
        "echo text >/made/file && test ! -e /proc/driver/storage";
      assertEquals((await runIn(fuseAt(place), script)).status, 0);
      const made = join(place, "upper/made/file");
      assertEquals(Deno.readTextFileSync(made), "text\n");
    }),
);

Deno.test(
  "mountFuse() is out of reach of what it serves",
  options,
  () =>
    withPlace(async (place) => {
      const script = "kill -9 -1 2>/made/words; test -e /etc/passwd && " +
        'test "$$" = 1';
      assertEquals((await runIn(fuseAt(place), script)).status, 0);
    }),
);

/** Makes orphans children of this process: linux/prctl.h, Linux 3.4. */
const PR_SET_CHILD_SUBREAPER = 36;

Deno.test(
  "mountFuse() leaves nothing that serves",
  options,
  () =>
    withPlace(async (place) => {
      prctl(PR_SET_CHILD_SUBREAPER, 1);
      try {
        await runIn(fuseAt(place), "exit 0");
        const into = new Uint8Array(SIGINFO.size);
        syscall("waitid", P_ALL, 0, { into }, WEXITED, 0);
        const view = new DataView(into.buffer);
        assertEquals(view.getInt32(SIGINFO.code, true), CLD_EXITED);
      } finally {
        prctl(PR_SET_CHILD_SUBREAPER, 0);
      }
    }),
);

Deno.test(
  "mountFuse() says what the program says",
  options,
  () =>
    withPlace(async (place) => {
      const fuse = { ...fuseAt(place), work: join(place, "none/work") };
      await assertRejects(
        () => runIn(fuse, "exit 0"),
        CageError,
        "with fuse-overlayfs: ",
      );
      const upper = join(place, "none");
      await assertRejects(
        () => runIn({ ...fuse, upper }, "exit 0"),
        CageError,
        "Cannot use upper directory",
      );
    }),
);
