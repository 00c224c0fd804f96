import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Attack,
  attack,
  busyboxRoot,
  type Child,
  exists,
  output,
  own,
  type Person,
  run,
  RUN_DIRECTORY,
  sh,
  spawn,
  spawnCage,
  STATE_DIRECTORY,
  until,
  waiting,
  whyNoProgram,
} from "./support/mod.ts";
import { makeOwn, upperOf } from "./support/places.ts";
import { withName, withPolicy } from "./support/policies.ts";

const MEBIBYTE = 1 << 20;

/** What these tests look at of what `--list --json` says. */
interface Listed {
  readonly name: string | null;
  readonly state: string;
  readonly uid: number;
  readonly pid: number | null;
  readonly size: number | null;
  readonly changes: string | null;
}

async function listedTo(t: Attack, person: Person): Promise<Listed[]> {
  const result = await t.cage(person, ["--list", "--json"]);
  assertEquals([result.status, result.stderr], [0, ""]);
  return JSON.parse(result.stdout);
}

/** What root sees, and that nothing of it drives a terminal. */
async function listedToRoot(
  t: Attack,
  within: readonly string[] = [],
): Promise<Listed[]> {
  for (const more of [[], ["--json"]]) {
    const words = [t.cageFile, "--list", ...more];
    const { status, stderr, stdout } = await run(words, { within });
    assertEquals([status, stderr], [0, ""]);
    assertMatch(stdout, /^[\n\x20-\x7e\u00a1-\uffff]*$/);
    assertEquals(/[\u202e\u2028]/.test(stdout), false);
    if (more.length > 0) return JSON.parse(stdout);
  }
  throw new Error("unreachable");
}

function one(listed: readonly Listed[], uid: number, name: string): Listed {
  const found = listed.filter((one) => one.uid === uid && one.name === name);
  assertEquals(found.length, 1, JSON.stringify(listed));
  return found[0];
}

const FILL = "dd if=/dev/zero of=/x bs=1M count=3 2>/dev/null; ";

async function start(t: Attack, person: Person, name: string): Promise<Child> {
  const child = t.spawnCage(person, [
    ...["-n", name, "-l", await t.root(), ...waiting(`${FILL} echo ready`)],
  ]);
  await child.seen("ready");
  return child;
}

attack("A user sees their own instances, and nobody else's", async (t) => {
  const rootsName = `security-${Deno.pid}`;
  const roots = t.spawnRoot([
    "--ephemeral",
    "-n",
    rootsName,
    "-l",
    await t.root(),
  ]);
  await roots.seen("ready");
  const children: Child[] = [];
  for (const person of [t.mallory, t.plain]) {
    const kept = ["-n", "kept", "-l", await t.root(), ...sh(FILL)];
    assertEquals((await t.cage(person, kept)).status, 0);
    children.push(await start(t, person, "runs"));
  }
  for (const person of [t.mallory, t.plain]) {
    const listed = await listedTo(t, person);
    assertEquals(
      listed.map(({ changes, name, state, uid }) => [
        ...[name, state, uid, changes],
      ]),
      [
        ["runs", "running", person.uid, upperOf(person, "runs")],
        ["kept", "stored", person.uid, upperOf(person, "kept")],
      ],
    );
    for (const { size } of listed) {
      assert(size! >= 3 * MEBIBYTE && size! < 4 * MEBIBYTE, `${size}`);
    }
    const { stdout } = await t.cage(person, ["--list"]);
    assertEquals(stdout.trimEnd().split("\n").length, 3, stdout);
    assertEquals(/USER|root/.test(stdout.split("\n")[0]), false);
  }
  await Promise.all([...children, roots].map((child) => child.end()));
});

attack("Root sees the instances of everybody", async (t) => {
  const setuid = await start(t, t.mallory, "runs");
  const kept = ["-n", "kept", "-l", await t.root(), ...sh(FILL)];
  assertEquals((await t.cage(t.mallory, kept)).status, 0);
  const rootless = await startRootless(t, t.plain, "own");
  const listed = await listedToRoot(t);
  const expected = [
    [t.mallory, "runs", "running"],
    [t.mallory, "kept", "stored"],
    [t.plain, "own", "running"],
  ] as const;
  for (const [{ uid }, name, state] of expected) {
    const { size, ...found } = one(listed, uid, name);
    assertEquals(found.state, state);
    assert(size! >= 3 * MEBIBYTE && size! < 4 * MEBIBYTE, `${name}: ${size}`);
  }
  await Promise.all([setuid, rootless].map((child) => child.end()));
  assertEquals(one(await listedToRoot(t), t.plain.uid, "own").state, "stored");
});

