import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Attack,
  attack as test,
  exists,
  filesBelow,
  fingerprint,
  output,
  type Person,
  sh,
  STATE_DIRECTORY,
  waiting,
} from "./support/mod.ts";
import { assertTheirs, ownersBelow, upperOf } from "./support/places.ts";

/** Makes files of many ids and modes, as far as the user has them. */
function makeMany({ range }: Person): string {
  const common =
    "mkdir -p /many/closed/deep; echo x >/many/closed/deep/file; " +
    "chmod 0 /many/closed; mkfifo /many/fifo; ln -s /etc /many/link; ";
  if (range === undefined) return common;
  return common + "for id in 1 1000 65534; do mkdir -p /many/$id/sub; " +
    "echo $id >/many/$id/sub/file; chown -R $id:$id /many/$id; " +
    "chmod 700 /many/$id; chmod 0 /many/$id/sub; done; ";
}

test("A user keeps changes in directories of their own", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const at = (name: string) => `${person.home}/${name}`;
    const all = [
      ["-a", at("app"), "-p", at("app.pid")],
      ["-U", at("u/upper"), "-w", at("u/work"), "-p", at("deep/er/pid")],
    ];
    for (const options of all) {
      const upper = options[0] === "-a" ? at("app/upper") : at("u/upper");
      const pidFile = options.at(-1)!;
      const child = t.spawnCage(person, [
        ...[...options, ...waiting(`${makeMany(person)} echo ready`)],
      ]);
      await child.seen("ready");
      const { gid, mode, uid } = Deno.lstatSync(pidFile);
      assertEquals([uid, gid], [person.uid, person.uid]);
      assertEquals((mode ?? 0) & 0o777, 0o600);
      assert(exists(`/proc/${Deno.readTextFileSync(pidFile).trim()}`));
      const attached = await t.cage(person, [...options, "ls", "/many/fifo"]);
      assertEquals(attached.stdout, "/many/fifo\n", attached.stderr);
      assertEquals((await child.end()).status, 0);
      assertEquals(exists(pidFile), false);
      assert(exists(`${upper}/many/fifo`));
      await assertTheirs(person.home, person, 8);
    }
    assertEquals(exists(upperOf(person)), false);
  }
});

test("A user keeps nothing where they cannot write", async (t) => {
  const root = await t.root();
  const places = ["/etc/cage-no", "/root/cage-no", "/cage-no", `${root}/no`];
  for (const person of [t.mallory, t.plain]) {
    for (const place of places) {
      for (const option of ["-a", "-p", "-U"]) {
        const work = option === "-U" ? ["-w", `${person.home}/w`] : [];
        const args = [option, place, ...work, "-l", root, "echo", "ran"];
        const { status, stdout, stderr } = await t.cage(person, args);
        assertEquals([status, stdout], [125, ""], args.join(" "));
        assertMatch(stderr, /^cage: Cannot [^\n]*permission denied[^\n]*\n$/);
        assertEquals(exists(place), false);
      }
    }
    // One of root's that is there already.
    const pid = `${t.scratch}/pid`;
    Deno.writeTextFileSync(pid, "", { mode: 0o644 });
    const { status } = await t.cage(person, ["-p", pid, "-l", root, "true"]);
    assertEquals([status, exists(pid)], [125, true]);
  }
});

/** Resets, and checks that nothing is left of an instance. */
async function assertReset(
  t: Attack,
  person: Person,
  options: string[],
  directory: string,
) {
  const root = await t.root();
  const made = await t.cage(person, [
    ...["-l", root, ...options, ...sh(`${makeMany(person)} echo x >/made`)],
  ]);
  assertEquals([made.status, made.stderr], [0, ""]);
  assert(exists(`${directory}/upper/made`));
  const nothing = { status: 0, stdout: "", stderr: "" };
  assertEquals(await t.cage(person, ["--reset", ...options]), nothing);
  assertEquals(exists(directory), false);
  assertEquals(await t.cage(person, ["--reset", ...options]), nothing);
  const again = await t.cage(person, [
    ...["-l", root, ...options, ...sh("ls / | grep ma; true")],
  ]);
  assertEquals(again, nothing);
}

