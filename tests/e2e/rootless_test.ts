/**
 * What only an ordinary user's `cage` without a setuid bit does. What it does
 * as any other is in the other files, which run in this mode too.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname } from "@std/path";
import {
  afterMounting,
  busyboxRoot,
  cage,
  cageWords,
  CHECKOUT,
  type Context,
  denoWords,
  exists,
  filesBelow,
  HOME,
  idOnHost,
  modeOf,
  processes,
  run,
  type RunOptions,
  sh,
  spawnCage,
  STATE_DIRECTORY,
  test,
  until,
  waiting,
  whyNoProgram,
  whyNoRanges,
  whyNotRootless,
} from "./support/mod.ts";

const ROOTLESS = { skip: whyNotRootless() };
const RANGES = { skip: whyNotRootless() ?? whyNoRanges() };

/** The user on the host. */
const UID = Deno.uid()!;
const GID = Deno.gid()!;

const PLACES = ["XDG_DATA_HOME", "XDG_RUNTIME_DIR"];

/** Where root's `cage` and the setuid one keep everything. */
const OF_ROOT = ["/var/lib/microcontainer", "/run/microcontainer"];

/** Runs `cage` without variables. */
function unset(...names: string[]): string[] {
  return ["env", ...names.flatMap((name) => ["-u", name])];
}

/** What a command does that shows where its instance is. */
const KEEP = "echo x >/made; echo ready";

test("cage as a user has no setuid bit to use", () => {
  const [program] = cageWords();
  assertEquals((Deno.statSync(program).mode ?? 0) & 0o6000, 0);
}, ROOTLESS);

test("cage keeps a user's files where XDG variables say", async (t) => {
  const [data, runtime] = [`${t.scratch}/data`, `${t.scratch}/runtime`];
  Deno.mkdirSync(runtime, { mode: 0o700 });
  await using child = spawnCage([...await t.options(), ...waiting(KEEP)], {
    env: { XDG_DATA_HOME: data, XDG_RUNTIME_DIR: runtime },
  });
  await child.seen("ready");
  const app = `${data}/microcontainer/app-${t.name}`;
  const pidFile = `${runtime}/microcontainer/${t.name}.pid`;
  assertEquals(Deno.readTextFileSync(`${app}/upper/made`), "x\n");
  assertEquals([modeOf(app), modeOf(pidFile)], ["0700", "0600"]);
  assertEquals(modeOf(`${runtime}/microcontainer`), "0700");
  assertEquals((await child.end()).status, 0);
  assertEquals(exists(pidFile), false);
  assertEquals([exists(t.appDir), exists(t.pidFile)], [false, false]);
}, ROOTLESS);

test(
  "cage keeps a user's files at home where no variable says more",
  async (t) => {
    const home = `${t.scratch}/home`;
    Deno.mkdirSync(home);
    await using child = spawnCage([...await t.options(), ...waiting(KEEP)], {
      env: { HOME: home },
      within: unset(...PLACES),
    });
    await child.seen("ready");
    const app = `${home}/.local/share/microcontainer/app-${t.name}`;
    assertEquals(Deno.readTextFileSync(`${app}/upper/made`), "x\n");
    const usual = `/run/user/${UID}`;
    const state = exists(usual) ? usual : `/tmp/microcontainer-${UID}`;
    const found = await filesBelow(state);
    assertEquals(
      found.filter((path) => path.endsWith(`${t.name}.pid`)).length,
      1,
    );
    assertEquals((await child.end()).status, 0);
  },
  ROOTLESS,
);

test("cage ignores XDG variables that are relative or empty", async (t) => {
  const home = `${t.scratch}/home`;
  Deno.mkdirSync(home);
  for (const value of ["", "relative", "./relative", "~/relative"]) {
    const { status, stderr } = await t.cage(sh("echo x >/made"), {
      cwd: t.scratch,
      env: { HOME: home, XDG_DATA_HOME: value, XDG_RUNTIME_DIR: value },
    });
    assertEquals([status, stderr], [0, ""], value);
  }
  const app = `${home}/.local/share/microcontainer/app-${t.name}`;
  assertEquals(exists(`${app}/upper/made`), true);
  const names = [...Deno.readDirSync(t.scratch)].map(({ name }) => name);
  assertEquals(names.sort(), ["home", "root"]);
}, ROOTLESS);

