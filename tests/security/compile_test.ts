import { assert, assertEquals, assertMatch } from "@std/assert";
import { HOST_ARCH } from "../../ffi/arch.ts";
import { AT_FDCWD, O_RDWR } from "../../ffi/constants.ts";
import { packElf } from "../../ffi/elf.ts";
import { syscall } from "../../ffi/libc.ts";
import type { Program } from "../../ffi/step.ts";
import { accessesOf } from "./support/accesses.ts";
import {
  type Attack,
  attack,
  type Child,
  exists,
  type Person,
  run,
  sh,
  waiting,
  whyNoProgram,
} from "./support/mod.ts";
import { withPolicy } from "./support/policies.ts";

/** The mode of a file with both bits. */
const BITS = 0o6755;

/**
 * `struct vfs_cap_data` of linux/capability.h, version 2, in force at once:
 * CAP_SETUID and CAP_SYS_ADMIN.
 */
const CAPABILITIES = new Uint8Array(
  new Uint32Array([0x0200_0001, 1 << 7 | 1 << 21, 0, 0, 0]).buffer,
);

/** Arguments of a container that leaves nothing behind. */
async function options(t: Attack): Promise<string[]> {
  return ["--ephemeral", "-n", "made", "-l", await t.root()];
}

/** Compiles with the installed program, into the home of the caller. */
async function compileAs(
  t: Attack,
  person: Person,
  command: readonly string[],
): Promise<string> {
  const file = `${person.home}/program`;
  const args = ["--compile", file, ...await options(t), ...command];
  const result = await t.cage(person, args);
  assertEquals(result, { status: 0, stdout: "", stderr: "" });
  return file;
}

/** Who a process is on the host: its ids, each four times, and its rights. */
function rightsOf(pid: number): string[] {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return [...status.matchAll(/^(?:Uid|Gid|Cap(?:Inh|Prm|Eff|Amb)):\t(.*)$/gm)]
    .map(([, value]) => value);
}

function rightsOfUser({ uid }: Person): string[] {
  const ids = Array(4).fill(uid).join("\t");
  return [ids, ids, ...Array(4).fill("0".repeat(16))];
}

function pidOfInit(supervisor: Child): number {
  const { pid } = supervisor;
  const children = `/proc/${pid}/task/${pid}/children`;
  return Number(Deno.readTextFileSync(children));
}

attack("A compiled container has no rights from its file", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const file = await compileAs(t, person, waiting());
    const start = async () => {
      const program = t.spawn(person, [file]);
      await program.seen("ready");
      const { uid } = person;
      assertEquals(rightsOf(program.pid), rightsOfUser(person));
      const [users, groups] = rightsOf(pidOfInit(program));
      assertEquals([users, groups], rightsOfUser(person).slice(0, 2));
      const map = Deno.readTextFileSync(`/proc/${pidOfInit(program)}/uid_map`);
      assertEquals(map.trim().split(/ +/), ["0", `${uid}`, "1"]);
      await program.end();
    };
    await start();
    for (const owner of [0, t.mallory.uid, t.plain.uid]) {
      await Deno.chown(file, owner, owner);
      await Deno.chmod(file, BITS);
      await start();
    }
    const name = "security.capability";
    syscall("setxattr", file, name, CAPABILITIES, CAPABILITIES.length, 0);
    await start();
  }
});

attack(
  "A compiled container is for nobody else than who compiled it",
  async (t) => {
    const file = `${t.scratch}/roots`;
    const args = ["--compile", file, ...await options(t), ...sh("id -u")];
    assertEquals((await run([t.cageFile, ...args])).status, 0);
    await Deno.chmod(file, BITS);
    const own = await compileAs(t, t.mallory, sh("id -u"));
    await Deno.chmod(t.mallory.home, 0o755);
    const cases = [[t.mallory, file], [t.plain, file], [t.plain, own]] as const;
    for (const [person, program] of cases) {
      const { status, stdout, stderr } = await t.run(person, [program]);
      assertEquals([status, stdout], [125, ""]);
      assertMatch(
        stderr,
        /^cage: Cannot start the container: it was compiled by [^\n]+\n$/,
      );
    }
    assertEquals((await run([file])).stdout, "0\n");
    const { status, stdout } = await run([own]);
    assertEquals([status, stdout], [125, ""]);
  },
);

