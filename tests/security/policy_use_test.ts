import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Attack,
  attack as test,
  type AttackOptions,
  exists,
  fingerprint,
  output,
  processes,
  type Result,
  run,
  RUN_DIRECTORY,
  sh,
  STATE_DIRECTORY,
  until,
  waiting,
  whyNoFileSystem,
  whyNoProgram,
} from "./support/mod.ts";
import {
  FILE,
  makePolicy,
  under,
  withName,
  withPolicy,
} from "./support/policies.ts";
import { makeOwn } from "./support/places.ts";

/** What makes a policy one that is not to be trusted, and what is said. */
const SPOILT: readonly (readonly [script: string, sentence: string])[] = [
  ["chown $USER policy.json", "it belongs to user \\d+: give it to root"],
  ["chmod g+w policy.json", "it can be written by others than root"],
  ["chmod o+w policy.json", "it can be written by others than root"],
  ["chmod 777 .", 'directory "/etc/cage" can be written by others than root'],
  ["chown $USER .", 'directory "/etc/cage" belongs to user \\d+'],
  [
    "mv policy.json other; ln -s other policy.json",
    "[^\\n]*symbolic links are not",
  ],
  [
    "rm policy.json; ln -s /nowhere policy.json",
    "[^\\n]*symbolic links are not",
  ],
  ["rm policy.json; mkfifo -m 644 policy.json", "it is no regular file"],
  ["rm policy.json; mkdir policy.json", "it is no regular file"],
  ["truncate -s 2M policy.json", "it is too large"],
  ["printf '\\377' >policy.json", "it is no UTF-8"],
  [": >policy.json", ""],
  ["echo nonsense >policy.json", ""],
  ["echo '{\"granted\": {}' >policy.json", ""],
  ["echo '[]' >policy.json", "it is a list: it has to be an object"],
  ["echo '{\"grants\": {}}' >policy.json", '"grants" is no key of it'],
  [
    'echo \'{"limits": {"memory": 1}}\' >policy.json',
    '"limits.memory" is no key of it',
  ],
  [
    'echo \'{"granted": {"users": "alice"}}\' >policy.json',
    '"granted.users" is "alice": it has to be a list',
  ],
  [
    'echo \'{"limits": {"instances": -1}}\' >policy.json',
    '"limits.instances" is -1: it has to be a whole number',
  ],
  [
    'echo \'{"trustedRoots": ["/"]}\' >policy.json',
    '"trustedRoots\\[0\\]" is "/": it has to be an absolute path',
  ],
  [
    'echo \'{"volumes": ["/srv/../etc"]}\' >policy.json',
    '"volumes\\[0\\]" is "/srv/../etc": it has to be an absolute path',
  ],
];

test("A policy that cannot be trusted lets root alone start", async (t) => {
  const root = await t.root();
  await withName(async (name) => {
    for (const [script, sentence] of SPOILT) {
      // It would grant mallory everything.
      const directory = makePolicy(t, { granted: { users: [t.mallory.uid] } });
      await output(["sh", "-ec", `cd '${directory}'; ${script}`], {
        env: { USER: t.mallory.name },
      });
      const within = under(directory);
      const args = ["-n", name, "-l", root];
      for (const person of [t.mallory, t.plain]) {
        const what = await t.cage(person, [...args, "echo", "ran"], { within });
        assertEquals([what.status, what.stdout], [125, ""], script);
        assertMatch(
          what.stderr,
          new RegExp(`^cage: Cannot use policy ${FILE}: ${sentence}[^\n]*\n$`),
          script,
        );
        if (script !== SPOILT[0][0]) continue;
        // Nor does anything else than what tells about itself.
        for (const option of ["-k", "--reset", "--check"]) {
          const other = await t.cage(person, [option, "-n", name], { within });
          assertEquals([other.status, other.stdout], [125, ""], option);
          assertEquals(other.stderr, what.stderr);
        }
        for (const option of ["-h", "-V"]) {
          assertEquals((await t.cage(person, [option], { within })).status, 0);
        }
      }
      const roots = await run([t.cageFile, ...args, "echo", "ran"], { within });
      assertEquals([roots.status, roots.stdout], [0, "ran\n"], script);
    }
  });
});