test("cage keeps no files where others could change them", async (t) => {
  const others = `${t.scratch}/others`;
  Deno.mkdirSync(`${others}/microcontainer`, { recursive: true });
  Deno.chmodSync(`${others}/microcontainer`, 0o777);
  // Root's, but nothing is to be made in it.
  const roots = `${t.scratch}/roots`;
  Deno.mkdirSync(roots);
  Deno.symlinkSync("/", `${roots}/microcontainer`);
  const reasons = {
    [others]: "others can write to it",
    [roots]: "it is somebody else's",
  };
  for (const [directory, reason] of Object.entries(reasons)) {
    for (const name of PLACES) {
      const { status, stdout, stderr } = await t.cage(["true"], {
        env: { [name]: directory },
      });
      assertEquals([status, stdout], [125, ""]);
      assertEquals(
        stderr,
        `cage: Cannot use directory "${directory}/microcontainer": ` +
          `${reason}: remove it, or set XDG_DATA_HOME and XDG_RUNTIME_DIR to ` +
          "directories of yours\n",
      );
    }
  }
}, ROOTLESS);

test("cage follows a user's own link to where there is room", async (t) => {
  const [data, disk] = [`${t.scratch}/data`, `${t.scratch}/disk`];
  Deno.mkdirSync(data);
  Deno.mkdirSync(disk);
  Deno.symlinkSync(disk, `${data}/microcontainer`);
  const { status, stderr } = await t.cage(sh("echo x >/made"), {
    env: { XDG_DATA_HOME: data },
  });
  assertEquals([status, stderr], [0, ""]);
  const made = `${disk}/app-${t.name}/upper/made`;
  assertEquals(Deno.readTextFileSync(made), "x\n");
}, ROOTLESS);

test("cage shows a user no storage of containers inside", async (t) => {
  const place = t.newScratch();
  const [upper, work] = [`${place}/upper`, `${place}/work`];
  const directories = ["-U", upper, "-w", work];
  const usual = dirname(t.appDir);
  Deno.mkdirSync(usual, { recursive: true, mode: 0o700 });
  const script = `echo x >/made; ls -A ${upper} ${work} ${usual}`;
  const { status, stderr, stdout } = await cage([
    ...["-n", t.name, ...directories, ...sh(script)],
  ]);
  assertEquals([status, stderr], [0, ""]);
  assertEquals(
    stdout.trim().split("\n").filter((line) => line !== "").sort(),
    [upper, work, usual].map((path) => `${path}:`).sort(),
  );
  assertEquals(Deno.readTextFileSync(`${upper}/made`), "x\n");
}, ROOTLESS);

test("cage gives one id where nothing gains privileges", async (t) => {
  const { status, stderr, stdout } = await t.cage(
    ["cat", "/proc/self/uid_map"],
    { within: ["setpriv", "--no-new-privs"] },
  );
  assertEquals([status, stderr], [0, ""]);
  assertEquals(stdout.trim().split(/\s+/), ["0", `${UID}`, "1"]);
}, ROOTLESS);

test("cage keeps its memory from a user's init script", async (t) => {
  // pid 1 has the launcher's still.
  const script = `${t.scratch}/script`;
  const lines = [
    ...["environ", "maps", "auxv"].map((name) =>
      `cat /proc/1/${name} >/dev/null 2>&1 && echo read ${name}`
    ),
    "ls /proc/1/fd/ >/dev/null 2>&1 && echo listed",
    "readlink /proc/1/exe",
    "test -r /proc/self/environ && echo own",
  ];
  Deno.writeTextFileSync(script, `${lines.join("\n")}\ntrue\n`);
  const { status, stderr, stdout } = await t.cage(["-i", script, "true"]);
  assertEquals([status, stderr, stdout], [0, "", "own\n"]);
}, RANGES);

test(
  "cage says what a user can do where there is no place for files",
  async (t) => {
    const closed = `${t.scratch}/closed`;
    Deno.mkdirSync(closed, { mode: 0o500 });
    for (const name of ["XDG_DATA_HOME", "XDG_RUNTIME_DIR"]) {
      const { status, stdout, stderr } = await t.cage(["true"], {
        env: { [name]: `${closed}/below` },
      });
      assertEquals([status, stdout], [125, ""]);
      assertEquals(
        stderr,
        `cage: Cannot create directory "${closed}/below": permission denied: ` +
          "set XDG_DATA_HOME and XDG_RUNTIME_DIR to directories of yours\n",
      );
    }
  },
  ROOTLESS,
);