/** A copy without the bit, in a home where the kernel lets a user mount. */
async function startRootless(
  t: Attack,
  person: Person,
  name: string,
): Promise<Child> {
  const copy = `${person.home}/cage`;
  await Deno.copyFile(t.cageFile, copy);
  const root = await busyboxRoot(`${person.home}/root`);
  await own(person);
  await Deno.chmod(copy, 0o755);
  const child = t.spawn(person, [
    ...[copy, "-n", name, "-l", root, ...waiting(`${FILL} echo ready`)],
  ]);
  await child.seen("ready");
  return child;
}

attack(
  "A granted user sees what root keeps, and only their own that run",
  async (t) => {
    await withName(async (name) => {
      const root = await t.root();
      const kept = ["-n", name, "-l", root, ...sh("true")];
      assertEquals((await run([t.cageFile, ...kept])).status, 0);
      const { within } = await withPolicy(t, {
        granted: { users: [t.mallory.name] },
      });
      const list = async () => {
        const words = ["--list", "--json"];
        const { stdout } = await t.cage(t.mallory, words, { within });
        const all: Listed[] = JSON.parse(stdout);
        return all.filter((one) => one.name === name)
          .map(({ state, uid }) => [state, uid]);
      };
      assertEquals(await list(), [["stored", 0]]);
      // What root runs is neither theirs nor only kept.
      const roots = spawnCage(["-n", name, "-l", root, ...waiting()]);
      await roots.seen("ready");
      assertEquals(await list(), []);
      await roots.end();
      const own = t.spawnCage(
        t.mallory,
        ["-n", name, "-l", root, ...waiting()],
        {
          within,
        },
      );
      await own.seen("ready");
      assertEquals(await list(), [["running", t.mallory.uid]]);
      await own.end();
    });
  },
);

attack("What is counted for a user is what their ids can see", async (t) => {
  const closed = `${FILL} mkdir /c; mv /x /c; ` +
    `chown 7:7 /c 2>/dev/null; chmod 700 /c`;
  const args = ["-n", "ids", "-l", await t.root(), ...sh(closed)];
  assertEquals((await t.cage(t.mallory, args)).status, 0);
  // What another has there, whom the user is not to measure.
  const others = `${upperOf(t.mallory, "ids")}/others`;
  Deno.mkdirSync(others, { mode: 0o700 });
  Deno.writeFileSync(`${others}/x`, new Uint8Array(3 * MEBIBYTE));
  const { size } = one(await listedTo(t, t.mallory), t.mallory.uid, "ids");
  assert(size! >= 3 * MEBIBYTE && size! < 4 * MEBIBYTE, `${size}`);
  const { size: whole } = one(await listedToRoot(t), t.mallory.uid, "ids");
  assert(whole! >= 6 * MEBIBYTE, `${whole}`);
});

attack(
  "A link in the place of a directory is followed as the user",
  async (t) => {
    const secret = `${t.scratch}/closed`;
    Deno.mkdirSync(`${secret}/open`, { recursive: true });
    Deno.chmodSync(secret, 0o700);
    Deno.chmodSync(`${secret}/open`, 0o755);
    Deno.writeFileSync(`${secret}/open/x`, new Uint8Array(3 * MEBIBYTE));
    for (const person of [t.mallory, t.plain]) {
      const at = (name: string) => `${person.home}/${name}`;
      makeOwn(at("u"), person);
      const child = t.spawnCage(person, [
        ...["-n", "named", "-U", at("u/upper"), "-w", at("u/work")],
        ...["-l", await t.root(), ...waiting()],
      ]);
      await child.seen("ready");
      const size = async (listed: Promise<Listed[]>) =>
        one(await listed, person.uid, "named").size;
      const before = await size(listedTo(t, person));
      assert(before !== null && before < MEBIBYTE, `${before}`);
      assertEquals(await size(listedToRoot(t)), before);
      const swap = `mv u/upper u/was; ln -s '${secret}/open' u/upper`;
      await t.sh(person, swap);
      assertEquals(await size(listedTo(t, person)), null);
      // Root is not led there by a user's link.
      assertEquals(await size(listedToRoot(t)), null);
      await t.sh(person, "rm u/upper; mv u/was u/upper");
      await child.end();
    }
  },
);

