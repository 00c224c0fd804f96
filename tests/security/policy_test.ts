import { assertEquals, assertMatch } from "@std/assert";
import {
  afterMounting,
  type Attack,
  attack,
  busyboxRoot,
  INSIDE,
  launchArgs,
  output,
  type Person,
  type Result,
  sh,
} from "./support/mod.ts";

/** What is no policy of root's, and how it comes to be. */
const BROKEN: Readonly<Record<string, { text?: string; prepare?: string }>> = {
  "of a user": { prepare: 'chown 21000 "$1"' },
  "of a group": { prepare: 'chown 0:21000 "$1"; chmod 664 "$1"' },
  "for everybody to write": { prepare: 'chmod 666 "$1"' },
  "for a group to write": { prepare: 'chmod 660 "$1"; chown 0:21000 "$1"' },
  "a symbolic link": { prepare: 'mv "$1" "$1.to"; ln -s "$1.to" "$1"' },
  "a directory": { prepare: 'rm "$1"; mkdir "$1"' },
  "a pipe": { prepare: 'rm "$1"; mkfifo "$1"' },
  "a device": { prepare: 'rm "$1"; mknod "$1" c 1 3' },
  "in a directory of a user": { prepare: 'chown 21000 "${1%/*}"' },
  "in a directory for everybody": { prepare: 'chmod 777 "${1%/*}"' },
  "no JSON": { text: "{" },
  "no object": { text: "[]" },
  "of an unknown key": { text: '{"grant": {}}' },
  "of a wrong type": { text: '{"granted": {"users": "all"}}' },
  "empty": { text: "" },
  "huge": { prepare: 'head -c 5000000 /dev/zero >>"$1"' },
  "of two keys": { text: '{"granted": {}, "granted": {"users": ["0"]}}' },
};

attack("A policy that is not root's alone is refused", async (t) => {
  for (const [what, { text = "{}", prepare }] of Object.entries(BROKEN)) {
    const policy = await t.policy(text, prepare);
    const args = await launchArgs(t);
    const { status, stdout, stderr } = await t.cage(t.mallory, args, policy);
    assertEquals([status, stdout], [125, ""], `${what}: ${stderr}`);
    assertMatch(stderr, /^cage: Cannot .*policy.*\n$/, what);
  }
});

attack("A policy below a root that others can change is refused", async (t) => {
  const { within = [] } = await t.policy("{}");
  const root = `${t.scratch}/new-root`;
  await Deno.mkdir(root);
  for (const mode of ["755", "777", "1777"]) {
    const move = afterMounting(`mount -t tmpfs none '${root}'
      for path in /*; do
        if [ -L "$path" ]; then cp -a "$path" '${root}'
        elif [ -d "$path" ]; then
          mkdir '${root}'"$path"; mount --rbind "$path" '${root}'"$path"
        fi
      done
      chmod ${mode} '${root}'
      set -- /usr/sbin/chroot '${root}' "$@"`);
    const { stdout, stderr } = await t.cage(t.mallory, await launchArgs(t), {
      within: [...within, ...move],
    });
    assertEquals(stdout, "");
    // Below a changed root the kernel makes no user namespace.
    const why = mode === "755"
      ? /^cage: Cannot make a user namespace/
      : /^cage: Cannot use policy .*"\/" can be written by others/;
    assertMatch(stderr, why, mode);
  }
});

attack("A policy that is root's alone is taken", async (t) => {
  const policy = await t.policy("{} // nothing\n", 'chmod 600 "$1"');
  const result = await t.cage(t.mallory, await launchArgs(t), policy);
  assertEquals(result, { status: 0, stdout: INSIDE, stderr: "" });
});

/** Root of the machine sees its own ids, and what others do not. */
const WHO = sh("cat /proc/self/uid_map; cat /secret 2>/dev/null");

async function who(
  t: Attack,
  person: Person,
  policy: unknown,
  more: string[] = [],
): Promise<Result> {
  const root = await t.root();
  await Deno.writeTextFile(`${root}/secret`, "secret\n", { mode: 0o600 });
  await Deno.chmod(`${root}/secret`, 0o600);
  const options = await t.policy(policy);
  return await t.cage(
    person,
    ["--ephemeral", "-l", root, ...more, ...WHO],
    options,
  );
}

attack(
  "Root of the machine is who is granted it, and nobody else",
  async (t) => {
    const { mallory, plain, group } = t;
    const isRoot = ({ stdout }: Result) => stdout.includes("secret");
    const policies = [
      { granted: { users: [mallory.name] } },
      { granted: { users: [mallory.uid] } },
      { granted: { groups: [mallory.name] } },
      { granted: { groups: [mallory.uid] } },
    ];
    for (const policy of policies) {
      const what = JSON.stringify(policy);
      assertEquals(isRoot(await who(t, mallory, policy)), true, what);
      assertEquals(isRoot(await who(t, plain, policy)), false, what);
    }
    const both = { granted: { groups: [group] } };
    assertEquals(isRoot(await who(t, plain, both)), true);
    for (const policy of ["{}", { granted: { users: ["root", 0] } }]) {
      assertEquals(isRoot(await who(t, mallory, policy)), false);
    }
  },
);

