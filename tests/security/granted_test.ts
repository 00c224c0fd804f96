import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Attack,
  attack as test,
  exists,
  filesBelow,
  fingerprint,
  output,
  type Result,
  run,
  RUN_DIRECTORY,
  sh,
  STATE_DIRECTORY,
  uidsOf,
  waiting,
} from "./support/mod.ts";
import { withName, withPolicy } from "./support/policies.ts";

const STATUS = "grep -E '^(Uid|Gid|Groups|Cap|Seccomp|NoNewPrivs)' " +
  "/proc/self/status; cat /proc/self/uid_map; id -u";

/** Ways to grant a user root of the machine. */
async function grants(t: Attack): Promise<unknown[]> {
  const { name, uid } = t.mallory;
  const group = (await output(["getent", "group", t.group])).split(":")[2];
  return [
    { users: [name] },
    { users: [uid] },
    { users: ["nobody-at-all", 4242, name] },
    { groups: [name] },
    { groups: [uid] },
    { groups: [t.group] },
    { groups: [Number(group)] },
  ];
}

/** Runs the same as root. */
function asRoot(t: Attack, args: string[]): Promise<Result> {
  return run([t.cageFile, ...args]);
}

test("A granted user is root of the machine inside, as root is", async (t) => {
  const root = await t.root();
  await withName(async (name) => {
    const cases = [
      [],
      ["--privileged"],
      ["--no-new-privs"],
      ["--no-init"],
      ["-u", "alice"],
      ["-u", "70000:70001"],
      ["-v", `${t.scratch}:/mnt`],
    ].map((more) => ["--ephemeral", "-n", name, "-l", root, ...more]);
    const policies = (await grants(t)).map((granted) =>
      withPolicy(t, { granted })
    );
    for (const args of cases) {
      const all = [...args, ...sh(STATUS)];
      const roots = await asRoot(t, all);
      assertEquals([roots.status, roots.stderr], [0, ""]);
      assertMatch(roots.stdout, /^ +0 +0 +4294967295$/m);
      for (const policy of args.length > 5 ? policies.slice(0, 1) : policies) {
        assertEquals(await t.cage(t.mallory, all, policy), roots);
      }
      // Attached, they are the same.
      const child = t.spawnCage(t.mallory, [
        ...[...args, ...waiting(`${STATUS}; echo ready`)],
      ], policies[0]);
      await child.seen("ready");
      assertEquals(child.output, `${roots.stdout}ready\n`);
      const attached = await t.cage(t.mallory, all, policies[0]);
      assertEquals(attached, roots);
      await child.end();
    }
  });
});

test("What is granted to others is not a user's", async (t) => {
  const { plain, mallory } = t;
  const others = [
    { users: [plain.name], groups: [plain.uid] },
    { users: [`${mallory.name}x`], groups: ["root", "nobody-at-all"] },
    { users: [0], groups: [0] },
  ];
  for (const granted of others) {
    const { stdout } = await t.cage(mallory, [
      ...["--ephemeral", ...sh("head -n1 /proc/self/uid_map")],
    ], withPolicy(t, { granted }));
    assertMatch(stdout, new RegExp(`^ +0 +${mallory.uid} +1\n$`));
  }
});

test("--privileged is root's, and of those who are granted", async (t) => {
  const root = await t.root();
  await withName(async (name) => {
    const script = "grep ^CapEff /proc/self/status; " +
      "mount -t tmpfs tmpfs /mnt && echo mounted";
    const args = ["--ephemeral", "-n", name, "-l", root, "--privileged"];
    const all = [...args, ...sh(`mkdir -p /mnt; ${script}`)];
    const roots = await asRoot(t, all);
    const outside = await output(["grep", "^CapEff", "/proc/self/status"]);
    assertEquals(roots.stdout, `${outside}mounted\n`);
    const granted = withPolicy(t, { granted: { users: [t.mallory.name] } });
    assertEquals(await t.cage(t.mallory, all, granted), roots);
    const refused = {
      ...{ status: 125, stdout: "" },
      stderr: "cage: Cannot use --privileged: it takes root of the machine, " +
        "which /etc/cage/policy.json does not grant you: leave it out\n",
    };
    assertEquals(await t.cage(t.plain, all, granted), refused);
    assertEquals(await t.cage(t.mallory, all), refused);
    assertEquals(await t.cage(t.plain, all), refused);
    // Nor for attaching, stopping and resetting.
    const child = t.spawnCage(t.plain, ["-n", "own", ...waiting()]);
    await child.seen("ready");
    const again = ["-n", "own", "--privileged"];
    assertEquals(await t.cage(t.plain, [...again, "id"]), refused);
    await child.end();
  });
});