test("cage knows the home of a user who has no HOME", async (t) => {
  const options: RunOptions[] = [
    { within: unset("HOME", ...PLACES) },
    { within: unset(...PLACES), env: { HOME: "relative" } },
  ];
  for (const option of options) {
    const { status, stderr } = await t.cage(sh("echo x >>/made"), option);
    assertEquals([status, stderr], [0, ""]);
  }
  const app = `${homeInPasswd()}/.local/share/microcontainer/app-${t.name}`;
  assertEquals(Deno.readTextFileSync(`${app}/upper/made`), "x\nx\n");
}, { skip: whyNotRootless() ?? whyOtherHome() });

function homeInPasswd(): string | undefined {
  return Deno.readTextFileSync("/etc/passwd").split("\n")
    .map((line) => line.split(":"))
    .find(([, , uid]) => uid === `${UID}`)?.[5];
}

function whyOtherHome(): string | undefined {
  return homeInPasswd() === HOME &&
      STATE_DIRECTORY === `${HOME}/.local/share/microcontainer`
    ? undefined
    : "the home of the tests is not that of the user";
}

test("cage as a user keeps nothing where root does", async (t) => {
  await t.sh(KEEP);
  await t.sh(KEEP, ["--ephemeral"]);
  assertEquals((await cage(["-k", "-n", t.name])).status, 0);
  assertEquals(OF_ROOT.flatMap(ownBelow), []);
}, ROOTLESS);

/** Lists what a directory has of the user, as far as the user can see. */
function ownBelow(path: string): string[] {
  if (!exists(path)) return [];
  const { isDirectory, uid } = Deno.lstatSync(path);
  const own = uid === UID ? [path] : [];
  if (!isDirectory) return own;
  return [
    ...own,
    ...namesIn(path).flatMap((name) => ownBelow(`${path}/${name}`)),
  ];
}

function namesIn(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch {
    // It is for root alone.
    return [];
  }
}

test(
  "cage makes the caller root inside, and others of their ranges",
  async (t) => {
    const script = "touch a b; chown 7:8 a; chown 1000 b; stat -c %u:%g a b; " +
      "su -s /bin/sh alice -c 'touch /home/alice/c; stat -c %u /home/alice/c'";
    assertEquals(await t.sh(script), "7:8\n1000:0\n1000\n");
    const idsOf = (name: string) => {
      const { uid, gid } = Deno.lstatSync(`${t.appDir}/upper/${name}`);
      return [uid, gid];
    };
    assertEquals(idsOf("."), [UID, GID]);
    assertEquals(idsOf("a"), [idOnHost(7), idOnHost(8, "gid")]);
    assertEquals(idsOf("b"), [idOnHost(1000), GID]);
    assertEquals(idsOf("home/alice/c")[0], idOnHost(1000));
  },
  RANGES,
);

test('cage -u "$(id -u)" is the caller, inside as outside', async (t) => {
  const share = t.newScratch();
  Deno.writeTextFileSync(`${share}/file`, "own\n", { mode: 0o600 });
  const script = "id -u; id -g; grep ^CapEff: /proc/self/status; " +
    "cat /mnt/file; echo x >/mnt/made; stat -c %u:%g /mnt/file /mnt/made";
  const expected = `${UID}\n${GID}\nCapEff:\t${"0".repeat(16)}\nown\n` +
    `${UID}:${GID}\n${UID}:${GID}\n`;
  const options = ["-u", `${UID}`, "-g", `${GID}`, "-v", `${share}:/mnt`];
  for (const more of [[], ["-l", await t.root()]]) {
    const args = ["--ephemeral", "-n", t.name, ...more, ...options];
    assertEquals(await cage([...args, ...sh(script)]), {
      status: 0,
      stdout: expected,
      stderr: "",
    });
    const { uid, gid } = Deno.statSync(`${share}/made`);
    assertEquals([uid, gid], [UID, GID]);
  }
}, ROOTLESS);

