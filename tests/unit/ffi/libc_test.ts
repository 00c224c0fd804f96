import { assert, assertEquals, assertThrows } from "@std/assert";
import { Block } from "../../../ffi/block.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  LOCK_EX,
  LOCK_NB,
  O_CREAT,
  O_NONBLOCK,
  O_PATH,
  O_RDWR,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  SIGNALS,
  WEXITED,
  WNOHANG,
  WNOWAIT,
} from "../../../ffi/constants.ts";
import { ERRNO } from "../../../ffi/errno.ts";
import * as libc from "../../../ffi/libc.ts";
import { packElf } from "../../../ffi/elf.ts";
import { O_DIRECTORY } from "../../../ffi/open_flags.ts";
import { Child, END_WITH_PARENT, inTempDir, KILLED } from "./tools.ts";

/** asm-generic/ioctls.h: bytes that can be read. */
const FIONREAD = 0x541b;

/** linux/prctl.h: the name of the thread. */
const PR_GET_NAME = 16;

/** linux/magic.h. */
const PROC_SUPER_MAGIC = 0x9fa0;

function failsWith(errno: keyof typeof ERRNO, act: () => unknown): void {
  const error = assertThrows(act, libc.SyscallError);
  assertEquals(error.code, errno);
  assertEquals(error.errno, ERRNO[errno]);
}

