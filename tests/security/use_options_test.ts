import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  attack as test,
  output,
  type Person,
  run,
  sh,
  waiting,
} from "./support/mod.ts";
import { ownersBelow, upperOf } from "./support/places.ts";

/** A copy of cat(1) that is setuid root inside, and tells whose it is run as. */
const SETUID = "cp /bin/cat /cat; chmod 4755 /cat";
const SHOW = "/cat /proc/self/status | grep -E '^(Uid|CapEff|NoNewPrivs)'";

test("A user's command is pid 1 with --no-init alone", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const alone = await t.cage(person, [
      ...["--ephemeral", "--no-init", ...sh("echo $$")],
    ]);
    assertEquals(alone.stdout, "1\n");
    // It becomes what it is while the command runs already.
    const script =
      "until grep -q cage-init /proc/1/status; do :; done; echo $$";
    const other = await t.cage(person, ["--ephemeral", ...sh(script)]);
    assertMatch(other.stdout, /^([2-9]|\d{2,})\n$/);
  }
});

test("Nothing inside gains rights with --no-new-privs", async (t) => {
  const { stderr } = await t.cage(t.mallory, ["-n", "p", ...sh(SETUID)]);
  assertEquals(stderr, "");
  const show = async (...options: string[]) => {
    const args = ["-n", "p", "-u", "daemon", ...options, ...sh(SHOW)];
    const { stdout } = await t.cage(t.mallory, args);
    const [uid, capabilities, noNewPrivs] = stdout.trim().split("\n")
      .map((line) => line.split("\t").slice(1));
    return [uid, Number(`0x${capabilities}`) !== 0, noNewPrivs];
  };
  const gains = [["1", "0", "0", "0"], true, ["0"]];
  const gainsNothing = [["1", "1", "1", "1"], false, ["1"]];
  assertEquals(await show(), gains);
  assertEquals(await show("--no-new-privs"), gainsNothing);
  // Attached to an instance that has it, and asking for it alone.
  for (
    const [first, second, expected] of [
      [["--no-new-privs"], [], gainsNothing],
      [["--no-new-privs"], ["--no-new-privs"], gainsNothing],
      [[], ["--no-new-privs"], gainsNothing],
      [[], [], gains],
    ] as const
  ) {
    const child = t.spawnCage(t.mallory, ["-n", "p", ...first, ...waiting()]);
    await child.seen("ready");
    assertEquals(await show(...second), [...expected]);
    await child.end();
  }
});

test("A setuid program of the host gives no rights of the host", async (t) => {
  // Root of the host is nobody inside, so nothing is gained by its programs.
  const script = "for file in $(find /usr/bin -perm -4000 -user nobody); do " +
    'test -x "$file" && echo found; done | sort -u; id -u';
  const { stdout } = await t.cage(t.mallory, [
    ...["--ephemeral", "-u", "daemon", ...sh(script)],
  ]);
  assertMatch(stdout, /^(found\n)?1\n$/);
  const su = await t.cage(t.mallory, [
    ...["--ephemeral", "-u", "daemon", ...sh("su -c id </dev/null")],
  ]);
  assert(su.status !== 0);
});

test("A user starts in a directory as root does", async (t) => {
  const root = await t.root();
  const name = `${Deno.pid}-directories`;
  for (const directory of ["/", "/etc", "/bin/../tmp", "/no", "/etc/passwd"]) {
    const args = ["--ephemeral", "-n", name, "-l", root, "-c", directory];
    const all = [...args, ...sh("pwd")];
    const roots = await run([t.cageFile, ...all]);
    for (const person of [t.mallory, t.plain]) {
      assertEquals(await t.cage(person, all), roots);
    }
  }
  const closed = await t.cage(t.mallory, [
    "-u",
    "daemon",
    "-c",
    "/root",
    "pwd",
  ]);
  assertEquals([closed.status, closed.stdout], [125, ""]);
  assertMatch(closed.stderr, /^cage: Cannot [^\n]*"\/root"[^\n]*\n$/);
});

