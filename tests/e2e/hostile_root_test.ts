import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  busyboxRoot,
  cage,
  type Context,
  exists,
  isRootless,
  type Result,
  sh,
  test,
} from "./support/mod.ts";
import {
  Canary,
  closeTraps,
  exchanging,
  lay,
  LINKS,
  linkTo,
  NODES,
  type Trap,
} from "./support/hostile.ts";

/** A root, and a directory of the host that is in reach by descriptors. */
interface Prepared {
  readonly canary: Canary;
  readonly root: string;
}

async function prepare(t: Context): Promise<Prepared> {
  const root = await busyboxRoot(`${t.scratch}/hostile`);
  Deno.symlinkSync("/circle", `${root}/circle`);
  const canary = new Canary(`${t.scratch}/canary`);
  assert(await canary.isUnchanged());
  return { canary, root };
}

/** Runs a command where the canary is directory, layer and volume. */
function enter(
  { canary: { path }, root }: Prepared,
  args: readonly string[],
): Promise<Result> {
  const layers = ["--ephemeral", "-l", `${root}:${path}`];
  const volume = ["-v", `${path}:/srv/canary:ro`];
  return cage([...layers, ...volume, ...args], { cwd: path, patience: 20_000 });
}

/** Either it runs, or one sentence says what, why, and what to do. */
function assertTold({ status, stderr }: Result): void {
  const sentence = /^cage: (Cannot|Unknown) [^\n]+: [^\n]+: [^\n]+\n$/;
  if (status === 0) assertEquals(stderr, "");
  else assertMatch(stderr, sentence, `status ${status}`);
}

/** Lays each trap in turn, and looks at the canary after each. */
async function forEachTrap(
  { canary, root }: Prepared,
  path: string,
  traps: readonly Trap[],
  body: (trap: Trap) => Promise<void>,
): Promise<void> {
  for (const trap of traps) {
    await lay(trap, `${root}/${path}`, canary.path);
    const what = `/${path} is ${trap.what}`;
    try {
      await body(trap);
    } catch (error) {
      throw new Error(`${what}: ${(error as Error).message}`);
    } finally {
      closeTraps();
    }
    assert(await canary.isUnchanged(), what);
  }
}

const TRAPS = [...LINKS, ...NODES];

// The kernel's file systems: nothing but a directory will do.

for (
  const [path, type] of [["dev", "tmpfs"], ["proc", "proc"], ["sys", "sysfs"]]
) {
  test(`cage refuses a root whose /${path} is no directory`, async (t) => {
    const on = await prepare(t);
    await forEachTrap(on, path, TRAPS, async () => {
      assertEquals(await enter(on, ["true"]), {
        status: 125,
        stdout: "",
        stderr: `cage: Cannot mount ${type} on "/${path}": not a directory: ` +
          "make it a directory in the root file system, no link\n",
      });
    });
  });
}

for (const path of ["run", "tmp", "var/tmp", "var"]) {
  test(`cage stays inside a root whose /${path} is not what it seems`, async (t) => {
    const on = await prepare(t);
    await forEachTrap(on, path, TRAPS, async () => {
      assertTold(await enter(on, ["true"]));
    });
  });
}

test("cage stays inside whatever descriptor a link names", async (t) => {
  const on = await prepare(t);
  const names = [...Array(40).keys(), 250, 500, 501, 502, 503];
  const traps = names.map((name) => linkTo(`/proc/self/fd/${name}`));
  await forEachTrap(on, "var", traps, async () => {
    assertTold(await enter(on, ["true"]));
  });
});

test("cage takes temporary directories that are links inside", async (t) => {
  const on = await prepare(t);
  Deno.mkdirSync(`${on.root}/var/run`);
  Deno.mkdirSync(`${on.root}/home/t`);
  const links = { "var/tmp": "../tmp", run: "/var/run", tmp: "home/t" };
  for (const [path, to] of Object.entries(links)) {
    await lay(linkTo(to), `${on.root}/${path}`, on.canary.path);
  }
  const script = "touch /tmp/x /var/tmp/y; ls /home/t; ls -d /run/*; " +
    "grep -c ' /home/t tmpfs' /proc/mounts";
  const { status, stdout } = await enter(on, sh(script));
  assertEquals([status, stdout], [0, "x\ny\n/run/lock\n/run/user\n2\n"]);
});

