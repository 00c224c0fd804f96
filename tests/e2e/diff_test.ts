import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  asRootInside,
  cage,
  debianRoot,
  output,
  run,
  sh,
  spawnCage,
  test,
  waiting,
  whyNoDebian,
  whyNoProgram,
} from "./support/mod.ts";
import { makeTree, ok, optionsOn } from "./support/changed.ts";
import { parseDiff, walkMerged } from "./support/merged.ts";
import { makeLower } from "./support/edits.ts";

const skip = whyNoProgram("python3", "setfattr");
const needs = skip === undefined ? {} : { skip };

const BUSYBOX = 'b() { /bin/busybox "$@"; }; ';

test("cage --diff tells of each kind of change on a line", async (t) => {
  const { options } = await makeTree(t);
  await ok([
    ...options,
    ...sh(`${BUSYBOX}cd /data; echo x >>a; b rm c; b chmod 600 d1/a
      b mkfifo fifo; b ln -s to link; echo y >new; b ln new new2
      b rm -r d2; b mkdir d2; b chmod 1777 d2; b chown 0:0 d2
      echo z >"$(printf 'nl\\nbad\\377')"`),
  ]);
  const lines = (await ok([...options, "--diff", "/data"])).split("\n");
  assertEquals(lines, [
    "C  -rw-r--r-- 0:0 9 /data/a (content, time)",
    "D  -rw-r--r-- 0:0 7 /data/c",
    "C  -rw------- 0:0 10 /data/d1/a (mode was 4755)",
    "D  lrwxrwxrwx 0:0 8 /data/d2/a",
    "D  prw-r--r-- 0:0 0 /data/d2/b",
    "D  -rw-r--r-- 0:0 10 /data/d2/c",
    "D  -rw-r--r-- 0:0 7 /data/d2/linked",
    "A  prw-r--r-- 0:0 0 /data/fifo",
    "A  lrwxrwxrwx 0:0 2 /data/link -> to",
    "A  -rw-r--r-- 0:0 2 /data/new",
    "A  -rw-r--r-- 0:0 2 /data/new2 = /data/new",
    'A  -rw-r--r-- 0:0 2 "/data/nl\\nbad\\377"',
    "",
  ]);
  assertEquals(
    await ok([...options, "--diff", "--stat", "/data/a", "data/new"]),
    "added: 1 file, 0 directories, 0 others, 2 bytes\n" +
      "changed: 1 file, 0 directories, 0 others, 9 bytes\n",
  );
  const json = await ok([...options, "--diff", "--json", "/data"]);
  const last = JSON.parse(json.trim().split("\n").at(-1)!);
  assertEquals(last.path, "/data/nl\nbad\ufffd");
  assertEquals(last.pathBytes, "2f646174612f6e6c0a626164ff");
}, needs);

test("cage --diff says nothing where nothing was changed", async (t) => {
  const { options } = await makeTree(t);
  assertEquals(await ok([...options, "--diff"]), "");
  await ok([...options, ...sh("/bin/busybox touch -c /data/nothing")]);
  await ok([...options, ...sh("cd /data; echo 1 >x; /bin/busybox rm x")]);
  assertEquals(await ok([...options, "--diff", "/data"]), "");
  const stat = await ok([...options, "--diff", "--stat", "/data"]);
  assertEquals(stat, "nothing was changed\n");
}, needs);

test("cage --diff --patch makes a patch that patch(1) takes", async (t) => {
  const { layers: { lower }, options } = await makeTree(t);
  const text = Array.from({ length: 60 }, (_, at) => `line ${at}\n`).join("");
  Deno.writeTextFileSync(`${lower}/data/long`, text);
  Deno.writeFileSync(`${lower}/data/large`, new Uint8Array(9 << 20));
  await ok([
    ...options,
    ...sh(
      `${BUSYBOX}cd /data; b sed -i 's/line 7$/seven/;/line 40/d;59a end' long
      printf 'no newline' >a; b rm -r b d1/a d1/b; echo new >'sp ace'; echo 1 >>c
      b head -c 100 /dev/zero >binary; b chmod 700 large`,
    ),
  ]);
  const patch = await ok([...options, "--diff", "--patch", "/data"]);
  assertStringIncludes(
    patch,
    "Binary files /dev/null and b/data/binary differ",
  );
  assertStringIncludes(patch, "b/data/large\nold mode 100644\nnew mode 100755");
  assert(!patch.includes("b/data/large differ"));
  Deno.writeTextFileSync(`${t.scratch}/patch`, patch);
  const other = `${t.scratch}/other`;
  await output([...asRootInside(), "cp", "-a", lower, other]);
  await output([
    ...[...asRootInside(), "patch", "-s", "-p1", "-d", other],
    ...["-i", `${t.scratch}/patch`],
  ]);
  const inside = await ok([
    ...options,
    ...sh("cd /data; /bin/busybox cat long a 'sp ace' c"),
  ]);
  const outside = await output([
    ...["sh", "-c", 'cd "$1/data"; cat long a "sp ace" c', "sh", other],
  ]);
  assertEquals(outside, inside);
  assertEquals((await run(["test", "-e", `${other}/data/d1/a`])).status, 1);
}, { skip: skip ?? whyNoProgram("patch") });