function isClosedOnExec(fd: number): boolean {
  const info = Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`);
  const [, flags] = /^flags:\s+([0-7]+)$/m.exec(info)!;
  return (parseInt(flags, 8) & 0o2000000) !== 0;
}

Deno.test("syscall() throws the call and the error", () => {
  const error = assertThrows(
    () => libc.syscall("chdir", "/does/not/exist"),
    libc.SyscallError,
    "chdir failed: No such file or directory",
  );
  assertEquals([error.call, error.errno, error.code], ["chdir", 2, "ENOENT"]);
});

Deno.test("syscall() gives the error of its own call every time", () => {
  for (let i = 0; i < 2000; i++) {
    failsWith("EBADF", () => libc.close(-1));
    failsWith("ENOENT", () => libc.open("/does/not/exist", 0));
    failsWith("EISDIR", () => libc.open("/", O_RDWR));
  }
});

Deno.test("syscall() refuses calls that would break the runtime", () => {
  for (const call of ["clone", "exit"] as const) {
    assertThrows(() => libc.syscall(call, 0), TypeError, `Cannot do ${call}: `);
  }
});

Deno.test("syscall() refuses seven arguments and texts that have a NUL", () => {
  assertThrows(
    () => libc.syscall("close", 1, 2, 3, 4, 5, 6, 7),
    TypeError,
    "Cannot do close: 7 arguments are more than 6",
  );
  assertThrows(() => libc.open("/dev/null\0", 0), TypeError, "it has a NUL");
});

Deno.test("syscall() takes arguments of more than its memory", () =>
  inTempDir((directory) => {
    const path = `${directory}/big`;
    const fd = libc.open(path, O_RDWR | O_CREAT, 0o600);
    const bytes = crypto.getRandomValues(new Uint8Array(65_500));
    const big = new Uint8Array(300_000).map((_, i) => bytes[i % bytes.length]);
    libc.writeAll(fd, big);
    libc.syscall("lseek", fd, 0, 0);
    const back = new Uint8Array(big.length);
    assertEquals(libc.read(fd, back), big.length);
    assertEquals(back, big);
    for (const length of [65_528, 65_529, 65_536, 65_537, 70_000]) {
      libc.syscall("pread64", fd, { into: back }, length, 0);
      assertEquals(
        libc.syscall("pwrite64", fd, big.subarray(0, length), length, 0),
        length,
      );
    }
    libc.close(fd);
  }));

Deno.test("syscall() does not write to bytes that are only read", () => {
  const bytes = new Uint8Array([7, 7]);
  const { reader, writer } = libc.pipe2();
  libc.write(writer, new Uint8Array([1, 2]));
  assertEquals(libc.syscall("read", reader, bytes, 2), 2);
  assertEquals(bytes, new Uint8Array([7, 7]));
  libc.close(reader);
  libc.close(writer);
});

Deno.test("all that opens is closed on execve(2)", () =>
  inTempDir((directory) => {
    const { reader, writer } = libc.pipe2();
    const fds = [
      reader,
      writer,
      libc.open(directory, O_PATH | O_DIRECTORY),
      libc.openat(AT_FDCWD, `${directory}/f`, O_RDWR | O_CREAT, 0o600),
      libc.openat2(AT_FDCWD, directory, { flags: O_PATH }),
      libc.dup(0),
      libc.memfdCreate("test"),
      libc.sealedFile("test", new Uint8Array(1)),
      libc.signalfd4(libc.signalSet(SIGNALS.SIGTERM)),
      libc.pidfdOpen(Deno.pid),
    ];
    const closed = fds.map(isClosedOnExec);
    fds.forEach(libc.close);
    assertEquals(closed, fds.map(() => true));
  }));

Deno.test("openat2() keeps to its rules", () =>
  inTempDir((directory) => {
    Deno.mkdirSync(`${directory}/etc`);
    Deno.writeTextFileSync(`${directory}/etc/name`, "inside");
    Deno.symlinkSync("/etc/name", `${directory}/link`);
    Deno.symlinkSync("/proc/self/root", `${directory}/out`);
    const root = libc.open(directory, O_PATH | O_DIRECTORY);
    const how = { resolve: RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    for (const path of ["link", "/link", "../../etc/name"]) {
      const fd = libc.openat2(root, path, how);
      const buffer = new Uint8Array(16);
      assertEquals(libc.read(fd, buffer), 6);
      libc.close(fd);
    }
    failsWith("ENOENT", () => libc.openat2(root, "/out/etc/passwd", how));
    failsWith(
      "ELOOP",
      () =>
        libc.openat2(AT_FDCWD, "/proc/self/root/etc", {
          resolve: RESOLVE_NO_MAGICLINKS,
        }),
    );
    const made = libc.openat2(root, "new", {
      flags: O_RDWR | O_CREAT,
      mode: 0o640,
    });
    assertEquals(Deno.statSync(`${directory}/new`).mode! & 0o777, 0o640);
    libc.close(made);
    libc.close(root);
  }));

Deno.test("flock() keeps another one out until the descriptor is closed", () =>
  inTempDir((directory) => {
    const open = () => libc.open(`${directory}/l`, O_RDWR | O_CREAT, 0o600);
    const [first, second] = [open(), open()];
    libc.flock(first, LOCK_EX | LOCK_NB);
    failsWith("EAGAIN", () => libc.flock(second, LOCK_EX | LOCK_NB));
    libc.close(first);
    libc.flock(second, LOCK_EX | LOCK_NB);
    libc.close(second);
  }));

Deno.test("sealedFile() makes a file that nobody can change or unseal", () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const fd = libc.sealedFile("test", bytes);
  failsWith("EPERM", () => libc.write(fd, bytes));
  failsWith("EPERM", () => libc.syscall("ftruncate", fd, 0));
  failsWith("EPERM", () => libc.syscall("ftruncate", fd, 9));
  failsWith("EPERM", () => libc.syscall("fcntl", fd, 1033, 0));
  const back = new Uint8Array(8);
  assertEquals(libc.syscall("pread64", fd, { into: back }, 8, 0), 3);
  assertEquals(back.subarray(0, 3), bytes);
  libc.close(fd);
});

Deno.test("dup() gives a descriptor that is not below the given one", () => {
  const fd = libc.dup(0, 100);
  assert(fd >= 100);
  libc.close(fd);
  failsWith("EBADF", () => libc.dup(-1));
});

Deno.test("ioctl() takes bytes that the kernel changes, and numbers", () => {
  const { reader, writer } = libc.pipe2();
  libc.writeAll(writer, new Uint8Array(300));
  const count = new Uint8Array(4);
  assertEquals(libc.ioctl(reader, FIONREAD, count), 0);
  assertEquals(count, new Uint8Array([44, 1, 0, 0]));
  failsWith("ENOTTY", () => libc.ioctl(reader, 0x5401, 0));
  libc.close(reader);
  libc.close(writer);
});

Deno.test("statx() says what Deno says", () =>
  inTempDir((directory) => {
    const path = `${directory}/f`;
    Deno.writeTextFileSync(path, "hello", { mode: 0o640 });
    Deno.linkSync(path, `${directory}/g`);
    const expected = Deno.statSync(path);
    const found = libc.statx(AT_FDCWD, path);
    assertEquals(found.mode, expected.mode);
    assertEquals(found.nlink, 2);
    assertEquals(Number(found.size), 5);
    assertEquals(Number(found.ino), expected.ino);
    assertEquals([found.uid, found.gid], [expected.uid, expected.gid]);
    const [major, minor] = found.dev;
    const dev = (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
    assertEquals(dev, expected.dev);
    const fd = libc.open(path, O_PATH);
    assertEquals(libc.statx(fd, "", AT_EMPTY_PATH), found);
    const mount = Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`)
      .match(/^mnt_id:\s+(\d+)$/m)![1];
    assertEquals(String(found.mountId), mount);
    libc.close(fd);
  }));