attack(
  "Nothing is opened with root's rights that is a user's to change",
  async (t) => {
    const { home } = t.plain;
    makeOwn(`${home}/u`, t.plain);
    const child = t.spawnCage(t.plain, [
      ...["-n", "named", "-U", `${home}/u/upper`, "-w", `${home}/u/work`],
      ...["-l", await t.root(), ...waiting()],
    ]);
    await child.seen("ready");
    const file = `${t.scratch}/trace`;
    const { status } = await run([
      ...[
        "strace",
        "-f",
        "-o",
        file,
        "-e",
        "trace=execve,openat,openat2,setresuid",
      ],
      ...["-u", t.plain.name, t.cageFile, "--list"],
    ], { cwd: home, clearEnv: true, env: { PATH: `${home}:/usr/bin:/bin` } });
    assertEquals(status, 0);
    const lines = (await Deno.readTextFile(file)).split("\n");
    const executed = lines.flatMap((line) =>
      /execve\("([^"]*)"/.exec(line)?.[1] ?? []
    );
    assertEquals(new Set(executed.slice(1)), new Set(["/usr/bin/du"]));
    // Between the two changes of ids around it.
    const at = lines.findIndex((line) => line.includes(`"${home}/u/upper"`));
    const ids = lines.slice(0, at).findLast((line) =>
      line.includes("setresuid")
    );
    assertMatch(ids!, new RegExp(`setresuid\\(-1, ${t.plain.uid}, -1\\)`));
    await child.end();
  },
  { skip: whyNoProgram("strace") },
);

/** Where a user without privilege has what is theirs. */
function placesOf({ home, uid }: Person): { state: string; storage: string } {
  return {
    state: `/tmp/microcontainer-${uid}`,
    storage: `${home}/.local/share/microcontainer`,
  };
}

attack(
  "Nothing that a user puts where records are stops or misleads root",
  async (t) => {
    const { state } = placesOf(t.plain);
    const records = `${state}/record`;
    const child = await startRootless(t, t.plain, "real");
    const pid = Number(Deno.readTextFileSync(`${state}/real.pid`));
    const real = Deno.readTextFileSync(`${records}/${pid}`);
    const other = await start(t, t.mallory, "victim");
    const victim = Number(
      Deno.readTextFileSync(
        `${RUN_DIRECTORY}/user/${t.mallory.uid}/victim.pid`,
      ),
    );
    // Whoever opens it as root lets the writer go on.
    const fifo = `${t.scratch}/fifo`;
    await output(["mkfifo", "-m", "600", fifo]);
    const writer = spawn(["sh", "-c", `echo waits >'${fifo}'`]);
    // A process that is the user's, in a namespace of theirs.
    const fake = t.spawn(t.plain, [
      ...["unshare", "-U", "-r", "/bin/sh", "-c", "echo ready; cat"],
    ]);
    await fake.seen("ready");
    const hostile = "a\n\x1b[2J\x9b\u202e\u2028";
    const origin = {
      ...{ pidFile: `${state}/${hostile}.pid`, root: [hostile] },
      ...{ changes: "/", isNamed: false, command: [hostile] },
    };
    const forged = JSON.stringify({ ...JSON.parse(real), uid: 0, origin });
    await t.run(t.plain, [
      "/bin/sh",
      "-c",
      `cd '${records}'
    mkfifo 2; ln -s /etc/shadow 3; mkdir 4; ln -s . 5; : >6
    truncate -s 1T 7; printf '\\377\\376{' >8; ln -s '${pid}' 9
    head -c 16384 /dev/zero | tr '\\0' '[' >10
    mkfifo 99999999999 name; ln -s /dev/zero 11; ln -s /proc/self/fd/0 12
    ln -s '${fifo}' 13`,
    ]);
    const forge = async (id: number, text: string) => {
      const path = `${records}/${id}`;
      Deno.writeTextFileSync(path, text);
      await t.run(t.plain, ["true"]);
      const start = startOf(id);
      Deno.chownSync(path, t.plain.uid, t.plain.uid);
      await output(["touch", "-d", `@${start}`, path]);
    };
    for (const id of [1, Deno.pid, victim, fake.pid]) await forge(id, forged);
    const listed = (await listedToRoot(t)).filter(({ uid }) =>
      uid === t.plain.uid
    );
    const running = listed.filter(({ state }) => state === "running");
    assertEquals(
      running.map(({ name, pid, uid }) => [name, pid, uid]),
      [
        ["real", pid, t.plain.uid],
        [hostile, fake.pid, t.plain.uid],
      ].toSorted(),
    );
    const whose = (await listedToRoot(t)).filter(({ pid }) =>
      pid === 1 || pid === Deno.pid
    );
    assertEquals(whose, []);
    // What cannot be a path of the kernel's.
    for (const changes of ["/a\0b", "/\ud800"]) {
      const record = { ...JSON.parse(real), origin: { ...origin, changes } };
      await forge(fake.pid, JSON.stringify(record));
      const pids = (await listedToRoot(t)).map(({ pid }) => pid);
      assert(pids.includes(fake.pid), changes);
    }
    assertEquals(await output(["timeout", "10", "cat", fifo]), "waits\n");
    await writer.result;
    await Promise.all([child, other, fake].map((child) => child.end()));
  },
);