test("A user resets what belongs to any id of theirs", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const base = `${STATE_DIRECTORY}/user/${person.uid}`;
    await assertReset(t, person, [], `${base}/default`);
    await assertReset(t, person, ["-n", "r"], `${base}/app-r`);
  }
});

test("A user resets directories of their own, and no others", async (t) => {
  const root = await t.root();
  for (const person of [t.mallory, t.plain]) {
    const app = `${person.home}/app`;
    const options = ["-a", app, "-p", `${person.home}/pid`];
    const made = await t.cage(person, [
      ...["-l", root, ...options, ...sh(makeMany(person))],
    ]);
    assertEquals([made.status, made.stderr], [0, ""]);
    const reset = await t.cage(person, ["--reset", ...options]);
    assertEquals(reset, { status: 0, stdout: "", stderr: "" });
    assertEquals(await filesBelow(person.home), ["app"]);
  }
  const other = `${t.scratch}/other`;
  await output(["mkdir", "-p", `${other}/upper`, `${other}/work`]);
  await output(["chmod", "-R", "755", other]);
  Deno.writeTextFileSync(`${other}/upper/file`, "kept\n");
  const before = await fingerprint(other);
  const { status, stderr } = await t.cage(t.mallory, ["--reset", "-a", other]);
  assertEquals(status, 125);
  assertMatch(stderr, /Cannot reset "[^"]+other\/upper"/);
  assertEquals(await fingerprint(other), before);
});

test("A user resets what runs only after it was stopped", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const child = t.spawnCage(person, [
      ...["-n", "busy", ...waiting("echo x >/made; echo ready")],
    ]);
    await child.seen("ready");
    const refused = await t.cage(person, ["--reset", "-n", "busy"]);
    assertEquals(refused, {
      ...{ status: 125, stdout: "" },
      stderr: "cage: Cannot use --reset: the instance runs: stop it first, " +
        "or use -k too\n",
    });
    assert(exists(`${upperOf(person, "busy")}/made`));
    const reset = await t.cage(person, ["-k", "--reset", "-n", "busy"]);
    assertEquals(reset, { status: 0, stdout: "", stderr: "" });
    assertEquals(
      exists(upperOf(person, "busy").replace(/\/upper$/, "")),
      false,
    );
    assertEquals((await child.result).status, 143);
  }
});

test("What a user changes with --ephemeral is nowhere", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const options = ["-n", "e", "--ephemeral"];
    const script = `${makeMany(person)} ls /many | wc -l`;
    const first = await t.cage(person, [...options, ...sh(script)]);
    const count = person === t.mallory ? 6 : 3;
    assertEquals([first.stdout, first.stderr], [`${count}\n`, ""]);
    const second = await t.cage(person, [...options, ...sh("ls -d /many")]);
    assertEquals([second.status, second.stdout], [2, ""]);
    assertEquals(exists(`${STATE_DIRECTORY}/user/${person.uid}`), false);
  }
});