test("Nobody attaches while the policy cannot be trusted", async (t) => {
  const child = t.spawnCage(t.mallory, ["-n", "old", ...waiting()]);
  await child.seen("ready");
  const spoilt = withPolicy(t, "{");
  const { status, stdout } = await t.cage(
    t.mallory,
    ["-n", "old", "id"],
    spoilt,
  );
  assertEquals([status, stdout], [125, ""]);
  assertEquals((await t.cage(t.mallory, ["-n", "old", "true"])).status, 0);
  await child.end();
});

test("A policy with comments is read, and said by --check", async (t) => {
  const text = `// Who may do what.
    {
      "$schema": "https://example.org/policy.schema.json",
      "trustedRoots": [], /* nobody */ "volumes": ["/srv", "/home"],
      "limits": { "instances": 1, "images": 0, "imageBytes": 1048576 } // few
    }`;
  const { status, stdout } = await t.cage(
    t.plain,
    ["--check"],
    withPolicy(t, text),
  );
  assertEquals(status, 0);
  const words = stdout.replace(/\s+/g, " ");
  for (
    const sentence of [
      ...[
        `policy is ${FILE}`,
        'volumes come from below "/srv", "/home", where',
      ],
      ...["limits 1 container at a time, and no images, by the policy"],
      ...["the policy trusts no directory for more"],
    ]
  ) assert(words.includes(sentence), words);
});

test("Volumes come from where the policy allows", async (t) => {
  // Directories of root's, of which parts are lent to the user.
  const place = `${t.scratch}/place`;
  await output(["mkdir", "-p", `${place}/allowed`, `${place}/allowed-not`]);
  const own = `${place}/allowed/own`;
  makeOwn(own, t.mallory);
  await t.sh(
    t.mallory,
    `cd '${own}'; mkdir deep; echo x >file; ln -s ../../allowed-not link; ` +
      'ln -s deep to-deep; ln -s "$PWD" ~/to-allowed; mkdir ~/other',
  );
  const policy = withPolicy(t, { volumes: [`${place}/allowed`] });
  const root = await t.root();
  const map = async (path: string, how = policy): Promise<Result> =>
    await t.cage(t.mallory, [
      ...["--ephemeral", "-l", root, "-v", `${path}:/mnt`],
      ...sh("test -e /mnt && echo there"),
    ], how);
  const { home } = t.mallory;
  const may = ["", "/own", "/own/deep", "/own/file", "/own/to-deep"]
    .map((path) => `${place}/allowed${path}`);
  for (const path of [...may, `${home}/to-allowed/deep`]) {
    const { stdout, stderr } = await map(path);
    assertEquals([stdout, stderr], ["there\n", ""], path);
  }
  const mayNot = ["", "/allowed-not", "/allowed/own/link", "/allowed/.."]
    .map((path) => place + path);
  for (const path of [...mayNot, home, `${home}/other`, "/etc/passwd"]) {
    assertEquals(await map(path), {
      ...{ status: 125, stdout: "" },
      stderr: `cage: Cannot map volume "${path}": /etc/cage/policy.json ` +
        `allows those below "${place}/allowed", which must be root's: ` +
        "ask your administrator\n",
    });
  }
  const none = withPolicy(t, { volumes: [] });
  const refused = await map(own, none);
  assertMatch(refused.stderr, /allows none: ask your admin/);
  // It is no limit for root, or for who is granted the same.
  const granted = withPolicy(t, {
    ...{ volumes: [], granted: { users: [t.mallory.name] } },
  });
  await withName(async (name) => {
    const args = [
      "-n",
      name,
      "--ephemeral",
      "-l",
      root,
      "-v",
      `${home}/other:/mnt`,
    ];
    const all = [...args, ...sh("echo ran")];
    assertEquals((await t.cage(t.mallory, all, granted)).stdout, "ran\n");
    assertEquals((await run([t.cageFile, ...all], none)).stdout, "ran\n");
  });
});

