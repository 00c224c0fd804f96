import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  afterMounting,
  attack as test,
  exists,
  fingerprint,
  output,
  type Person,
  processes,
  RUN_DIRECTORY,
  sh,
  STATE_DIRECTORY,
  uidsOf,
  waiting,
} from "./support/mod.ts";
import {
  assertTheirs,
  homeInside,
  makeOwn,
  ownersBelow,
  upperOf,
} from "./support/places.ts";

/** Tells which lines of a script succeed. */
function tell(lines: readonly string[]): string {
  return lines.map((line, index) =>
    `if (${line}) >/dev/null 2>&1; then echo ${index}; fi`
  ).join("\n");
}

/** The lines that succeeded. */
function told(lines: readonly string[], stdout: string): string[] {
  return stdout.split("\n").filter(Boolean).map((index) => lines[+index]);
}

/** Where the pid file of a user is. */
function pidFileOf({ uid }: Person, name?: string): string {
  const file = name === undefined ? "pid" : `${name}.pid`;
  return `${RUN_DIRECTORY}/user/${uid}/${file}`;
}

/** The pid namespace of a process, if it can be told. */
function namespaceOf(pid: number): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    // It has just ended, or a namespace of others hides it from us.
    return undefined;
  }
}

test("A user is root inside, and themselves outside", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const child = t.spawnCage(person, [
      ...["-n", "who", ...waiting("id -u; id -un; id -g; echo ready")],
    ]);
    await child.seen("ready");
    assertEquals(child.output, "0\nroot\n0\nready\n");
    const pid = parseInt(Deno.readTextFileSync(pidFileOf(person, "who")));
    const space = namespaceOf(pid);
    const inside = processes().filter(({ pid }) => namespaceOf(pid) === space);
    assert(inside.length >= 2, "There is pid 1, and the command");
    for (const { pid: each } of inside) {
      assertEquals(uidsOf(each), Array(4).fill(person.uid));
    }
    assertEquals((await child.end()).status, 0);
    assertEquals(exists(pidFileOf(person, "who")), false);
  }
});

test("Ids of a range are there inside, and the next one is not", async (t) => {
  const { range, uid } = t.mallory;
  const script =
    "for id in 1 65536; do touch /f$id; chown $id:$id /f$id; done;" +
    "chown 65537 /f1 2>/dev/null || echo refused; " +
    "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' ' ' '";
  const { status, stdout } = await t.cage(t.mallory, [
    ...["-n", "ids", ...sh(script)],
  ]);
  const map = ` 0 ${uid} 1\n 1 ${range} 65536\n`;
  assertEquals([status, stdout], [0, `refused\n${map}${map}`]);
  const [first, last] = [range!, range! + 65535];
  assertEquals(
    (await ownersBelow(upperOf(t.mallory, "ids"))).filter((line) =>
      /^f/.test(line)
    ),
    [`f1 644 ${first}:${first}`, `f65536 644 ${last}:${last}`],
  );
});

test("A user writes inside where they may outside, and is alone", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const home = homeInside(t, person);
    // Another directory of theirs, that no variable leads to.
    const other = `${t.newScratch("/var/cache")}/other`;
    Deno.chmodSync(other.slice(0, other.lastIndexOf("/")), 0o755);
    makeOwn(other, person);
    await t.sh(person, `mkdir deep; echo old >deep/file; echo old >file`, home);
    const before = await fingerprint(home.cwd);
    const script =
      `cd "$PLACE"; echo new >>"$PLACE/file"; mkdir "$PLACE/made"; ` +
      `echo x >"$PLACE/made/file"; cat "$PLACE/file"; ls -A "$PLACE"`;
    const write = async (place: string, options: string[], way = home) =>
      await t.cage(
        person,
        ["-n", "w", "-e", `PLACE=${place}`, ...options, ...sh(script)],
        way,
      );
    const nowhere = { cwd: "/", env: { HOME: "/nonexistent" } };
    const atHome = await write(home.cwd, []);
    assertEquals(atHome, {
      ...{ status: 0, stderr: "" },
      stdout: "old\nnew\ndeep\nfile\nmade\n",
    });
    const inDirectory = await write(other, ["-c", other], nowhere);
    assertEquals(inDirectory, {
      ...{ status: 0, stderr: "" },
      stdout: "new\nfile\nmade\n",
    });
    const cwd = `${other}/cwd`;
    makeOwn(cwd, person);
    const inCwd = await write(cwd, [], { ...nowhere, cwd });
    assertEquals(inCwd.stdout, "new\nfile\nmade\n");
    // It is kept, and the host has nothing of it.
    assertEquals(await fingerprint(home.cwd), before);
    assertEquals(exists(`${other}/made`), false);
    const kept = await t.cage(person, [
      ...["-n", "w", ...sh(`cat ${home.cwd}/file ${other}/file`)],
    ], nowhere);
    assertEquals(kept.stdout, "old\nnew\nnew\n");
    await assertTheirs(upperOf(person, "w"), person, 6);
  }
});

