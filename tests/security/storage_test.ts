import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  afterMounting,
  type Attack,
  attack,
  directoriesOf,
  onFreshState,
  output,
  type Person,
  type Result,
  sh,
  waiting,
  whyNoFileSystem,
  whyNoProgram,
} from "./support/mod.ts";

attack("Nobody gets at what a user keeps but from inside", async (t) => {
  const options = ["-n", "kept", "-l", await t.root()];
  const script = "cp /bin/busybox /x; chown 1:1 /x; chmod 6755 /x; ";
  assertEquals(
    await t.cage(t.mallory, [...options, ...sh(`${script}echo over`)]),
    { status: 0, stdout: "over\n", stderr: "" },
  );
  const [, storage] = directoriesOf(t.mallory.uid);
  const upper = `${storage}/app-kept/upper`;
  await output(["test", "-u", `${upper}/x`]);
  // Not even the user: a setuid file of an id of theirs would have its power.
  for (const person of [t.mallory, t.plain]) {
    const ways = `ls '${storage}'; ls '${storage}/app-kept'; '${upper}/x' id;
      cd '${upper}' && pwd; exit 0`;
    const { stdout } = await t.run(person, ["/bin/sh", "-c", ways]);
    assertEquals(stdout, "", person.name);
  }
  const list = await output([
    ...["find", storage, "-maxdepth", "1", "-printf", "%m %U:%G\n"],
  ]);
  const { uid } = t.mallory;
  assertEquals(list, `700 0:0\n700 ${uid}:${uid}\n`);
});

attack(
  "What is made is root's, the user's, and closed to others",
  async (t) => {
    for (
      const { person, umask } of [
        { person: t.mallory, umask: "0000" },
        { person: t.plain, umask: "0077" },
      ]
    ) {
      const fresh = `${t.scratch}/fresh-${person.uid}`;
      const words = [t.cageFile, "-n", "made", "-l", await t.root()];
      const script = `umask ${umask}; exec "$@"`;
      const child = t.spawn(person, [
        ...["/bin/sh", "-c", script, "sh", ...words, ...waiting()],
      ], { within: onFreshState(fresh) });
      await child.seen("ready");
      const list = await output([
        ...["find", `${fresh}/run`, `${fresh}/lib`, "-mindepth", "1"],
        ...["(", "-name", "upper", "-o", "-name", "work", ")", "-prune", "-o"],
        ...["-printf", "%P %m %U:%G\n"],
      ]);
      await child.end();
      const { uid } = person;
      const lines = list.replaceAll(/record\/\d+/g, "record/PID").trim();
      assertEquals(lines.split("\n").sort(), [
        "microcontainer 755 0:0",
        "microcontainer 755 0:0",
        "microcontainer/record 700 0:0",
        "microcontainer/record/PID 600 0:0",
        "microcontainer/user 711 0:0",
        "microcontainer/user 755 0:0",
        `microcontainer/user/${uid} 700 0:0`,
        `microcontainer/user/${uid} 755 0:0`,
        `microcontainer/user/${uid}/app-made 700 ${uid}:${uid}`,
        `microcontainer/user/${uid}/made.pid 600 0:0`,
        `microcontainer/user/${uid}/slots 700 0:0`,
        `microcontainer/user/${uid}/slots/0 600 0:0`,
      ]);
    }
  },
);

/** Runs `cage` where only an image can hold what is changed. */
async function onImage(
  t: Attack,
  person: Person,
  name: string,
  policy: unknown,
  script: string,
): Promise<Result> {
  const { within = [] } = await t.policy(policy);
  const disk = `${t.scratch}/disk`;
  for (const part of ["upper", "work"]) {
    await Deno.mkdir(`${disk}/${part}`, { recursive: true });
  }
  const mount = "mount -t overlay none /var/lib/microcontainer -o " +
    `lowerdir=/var/lib/microcontainer,upperdir=${disk}/upper,` +
    `workdir=${disk}/work`;
  return await t.cage(person, [
    ...["-n", name, "-l", await t.root(), ...sh(script)],
  ], { within: [...within, ...afterMounting(mount)] });
}