test(
  'cage -u "$(id -u)" gives what is changed at home to the caller',
  async (t) => {
    const home = t.newScratch();
    Deno.writeTextFileSync(`${home}/file`, "host\n");
    const own = ["-n", t.name, "-u", `${UID}`, "-c", home];
    await using first = spawnCage([
      ...own,
      ...waiting("echo changed >file; echo x >made; echo ready"),
    ]);
    await first.seen("ready");
    const { stdout, stderr } = await cage([
      ...own,
      ...sh("cat file made; stat -c %u file made; id -u"),
    ]);
    assertEquals(
      [stdout, stderr],
      [`changed\nx\n${UID}\n${UID}\n${UID}\n`, ""],
    );
    assertEquals((await first.end()).status, 0);
    const upper = `${t.appDir}/upper${home}`;
    for (const name of ["", "/file", "/made"]) {
      assertEquals(Deno.statSync(`${upper}${name}`).uid, UID);
    }
    // As root inside, whoever it was is root.
    const script = `stat -c %u ${home}/made; rm ${home}/made; ls ${home}`;
    assertEquals(await cage(["-n", t.name, ...sh(script)]), {
      status: 0,
      stdout: "0\nfile\n",
      stderr: "",
    });
    assertEquals(Deno.readTextFileSync(`${home}/file`), "host\n");
  },
  ROOTLESS,
);

test("cage says which ids there are to a user who wants another", async (t) => {
  const { status, stdout, stderr } = await t.cage(["-u", "3000000000", "id"]);
  assertEquals([status, stdout], [125, ""]);
  assertMatch(
    stderr,
    /^cage: Cannot run as user 3000000000: it is not mapped, only \d+ from 0 to \d+ are: [^\n]+\n$/,
  );
}, RANGES);

test("cage shows a user that what others own is nobody's", async (t) => {
  const script = "stat -c %u:%g /etc/passwd; cat /etc/shadow; " +
    "echo x >/etc/passwd; rm /etc/passwd; echo x >/etc/made; id -u";
  const { stdout } = await cage(["-n", t.name, ...sh(script)]);
  assertEquals(stdout, "65534:65534\n0\n");
  assertEquals(exists("/etc/made"), false);
}, ROOTLESS);

/** Fields that tell of a process itself, and not of what it may do. */
const OWN_FIELDS =
  /^(Name|N?S?[Tt]gid|N?S?[Pp]id|PPid|NSpgid|NSsid|Vm\w+|Rss\w+|HugetlbPages|\w*voluntary_ctxt_switches|FDSize|State|Cpus_\w+|Mems_\w+|SigQ)$/;

/** Fields of proc_pid_status(5) and maps of ids. */
const SHOW_STATUS = "cat /proc/self/status; cat /proc/self/uid_map " +
  "/proc/self/gid_map /proc/self/setgroups /proc/self/oom_score_adj " +
  "/proc/self/limits /proc/self/mountinfo | sed 's/^/other: /'; umask; " +
  "for name in cgroup ipc mnt net pid user uts; do " +
  "readlink /proc/self/ns/$name; done";

function limitsOf(text: string): string[] {
  return text.trim().split("\n")
    .filter((line) => !OWN_FIELDS.test(line.split(":")[0]));
}

test(
  "cage holds a user's second command as tightly as the first",
  async (t) => {
    const all = [[], ["--no-new-privs"], ["--privileged"], ["-c", "/tmp"]];
    const more = whyNoRanges() === undefined ? [["-u", "alice"]] : [];
    for (const options of [...all, ...more]) {
      const args = await t.options(...options);
      await using first = spawnCage([
        ...args,
        ...waiting(`${SHOW_STATUS}; echo ready`),
      ]);
      await first.seen("ready");
      const second = await cage([...args, ...sh(SHOW_STATUS)]);
      assertEquals([second.status, second.stderr], [0, ""], `${options}`);
      const started = limitsOf(first.output.replace(/ready\n$/, ""));
      assert(started.length > 40, first.output);
      assertEquals(limitsOf(second.stdout), started, `${options}`);
      await first.end();
    }
  },
  ROOTLESS,
);

test(
  "cage takes from a user's root what it takes from any other",
  async (t) => {
    const text = await t.sh("cat /proc/self/status");
    assertMatch(text, /^Seccomp:\t2$/m);
    const bounding = BigInt(`0x${text.match(/^CapBnd:\t(\w+)$/m)![1]}`);
    // CAP_NET_ADMIN, CAP_SYS_MODULE, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_BPF.
    for (const bit of [12n, 16n, 19n, 21n, 39n]) {
      assertEquals(bounding >> bit & 1n, 0n, `${bit}`);
    }
  },
  ROOTLESS,
);