test("cage masks as much where temporary directories lead to what is masked", async (t) => {
  const on = await prepare(t);
  const setting = "/proc/sys/kernel/core_pattern";
  const before = Deno.readTextFileSync(setting);
  const places = [
    ...["/", ".", "..", "/dev", "/dev/pts", "/proc", "/proc/1", "/proc/sys"],
    ...["/proc/irq", "/proc/sys/kernel", "/sys", "/sys/firmware", "/etc"],
  ];
  const script =
    `echo core.%p >${setting}; echo x >/sys/kernel/uevent_seqnum; ` +
    "cat /proc/keys /proc/timer_list /proc/kcore";
  try {
    for (const path of ["tmp", "var/tmp", "run"]) {
      await forEachTrap(on, path, places.map(linkTo), async () => {
        const result = await enter(on, sh(`(${script}) 2>/dev/null`));
        assertEquals([result.stdout, result.stderr], ["", ""]);
        assertEquals(Deno.readTextFileSync(setting), before);
      });
    }
  } finally {
    if (!isRootless) Deno.writeTextFileSync(setting, before);
  }
});

test("cage never looks at what lies below its file systems", async (t) => {
  const on = await prepare(t);
  const names = ["null", "console", "pts", "shm", "ptmx"];
  const more = [
    ...[...names, "zero"].map((name) => `${on.root}/dev/${name}`),
    ...["lock", "user"].map((name) => `${on.root}/run/${name}`),
  ];
  await forEachTrap(on, "dev/tty", TRAPS, async (trap) => {
    for (const path of more) await lay(trap, path, on.canary.path);
    const script = "cat /dev/null; echo x >/dev/null; cat /proc/kcore; " +
      "touch /dev/shm/x /run/lock/x /dev/pts/ptmx; stat -c %t:%T /dev/null";
    const { status, stdout } = await enter(on, sh(script));
    assertEquals([status, stdout], [0, "1:3\n"]);
  });
});

// Files are read, or mounted on.

/** The links of a directory, but each to a file in it. */
const toFile = (name: string) =>
  LINKS.map(({ lay, what }): Trap => ({
    what: `${name} in ${what}`,
    lay: async (path, canary) => {
      await lay(path, canary);
      const to = Deno.readLinkSync(path);
      Deno.removeSync(path);
      Deno.symlinkSync(`${to}/${name}`, path);
    },
  }));

const DIRECTORY: Trap = { what: "a directory", lay: (p) => Deno.mkdirSync(p) };

/** A file without content of that length. */
const huge = (size: number): Trap => ({
  what: `a file of ${size / 1e6} MB`,
  lay: async (path) => {
    Deno.writeTextFileSync(path, "");
    await Deno.truncate(path, size);
  },
});

const DATABASE: readonly Trap[] = [
  ...[...LINKS, ...toFile("passwd"), ...NODES, DIRECTORY, huge(5e9)],
  ...["/dev/zero", "/dev/console", "/dev/random", "/proc/kmsg"].map(linkTo),
];

for (const [path, flag] of [["etc/passwd", "-u"], ["etc/group", "-g"]]) {
  test(`cage reads no users of the host where /${path} leads to it`, async (t) => {
    const on = await prepare(t);
    await forEachTrap(on, path, DATABASE, async () => {
      const result = await enter(on, [flag, "spy", "id"]);
      assertEquals([result.status, result.stdout], [125, ""]);
      assertTold(result);
    });
  });
}

test("cage takes nothing from a FIFO in the place of /etc/passwd", async (t) => {
  const on = await prepare(t);
  const [, fifo] = NODES;
  // A volume: in an overlay it would be another FIFO.
  const path = `${t.scratch}/fifo`;
  await lay(fifo, path, on.canary.path);
  // With a reader, so that what is written stays.
  using pipe = await Deno.open(path, { read: true, write: true });
  const line = new TextEncoder().encode("spy:x:0:0::/:/bin/sh\n");
  await pipe.write(line);
  const args = ["-v", `${path}:/etc/passwd`, "-u", "spy", "true"];
  assertEquals((await enter(on, args)).status, 125);
  assertEquals(await pipe.read(new Uint8Array(64)), line.length);
});

const HOST_FILE: readonly Trap[] = [
  ...[...LINKS, ...toFile("secret"), ...NODES, DIRECTORY, huge(3e8)],
];