const NO_IMAGE = whyNoProgram("mke2fs") ?? whyNoFileSystem("overlay");

attack("No user has more or larger images than the policy says", async (t) => {
  await Deno.mkdir("/var/lib/microcontainer", { recursive: true });
  const policy = { limits: { images: 2, imageBytes: 64 << 20 } };
  for (const person of [t.mallory, t.plain]) {
    const start = (name: string) =>
      onImage(t, person, name, policy, "cat /made; echo x >/made");
    for (const name of ["one", "two"]) {
      const { status, stderr } = await start(name);
      assertEquals(status, 0, stderr);
    }
    const { status, stderr } = await start("three");
    assertEquals(status, 125, stderr);
    assertMatch(stderr, /^cage: Cannot create image .*policy\.json allows no/);
    // Those that are there can be used.
    assertEquals((await start("two")).stdout, "x\n");
    const images = await output([
      ...["find", `${t.scratch}/disk/upper/user/${person.uid}`],
      ...["-name", "*.ext4*", "-printf", "%s %m %U:%G\n"],
    ]);
    for (const line of images.trim().split("\n")) {
      assertEquals(line, `${64 << 20} 600 0:0`);
    }
    assertEquals(images.trim().split("\n").length, 2);
  }
}, { skip: NO_IMAGE });

attack(
  "An image that another user or root did not make is refused",
  async (t) => {
    await Deno.mkdir("/var/lib/microcontainer", { recursive: true });
    const made = await onImage(t, t.mallory, "own", {}, "echo x >/made");
    assertEquals(made.status, 0, made.stderr);
    const image = `${t.scratch}/disk/upper/user/${t.mallory.uid}/app-own.ext4`;
    for (const owner of [t.mallory.uid, t.plain.uid]) {
      await Deno.chown(image, owner, owner);
      const { status, stderr } = await onImage(t, t.mallory, "own", {}, "true");
      assertEquals(status, 125, stderr);
      assertMatch(stderr, /^cage: Cannot use image /);
    }
    assert((await Deno.stat(image)).size > 0);
  },
  { skip: NO_IMAGE },
);

attack("No image is made where the user can make files", async (t) => {
  const { home, uid } = t.mallory;
  const names = ["lower", "changes", "work", "weak"];
  await output(["mkdir", ...names.map((name) => `${t.scratch}/${name}`)]);
  const own = `${t.scratch}/weak/own`;
  await Deno.mkdir(`${t.scratch}/lower/own`);
  await Deno.chown(`${t.scratch}/lower/own`, uid, uid);
  const within = afterMounting(
    `cd '${t.scratch}'; mount -t overlay none weak \\
      -o lowerdir=lower,upperdir=changes,workdir=work; cd /`,
  );
  const places = [
    ["-U", `${own}/upper`, "-w", `${own}/work`],
    ["-a", `${own}/app`],
    ["-U", `${own}/upper`, "-w", `${home}/work`],
  ];
  for (const options of places) {
    const { status, stdout, stderr } = await t.cage(t.mallory, [
      ...["-n", "weak", "-l", await t.root(), ...options, ...sh("echo inside")],
    ], { within });
    assertEquals([status, stdout], [125, ""], stderr);
    assertMatch(stderr, /^cage: Cannot use [^\n]+\n$/);
    const list = await output(["find", t.scratch, "-name", "*.ext4*"]);
    assertEquals(list, "", options.join(" "));
  }
}, { skip: NO_IMAGE });

attack(
  "One directory of two is not taken to where only root goes",
  async (t) => {
    const { home } = t.mallory;
    const found = `${home}/found`;
    for (const option of ["-U", "-w"]) {
      const { status, stdout, stderr } = await t.cage(t.mallory, [
        ...["-n", "half", "-l", await t.root(), option, found],
        ...sh("echo inside"),
      ]);
      assertEquals([status, stdout], [125, ""], stderr);
      assertMatch(stderr, /^cage: Cannot use -[Uw] without -[wU]: /);
      assertEquals([...Deno.readDirSync(home)].map(({ name }) => name), []);
    }
  },
);