test("A user writes where a group or everybody may, if they say so", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const { cwd: home, env } = homeInside(t, person);
    await output(["chgrp", t.group, home]);
    const place = t.newScratch("/var/cache");
    const make = `cd '${place}'; chmod 755 .; mkdir open group closed
      chmod 1777 open; chown 0:${t.group} group; chmod 2775 group
      echo x >group/file; echo x >open/file; chmod 755 closed`;
    await output(["sh", "-ec", make]);
    const before = await fingerprint(place);
    const write = async (path: string, cwd = "/") =>
      await t.cage(person, [
        ...["-n", "w", "-c", path, ...sh("echo x >made; cat made; ls -d *")],
      ], { cwd, env });
    for (const path of [home, `${place}/open`, `${place}/group`]) {
      const { stdout, stderr } = await write(path);
      assertEquals(stderr, "");
      assertEquals(stdout, path === home ? "x\nmade\n" : "x\nfile\nmade\n");
    }
    const closed = await write(`${place}/closed`, `${place}/closed`);
    assertMatch(closed.stderr, /cannot create made: /);
    assertEquals(await fingerprint(place), before);
    await assertTheirs(upperOf(person, "w"), person, 6);
  }
});

test("A user is refused inside where they are outside", async (t) => {
  const secret = `${t.newScratch("/var/cache")}`;
  Deno.chmodSync(secret, 0o755);
  Deno.writeTextFileSync(`${secret}/file`, "x\n", { mode: 0o644 });
  Deno.writeTextFileSync(`${secret}/closed`, "x\n", { mode: 0o600 });
  const lines = [
    ...["echo x >/etc/made", "echo x >>/etc/passwd", "rm /etc/passwd"],
    ...["chmod 666 /etc/passwd", "chown 0 /etc/passwd", "mkdir /usr/made"],
    ...["mv /etc/passwd /etc/moved", "ln /etc/passwd /etc/linked"],
    ...["rm -r /usr/share/doc", "touch /usr/bin/env", "chmod 777 /usr"],
    ...[`echo x >>${secret}/file`, `cat ${secret}/closed`],
    ...[
      "cat /etc/shadow",
      "cat /etc/gshadow",
      "truncate -s 0 /etc/hosts.allow",
    ],
    ...["cat /etc/passwd", `cat ${secret}/file`, "ls /etc /usr/bin"],
  ];
  const may = lines.slice(-3);
  for (const person of [t.mallory, t.plain]) {
    const outside = await t.run(person, sh(tell(lines)).slice(1));
    assertEquals(told(lines, outside.stdout), may);
    for (const user of [[], ["-u", "0"], ["-u", `${person.uid}`]]) {
      if (person === t.mallory && user[1] === `${person.uid}`) continue;
      const inside = await t.cage(person, [
        ...["-n", "w", ...user, ...sh(tell(lines))],
      ]);
      assertEquals(told(lines, inside.stdout), may, inside.stderr);
    }
  }
  const mallory = await t.cage(t.mallory, [
    ...["-n", "x", "-u", "daemon", ...sh(tell(lines))],
  ]);
  assertEquals(told(lines, mallory.stdout), may, mallory.stderr);
});

test("Root's home inside is empty, writable and kept", async (t) => {
  const script = 'ls -A "$HOME" | wc -l; echo $HOME; echo x >>/root/file; ' +
    "mkdir -p /root/a/b; stat -c '%u %a' /root; cat /root/file";
  for (const person of [t.mallory, t.plain]) {
    const run = () => t.cage(person, ["-n", "h", ...sh(script)]);
    const first = await run();
    assertEquals([first.status, first.stderr], [0, ""]);
    assertEquals(first.stdout, "0\n/root\n0 700\nx\n");
    assertEquals((await run()).stdout, "2\n/root\n0 700\nx\nx\n");
    const root = `${upperOf(person, "h")}/root`;
    assertEquals((await ownersBelow(root)).map((line) => line.split(" ")[0]), [
      ...["a", "a/b", "file"],
    ]);
  }
});

/** Hides things in a directory of root's that all may read. */
async function layHidden(t: { newScratch(parent: string): string }) {
  const place = t.newScratch("/var/cache");
  const script = `cd '${place}'; umask 022; mkdir -p hidden/deep cover plain
    echo secret >hidden/file; echo secret >hidden/deep/file
    echo secret >file; echo shown >other; echo shown >plain/file; chmod 755 .`;
  await output(["sh", "-ec", script]);
  const mount = `mount -t tmpfs -o mode=755 tmpfs '${place}/hidden'
    echo over >'${place}/hidden/over'
    mount --bind '${place}/other' '${place}/file'`;
  return { place, within: afterMounting(mount) };
}