/** Ticks after the machine started, which cage itself writes as seconds. */
function startOf(pid: number): string {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")")).split(" ")[20];
}

attack("Nothing that a user keeps stops or misleads root", async (t) => {
  const { storage } = placesOf(t.plain);
  const secret = `${t.scratch}/secret`;
  Deno.mkdirSync(`${secret}/upper`, { recursive: true });
  Deno.writeFileSync(`${secret}/upper/x`, new Uint8Array(3 * MEBIBYTE));
  await t.run(t.plain, [
    "/bin/sh",
    "-c",
    `mkdir -p '${storage}'; cd '${storage}'
    mkdir -p app-good/upper
    mkdir app-link; ln -s '${secret}/upper' app-link/upper
    ln -s '${secret}' app-linked
    mkdir app-fifo; mkfifo app-fifo/upper app-pipe app-pipe.ext4
    mkdir app-inner; mkdir app-inner/upper; ln -s / app-inner/upper/root
    ln -s '${secret}/upper/x' app-inner/upper/x
    mkdir -p "$(printf 'app-\\377\\376')/upper"
    mkdir -p "$(printf 'app-\\033[2J\\nb')/upper"
    mkdir -p app-deep/upper; cd app-deep/upper
    i=0; while [ $i -lt 1000 ]; do
      mkdir ddddd; cd -P ./ddddd 2>/dev/null || break; i=$((i+1))
    done; echo deep >file`,
  ]);
  const found = (await listedToRoot(t)).filter(({ uid }) =>
    uid === t.plain.uid
  );
  const names = found.map(({ name }) => name);
  for (const name of ["good", "deep", "inner", "\x1b[2J\nb"]) {
    assert(names.includes(name), `${name} of ${names}`);
  }
  for (const name of ["link", "linked", "fifo", "pipe"]) {
    assertEquals(names.includes(name), false, name);
  }
  for (const { name, size } of found) {
    const most = name === "deep" ? 100 * MEBIBYTE : MEBIBYTE;
    assert(size === null || size < most, `${name}: ${size}`);
  }
  assert(one(found, t.plain.uid, "deep").size! > MEBIBYTE / 10);
});