test(
  "cage --privileged gives a user all that a user namespace has",
  async (t) => {
    const last = Deno.readTextFileSync("/proc/sys/kernel/cap_last_cap");
    const all = ((1n << BigInt(last) + 1n) - 1n).toString(16).padStart(16, "0");
    const lines = [
      "grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status",
      "mount -t tmpfs tmpfs /mnt && echo mounted",
      "hostname other && hostname",
      "chroot / true && echo chroot",
      // What only root of the machine may.
      "mknod /dev/shm/null c 1 3 2>/dev/null && echo made",
      "cat /proc/kcore /proc/kmsg /etc/shadow 2>/dev/null",
      "echo core.%p 2>/dev/null >/proc/sys/kernel/core_pattern && echo written",
      "hostname -F /etc/passwd; true",
    ];
    const { stdout } = await cage([
      ...["--privileged", "--ephemeral", "-n", t.name, "-l", await t.root()],
      ...sh(`mkdir -p /mnt; ${lines.slice(0, -1).join("\n")}; true`),
    ]);
    assertEquals(
      stdout,
      `CapBnd:\t${all}\nCapEff:\t${all}\nSeccomp:\t0\n`
        .replace(/(CapBnd.*\n)(CapEff.*\n)/, "$2$1") +
        "mounted\nother\nchroot\n",
    );
  },
  ROOTLESS,
);

test(
  "cage runs on this machine's root as a user, with every option",
  async (t) => {
    const script = `${t.scratch}/script`;
    const share = `${t.scratch}/share`;
    const pidFile = `${t.scratch}/pid`;
    Deno.writeTextFileSync(script, "echo init $(id -u)\n");
    Deno.mkdirSync(share);
    Deno.writeTextFileSync(`${share}/file`, "of the host\n");
    const options = [
      ...["-n", t.name, "-p", pidFile, "-i", script, "-e", "A=1 2"],
      ...["-c", "/tmp/in", "-v", `${share}:/tmp/in`],
    ];
    await using child = spawnCage([
      ...options,
      ...waiting('pwd; cat file; echo "$A" >made; id -u; echo ready'),
    ]);
    await child.seen("ready");
    assertEquals(child.output, "init 0\n/tmp/in\nof the host\n0\nready\n");
    const { uid } = Deno.statSync(`${share}/made`);
    assertEquals([uid, Deno.readTextFileSync(`${share}/made`)], [UID, "1 2\n"]);
    const second = await cage([...options, "cat", "/tmp/in/made"]);
    assertEquals(second, { status: 0, stdout: "1 2\n", stderr: "" });
    const killed = await cage(["-k", "-p", pidFile]);
    assertEquals(killed, { status: 0, stdout: "", stderr: "" });
    assertEquals([exists(pidFile), (await child.result).status], [false, 143]);
  },
  ROOTLESS,
);

test("cage keeps what a user changes of this machine's root", async (t) => {
  const home = t.newScratch();
  Deno.writeTextFileSync(`${home}/file`, "host\n");
  Deno.mkdirSync(`${home}/directory`);
  const change = `cd ${home}; echo changed >file; rmdir directory; ` +
    "mkdir -p new/deep; echo x >new/deep/file; ln -s file link";
  const show = `cd ${home}; cat file new/deep/file link; ls`;
  assertEquals(await cage(["-n", t.name, ...sh(change)]), {
    status: 0,
    stdout: "",
    stderr: "",
  });
  assertEquals(await cage(["-n", t.name, ...sh(show)]), {
    status: 0,
    stdout: "changed\nx\nchanged\nfile\nlink\nnew\n",
    stderr: "",
  });
  assertEquals(await filesBelow(home), ["directory", "file"]);
  assertEquals(Deno.readTextFileSync(`${home}/file`), "host\n");
  const upper = `${t.appDir}/upper${home}`;
  assertEquals(Deno.readTextFileSync(`${upper}/file`), "changed\n");
}, ROOTLESS);

test("cage ends a user's commands with their statuses", async (t) => {
  for (const script of ["exit 0", "exit 7", "exit 255"]) {
    const { status } = await cage(["-n", t.name, ...sh(script)]);
    assertEquals(status, Number(script.split(" ")[1]));
  }
  const { status } = await cage(["-n", t.name, ...sh("kill -USR1 $$")]);
  assertEquals(status, 138);
  await using child = spawnCage([
    ...["-n", t.name],
    ...sh("trap 'echo caught; exit 9' TERM; echo ready; sleep 1000 & wait"),
  ]);
  await child.seen("ready");
  child.kill("SIGTERM");
  assertEquals(await child.result, {
    status: 9,
    stdout: "ready\ncaught\n",
    stderr: "",
  });
}, ROOTLESS);