const LOOK = "cd $PLACE; cat hidden/file hidden/deep/file file 2>&1; " +
  "ls -A hidden; stat -c '%F %n' hidden file; cat plain/file";

test("What a mount hides on the host stays hidden inside", async (t) => {
  const { place, within } = await layHidden(t);
  for (const person of [t.mallory, t.plain]) {
    const { stdout, status } = await t.cage(person, [
      ...["--ephemeral", "-e", `PLACE=${place}`, ...sh(LOOK)],
    ], { within });
    assertEquals(status, 0);
    assertEquals(/secret/.test(stdout), false, stdout);
    // It is not the mounted ones that are seen: a layer is one mount.
    assertEquals(/over/.test(stdout), false, stdout);
    assertMatch(
      stdout,
      /^directory hidden\nregular empty file file\nshown\n$/m,
    );
    // Neither by writing, unmounting, moving away, or linking.
    const lines = [
      ...["umount $PLACE/hidden", "umount -l $PLACE/file", "rm $PLACE/file"],
      ...["mv $PLACE/hidden $PLACE/x", "mv $PLACE $PLACE-x"],
      ...["mount --bind $PLACE /mnt", "unshare -m umount $PLACE/hidden"],
      ...["unshare -Ur true", "echo x >$PLACE/file", "touch $PLACE/hidden/x"],
    ];
    const tries = await t.cage(person, [
      ...["--ephemeral", "-e", `PLACE=${place}`, ...sh(tell(lines))],
    ], { within });
    assertEquals(told(lines, tries.stdout), []);
  }
});

test("What a mount hides stays hidden in each of many layers", async (t) => {
  const { place, within } = await layHidden(t);
  const root = await t.root();
  const own = `${t.mallory.home}/own`;
  makeOwn(own, t.mallory);
  await t.sh(t.mallory, "mkdir -p own/hidden; echo mine >own/hidden/mine");
  const orders = [
    ["-l", place, "-l", root],
    ["-l", root, "-l", place],
    ["-l", own, "-l", root, "-l", place],
    ["-l", own, "-l", place, "-l", root],
  ];
  for (const layers of orders) {
    for (const person of [t.mallory, t.plain]) {
      if (layers.includes(own) && person === t.plain) continue;
      const { stdout, status } = await t.cage(person, [
        ...["--ephemeral", "-e", "PLACE=/", ...layers, ...sh(LOOK)],
      ], { within });
      assertEquals(status, 0, stdout);
      assertEquals(/secret/.test(stdout), false, stdout);
      assertMatch(stdout, /^shown\n$/m);
    }
  }
});

test("A volume has its place where a mount hides what was there", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const place = t.newScratch("/var/cache");
    await output([
      "sh",
      "-ec",
      `cd '${place}'; chmod 755 .; mkdir home home-end
      echo secret >home/secret; echo secret >home-end/secret`,
    ]);
    const home = `${place}/home/user`;
    // As a machine has it whose /home is a file system of its own.
    const within = afterMounting(`mount -t tmpfs -o mode=755 tmpfs ${place}/home
      mount -t tmpfs -o mode=755 tmpfs ${place}/home-end
      mkdir ${home}; chown ${person.uid}:${person.uid} ${home}; echo x >${home}/x
      echo y >${place}/home/y`);
    const options = { within, env: { HOME: home } };
    const look = `cat ${home}/x; echo new >${home}/new; ls ${home}; ` +
      `ls ${place}/home ${place}/home-end; touch ${place}/home/no 2>/dev/null; ` +
      `touch ${place}/home-end/no 2>/dev/null; true`;
    const cases: [volumes: string[], seen: string][] = [
      [["-v", home], "user\n"],
      [["-v", `${place}/home`], "user\ny\n"],
      [["-v", home, "-v", `${home}:${place}/home/other`], "other\nuser\n"],
    ];
    for (const [volumes, seen] of cases) {
      const { stdout, stderr } = await t.cage(person, [
        ...["-n", "v", ...volumes, ...sh(look)],
      ], options);
      assertEquals(stderr, "");
      assertEquals(
        stdout,
        `x\nnew\nx\n${place}/home:\n${seen}\n${place}/home-end:\n`,
      );
    }
  }
});

test("Storage may be a file system of its own", async (t) => {
  const storage = `${t.scratch}/storage`;
  Deno.mkdirSync(storage, { mode: 0o755 });
  const within = afterMounting(
    `mkdir -p ${STATE_DIRECTORY}; mount --bind '${storage}' ${STATE_DIRECTORY}`,
  );
  for (const person of [t.mallory, t.plain]) {
    const script = `ls -A ${STATE_DIRECTORY}; cat /made; echo x >>/made`;
    const run = () =>
      t.cage(person, ["-n", "s", ...sh(`${script} 2>/dev/null`)], { within });
    assertEquals((await run()).status, 0);
    assertEquals((await run()).stdout, "x\n");
    assert(exists(`${storage}/user/${person.uid}/app-s/upper/made`));
  }
});