Deno.test("fstatfs() says which file system it is", () => {
  const fd = libc.open("/proc/self", O_PATH);
  assertEquals(libc.fstatfs(fd).type, PROC_SUPER_MAGIC);
  // ST_VALID of linux/statfs.h is set whenever there are flags.
  assertEquals(libc.fstatfs(fd).flags & 0x20, 0x20);
  libc.close(fd);
});

Deno.test("poll() gives the descriptors that can be read", () => {
  const [a, b] = [libc.pipe2(), libc.pipe2()];
  const both = [{ fd: a.reader }, { fd: b.reader }];
  assertEquals(libc.poll(both, 0), []);
  libc.write(b.writer, new Uint8Array(1));
  assertEquals(libc.poll(both), [b.reader]);
  assertEquals(libc.poll([{ fd: a.writer, events: 4 }]), [a.writer]);
  for (const { reader, writer } of [a, b]) {
    libc.close(reader);
    libc.close(writer);
  }
});

Deno.test("pidfdSendSignal() ends a child that waitPidfd() then tells", () => {
  const { reader, writer } = libc.pipe2();
  using block = new Block();
  block.append({
    steps: [
      END_WITH_PARENT,
      { call: "read", args: [reader, { buffer: "b" }, 1] },
    ],
    buffers: { b: 1 },
  });
  using child = new Child(block);
  const { pidfd } = child;
  assertEquals(libc.waitPidfd(pidfd, WEXITED | WNOHANG), undefined);
  libc.pidfdSendSignal(pidfd, 0);
  libc.pidfdSendSignal(pidfd, SIGNALS.SIGKILL);
  const ended = libc.waitPidfd(pidfd, WEXITED | WNOWAIT)!;
  assertEquals(child.end(), ended);
  assertEquals([ended.code, ended.status], [KILLED, SIGNALS.SIGKILL]);
  failsWith("ESRCH", () => libc.kill(ended.pid, 0));
  libc.close(reader);
  libc.close(writer);
});

Deno.test("pidfdSendSignal() and waitPidfd() say that nobody is there any more", () => {
  using block = new Block();
  const mask = libc.rtSigprocmask(libc.ALL_SIGNALS);
  const pidfd = libc.pidfdOpen(block.start(0));
  libc.rtSigprocmask(mask);
  libc.waitPidfd(pidfd);
  failsWith("ECHILD", () => libc.waitPidfd(pidfd));
  failsWith("ESRCH", () => libc.pidfdSendSignal(pidfd, 0));
  libc.close(pidfd);
});