test("An init script of a user's runs as root inside", async (t) => {
  const { home } = t.mallory;
  await t.sh(
    t.mallory,
    "echo 'id -u; id -g; echo made >/made; chown 1 /made' >script; " +
      "chmod 600 script",
  );
  const result = await t.cage(t.mallory, [
    ...["-n", "i", "-i", `${home}/script`, "-u", "daemon"],
    ...sh("id -u; cat /made; stat -c %u /made"),
  ]);
  assertEquals(result, {
    ...{ status: 0, stderr: "" },
    stdout: "0\n0\n1\nmade\n1\n",
  });
  const relative = await t.cage(t.mallory, ["-i", "script", ...sh("id -u")]);
  assertEquals(relative.stdout, "0\n0\n0\n");
  // It is not run again for those that attach.
  const child = t.spawnCage(t.mallory, [
    ...["-n", "i", "-i", `${home}/script`, ...waiting()],
  ]);
  await child.seen("ready");
  const { stdout } = await t.cage(t.mallory, [
    ...["-n", "i", "-i", `${home}/script`, "echo", "second"],
  ]);
  assertEquals(stdout, "second\n");
  await child.end();
  await t.sh(t.plain, "echo 'id -u; echo made >/made' >script");
  const plain = await t.cage(t.plain, [
    ...["-i", "script", ...sh("id -u; cat /made")],
  ]);
  assertEquals(plain.stdout, "0\n0\nmade\n", plain.stderr);
});

test("An init script may be inside, or a descriptor of the user's", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const root = await t.root();
    await t.cage(person, [
      ...["-l", root, "-n", "s", ...sh("echo 'echo inside' >/root/script")],
    ]);
    const inside = await t.cage(person, [
      ...["-l", root, "-n", "s", "-i", "/root/script", "echo", "command"],
    ]);
    assertEquals(inside.stdout, "inside\ncommand\n", inside.stderr);
    const text = '"$1" -n d -i /proc/self/fd/3 -- sh -c "cat /init" 3<<EOT\n' +
      "echo init $((1 + 1)) >/init\nid -u\nEOT\n" +
      '"$1" -n d -i /dev/fd/4 -- cat /init 4<<EOT\necho again >/init\nEOT\n' +
      '"$1" -n d -i <(echo "echo piped") -- true';
    const words = ["bash", "-c", text, "bash", t.cageFile];
    const { stdout, stderr } = await t.run(person, words);
    assertEquals([stdout, stderr], ["0\ninit 2\nagain\npiped\n", ""]);
    const fail = '"$1" -i /proc/self/fd/5 -- echo ran 5<<EOT\nexit 9\nEOT';
    const failing = await t.run(person, ["bash", "-c", fail, "sh", t.cageFile]);
    assertEquals([failing.status, failing.stdout], [9, ""]);
  }
});

test("An init script that the user cannot read is refused", async (t) => {
  const closed = `${t.scratch}/script`;
  Deno.writeTextFileSync(closed, "echo secret\n", { mode: 0o600 });
  Deno.symlinkSync(closed, `${t.mallory.home}/link`);
  const refused = async (person: Person, path: string) => {
    const { status, stdout, stderr } = await t.cage(person, [
      ...["-i", path, "echo", "ran"],
    ]);
    assertEquals([status, stdout], [125, ""]);
    return stderr.replace(path, "PATH");
  };
  const denied = 'cage: Cannot read init script "PATH": permission denied\n';
  for (const path of [closed, "link", `${t.mallory.home}/link`]) {
    assertEquals(await refused(t.mallory, path), denied);
  }
  assertEquals(await refused(t.plain, closed), denied);
  // Where they cannot look, there may as well be nothing: it could be inside.
  assertEquals(
    await refused(t.plain, `${t.mallory.home}/link`),
    'cage: Cannot read init script "PATH": no such file or directory: name a ' +
      "file inside the root file system or on the host\n",
  );
});

const IDS = sh("grep -E '^(Uid|Gid|Groups):' /proc/self/status");

/** Options, and the user and the groups that a command then has. */
const CASES: readonly [options: string[], uid: number, gids: number[]][] = [
  [["-u", "0"], 0, [0]],
  [["-u", "root"], 0, [0]],
  [["-u", "alice"], 1000, [1000, 29, 50]],
  [["-u", "1000"], 1000, [1000, 29, 50]],
  [["-u", "alice:staff"], 1000, [50]],
  [["-u", "alice:staff:audio:7"], 1000, [50, 29, 7]],
  [["-u", "alice", "-g", "audio:staff"], 1000, [29, 50]],
  [["-g", "staff"], 0, [50]],
  [["-u", "4242:17"], 4242, [17]],
  [["-u", "65536", "-g", "65536"], 65536, [65536]],
];