attack("A time that is no date does not stop root", async (t) => {
  const { storage } = placesOf(t.plain);
  // On a disk times are shorter.
  const memory = t.newScratch("/dev/shm");
  const kept = `${memory}/kept`;
  Deno.chmodSync(memory, 0o777);
  await t.run(t.plain, [
    "/bin/sh",
    "-c",
    `mkdir -p '${kept}/app-late/upper' "$(dirname '${storage}')"
    mkdir -p '${kept}/app-early/upper' '${kept}/app-early/work'
    ln -s '${kept}' '${storage}'
    touch -d @9000000000000 '${kept}/app-late/upper'
    touch -d @-9000000000000 '${kept}/app-early/upper' '${kept}/app-early/work'`,
  ]);
  const listed = await listedToRoot(t);
  for (const name of ["late", "early"]) {
    assertEquals(one(listed, t.plain.uid, name).state, "stored");
  }
});

attack(
  "A user's directory that is a link to another's is not theirs",
  async (t) => {
    const kept = ["-n", "kept", "-l", await t.root(), ...sh("true")];
    assertEquals((await t.cage(t.mallory, kept)).status, 0);
    const { state, storage } = placesOf(t.plain);
    const of = `${STATE_DIRECTORY}/user/${t.mallory.uid}`;
    await t.run(t.plain, [
      "/bin/sh",
      "-c",
      `mkdir -p '${storage}'
    rmdir '${storage}'; ln -s '${of}' '${storage}'
    mkdir '${state}'; ln -s '${RUN_DIRECTORY}/record' '${state}/record'`,
    ]);
    const other = await start(t, t.mallory, "runs");
    const listed = await listedToRoot(t);
    assertEquals(listed.filter(({ uid }) => uid === t.plain.uid), []);
    assertEquals(one(listed, t.mallory.uid, "kept").state, "stored");
    await other.end();
  },
);

attack(
  "A file system of a user's that does not answer is not asked",
  async (t) => {
    const { storage } = placesOf(t.plain);
    const upper = `${storage}/app-hung/upper`;
    const point = `${upper}/mounted`;
    await t.run(t.plain, ["mkdir", "-p", point]);
    // The server stops before root comes; every question would wait for it.
    const server = `
    mkdir -p '${t.scratch}/what'
    bindfs -f -o allow_other '${t.scratch}/what' '${point}' & server=$!
    while ! grep -q ' ${point} ' /proc/self/mountinfo; do sleep 0.05; done
    kill -STOP $server
    trap 'kill -KILL $server' EXIT
    timeout -s KILL 60 "$@"`;
    const within = ["unshare", "--mount", "sh", "-ec", server, "sh"];
    const { size, state } = one(
      await listedToRoot(t, within),
      ...[t.plain.uid, "hung"] as const,
    );
    assertEquals(state, "stored");
    assert(size !== null && size < MEBIBYTE, `${size}`);
    assert(exists(upper));
  },
  {
    skip: whyNoProgram("bindfs") ??
      (exists("/dev/fuse") ? undefined : "there is no /dev/fuse"),
  },
);

attack("What a user keeps does not hold root up for ever", async (t) => {
  const { storage } = placesOf(t.plain);
  await t.run(t.plain, ["mkdir", "-p", `${storage}/app-slow/upper`]);
  // In the place of du(1), one that never ends there.
  Deno.writeTextFileSync(`${storage}/app-slow/upper/slow`, "");
  const slow = `${t.scratch}/du`;
  const real = `${slow}-real`;
  await Deno.copyFile("/usr/bin/du", real);
  const script = `[ -e slow ] && exec sleep 1000\nexec '${real}' "$@"\n`;
  Deno.writeTextFileSync(slow, `#!/bin/sh\n${script}`);
  Deno.chmodSync(slow, 0o755);
  const within = [
    ...["unshare", "--mount", "sh", "-ec"],
    ...[`mount --bind '${slow}' "$(readlink -f /usr/bin/du)"; exec "$@"`, "sh"],
  ];
  const before = await sleepers();
  const words = ["--list", "--json"];
  const { status, stdout } = await run([t.cageFile, ...words], { within });
  assertEquals(status, 0);
  const found = one(JSON.parse(stdout), t.plain.uid, "slow");
  assertEquals([found.state, found.size], ["stored", null]);
  await until(async () => await sleepers() === before, "the end of du");
});

async function sleepers(): Promise<number> {
  const { stdout } = await run(["pgrep", "-cxf", "sleep 1000"]);
  return Number(stdout);
}