test("Files of a volume are the user's, inside and outside", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const { home, uid } = person;
    await t.sh(person, "mkdir -p dir/sub; echo file >dir/file; echo one >one");
    const volumes = [
      "-v",
      `${home}/dir:/mnt/dir`,
      "-v",
      `${home}/one:/mnt/one`,
    ];
    const script = "cat /mnt/dir/file /mnt/one; stat -c %u:%g /mnt/dir/file; " +
      "echo new >/mnt/dir/new; echo more >>/mnt/one; rm /mnt/dir/file; " +
      "mkdir /mnt/dir/sub/new; mv /mnt/dir/new /mnt/dir/sub/moved; " +
      "chmod 640 /mnt/one";
    const { status, stdout, stderr } = await t.cage(person, [
      ...["--ephemeral", ...volumes, ...sh(script)],
    ]);
    assertEquals([status, stdout, stderr], [0, "file\none\n0:0\n", ""]);
    assertEquals(await ownersBelow(home), [
      `dir 755 ${uid}:${uid}`,
      `dir/sub 755 ${uid}:${uid}`,
      `dir/sub/moved 644 ${uid}:${uid}`,
      `dir/sub/new 755 ${uid}:${uid}`,
      `one 640 ${uid}:${uid}`,
    ]);
    assertEquals(Deno.readTextFileSync(`${home}/one`), "one\nmore\n");
  }
  // What another id writes belongs to the range; where the id may write.
  const { home, range } = t.mallory;
  await t.sh(t.mallory, "mkdir open; chmod 777 open");
  await t.cage(t.mallory, [
    ...["--ephemeral", "-v", `${home}/open:/mnt`, "-u", "daemon"],
    ...sh("echo x >/mnt/by-daemon"),
  ]);
  assertEquals(await ownersBelow(`${home}/open`), [
    `by-daemon 644 ${range}:${range}`,
  ]);
});

test("A volume that is only read is not written by a user", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    await t.sh(person, "mkdir dir; echo file >dir/file; echo one >one");
    const before = await fingerprint(person.home);
    const volumes = [
      ...["-v", `${person.home}/dir:/mnt/dir:ro`],
      ...["-v", `${person.home}/one:/mnt/one:ro`, "-v", "/usr/share:/mnt/usr"],
    ];
    const lines = [
      ...["echo x >/mnt/dir/file", "echo x >>/mnt/one", "touch /mnt/dir/new"],
      ...["rm /mnt/dir/file", "chmod 777 /mnt/one", "mv /mnt/dir /mnt/x"],
      ...["mount -o remount,rw /mnt/dir", "umount /mnt/one"],
      ...["touch /mnt/usr/new", "rm -r /mnt/usr/doc"],
    ];
    const script = `cat /mnt/dir/file /mnt/one; ls /mnt/usr | grep '^doc$'\n` +
      lines.map((line) => `(${line}) 2>/dev/null && echo "done: ${line}"`)
        .join("\n");
    const { stdout } = await t.cage(person, [
      ...["--ephemeral", ...volumes, ...sh(script)],
    ]);
    assertEquals(stdout, "file\none\ndoc\n");
    assertEquals(await fingerprint(person.home), before);
  }
});

test("A volume that is missing is made as the user", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const { home, uid } = person;
    const path = `${home}/not/yet/there`;
    const { status, stdout, stderr } = await t.cage(person, [
      ...["--ephemeral", "-v", `${path}:/mnt`],
      ...sh("echo x >/mnt/file; stat -c %u:%g /mnt"),
    ]);
    assertEquals([status, stdout, stderr], [0, "0:0\n", ""]);
    assertEquals(await ownersBelow(home), [
      ...["not 755", "not/yet 755", "not/yet/there 755"].map((line) =>
        `${line} ${uid}:${uid}`
      ),
      `not/yet/there/file 644 ${uid}:${uid}`,
    ]);
    const relative = await t.cage(person, [
      ...["--ephemeral", "-v", "not/yet:/mnt", ...sh("ls /mnt/there")],
    ]);
    assertEquals(relative.stdout, "file\n");
  }
});

test("A user mounts a volume at a new place, and over what is there", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    await t.sh(person, "mkdir dir; echo own >dir/passwd; echo own >file");
    const { home } = person;
    const { status, stdout, stderr } = await t.cage(person, [
      ...["-n", "v", "-v", `${home}/dir:/new/deep/place`],
      ...["-v", `${home}/dir:/opt`, "-v", `${home}/file:/new/file`],
      ...sh("cat /new/deep/place/passwd /opt/passwd /new/file"),
    ]);
    assertEquals([status, stdout, stderr], [0, "own\n".repeat(3), ""]);
    await assertTheirs(upperOf(person, "v"), person, 3);
  }
});