test("A missing volume is refused where the policy forbids it", async (t) => {
  const policy = withPolicy(t, { volumes: ["/srv"] });
  const path = `${t.mallory.home}/not-there`;
  const { status, stderr } = await t.cage(t.mallory, [
    ...["--ephemeral", "-v", `${path}:/mnt`, "true"],
  ], policy);
  assertEquals(status, 125);
  assertMatch(stderr, /allows those below "\/srv", which must be root's: ask/);
});

test("A user has as many instances as the policy allows", async (t) => {
  const policy = withPolicy(t, { limits: { instances: 2 } });
  const start = (person = t.mallory, name = "a") =>
    t.spawnCage(person, ["-n", name, ...waiting()], policy);
  const refused = {
    ...{ status: 125, stdout: "" },
    stderr: "cage: Cannot start another instance: 2 of yours run, and " +
      "/etc/cage/policy.json allows no more: stop one with -k\n",
  };
  const third = () => t.cage(t.mallory, ["-n", "c", "echo", "c"], policy);
  const [one, two] = [start(t.mallory, "a"), start(t.mallory, "b")];
  await Promise.all([one.seen("ready"), two.seen("ready")]);
  for (const more of [[], ["--ephemeral"], ["--no-init"]]) {
    const args = ["-n", "c", ...more, "echo", "c"];
    assertEquals(await t.cage(t.mallory, args, policy), refused);
  }
  // Another command is no instance, and another user has a count of their own.
  const attached = await t.cage(t.mallory, ["-n", "a", "echo", "in"], policy);
  assertEquals(attached.stdout, "in\n");
  const other = start(t.plain);
  await other.seen("ready");
  await other.end();
  await one.end();
  assertEquals((await third()).stdout, "c\n");
  await two.end();
  const kept = start();
  await kept.seen("ready");
  // Those that were refused have left nothing that counts.
  const more = start(t.mallory, "b");
  await more.seen("ready");
  assertEquals(await third(), refused);
  await t.cage(t.mallory, ["-k", "-n", "a"], policy);
  assertEquals((await third()).stdout, "c\n");
  await more.end();
});

test("A policy may allow no instance at all", async (t) => {
  const policy = withPolicy(t, { limits: { instances: 0 } });
  const { status, stdout, stderr } = await t.cage(t.plain, ["id"], policy);
  assertEquals([status, stdout], [125, ""]);
  assertMatch(stderr, /^cage: Cannot start another instance: /);
});

test("A killed supervisor takes its container, and frees the place", async (t) => {
  const policy = withPolicy(t, { limits: { instances: 1 } });
  const file = `${RUN_DIRECTORY}/user/${t.mallory.uid}/a.pid`;
  for (const more of [[], ["--no-init"], ["--ephemeral"]]) {
    const child = t.spawnCage(t.mallory, [
      ...["-n", "a", ...more, ...sh("setsid sleep 1000 & echo ready; wait")],
    ], policy);
    await child.seen("ready");
    const pid = parseInt(Deno.readTextFileSync(file));
    const space = Deno.readLinkSync(`/proc/${pid}/ns/pid`);
    await t.run(t.mallory, ["kill", "-KILL", `${child.pid}`]);
    await until(() => inNamespace(space) === 0, "the container has ended");
    const next = await t.cage(t.mallory, ["-n", "b", "echo", "b"], policy);
    assertEquals([next.stdout, next.stderr], ["b\n", ""]);
    const same = await t.cage(t.mallory, ["-n", "a", "echo", "a"], policy);
    assertEquals([same.stdout, same.stderr], ["a\n", ""]);
    await child.result;
  }
});

/** How many processes are in a pid namespace. */
function inNamespace(space: string): number {
  return processes().filter(({ pid, state }) => {
    try {
      return state !== "Z" &&
        Deno.readLinkSync(`/proc/${pid}/ns/pid`) === space;
    } catch {
      return false;
    }
  }).length;
}

const IMAGES: AttackOptions = {
  ...whyNoProgram("mke2fs") ?? whyNoFileSystem("overlay")
    ? { skip: whyNoProgram("mke2fs") ?? whyNoFileSystem("overlay") }
    : {},
};

/** Has storage on an overlay, which can hold no upper directory. */
function storageOnOverlay(t: Attack): string {
  for (const name of ["lower", "upper", "work"]) {
    Deno.mkdirSync(`${t.scratch}/${name}`, { recursive: true });
    Deno.chmodSync(`${t.scratch}/${name}`, 0o755);
  }
  return `mkdir -p ${STATE_DIRECTORY}; cd '${t.scratch}'; mount -t overlay \\
    overlay ${STATE_DIRECTORY} -o lowerdir=lower,upperdir=upper,workdir=work
    cd /`;
}

test("A user has as many images as the policy allows", async (t) => {
  const bytes = 64 << 20;
  const policy = withPolicy(
    t,
    { limits: { images: 1, imageBytes: bytes } },
    storageOnOverlay(t),
  );
  const args = (
    name: string,
  ) => ["-n", name, ...sh("cat /made; echo x >>/made")];
  const start = async (name: string, person = t.mallory) =>
    await t.cage(person, args(name), policy);
  const image = (name: string, { uid } = t.mallory) =>
    `${t.scratch}/upper/user/${uid}/app-${name}.ext4`;
  const first = await start("one");
  assertEquals([first.status, first.stdout], [0, ""], first.stderr);
  const { mode, size, uid } = Deno.lstatSync(image("one"));
  assertEquals([uid, (mode ?? 0) & 0o777, size], [0, 0o600, bytes]);
  assertEquals((await start("one")).stdout, "x\n");
  const refused = await start("two");
  assertEquals([refused.status, refused.stdout], [125, ""]);
  assertEquals(
    refused.stderr,
    `cage: Cannot create image "${STATE_DIRECTORY}/user/${t.mallory.uid}/` +
      'app-two.ext4": 1 of yours are there, and /etc/cage/policy.json ' +
      "allows no more: remove one with --reset\n",
  );
  assertEquals(exists(image("two")), false);
  // Another user has a count of their own.
  assertEquals((await start("two", t.plain)).status, 0);
  assert(exists(image("two", t.plain)));
  const reset = await t.cage(t.mallory, ["--reset", "-n", "one"], policy);
  assertEquals(reset, { status: 0, stdout: "", stderr: "" });
  assertEquals(exists(image("one")), false);
  const second = await start("two");
  assertEquals([second.status, second.stdout], [0, ""], second.stderr);
  assertEquals((await start("one")).status, 125);
}, IMAGES);

test("A user's image grows no larger than the policy allows", async (t) => {
  const bytes = 32 << 20;
  const policy = withPolicy(
    t,
    { limits: { images: 1, imageBytes: bytes } },
    storageOnOverlay(t),
  );
  const { status, stdout } = await t.cage(t.mallory, [
    ...["-n", "full", ...sh("head -c 64M /dev/zero >/big; stat -c %s /big")],
  ], policy);
  assertEquals(status, 0);
  assert(Number(stdout) < bytes, stdout);
  const files = `${t.scratch}/upper/user/${t.mallory.uid}`;
  const image = Deno.lstatSync(`${files}/app-full.ext4`);
  assert((image.blocks ?? 0) * 512 <= bytes + (1 << 20), `${image.blocks}`);
}, IMAGES);

test("A user's own file system gets no image of theirs", async (t) => {
  const app = `${t.mallory.home}/merged`;
  makeOwn(app, t.mallory);
  const mount = `cd '${t.scratch}'; mkdir -p l u w; chown ${t.mallory.uid} u
    mount -t overlay overlay '${app}' -o lowerdir=l,upperdir=u,workdir=w; cd /`;
  const before = await fingerprint(t.mallory.home);
  const { status, stdout, stderr } = await t.cage(t.mallory, [
    ...["-a", `${app}/app`, "echo", "ran"],
  ], withPolicy(t, {}, mount));
  assertEquals([status, stdout], [125, ""]);
  assertMatch(
    stderr,
    /^cage: Cannot use upper directory [^\n]*cannot hold an /,
  );
  assertEquals(await fingerprint(t.mallory.home), before);
}, IMAGES);