for (const path of ["etc/resolv.conf", "etc/hosts"]) {
  test(`cage puts its own on a /${path} that leads to the host`, async (t) => {
    const on = await prepare(t);
    await forEachTrap(on, path, HOST_FILE, async (trap) => {
      const script = `test -d /${path} || cat /${path}`;
      const { status, stderr, stdout } = await enter(on, sh(script));
      assertEquals([status, stderr], [0, ""]);
      const isCopied = trap !== DIRECTORY && exists(`/${path}`);
      const text = isCopied ? Deno.readTextFileSync(`/${path}`) : "";
      assert(stdout.startsWith(text), stdout);
      assert(!stdout.includes("of the host"));
    });
  });
}

test("cage uses nothing through an /etc that leads to the host", async (t) => {
  const on = await prepare(t);
  await forEachTrap(on, "etc", TRAPS, async () => {
    const spy = await enter(on, ["-u", "spy", "true"]);
    assertEquals(spy.status, 125);
    assertTold(spy);
    assertTold(await enter(on, ["true"]));
  });
});

// Volumes go where the root says, as long as that is inside.

for (const path of ["vol", "deep/vol"]) {
  test(`cage -v stays inside where /${path} leads to the host`, async (t) => {
    const on = await prepare(t);
    const [share, file] = [`${t.scratch}/share`, `${t.scratch}/file`];
    Deno.mkdirSync(share);
    Deno.writeTextFileSync(file, "");
    await forEachTrap(on, path, TRAPS, async () => {
      for (const volume of [`${share}:/${path}`, `${file}:/${path}/in/it`]) {
        assertTold(await enter(on, ["-v", volume, "true"]));
      }
    });
    assertEquals([...Deno.readDirSync(share)], []);
  });
}

// Somebody else changes the root while cage starts.

/** Fewer as a user, since the directories are found by the same calls. */
const RACES = isRootless ? 40 : 100;

const SKIP = {
  skip: exists("/usr/bin/python3") ? undefined : "there is no python3",
};

const [CALLERS] = LINKS.filter(({ what }) => what === "the caller's directory");

/** What is exchanged: one that is refused at once hides those after it. */
const RACED = [["dev", "proc", "sys"], ["run", "tmp", "var", "etc", "vol"]];

/** Lays a trap beside each directory, and exchanges both all the time. */
async function raceIn(
  layer: string,
  names: readonly string[],
  canary: Canary,
): Promise<AsyncDisposable> {
  const paths = names.map((name) => `${layer}/${name}`);
  for (const path of paths) {
    await Deno.mkdir(path, { recursive: true });
    await lay(CALLERS, `${path}.trap`, canary.path);
  }
  return await exchanging(paths);
}

/** A user whom only the canary knows, so that each try ends with a sentence. */
async function assertNothing(
  run: () => Promise<Result>,
  canary: Canary,
): Promise<void> {
  for (let count = 0; count < RACES; count++) {
    const { status, stderr } = await run();
    assertEquals(status, 125);
    assertMatch(stderr, /^cage: (Cannot|Unknown) [^\n]+\n$/);
  }
  assert(await canary.isUnchanged());
}

for (const names of RACED) {
  test(`cage stays inside while a lower /${names[0]} changes`, async (t) => {
    const { canary, root } = await prepare(t);
    await using _ = await raceIn(root, names, canary);
    const volume = ["-v", `${canary.path}/empty:/vol/in/it`];
    const args = [...volume, "-u", "spy", "true"];
    await assertNothing(() => enter({ canary, root }, args), canary);
  }, SKIP);

  test(`cage stays inside while an upper /${names[0]} changes`, async (t) => {
    const { canary, root } = await prepare(t);
    const [upper, work] = [`${t.scratch}/upper`, `${t.scratch}/work`];
    await using _ = await raceIn(upper, names, canary);
    const args = [
      ...["-l", root, "-U", upper, "-w", work, "-p", `${t.scratch}/pid`],
      ...["-v", `${canary.path}/empty:/vol/in/it`, "-u", "spy", "true"],
    ];
    const run = () => cage(args, { cwd: canary.path });
    await assertNothing(run, canary);
  }, SKIP);
}

test("cage -v stays inside while a volume changes below another", async (t) => {
  const { canary, root } = await prepare(t);
  const names = ["a", "b", "c", "d"];
  const share = `${t.scratch}/share`;
  await using _ = await raceIn(share, names, canary);
  const volumes = names.flatMap((name) => [
    ...["-v", `${canary.path}/empty:/in/${name}/deep/er`],
  ]);
  const args = ["-v", `${share}:/in`, ...volumes, "-u", "spy", "true"];
  await assertNothing(() => enter({ canary, root }, args), canary);
}, SKIP);