test("--check tells a granted user by what they are granted it", async (t) => {
  const sentence = (text: string) => text.replace(/\s+/g, " ");
  for (const granted of await grants(t)) {
    const { status, stdout } = await t.cage(
      t.mallory,
      ["--check"],
      withPolicy(t, { granted }),
    );
    assertEquals(status, 0);
    const [kind, words] =
      Object.entries(granted as Record<string, string[]>)[0];
    const word = words.at(-1);
    const text = sentence(stdout);
    assert(
      text.includes(
        'start containers as root of this machine: "/etc/cage/policy.json" ' +
          `grants it to ${kind.slice(0, -1)} ${word} `,
      ),
      text,
    );
    assert(text.includes(`changes are in "${STATE_DIRECTORY}", pid files`));
  }
});

test("What a granted user keeps is root's, where root's is", async (t) => {
  const root = await t.root();
  const granted = withPolicy(t, { granted: { users: [t.mallory.uid] } });
  await withName(async (name) => {
    const app = `${STATE_DIRECTORY}/app-${name}`;
    const pidFile = `${RUN_DIRECTORY}/${name}.pid`;
    const child = t.spawnCage(t.mallory, [
      ...["-n", name, "-l", root],
      ...waiting("echo x >/made; chown 7:8 /made; echo ready"),
    ], granted);
    await child.seen("ready");
    const pid = parseInt(Deno.readTextFileSync(pidFile));
    assertEquals(uidsOf(pid), [0, 0, 0, 0]);
    const owner = (path: string) => {
      const { gid, mode, uid } = Deno.lstatSync(path);
      return `${uid}:${gid} ${((mode ?? 0) & 0o777).toString(8)}`;
    };
    assertEquals(owner(app), "0:0 700");
    assertEquals(owner(pidFile), "0:0 600");
    assertEquals(owner(`${app}/upper/made`), "7:8 644");
    assertEquals((await child.end()).status, 0);
    assertEquals(exists(pidFile), false);
    assertEquals(exists(`${STATE_DIRECTORY}/user/${t.mallory.uid}`), false);
    // Root goes on with it, and so does the user.
    const args = ["-n", name, "-l", root, ...sh("cat /made; echo y >>/made")];
    assertEquals((await asRoot(t, args)).stdout, "x\n");
    assertEquals((await t.cage(t.mallory, args, granted)).stdout, "x\ny\n");
    const reset = await t.cage(t.mallory, ["--reset", "-n", name], granted);
    assertEquals(reset, { status: 0, stdout: "", stderr: "" });
    assertEquals(exists(app), false);
  });
});

test("A path that a granted user names is opened as the user", async (t) => {
  const root = await t.root();
  const closed = `${t.scratch}/closed`;
  await output([
    "sh",
    "-ec",
    `mkdir -p '${closed}/deep'; cd '${closed}'
    echo 'echo secret' >script; chmod 600 script; chmod 700 '${closed}'`,
  ]);
  const single = `${t.scratch}/single`;
  Deno.writeTextFileSync(single, "echo secret\n", { mode: 0o600 });
  const before = await fingerprint(closed);
  const granted = withPolicy(t, { granted: { users: [t.mallory.uid] } });
  await withName(async (name) => {
    const base = ["-n", name];
    const refused = [
      ...[["-l", `${closed}/deep`], ["-l", root, "-v", `${closed}/deep:/mnt`]],
      ...[["-l", root, "-v", `${closed}/script:/mnt`]],
      ["-l", root, "-v", `${closed}/missing:/mnt`],
      ["-l", root, "-i", single],
      ["-l", root, "-a", `${closed}/app`],
      ["-l", root, "-U", `${closed}/upper`, "-w", `${t.mallory.home}/work`],
      ["-l", root, "-p", `${closed}/pid`],
      ["-l", root, "-a", "/etc/cage-no"],
      ["-l", root, "-v", "/proc/self/root:/mnt"],
    ];
    for (const options of refused) {
      const { status, stdout, stderr } = await t.cage(t.mallory, [
        ...[...base, ...options, "echo", "ran"],
      ], granted);
      assertEquals([status, stdout], [125, ""], options.join(" "));
      assertMatch(stderr, /^cage: Cannot [^\n]+\n$/);
    }
    assertEquals(exists("/etc/cage-no"), false);
    // A volume that opens is entered by root of the machine, who reads all.
    const { stdout } = await t.cage(t.mallory, [
      ...[...base, "-l", root, "-v", `${t.scratch}:/mnt`],
      ...sh("cat /mnt/closed/script"),
    ], granted);
    assertEquals(stdout, "echo secret\n");
  });
  assertEquals(await fingerprint(closed), before);
});