test("cage --diff reads the changes of an instance that runs", async (t) => {
  const { options } = await makeTree(t);
  await using child = spawnCage([
    ...options,
    ...sh("echo 1 >/data/new; echo ready; read line"),
  ]);
  await child.seen("ready");
  const told = await ok([...options, "--diff", "/data"]);
  assertEquals(told, "A  -rw-r--r-- 0:0 2 /data/new\n");
  assertEquals((await child.end()).status, 1);
}, needs);

test(
  "cage --diff takes nothing stored for what a running instance keeps in memory",
  async (t) => {
    const { layers: { lower } } = await makeTree(t);
    const options = ["-l", lower, "-n", t.name];
    await ok([...options, ...sh("echo 1 >/data/stored")]);
    await using child = spawnCage([
      ...[...options, "--ephemeral"],
      ...waiting("echo 1 >/data/new; echo ready"),
    ]);
    await child.seen("ready");
    const { status, stderr, stdout } = await cage([...options, "--diff"]);
    assertEquals([status, stdout], [125, ""]);
    assertStringIncludes(stderr, "the changes of this instance are in memory");
    await child.end();
  },
  needs,
);

test(
  "cage looks for changes of another root only if -l names one",
  async (t) => {
    const { layers: { lower }, options: [, , ...options] } = await makeTree(t);
    await ok(["-l", lower, ...options, ...sh("echo 1 >/data/new")]);
    const file = `${t.scratch}/x.tar`;
    for (
      const words of [["--diff"], ["--export", file], ["--apply", "--yes"]]
    ) {
      const { status, stderr, stdout } = await cage([...options, ...words]);
      assertEquals([status, stdout], [125, ""]);
      assertStringIncludes(
        stderr,
        `name the lower directory with -l "${lower}"`,
      );
    }
    const told = await ok(["-l", lower, ...options, "--diff", "/data"]);
    assertEquals(told, "A  -rw-r--r-- 0:0 2 /data/new\n");
  },
  needs,
);

test(
  "cage --diff agrees with a walk after dpkg installed a package",
  async (t) => {
    const lower = await debianRoot();
    const { layers, options } = optionsOn(t, lower);
    const built = t.newScratch();
    await output([
      ...["sh", "-c"],
      `cd "$1"; mkdir -p p/DEBIAN p/usr/share/tool p/etc
    printf 'Package: tool\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' >p/DEBIAN/control
    echo /etc/tool >p/DEBIAN/conffiles
    echo data >p/usr/share/tool/data; echo conf >p/etc/tool
    dpkg-deb --root-owner-group -b p tool.deb >/dev/null; chmod -R a+rX .`,
      ...["sh", built],
    ]);
    const script = `dpkg -i ${built}/tool.deb >/dev/null 2>&1
    rm -r /usr/share/doc/dpkg; mv /etc/skel /etc/skeleton
    chmod 700 /srv; touch /home/x; chown 1000:1000 /home/x
    ln /etc/hostname /etc/hostname2 || true; truncate -s 10M /opt/sparse`;
    await ok([...options, "-v", built, ...sh(script)]);
    const told = parseDiff(await ok([...options, "--diff", "--json"]));
    assert(told.some(([, path]) => path === hex("/usr/share/tool/data")));
    assertEquals(told, await walkMerged(layers));
  },
  { skip: skip ?? whyNoDebian() },
);

function hex(path: string): string {
  return new TextEncoder().encode(path).toHex();
}

test("cage --diff agrees with a walk after git and setfattr ran", async (t) => {
  const { layers, options } = optionsOn(t, "/");
  const shared = t.newScratch();
  await output([
    ...["sh", "-c"],
    `cd "$1"; git init -q repo; cd repo; echo 1 >file; mkdir sub; echo 2 >sub/x
    git add .; git -c user.name=x -c user.email=x@x commit -qm first`,
    ...["sh", shared],
  ]);
  await output([
    "setfattr",
    "-n",
    "user.kept",
    "-v",
    "1",
    `${shared}/repo/file`,
  ]);
  const script = `cd ${shared}; git clone -q repo clone
    setfattr -n user.made -v 1 clone/file; setfattr -x user.kept repo/file
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("clone/s")'
    mv repo/sub repo/moved`;
  await ok([...options, ...sh(script)]);
  const told = parseDiff(await ok([...options, "--diff", "--json", shared]));
  assertEquals(told, await walkMerged(layers, shared));
  assert(told.length > 20);
}, {
  skip: skip ?? whyNoProgram("git"),
  takesRoot: "compares with a mount of the whole root",
});