attack("No group is had for being asked for", async (t) => {
  // The member list of a group says who may log in with it.
  const policy = { granted: { groups: ["disk"] } };
  for (const more of [["-g", "disk"], ["-u", "0:disk"], ["-g", "0"]]) {
    const { stdout } = await who(t, t.mallory, policy, more);
    assertEquals(stdout.includes("secret"), false, more.join());
  }
});

attack("--privileged is refused to who is not granted", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const { status, stdout } = await who(t, person, {}, ["--privileged"]);
    assertEquals([status, stdout], [125, ""]);
  }
});

attack(
  "A trusted root is mapped, and its files stay as they are",
  async (t) => {
    const root = await busyboxRoot(`${t.scratch}/trusted/root`);
    await Deno.writeTextFile(`${root}/secret`, "secret\n");
    await Deno.chmod(`${root}/secret`, 0o600);
    const list = () =>
      output(["find", root, "-printf", "%p %m %U %G %T@ %s\n"]);
    const before = await list();
    const policy = await t.policy({ trustedRoots: [`${t.scratch}/trusted`] });
    for (const person of [t.mallory, t.plain]) {
      const script = "cat /secret; echo x >/secret; chown 1:1 /bin/busybox; " +
        "rm -rf /etc; cat /secret";
      const { stdout } = await t.cage(
        person,
        ["--ephemeral", "-l", root, ...sh(script)],
        policy,
      );
      assertEquals(stdout, "secret\nx\n");
      assertEquals(await list(), before);
    }
    // What lies beside is not below.
    const beside = await busyboxRoot(`${t.scratch}/trusted-not/root`);
    await Deno.writeTextFile(`${beside}/secret`, "secret\n");
    await Deno.chmod(`${beside}/secret`, 0o600);
    const ways = [
      beside,
      `${t.scratch}/trusted/../trusted-not/root`,
      `${t.scratch}/trusted/root/../../trusted-not/root`,
    ];
    for (const lower of ways) {
      const { stdout } = await t.cage(
        t.mallory,
        ["--ephemeral", "-l", lower, ...sh("cat /secret")],
        policy,
      );
      assertEquals(stdout, "", lower);
    }
  },
);

attack(
  "A trusted directory that others can change is not trusted",
  async (t) => {
    const trusted = `${t.scratch}/trusted`;
    const root = await busyboxRoot(`${trusted}/root`);
    await Deno.writeTextFile(`${root}/secret`, "secret\n");
    await Deno.chmod(`${root}/secret`, 0o600);
    const policy = await t.policy({ trustedRoots: [trusted] });
    const look = async () => {
      const args = ["--ephemeral", "-l", root, ...sh("cat /secret")];
      return (await t.cage(t.mallory, args, policy)).stdout;
    };
    assertEquals(await look(), "secret\n");
    for (const mode of [0o777, 0o1777, 0o775]) {
      await Deno.chmod(trusted, mode);
      assertEquals(await look(), "", mode.toString(8));
    }
    await Deno.chmod(trusted, 0o755);
    await Deno.chown(trusted, t.mallory.uid, t.mallory.uid);
    assertEquals(await look(), "");
    await Deno.chown(trusted, 0, 0);
  },
);

attack("Volumes come from where the policy says alone", async (t) => {
  const allowed = `${t.scratch}/allowed`;
  const other = `${t.scratch}/other`;
  for (const path of [`${allowed}/in`, other]) {
    await Deno.mkdir(path, { recursive: true, mode: 0o755 });
  }
  await Deno.writeTextFile(`${other}/x`, "secret\n");
  await Deno.symlink("../other", `${allowed}/link`);
  await Deno.symlink(other, `${allowed}/absolute`);
  const policy = await t.policy({ volumes: [allowed] });
  const run = async (volume: string) =>
    await t.cage(t.mallory, [
      ...["--ephemeral", "-l", await t.root(), "-v", `${volume}:/mnt`],
      ...sh("cat /mnt/x 2>/dev/null; echo inside"),
    ], policy);
  for (const good of [allowed, `${allowed}/in`, `${allowed}/in/..`]) {
    const { stdout, stderr } = await run(good);
    assertEquals(stdout, INSIDE, `${good}: ${stderr}`);
  }
  const bad = [
    ...[other, `${allowed}/../other`, `${allowed}/link`, "/", "/etc"],
    ...[`${allowed}/absolute`, `${allowed}/in/../../other`, `${allowed}x`],
  ];
  for (const volume of bad) {
    const { status, stdout, stderr } = await run(volume);
    assertEquals([status, stdout], [125, ""], `${volume}: ${stderr}`);
  }
});

attack("A source that the user can change is no source", async (t) => {
  await t.sh(t.mallory, "mkdir allowed");
  const allowed = `${t.mallory.home}/allowed`;
  const policy = await t.policy({ volumes: [allowed] });
  const { status, stderr } = await t.cage(t.mallory, [
    ...["--ephemeral", "-l", await t.root(), "-v", `${allowed}:/mnt`],
    ...sh("echo inside"),
  ], policy);
  assertEquals(status, 125, stderr);
});