Deno.test("prctl() reads the name of the thread", () => {
  const into = new Uint8Array(16);
  assertEquals(libc.prctl(PR_GET_NAME, { into }), 0);
  const name = new TextDecoder().decode(into).replace(/\0.*$/s, "");
  const thread = Deno.readTextFileSync("/proc/thread-self/comm");
  assertEquals(`${name}\n`, thread);
});

Deno.test("rtSigprocmask() sets, adds and reads the mask of this thread", () => {
  const old = libc.rtSigprocmask();
  const some = libc.signalSet(SIGNALS.SIGUSR2, 64);
  const blocked = () =>
    BigInt(
      "0x" + /^SigBlk:\s+(\w+)$/m
        .exec(Deno.readTextFileSync("/proc/thread-self/status"))![1],
    );
  try {
    assertEquals(libc.rtSigprocmask(some), old);
    assertEquals(blocked(), some);
    libc.rtSigprocmask(libc.signalSet(SIGNALS.SIGHUP), 0);
    assertEquals(libc.rtSigprocmask(), some | 1n);
  } finally {
    libc.rtSigprocmask(old);
  }
  assertEquals(blocked(), old);
});

Deno.test("signalfd4() gives a blocked signal to read", () => {
  const set = libc.signalSet(SIGNALS.SIGUSR2);
  const old = libc.rtSigprocmask(set);
  const fd = libc.signalfd4(set, O_NONBLOCK);
  failsWith("EAGAIN", () => libc.read(fd, new Uint8Array(128)));
  const thread = libc.syscall("gettid");
  libc.syscall("tgkill", Deno.pid, thread, SIGNALS.SIGUSR2);
  const info = new Uint8Array(128);
  assertEquals(libc.read(fd, info), 128);
  assertEquals(info[0], SIGNALS.SIGUSR2);
  libc.close(fd);
  libc.rtSigprocmask(old);
});

Deno.test("ids() says who this process is", () => {
  const status = Deno.readTextFileSync("/proc/self/status");
  const line = (name: string) =>
    new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(status)![1].trim()
      .split(/\s+/).filter((word) => word !== "").map(Number);
  const { uid, gid, groups } = libc.ids();
  assertEquals(uid, line("Uid").slice(0, 3) as [number, number, number]);
  assertEquals(gid, line("Gid").slice(0, 3) as [number, number, number]);
  assertEquals(groups.toSorted(), line("Groups").toSorted());
});

Deno.test("execveat() throws when there is nothing to become", () => {
  failsWith("ENOENT", () => libc.execveat("/does/not/exist", ["x"], []));
  failsWith("EACCES", () => libc.execveat("/", ["x"], []));
  failsWith("EBADF", () => libc.execveat(-1, ["x"], []));
});

Deno.test("execveat() becomes another program, by path or by descriptor", async () => {
  const libcUrl = import.meta.resolve("../../../ffi/libc.ts");
  const elf = packElf(
    { steps: [{ call: "exit_group", args: [42] }] },
    Deno.build.arch,
  );
  const sources = [
    [`execveat("/bin/echo", ["echo", "become"], [])`, 0, "become\n"],
    [
      `execveat(sealedFile("x", Uint8Array.fromHex("${elf.bytes.toHex()}")), ` +
      `["x"], [])`,
      42,
      "",
    ],
  ] as const;
  for (const [source, status, printed] of sources) {
    const code = `import { execveat, sealedFile } from "${libcUrl}";` +
      `void sealedFile;${source};`;
    const done = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", code],
    }).output();
    assertEquals(new TextDecoder().decode(done.stdout), printed);
    assertEquals(done.code, status);
  }
});