attack("cage --compile writes as the caller", async (t) => {
  const { home, uid } = t.mallory;
  const file = await compileAs(t, t.mallory, ["true"]);
  const made = Deno.statSync(file);
  assertEquals([made.uid, made.gid], [uid, uid]);
  assertEquals(made.mode! & 0o7000, 0);
  Deno.writeTextFileSync(`${t.scratch}/roots`, "root's");
  Deno.symlinkSync(t.scratch, `${home}/link`);
  for (
    const path of [
      ...[`${t.scratch}/new`, `${t.scratch}/roots`, `${home}/link/new`],
      ...["/proc/self/cwd/new", "/proc/self/root/new", "/etc/new"],
    ]
  ) {
    const args = ["--compile", path, ...await options(t), "true"];
    const { status, stderr, stdout } = await t.cage(t.mallory, args, {
      cwd: t.scratch,
    });
    assertEquals([status, stdout], [125, ""], path);
    assertMatch(
      stderr,
      /^cage: Cannot write "[^\n]+": permission denied: [^\n]+\n$/,
    );
  }
  assertEquals(Deno.readTextFileSync(`${t.scratch}/roots`), "root's");
  assert(!exists(`${t.scratch}/new`));
});

attack("cage --explain reads a program as the caller", async (t) => {
  const file = await compileAs(t, t.mallory, ["true"]);
  const step = /^ *\d+ clone\([^\n]*CLONE_NEWUSER/m;
  const own = await t.cage(t.mallory, ["--explain", file]);
  assertMatch(own.stdout, step);
  const secret = `${t.scratch}/secret`;
  Deno.copyFileSync(file, secret);
  Deno.chmodSync(secret, 0o700);
  const { stdout } = await t.cage(t.mallory, ["--explain", secret]);
  assert(!step.test(stdout), stdout);
});

attack("cage --compile opens nothing that is named as root", async (t) => {
  const { home, name, uid } = t.mallory;
  const log = `${t.scratch}/log`;
  const script = `${home}/init.sh`;
  Deno.writeTextFileSync(script, "true\n");
  // Root's strace keeps the set-user-ID bit in force.
  const { status, stderr } = await run([
    ...["strace", "-f", "-y", "--decode-pids=pidns", "-s", "8192", "-o", log],
    ...["-e", "trace=%file,%process,%creds,fchdir", "-e", "signal=none"],
    ...["-u", name, `--env=HOME=${home}`, t.cageFile],
    ...["--compile", `${home}/program`, ...await options(t)],
    ...["-i", script, "-v", `${home}:/home`, "/bin/sh"],
  ], { cwd: home, clearEnv: true, env: { PATH: "/usr/bin:/bin" } });
  assertEquals([status, stderr], [0, ""]);
  const accesses = accessesOf(await Deno.readTextFile(log), {
    uid,
    mapping: { root: uid },
    program: t.cageFile,
    command: "/bin/sh",
  });
  const named = accesses.filter(({ path }) => path.startsWith(`${home}/`));
  assert(named.some(({ writes }) => writes));
  const asRoot = named.filter(({ as }) => as.euid !== uid || as.overrides);
  assertEquals(asRoot.map(({ path }) => path), []);
}, { skip: whyNoProgram("strace") });

attack(
  "No policy gives a compiled container of a user root's rights",
  async (t) => {
    const policy = withPolicy(t, { granted: { users: [t.mallory.uid] } });
    const file = `${t.mallory.home}/program`;
    const args = ["--compile", file, ...await options(t)];
    const refused = await t.cage(t.mallory, [...args, "--privileged"], policy);
    assertEquals(refused.status, 125);
    assertMatch(
      refused.stderr,
      /^cage: Cannot use --compile with --privileged: /,
    );
    assert(!exists(file));
    const script = "cat /proc/self/uid_map";
    const { status } = await t.cage(
      t.mallory,
      [...args, ...sh(script)],
      policy,
    );
    assertEquals(status, 0);
    const { stdout } = await t.run(t.mallory, [file], policy);
    assertEquals(stdout.trim().split(/ +/), ["0", `${t.mallory.uid}`, "1"]);
  },
);

/** How often a race is run. */
const RACES = 60;

/** The status of a program that has got at what is not its own. */
const GOT = 42;

/** Opens descriptors of pid 1, over and over: it must be there quickly. */
function descriptorsOfInit(): Program {
  const cell = { buffer: "cell" };
  const numbers = [3, 4, 5];
  return {
    buffers: { cell: 8 },
    steps: [
      ...numbers.flatMap((number, index): Program["steps"] => [
        {
          name: `open${number}`,
          call: "openat",
          args: [AT_FDCWD, `/proc/1/fd/${number}`, O_RDWR],
          onError: {
            goto: index + 1 < numbers.length ? `open${number + 1}` : "rounds",
          },
        },
        { call: "exit_group", args: [GOT] },
      ]),
      { name: "rounds", call: "load", args: [cell, 1] },
      { call: "store", args: [cell, 0, { result: "rounds" }] },
      {
        call: "subtract",
        args: [{ result: "rounds" }, 3000, 0],
        ifZero: "end",
      },
      {
        call: "subtract",
        args: [0, 0, 0],
        ifZero: `open${numbers[0]}`,
      },
      { name: "end", call: "exit_group", args: [0] },
    ],
  };
}

attack("Pid 1 of a compiled container has nothing of the host", async (t) => {
  const { bytes } = packElf(descriptorsOfInit(), HOST_ARCH);
  const program = `${await t.root()}/bin/descriptors`;
  Deno.writeFileSync(program, bytes, { mode: 0o755 });
  for (const person of [t.mallory, t.plain]) {
    const file = await compileAs(t, person, ["descriptors"]);
    for (let race = 0; race < RACES; race++) {
      const result = await t.run(person, [file]);
      assertEquals(result, { status: 0, stdout: "", stderr: "" });
    }
  }
});

attack("A pid file of somebody else leads root to nothing", async (t) => {
  const directory = t.newScratch("/var/tmp");
  Deno.chmodSync(directory, 0o777);
  const pidFile = `${directory}/pid`;
  const file = `${t.scratch}/roots`;
  const args = ["--ephemeral", "-l", await t.root()];
  const compiled = await run([
    ...[t.cageFile, "--compile", file, "-p", pidFile, ...args],
    ...sh("echo here"),
  ]);
  assertEquals(compiled.status, 0);
  await using other = t.spawnRoot(["-n", "other", ...args]);
  await other.seen("ready");
  const led = `cp /run/microcontainer/other.pid "$0" 2>/dev/null || ` +
    `echo ${pidOfInit(other)} >"$0"`;
  await t.run(t.mallory, ["/bin/sh", "-c", led, pidFile]);
  assertEquals(Deno.statSync(pidFile).uid, t.mallory.uid);
  const { status, stderr, stdout } = await run([file]);
  assertEquals([status, stdout], [125, ""]);
  assertMatch(stderr, /^cage: Cannot use pid file "[^\n]+: it is somebody /);
  await other.end();
});

attack("A compiled container of a user needs user namespaces", async (t) => {
  const file = await compileAs(t, t.mallory, ["true"]);
  await Deno.chown(file, 0, 0);
  await Deno.chmod(file, BITS);
  const { status, stderr, stdout } = await t.run(t.mallory, [
    ...["unshare", "--user", "--map-current-user", "--keep-caps", "--"],
    ...["sh", "-ec", 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$0"'],
    file,
  ]);
  assertEquals([status, stdout], [125, ""]);
  assertMatch(
    stderr,
    /^cage: Cannot create a container: [^\n]+user\.max_user_/,
  );
});
