import { assert, assertEquals, assertThrows } from "@std/assert";
import { Block } from "../../ffi/block.ts";
import { CLONE_NEWUSER } from "../../ffi/constants.ts";
import {
  ALL_SIGNALS,
  close,
  ids,
  pidfdOpen,
  pidfdSendSignal,
  pipe2,
  rtSigprocmask,
  SyscallError,
  waitPidfd,
} from "../../ffi/libc.ts";
import { CageError } from "../../src/errors.ts";
import { parseMap, planIdMap } from "../../src/idmap.ts";
import {
  findMapHelpers,
  findOuterIds,
  writeMaps,
} from "../../src/write_maps.ts";
import { rootlessRanges } from "../../src/rootless_ids.ts";
import { END_WITH_PARENT } from "./ffi/tools.ts";

/** A process in a user namespace of its own, which waits. */
class Inside implements Disposable {
  readonly pid: number;
  readonly #pidfd: number;
  readonly #block = new Block();
  readonly #pipe = pipe2();

  constructor() {
    this.#block.append({
      buffers: { byte: 1 },
      steps: [
        END_WITH_PARENT,
        { call: "read", args: [this.#pipe.reader, { buffer: "byte" }, 1] },
      ],
    });
    const mask = rtSigprocmask(ALL_SIGNALS);
    try {
      this.pid = this.#block.start(CLONE_NEWUSER);
      this.#pidfd = pidfdOpen(this.pid);
    } finally {
      rtSigprocmask(mask);
    }
  }

  read(name: string): string {
    return Deno.readTextFileSync(`/proc/${this.pid}/${name}`);
  }

  [Symbol.dispose](): void {
    pidfdSendSignal(this.#pidfd, 9);
    waitPidfd(this.#pidfd);
    close(this.#pidfd);
    close(this.#pipe.reader);
    close(this.#pipe.writer);
    this.#block[Symbol.dispose]();
  }
}

const { gid: [gid], groups, uid: [uid] } = ids();
const caller = { uid, gid, groups };
const NONE = { subuids: [], subgids: [], hasVolumes: false };

function canTry(): boolean {
  try {
    using _ = new Inside();
    return true;
  } catch (error) {
    if (error instanceof SyscallError) return false;
    throw error;
  }
}

const OPTIONS = { ignore: !canTry() };

Deno.test("writeMaps() maps the caller's own id", OPTIONS, () => {
  using inside = new Inside();
  const map = planIdMap({ caller, ...NONE, user: "70" });
  writeMaps(inside.pid, map, undefined);
  assertEquals(parseMap(inside.read("uid_map")), [...map.uid]);
  assertEquals(parseMap(inside.read("gid_map")), [...map.gid]);
  assertEquals(inside.read("setgroups"), "deny\n");
});

Deno.test("writeMaps() maps for root whatever root has", {
  ignore: OPTIONS.ignore || findOuterIds() === undefined,
}, () => {
  using inside = new Inside();
  const { keepsGroups, ...ranges } = rootlessRanges({
    caller,
    ranges: NONE,
    hasHelpers: false,
    outer: findOuterIds(),
  });
  const map = planIdMap({ caller, ...ranges, hasVolumes: keepsGroups });
  writeMaps(inside.pid, map, "");
  assertEquals(parseMap(inside.read("uid_map")), [...map.uid]);
  assertEquals(parseMap(inside.read("gid_map")), [...map.gid]);
});

Deno.test("writeMaps() says why it fails", OPTIONS, () => {
  using inside = new Inside();
  const map = planIdMap({ caller, ...NONE });
  writeMaps(inside.pid, map, undefined);
  const message = assertThrows(
    () => writeMaps(inside.pid, map, undefined),
    CageError,
  ).message;
  assert(
    message.startsWith(
      "Cannot map the ids of the container: operation not permitted: ",
    ),
    message,
  );
});

Deno.test("findMapHelpers() finds both or none", () => {
  const found = findMapHelpers("relative::/nowhere");
  assert(found === undefined || found.uid.startsWith("/"));
});