test("A granted user keeps changes in their own directories", async (t) => {
  const root = await t.root();
  const granted = withPolicy(t, { granted: { users: [t.mallory.uid] } });
  const { home, uid } = t.mallory;
  const options = ["-a", `${home}/app`, "-p", `${home}/pid`, "-l", root];
  const child = t.spawnCage(t.mallory, [
    ...[...options, ...waiting("echo x >/made; echo ready")],
  ], granted);
  await child.seen("ready");
  assertEquals(Deno.lstatSync(`${home}/pid`).uid, uid);
  assertEquals((await child.end()).status, 0);
  assertEquals(exists(`${home}/pid`), false);
  assertEquals(Deno.readTextFileSync(`${home}/app/upper/made`), "x\n");
  assertEquals(Deno.lstatSync(`${home}/app`).uid, uid);
  const again = await t.cage(t.mallory, [...options, "cat", "/made"], granted);
  assertEquals([again.stdout, again.stderr], ["x\n", ""]);
  const reset = await t.cage(t.mallory, ["--reset", ...options], granted);
  assertEquals(reset, { status: 0, stdout: "", stderr: "" });
  assertEquals(await filesBelow(home), ["app"]);
});

test("An instance of a granted user is theirs, and root's", async (t) => {
  const root = await t.root();
  const both = withPolicy(t, {
    granted: { users: [t.mallory.uid, t.plain.uid] },
  });
  await withName(async (name) => {
    const start = () =>
      t.spawnCage(t.mallory, [
        ...["-n", name, "-l", root],
        ...sh(
          "trap 'exit 3' TERM; echo ready; while :; do sleep 9 & wait; done",
        ),
      ], both);
    const child = start();
    await child.seen("ready");
    const refused = {
      ...{ status: 125, stdout: "" },
      stderr: `cage: Cannot use pid file "${RUN_DIRECTORY}/${name}.pid": the ` +
        `instance belongs to user ${t.mallory.uid}: name one of your own with ` +
        "-n or -p\n",
    };
    for (const args of [["id"], ["-k"], ["--reset"], ["-k", "--reset"]]) {
      const all = ["-n", name, ...args];
      assertEquals(await t.cage(t.plain, all, both), refused, args.join(" "));
    }
    // Who is granted nothing does not even meet the name.
    const own = await t.cage(t.plain, ["-n", name, "-l", root, ...sh("id -u")]);
    assertEquals([own.stdout, own.stderr], ["0\n", ""]);
    const mine = await t.cage(t.mallory, ["-n", name, "id", "-u"], both);
    assertEquals(mine.stdout, "0\n");
    const roots = await asRoot(t, ["-n", name, "id", "-u"]);
    assertEquals([roots.stdout, roots.stderr], ["0\n", ""]);
    assertEquals((await asRoot(t, ["-k", "-n", name])).status, 0);
    assertEquals((await child.result).status, 3);
    const second = start();
    await second.seen("ready");
    const killed = await t.cage(t.mallory, ["-k", "-n", name], both);
    assertEquals(killed, { status: 0, stdout: "", stderr: "" });
    assertEquals((await second.result).status, 3);
  });
});

test("An instance of root's is no granted user's", async (t) => {
  const root = await t.root();
  const granted = withPolicy(t, { granted: { users: [t.mallory.uid] } });
  await withName(async (name) => {
    const words = [t.cageFile, "-n", name, "-l", root, ...waiting()];
    // As root, but started and ended as those of users are.
    const child = t.spawn({ ...t.mallory, uid: 0, name: "root" }, words);
    await child.seen("ready");
    for (const args of [["id"], ["-k"], ["--reset"]]) {
      const all = ["-n", name, ...args];
      const { status, stderr } = await t.cage(t.mallory, all, granted);
      assertEquals(status, 125, args.join(" "));
      assertMatch(stderr, /the instance belongs to user 0: name one of your/);
    }
    await child.end();
  });
});

test("A user's own instance stays theirs when they are granted more", async (t) => {
  const granted = withPolicy(t, { granted: { users: [t.mallory.uid] } });
  const child = t.spawnCage(t.mallory, ["-n", "u", ...waiting()]);
  await child.seen("ready");
  const pidFile = `${RUN_DIRECTORY}/user/${t.mallory.uid}/u.pid`;
  const script = "cat /proc/self/uid_map | tr -s ' ' ' '";
  // By its pid file it is entered as it is, in its user namespace.
  for (const how of [granted, {}]) {
    const { stdout, status, stderr } = await t.cage(t.mallory, [
      ...[
        "-n",
        "u",
        ...(how === granted ? ["-p", pidFile] : []),
        ...sh(script),
      ],
    ], how);
    if (how === granted && status !== 0) {
      assertMatch(stderr, /^cage: Cannot [^\n]+\n$/);
    } else {
      assertMatch(stdout, new RegExp(`^ 0 ${t.mallory.uid} 1\n`));
    }
  }
  const roots = await asRoot(t, ["-p", pidFile, ...sh(script)]);
  assertMatch(roots.stdout, new RegExp(`^ 0 ${t.mallory.uid} 1\n`));
  assertEquals((await asRoot(t, ["-k", "-p", pidFile])).status, 0);
  assertEquals((await child.result).status, 143);
});