test("-u and -g give any id of the range, by number and by name", async (t) => {
  const root = await t.root();
  for (const [options, uid, gids] of CASES) {
    const { stdout, stderr } = await t.cage(t.mallory, [
      ...["-l", root, "--ephemeral", ...options, ...IDS],
    ]);
    const sorted = [...gids].sort((one, other) => one - other).join(" ");
    const groups = stdout.split("\n")[2]?.slice("Groups:\t".length).trim();
    // Root of the layer is in adm too, as far as -u and -g do not say.
    const more = uid === 0 && gids[0] === 0
      ? [sorted, `${sorted} 4`]
      : [sorted];
    assert(more.includes(groups), `${options}: ${stdout}${stderr}`);
    const four = (id: number) => Array(4).fill(id).join("\t");
    assertEquals(stdout.split("\n").slice(0, 2), [
      ...[`Uid:\t${four(uid)}`, `Gid:\t${four(gids[0])}`],
    ]);
  }
});

const RANGE_HINT =
  "ask for a range in /etc/subuid and /etc/subgid, e.g. with " +
  "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME\n";

test("Ids that are not mapped are refused with a sentence", async (t) => {
  const root = await t.root();
  const refused = async (person: Person, ...options: string[]) => {
    const { status, stdout, stderr } = await t.cage(person, [
      ...["-l", root, "--ephemeral", ...options, "echo", "ran"],
    ]);
    assertEquals([status, stdout], [125, ""]);
    return stderr;
  };
  const range =
    "only 65537 from 0 to 65536 are: use one of these, or ask for " +
    "a larger range in /etc/subuid and /etc/subgid\n";
  assertEquals(
    await refused(t.mallory, "-u", "65537"),
    `cage: Cannot run as user 65537: it is not mapped, ${range}`,
  );
  assertEquals(
    await refused(t.mallory, "-u", "0", "-g", "70000"),
    `cage: Cannot run with group 70000: it is not mapped, ${range}`,
  );
  assertEquals(
    await refused(t.mallory, "-g", "0:70000"),
    `cage: Cannot run with group 70000: it is not mapped, ${range}`,
  );
  assertEquals(
    await refused(t.plain, "-u", "alice"),
    'cage: Cannot run as user "alice": 1000 is not mapped, only 0 is: ' +
      `use -u 1000:1000, or ${RANGE_HINT}`,
  );
  assertEquals(
    await refused(t.mallory, "-u", "mallory"),
    await output([
      "sh",
      "-c",
      '"$@" 2>&1; true',
      "sh",
      t.cageFile,
      "-l",
      root,
      "--ephemeral",
      "-n",
      `${Deno.pid}-unknown`,
      "-u",
      "mallory",
      "true",
    ]),
  );
});

test("Groups are kept where there is a volume, and not chosen", async (t) => {
  const { home, uid } = t.mallory;
  const root = await t.root();
  const volume = ["--ephemeral", "-l", root, "-v", `${home}:/mnt`];
  const { stdout } = await t.cage(t.mallory, [
    ...volume,
    "-u",
    "alice",
    ...IDS,
  ]);
  const groups = stdout.split("\n")[2].split(/\s+/).slice(1).filter(Boolean);
  // Its own is 0 inside, and the other is not mapped.
  assertEquals([...new Set(groups)].sort(), ["0", "65534"]);
  const refused = await t.cage(t.mallory, [
    ...[...volume, "-u", "alice:staff:audio", ...IDS],
  ]);
  assertEquals(refused, {
    ...{ status: 125, stdout: "" },
    stderr: "cage: Cannot run with group 29: groups are kept where volumes " +
      "are, and you are not in it: leave out -v and -G, or the group\n",
  });
  assert(uid > 0);
});

