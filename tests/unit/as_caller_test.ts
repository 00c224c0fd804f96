import { assertEquals, assertThrows } from "@std/assert";
import { ERRNO } from "../../ffi/errno.ts";
import { ids, open, syscall, SyscallError } from "../../ffi/libc.ts";
import { asCaller, openNamed } from "../../src/as_caller.ts";

const isRoot = Deno.uid() === 0;
const why = isRoot ? "" : " (skipped: takes root)";

const USER = { standing: "user", uid: 1234, gid: 2345 } as const;

function effective(): number[] {
  const { gid, uid } = ids();
  return [uid[1], gid[1]];
}

function testAsRoot(name: string, test: () => void): void {
  Deno.test(`${name}${why}`, { ignore: !isRoot }, test);
}

testAsRoot("asCaller() has the caller's ids, and gives root's back", () => {
  assertEquals(asCaller(USER, effective), [1234, 2345]);
  assertEquals(effective(), [0, 0]);
  assertEquals(asCaller({ ...USER, standing: "granted" }, effective), [
    ...[1234, 2345],
  ]);
  const fail = () => {
    throw new Error("inside");
  };
  assertThrows(() => asCaller(USER, fail), Error, "inside");
  assertEquals(effective(), [0, 0]);
});

testAsRoot("asCaller() has no capability for files", () => {
  const file = Deno.makeTempFileSync();
  try {
    for (const [mode, uid, gid] of [[0o600, 0, 0], [0o640, 0, 0]]) {
      Deno.chmodSync(file, mode);
      Deno.chownSync(file, uid, gid);
      assertThrows(
        () => asCaller(USER, () => open(file, 0)),
        SyscallError,
      );
    }
  } finally {
    Deno.removeSync(file);
  }
});

testAsRoot("openNamed() follows no link of /proc for a user", () => {
  const own = open("/", 0);
  try {
    for (const way of ["/proc/self/fd", "/proc/thread-self/fd", "/dev/fd"]) {
      for (const path of [`${way}/${own}`, `${way}/${own}/etc`]) {
        const error = assertThrows(() => openNamed(USER, path), SyscallError);
        assertEquals(error.errno, ERRNO.ELOOP, path);
      }
    }
    const error = assertThrows(
      () => openNamed(USER, "/proc/self/cwd"),
      SyscallError,
    );
    assertEquals(error.errno, ERRNO.ELOOP);
  } finally {
    syscall("close", own);
  }
});