test("What is in the way of a cover shows nothing that is hidden", async (t) => {
  const { place, within } = await layHidden(t);
  const root = await t.root();
  // What the user has made of the places that are covered.
  const ways = [
    "echo mine >hidden; mkdir file",
    "ln -s /plain hidden; ln -s plain/file file",
    "ln -s nowhere hidden; ln -s nowhere file",
    "mkfifo hidden file",
  ];
  for (const [index, way] of ways.entries()) {
    const own = `own-${index}`;
    await t.sh(t.mallory, `mkdir ${own}; cd ${own}; ${way}`);
    const { status, stdout, stderr } = await t.cage(t.mallory, [
      ...["--ephemeral", "-l", `${t.mallory.home}/${own}`, "-l", root],
      ...["-l", place, ...sh("grep -r secret /hidden /file /plain; echo end")],
    ], { within });
    if (status === 0) assertEquals(stdout, "end\n", way);
    else assertMatch(stderr, /^cage: Cannot cover "[^\n]+\n$/, way);
  }
});

test("Each name is a view of its own, for each user", async (t) => {
  const names = [[], ["-n", "one"], ["-n", "two"]];
  for (const person of [t.mallory, t.plain]) {
    for (const name of names) {
      const { stdout } = await t.cage(person, [
        ...[...name, ...sh("cat /mine; echo $MINE >/mine")],
      ], { env: { MINE: "no" } });
      assertEquals(stdout, "", "Nobody has been here");
    }
    const paths = [undefined, "one", "two"].map((name) =>
      upperOf(person, name)
    );
    assertEquals(paths.map((path) => exists(`${path}/mine`)), [
      ...[true, true, true],
    ]);
    const above = upperOf(person).replace(/\/default\/upper$/, "");
    const { mode, uid } = Deno.lstatSync(above);
    assertEquals([uid, (mode ?? 0) & 0o777], [0, 0o700]);
    await assertTheirs(`${above}/app-one`, person, 4);
  }
});

const STATUS = "grep -E '^(Uid|Gid|Groups|Cap|Seccomp|NoNewPrivs)' " +
  "/proc/self/status";

test("A second command has all that the first one has, no more", async (t) => {
  const root = await t.root();
  for (const person of [t.mallory, t.plain]) {
    const cases = [
      ["-n", "a"],
      ["-n", "b", "-u", person === t.mallory ? "daemon" : `${person.uid}`],
      ["-n", "c", "-v", `${person.home}:/mnt`],
      ["-n", "d", "-l", root, "-u", "0:0"],
      ["-n", "e", "--no-new-privs"],
      ["-n", "f", "--no-init"],
      ["-n", "g", "--ephemeral"],
    ];
    for (const options of cases) {
      const child = t.spawnCage(person, [
        ...[...options, ...waiting(`${STATUS}; echo ready`)],
      ]);
      await child.seen("ready");
      const second = await t.cage(person, [...options, ...sh(STATUS)]);
      assertEquals([second.status, second.stderr], [0, ""]);
      assertEquals(`${second.stdout}ready\n`, child.output);
      const namespaces = "for name in user mnt pid ipc uts cgroup; do " +
        "readlink /proc/self/ns/$name; done";
      const third = await t.cage(person, [...options, ...sh(namespaces)]);
      const pid = parseInt(
        Deno.readTextFileSync(pidFileOf(person, options[1])),
      );
      assertEquals(
        third.stdout.trim().split("\n"),
        ["user", "mnt", "pid", "ipc", "uts", "cgroup"].map((name) =>
          Deno.readLinkSync(`/proc/${pid}/ns/${name}`)
        ),
      );
      assertEquals((await child.end()).status, 0);
    }
  }
});

test("A user's root has no capability that root's has not", async (t) => {
  const script = "grep -E '^(Cap|Seccomp|NoNewPrivs)' /proc/self/status";
  const args = ["--ephemeral", "-n", `${Deno.pid}-compared`, ...sh(script)];
  const root = await output([t.cageFile, ...args]);
  for (const person of [t.mallory, t.plain]) {
    const { stdout } = await t.cage(person, [
      ...[...args.slice(0, -1), `${script}; id -u`],
    ]);
    // Groups that cannot be set take a second filter, see keep_groups.ts.
    const filters = /^Seccomp_filters:\t[12]$/m;
    assertEquals(
      stdout.replace(filters, ""),
      `${root.replace(filters, "")}0\n`,
    );
    assertMatch(stdout, filters);
    assertEquals(/^CapBnd:\t0*$/m.test(root), false);
  }
});