test("--check tells each caller what they may do and why", async (t) => {
  const check = async (words: string[], person?: Person) => {
    const { status, stdout, stderr } = person === undefined
      ? await run(words)
      : await t.run(person, words);
    assertEquals([status, stderr], [0, ""]);
    assert(stdout.split("\n").every((line) => line.length <= 80), stdout);
    return stdout.replace(/\s+/g, " ");
  };
  const { mallory, plain } = t;
  const file = t.cageFile;
  const group = (await output(["getent", "group", t.group])).split(":")[2];
  const policy = 'policy is the default: there is no "/etc/cage/policy.json"';
  const own = (person: Person) => [
    `caller ${person.name}, user ${person.uid}, group ${person.uid}, ` +
    `and group ${group} `,
    `may start containers with your own rights: "${file}" is setuid root, ` +
    'and "/etc/cage/policy.json" grants you no more ',
    "root inside is you outside: what you cannot do there, it cannot ",
    'layers below "/var/lib/microcontainer-root" belong to your ids inside',
    "volumes come from wherever you can open: the policy names no directories",
    "limits 64 containers at a time, and 4 images of 16 GiB at most, by the",
    `storage changes are in "/var/lib/microcontainer/user/${person.uid}", ` +
    `pid files in "/run/microcontainer/user/${person.uid}" `,
    policy,
    "kernel has overlays of ",
  ];
  const last = mallory.range! + 65535;
  const expected: [Person | undefined, string[]][] = [
    [mallory, [
      ...own(mallory),
      `ids inside, 0 is you, and then come ${mallory.range}-${last} of ` +
      `/etc/subuid for users, ${mallory.range}-${last} of /etc/subgid for`,
    ]],
    [plain, [
      ...own(plain),
      "ids inside there is one, yours, as 0 or as -u says: you have no range " +
      "in /etc/subuid and /etc/subgid: usermod --add-subuids 100000-165535 " +
      `--add-subgids 100000-165535 ${plain.name} gives more`,
    ]],
    [undefined, [
      "caller root, user 0, group 0",
      "may start containers as root of this machine: you are root ",
      `program "${file}" is setuid root, so that others can use it too `,
      "root inside is root of this machine with less to do, and with all of " +
      "it if --privileged is given ",
      'storage changes are in "/var/lib/microcontainer", pid files in ' +
      '"/run/microcontainer" ',
      policy,
    ]],
  ];
  for (const [person, sentences] of expected) {
    const text = await check([file, "--check"], person);
    for (const sentence of sentences) {
      assert(text.includes(sentence), `${sentence} is not in ${text}`);
    }
  }
  // Without the set-user-ID bit, it is what the kernel gives to everybody.
  const copy = `${t.scratch}/copy`;
  await Deno.copyFile(file, copy);
  await Deno.chmod(copy, 0o755);
  // A directory whose path fits into a line.
  const none = await check(
    ["env", "XDG_DATA_HOME=/srv", copy, "--check"],
    mallory,
  );
  assert(none.includes("may start containers as the kernel lets everybody: "));
});

test("A set-user-ID bit of somebody who is not root lends nothing", async (t) => {
  const copy = `${t.scratch}/copy`;
  await Deno.copyFile(t.cageFile, copy);
  await Deno.chown(copy, t.plain.uid, 0);
  await Deno.chmod(copy, 0o4755);
  const { status, stderr, stdout } = await t.run(t.mallory, [copy, "true"]);
  assertEquals([status, stdout], [125, ""]);
  assertEquals(
    stderr,
    "cage: Cannot start a container: the set-user-ID bit of this program " +
      `makes it user ${t.plain.uid}, who is not root of this machine: use a ` +
      "copy without the bit\n",
  );
});

test("What --check calls the user's is what there is", async (t) => {
  const text = (await t.cage(t.mallory, ["--check"])).stdout;
  const [, storage] = /changes are in "([^"]+)"/.exec(text) ?? [];
  await t.cage(t.mallory, ["-n", "there", ...sh("echo x >/made")]);
  assertEquals(`${storage}/app-there/upper`, upperOf(t.mallory, "there"));
  const made = (await ownersBelow(upperOf(t.mallory, "there")))
    .filter((line) => line.startsWith("made"));
  assertEquals(made, [`made 644 ${t.mallory.uid}:${t.mallory.uid}`]);
});