test(
  "cage leaves no process of a user's ranges when it is killed",
  async (t) => {
    await using child = spawnCage([
      ...await t.options("-u", "alice"),
      ...sh("echo ready; setsid sleep 1000 & exec sleep 1000"),
    ]);
    await child.seen("ready");
    const isTheirs = ({ pid }: { pid: number }) => {
      try {
        return Deno.lstatSync(`/proc/${pid}`).uid === idOnHost(1000);
      } catch {
        return false;
      }
    };
    assert(processes().some(isTheirs));
    child.kill("SIGKILL");
    assertEquals((await child.result).status, 137);
    await until(() => !processes().some(isTheirs), "the end of the container");
    // What is left for the next launch to find is found.
    assertEquals((await t.cage(["-u", "alice", "true"])).status, 0);
  },
  RANGES,
);

test(
  "cage keeps a user's changes by FUSE where an overlay cannot be",
  async (t) => {
    const at = (name: string) => `${t.scratch}/${name}`;
    ["lower", "upper", "work", "merged"].forEach((name) =>
      Deno.mkdirSync(at(name))
    );
    const within = afterMounting(
      `cd '${t.scratch}'; mount -t overlay overlay merged \\
      -o lowerdir=lower,upperdir=upper,workdir=work; cd /`,
    );
    const args = [
      ...["-l", await t.root(), "-a", at("merged/app"), "-p", at("pid")],
      ...sh("cat /made 2>/dev/null; echo x >>/made; rm -rf /home; ls -d /home"),
    ];
    for (const expected of ["", "x\n"]) {
      const { status, stdout, stderr } = await cage(args, { within });
      assertEquals([status, stdout], [1, expected]);
      assertMatch(stderr, /^ls: \/home: No such file or directory\n$/);
    }
    const made = `${at("upper")}/app/upper/made`;
    assertEquals(Deno.readTextFileSync(made), "x\nx\n");
  },
  {
    skip: whyNotRootless() ?? whyNoProgram("fuse-overlayfs") ?? whyNoFuse(),
  },
);

test(
  "cage -d keeps what serves a user's changes by FUSE",
  async (t) => {
    const at = (name: string) => `${t.scratch}/${name}`;
    ["lower", "upper", "work", "merged"].forEach((name) =>
      Deno.mkdirSync(at(name))
    );
    const mounted = afterMounting(
      `cd '${t.scratch}'; mount -t overlay overlay merged \\
      -o lowerdir=lower,upperdir=upper,workdir=work; cd /`,
    );
    // Where the mount is, one after the other.
    const script = `"$@" -d -- sleep 1000 &&
      "$@" -- sh -c 'echo x >/made; cat /made' && "$@" -k`;
    const { status, stdout, stderr } = await cage(
      ["-l", await t.root(), "-a", at("merged/app"), "-p", at("pid")],
      { within: [...mounted, "sh", "-c", script, "sh"] },
    );
    assertEquals([status, stderr], [0, ""]);
    assertEquals(stdout, `${at("pid")}\nx\n`);
    assertEquals(Deno.readTextFileSync(at("upper/app/upper/made")), "x\n");
  },
  {
    skip: whyNotRootless() ?? whyNoProgram("fuse-overlayfs") ?? whyNoFuse(),
  },
);