test(
  "cage --diff follows redirects and copies of attributes alone",
  async (t) => {
    const lower = `${t.scratch}/lower`;
    await makeLower(lower);
    const { options } = optionsOn(t, lower);
    await ok([...options, ...sh("true")]);
    const app = `${t.scratch}/app`;
    await output([
      ...["unshare", "--mount", "sh", "-e", "-c"],
      `cd "$1"; mkdir m; mount -t overlay -o \
lowerdir=lower,upperdir=app/upper,workdir=app/work,redirect_dir=on,metacopy=on \
none m; cd m/data; mv d1 moved; echo 1 >>moved/d2/a; chmod 600 c; mv a d2/a2`,
      ...["sh", t.scratch],
    ]);
    const stored = await output(["getfattr", "-dR", "-m", "-", `${app}/upper`]);
    assertStringIncludes(stored, 'trusted.overlay.redirect="d1"');
    assertEquals((await ok([...options, "--diff", "/data"])).split("\n"), [
      "D  -rw-r--r-- 0:0 7 /data/a",
      "C  -rw------- 0:0 7 /data/c (mode was 0644)",
      "D  drwxr-xr-x 0:0 4096 /data/d1",
      "R  -rw-r--r-- 0:0 7 /data/d2/a2 <- /data/a",
      "R  drwxr-xr-x 0:0 4096 /data/moved <- /data/d1",
      "C  -rw-r--r-- 0:0 15 /data/moved/d2/a (content, time)",
      "",
    ]);
    const { stderr } = await cage([...options, "--apply", "--yes"]);
    assertStringIncludes(
      stderr,
      '"/data/d2/a2" is in the lower directory under',
    );
  },
  { skip: skip ?? whyNoProgram("getfattr"), takesRoot: "mounts an overlay" },
);

test("cage --diff refuses changes that only a container sees", async (t) => {
  const { options } = await makeTree(t);
  const own = options.filter((_, at) => at < 2 || at > 3);
  await using child = spawnCage([...own, "--ephemeral", ...waiting()]);
  await child.seen("ready");
  const { status, stderr } = await cage([...options, "--diff"]);
  assertEquals(status, 125);
  assertStringIncludes(stderr, "the changes of this instance are in memory");
  await child.end();
}, needs);

test(
  "cage --diff and --export say when directories are too deep",
  async (t) => {
    const { layers: { upper }, options } = await makeTree(t);
    await ok([...options, ...sh(":")]);
    await output([
      "sh",
      "-c",
      `cd "$1"; i=0; while [ $i -lt 1100 ]; do ${"mkdir d; cd d; i=$((i + 1)); done"}`,
      "sh",
      upper,
    ]);
    for (const args of [["--diff"], ["--export", "-", "--changes"]]) {
      const { status, stderr } = await cage([...options, ...args]);
      assertEquals(status, 125);
      assertStringIncludes(stderr, "more than 1000 directories inside");
    }
  },
  needs,
);

test("cage --diff, --apply and their options refuse what makes no sense", async () => {
  const cases: [string[], string][] = [
    [["--stat"], "Cannot use --stat alone: it goes with --diff"],
    [
      ["--diff", "--yes"],
      "Cannot use --yes alone: it goes with --reset or --apply",
    ],
    [["--diff", "--apply"], "Cannot use --apply with --diff"],
    [["--diff", "-k"], "Cannot use --diff with -k"],
    [["--diff", "-u", "0"], "Cannot use --diff with -u"],
    [["--diff", "--stat", "--patch"], "Cannot use --patch with --stat"],
    [["--diff", "../x"], 'Cannot use path "../x"'],
  ];
  for (const [args, words] of cases) {
    const { status, stderr } = await cage(args);
    assertEquals(status, 125);
    assertStringIncludes(stderr, words);
  }
});

test("cage --diff and --export go on where files come and go", async (t) => {
  const { options } = await makeTree(t);
  const comeAndGo = `cd /data; echo ready; while :; do
      for i in 1 2 3 4 5 6 7 8 9; do : >f$i; b ln -s to l$i; b mkdir d$i; done
      b rm -r f? l? d?; done`;
  await using child = spawnCage([...options, ...sh(BUSYBOX + comeAndGo)]);
  await child.seen("ready");
  // About one look in ten meets an entry that has just gone.
  const tar = ["--export", `${t.scratch}/tar`];
  for (let round = 0; round < 15; round++) {
    for (const args of [["--diff", "--patch"], [...tar, "--changes"], tar]) {
      await ok([...options, ...args]);
    }
  }
  await cage([...options, "-k"]);
  await child.result;
}, needs);