function whyNoFuse(): string | undefined {
  try {
    Deno.openSync("/dev/fuse", { read: true, write: true }).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

test("cage --privileged lets a user run cage inside", async (t) => {
  // Not where the temporary directories of the container are.
  const root = await busyboxRoot(`${t.newScratch()}/root`);
  const places = ["XDG_DATA_HOME=/run/data", "XDG_RUNTIME_DIR=/run"];
  const inner = [...cageWords(), "-l", root, ...sh("echo $$; id -u; ls /")];
  const outer = ["--privileged", "--ephemeral", "-n", t.name];
  const { status, stdout, stderr } = await cage([
    ...[...outer, "--", "env", ...places, ...inner],
  ]);
  assertEquals([status, stderr], [0, ""]);
  assertMatch(stdout, /^[2-9]\n0\nbin\ndev\netc\n/);
}, ROOTLESS);

test(
  "cage runs an init script as root, and then the caller by number",
  async (t) => {
    const script = `${t.scratch}/script`;
    Deno.writeTextFileSync(script, "id -u; touch /made; chown 7 /made\n");
    const options = ["-i", script, "-u", `${UID}`];
    const { status, stdout, stderr } = await t.cage([
      ...[...options, ...sh("id -u; stat -c %u /made")],
    ]);
    assertEquals([status, stdout, stderr], [0, `0\n${UID}\n7\n`, ""]);
  },
  RANGES,
);

test("deno run -A mod.ts works as a user", async (t) => {
  const options = await t.options();
  for (const [text, status] of [["echo x >/made", 0], ["cat /made", 0]]) {
    const ended = await run([
      ...denoWords(),
      ...[`${CHECKOUT}/mod.ts`, ...options, ...sh(`${text}`)],
    ]);
    assertEquals([ended.status, ended.stderr], [status, ""]);
  }
  const kept = await t.cage(["cat", "/made"]);
  assertEquals(kept.stdout, "x\n");
}, ROOTLESS);

test("launch() works in a program of a user's", async (t) => {
  const script = `${t.scratch}/script.ts`;
  Deno.writeTextFileSync(script, program(t, await t.root()));
  const { status, stdout, stderr } = await run([...denoWords(), script]);
  assertEquals([status, stderr], [0, ""]);
  assertEquals(stdout, `0 inside 5\n${t.name}\n0 attached 0\n`);
}, ROOTLESS);

function program(t: Context, root: string): string {
  return `
import { attach, launch, list, stop } from "${CHECKOUT}/mod.ts";
const spec = { name: "${t.name}", lower: ["${root}"] };
const streams = { stdin: "null", stdout: "piped" } as const;
const shell = (script: string) => ["/bin/sh", "-c", script];
const text = (stream?: ReadableStream) => new Response(stream).text();
const one = await launch(
  { ...spec, command: shell("echo $(id -u) inside; exit 5") },
  streams,
);
console.log((await text(one.stdout)).trim(), String((await one.status).code));
const wait = "trap 'exit 0' TERM; echo ready; sleep 1000 & wait";
const first = await launch({ ...spec, command: shell(wait) }, streams);
const reader = first.stdout!.getReader();
await reader.read();
await reader.cancel();
console.log((await list()).map(({ name }) => name).join());
const second = await attach(
  { ...spec, command: shell("echo $(id -u) attached") },
  streams,
);
console.log((await text(second.stdout)).trim(), String((await second.status).code));
await stop(spec);
await first.status;
`;
}

/** Tells why nothing can be got from the registry of npm. */
function whyNoRegistry(): string | undefined {
  const missing = ROOTLESS.skip ?? whyNoProgram("make", "node", "npm");
  if (missing !== undefined) return missing;
  const { success } = new Deno.Command("npm", {
    args: ["view", "is-number", "version"],
    stderr: "null",
  }).outputSync();
  return success ? undefined : "the registry of npm cannot be reached";
}

test(
  "npm installs a package and a program is built on this machine's root",
  async (t) => {
    const project = t.newScratch();
    const files = {
      "Makefile": "sum: build.js input\n\tnode build.js <input >sum\n",
      "build.js": 'const isNumber = require("is-number");\n' +
        'const text = require("node:fs").readFileSync(0, "utf8");\n' +
        'const numbers = text.split("\\n").filter(isNumber).map(Number);\n' +
        "console.log(numbers.reduce((sum, number) => sum + number, 0));\n",
      "input": "1\nx\n41\n",
      "package.json": '{ "private": true, "scripts": { "build": "make" } }\n',
    };
    for (const [name, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${project}/${name}`, text);
    }
    const script = "set -e; npm install --no-audit --no-fund is-number 1>&2; " +
      "npm run --silent build >/dev/null; cat sum";
    const { status, stderr, stdout } = await cage([
      ...["-n", t.name, "-c", project, ...sh(script)],
    ]);
    assertEquals([status, stdout], [0, "42\n"], stderr);
    // Nothing of it is on the host, all of it in the upper directory.
    assertEquals(await filesBelow(project), Object.keys(files).sort());
    const made = await filesBelow(`${t.appDir}/upper${project}`);
    assert(made.includes("node_modules/is-number/package.json"), `${made}`);
    assert(made.includes("sum"), `${made}`);
  },
  { skip: whyNoRegistry() },
);
