import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  asRootInside,
  cage,
  cageOnTerminal,
  cageWords,
  exists,
  output,
  sh,
  spawnCage,
  spawnOnTerminal,
  test,
  until,
  whyNoProgram,
  whyNoTerminal,
} from "./support/mod.ts";
import { makeTree, nextTick, ok, optionsOn } from "./support/changed.ts";
import { editScript, makeLower } from "./support/edits.ts";
import {
  copyMerged,
  parseDiff,
  rsyncMerged,
  rsyncTrees,
  walkMerged,
} from "./support/merged.ts";

const skip = whyNoProgram("python3", "rsync", "setfattr");
const needs = skip === undefined ? {} : { skip };

/** How many random scripts are played, and which is the first. */
const ROUNDS = Number(Deno.env.get("CAGE_EDITS") ?? 40);
const SEED = Number(Deno.env.get("CAGE_EDITS_SEED") ?? 1);

async function copy(from: string, to: string): Promise<string> {
  await output([...asRootInside(), "cp", "-a", from, to]);
  return to;
}

async function remove(...paths: string[]): Promise<void> {
  await output([...asRootInside(), "rm", "-rf", ...paths]);
}

test(
  "cage --diff and --apply agree with overlayfs on random changes",
  async (t) => {
    await makeLower(`${t.scratch}/first`);
    for (let seed = SEED; seed < SEED + ROUNDS; seed++) {
      const lower = await copy(`${t.scratch}/first`, `${t.scratch}/lower`);
      const { layers, options } = optionsOn(t, lower);
      await ok([...options, ...sh(editScript(seed))]);
      const told = parseDiff(await ok([...options, "--diff", "--json"]));
      assertEquals(told, await walkMerged(layers), `seed ${seed}`);
      const other = await copy(lower, `${t.scratch}/other`);
      await ok([...options, "--apply", "--yes", "--to", other]);
      assertEquals(await rsyncMerged(layers, other), "", `seed ${seed}`);
      await copyMerged(layers, `${t.scratch}/merged`);
      await ok([...options, "--apply", "--yes"]);
      const left = await rsyncTrees(`${t.scratch}/merged`, lower);
      assertEquals(left, "", `seed ${seed}, in place`);
      const again = await ok([...options, "--diff"]);
      assertEquals(
        again.replace(/^C .* = .*\n/gm, ""),
        "",
        `seed ${seed}, after`,
      );
      const names = ["lower", "other", "merged", "app"];
      await remove(...names.map((name) => `${t.scratch}/${name}`));
    }
  },
  needs,
);

test("cage --apply carries over only the paths that are named", async (t) => {
  const { layers, options } = await makeTree(t);
  await ok([...options, ...sh("cd /data; echo 1 >a; echo 2 >c; echo 3 >/new")]);
  await ok([...options, "--apply", "--yes", "--", "/data/a", "nothing"]);
  assertEquals(Deno.readTextFileSync(`${layers.lower}/data/a`), "1\n");
  assertEquals(Deno.readTextFileSync(`${layers.lower}/data/c`), "data/c\n");
  assert(!exists(`${layers.lower}/new`));
}, needs);

test("cage --apply makes the directories on the way to a path", async (t) => {
  const { layers, options } = await makeTree(t);
  const script = "/bin/busybox mkdir -p /x/y; echo 1 >/x/y/z; echo 2 >/x/other";
  await ok([...options, ...sh(script)]);
  await ok([...options, "--apply", "--yes", "--", "/x/y"]);
  assertEquals(Deno.readTextFileSync(`${layers.lower}/x/y/z`), "1\n");
  assert(!exists(`${layers.lower}/x/other`));
}, needs);

test("cage --apply leaves out what was changed below since", async (t) => {
  const { layers: { lower }, options } = await makeTree(t);
  const script = "cd /data; echo 1 >a; echo 2 >new; /bin/busybox rm -r d1 c";
  await ok([...options, ...sh(script)]);
  await nextTick(t);
  Deno.writeTextFileSync(`${lower}/data/a`, "host\n");
  Deno.writeTextFileSync(`${lower}/data/d1/d2/a`, "host\n");
  assertStringIncludes(
    await ok([...options, "--diff", "/data/a"]),
    "/data/a (content, time, changed below since)",
  );
  const { status, stderr } = await cage([...options, "--apply", "--yes"]);
  assertEquals(status, 125);
  const why = "it was changed below since the container copied it: look at " +
    "both, and use --force to replace it\n";
  assertStringIncludes(stderr, `\n  "/data/a": ${why}`);
  assertStringIncludes(stderr, `\n  "/data/d1": ${why}`);
  assertEquals(Deno.readTextFileSync(`${lower}/data/a`), "host\n");
  assertEquals(Deno.readTextFileSync(`${lower}/data/new`), "2\n");
  assert(exists(`${lower}/data/d1`));
  await ok([...options, "--apply", "--yes", "--force"]);
  assertEquals(Deno.readTextFileSync(`${lower}/data/a`), "1\n");
  assert(!exists(`${lower}/data/d1`));
}, needs);

test("cage --apply --to leaves out what is another file there", async (t) => {
  const { layers: { lower }, options } = await makeTree(t);
  const other = await copy(lower, `${t.scratch}/other`);
  await ok([...options, ...sh("cd /data; echo 1 >a; echo 2 >c; echo 3 >new")]);
  await output([
    ...asRootInside(),
    "sh",
    "-c",
    'echo other >"$1"',
    "sh",
    `${other}/data/a`,
  ]);
  const args = [...options, "--apply", "--yes", "--to", other];
  const { status, stderr } = await cage(args);
  assertEquals(status, 125);
  assertStringIncludes(stderr, '"/data/a": it was changed below since');
  const read = (name: string) => Deno.readTextFileSync(`${other}/data/${name}`);
  assertEquals([read("a"), read("c"), read("new")], ["other\n", "2\n", "3\n"]);
  await ok([...args, "--force"]);
  assertEquals(read("a"), "1\n");
  assertEquals(Deno.readTextFileSync(`${lower}/data/a`), "data/a\n");
}, needs);

test(
  "cage --apply --to removes no directory with what is there alone",
  async (t) => {
    const { layers: { lower }, options } = await makeTree(t);
    const script = "cd /data; /bin/busybox rm -r d1 d2; echo 1 >d2";
    await ok([...options, ...sh(script)]);
    const other = await copy(lower, `${t.scratch}/other`);
    const args = [...options, "--apply", "--yes", "--to", other];
    const precious = ["d1/precious", "d2/precious"]
      .map((name) => `${other}/data/${name}`);
    await output([...asRootInside(), "touch", ...precious]);
    const { status, stderr } = await cage(args);
    assertEquals(status, 125);
    for (const name of ["d1", "d2"]) {
      const sentence = `"/data/${name}": it was changed below since`;
      assertStringIncludes(stderr, sentence);
    }
    assert(precious.every(exists));
    await ok([...args, "--force"]);
    assert(!exists(precious[0]));
    assertEquals(Deno.readTextFileSync(`${other}/data/d2`), "1\n");
  },
  needs,
);

test("cage --apply goes on where it was stopped", async (t) => {
  const { layers, options } = await makeTree(t);
  const { lower } = layers;
  await ok([...options, ...sh("cd /data; echo 1 >a; echo 2 >d1/new")]);
  // What a run that was killed leaves behind.
  Deno.writeTextFileSync(`${lower}/data/.cage-apply~`, "half");
  await ok([...options, "--apply", "--yes", "--", "/data/a"]);
  assertEquals(Deno.readTextFileSync(`${lower}/data/a`), "1\n");
  assert(!exists(`${lower}/data/.cage-apply~`));
  await ok([...options, "--apply", "--yes"]);
  assertEquals(await rsyncMerged(layers, lower), "");
}, needs);

test(
  "cage --apply tells of a file that has the name of unfinished ones",
  async (t) => {
    const { layers: { lower }, options } = await makeTree(t);
    await ok([
      ...options,
      ...sh('cd /data; echo 1 >a; echo 1 >".cage-apply~"'),
    ]);
    const { status, stderr } = await cage([...options, "--apply", "--yes"]);
    assertEquals(status, 125);
    assertStringIncludes(
      stderr,
      '\n  "/data/.cage-apply~": files that are not',
    );
    assertEquals(Deno.readTextFileSync(`${lower}/data/a`), "1\n");
  },
  needs,
);

test("cage --apply goes on after it was killed", async (t) => {
  const { layers, options } = await makeTree(t);
  const { lower } = layers;
  const script = `b() { /bin/busybox "$@"; }; cd /data; echo 1 >a
    for n in $(b seq 100); do b mkdir n$n; echo $n >n$n/f; b ln n$n/f n$n/g; done
    b rm -r d1 c; echo now a file >d1; b mkdir c; echo 2 >c/x; echo end >zzz`;
  await ok([...options, ...sh(script)]);
  {
    await using child = spawnCage([...options, "--apply", "--yes"]);
    await until(() => exists(`${lower}/data/n1/f`), "something was carried");
    child.kill("SIGKILL");
    await child.result;
  }
  // The process that has the files open may end a moment later.
  for (;;) {
    const { status, stderr } = await cage([...options, "--apply", "--yes"]);
    if (status === 0) break;
    assertStringIncludes(stderr, "another instance uses");
  }
  assertEquals(await rsyncMerged(layers, lower), "");
}, needs);

test(
  "cage --apply asks on a terminal, and elsewhere takes --yes",
  async (t) => {
    const { layers: { lower }, options } = await makeTree(t);
    await ok([...options, ...sh("echo 1 >/data/a")]);
    assertEquals(
      (await cage([...options, "--apply"])).stderr,
      [
        `cage: Cannot use --apply to change "${lower}": there is no terminal to ` +
        "ask on: use --yes, after a look with --diff\n",
      ].join(""),
    );
    const answers = [["n\n", "data/a\n"], ["\x03", "data/a\n"], ["y\n", "1\n"]];
    for (const [answer, content] of answers) {
      await using asked = cageOnTerminal([...options, "--apply"]);
      await asked.seen(/\[y\/N\] /);
      await asked.write(answer);
      await asked.result;
      assertEquals(Deno.readTextFileSync(`${lower}/data/a`), content);
      // A signal that comes before it waits ends the program at once.
      assert(answer === "\x03" || !exists(`${t.scratch}/pid`));
    }
  },
  needs,
);

test(
  "cage --apply can be stopped at its question, as a job of a shell",
  async (t) => {
    const { layers: { lower }, options } = await makeTree(t);
    await ok([...options, ...sh("echo 1 >/data/a")]);
    const words = [...cageWords(), ...options, "--apply"];
    await using shell = spawnOnTerminal(["sh", "-i", "-s", "--", ...words]);
    await shell.write('"$@"\n');
    await shell.seen(/\[y\/N\] /);
    await shell.write("\x1a");
    await shell.seen(/Stopped/);
    await shell.write("fg\n");
    await shell.seen(/Stopped[^]*fg\r?\n"\$/);
    await shell.write("y\n");
    await shell.seen(/changes carried over/);
    assertEquals(Deno.readTextFileSync(`${lower}/data/a`), "1\n");
  },
  { skip: skip ?? whyNoTerminal() },
);

test("cage --apply refuses while the instance runs", async (t) => {
  const { options } = await makeTree(t);
  const script = "echo 1 >/data/a; echo ready; read line";
  await using child = spawnCage([...options, ...sh(script)]);
  await child.seen("ready");
  assertEquals(
    (await cage([...options, "--apply", "--yes"])).stderr,
    [
      "cage: Cannot use --apply: the instance runs: stop it first, with -k\n",
    ].join(""),
  );
  assertStringIncludes(await ok([...options, "--diff"]), "/data/a");
  await child.end();
}, needs);

test("cage --apply changes nothing outside through links", async (t) => {
  const { layers: { lower }, options } = await makeTree(t);
  const outside = `${t.scratch}/outside`;
  Deno.mkdirSync(outside);
  await ok([...options, ...sh("/bin/busybox mkdir /x; echo 1 >/x/y")]);
  await nextTick(t);
  Deno.symlinkSync(outside, `${lower}/x`);
  const { status } = await cage([...options, "--apply", "--yes"]);
  assertEquals(status, 125);
  await ok([...options, "--apply", "--yes", "--force"]);
  assertEquals([...Deno.readDirSync(outside)], []);
  assertEquals(Deno.readTextFileSync(`${lower}/x/y`), "1\n");
}, needs);

test(
  "cage --apply replaces on a file system that exchanges nothing, too",
  async (t) => {
    const lower = `${t.scratch}/mounted`;
    await makeLower(`${t.scratch}/lower`);
    Deno.mkdirSync(lower);
    await output(["bindfs", `${t.scratch}/lower`, lower]);
    try {
      const { options } = optionsOn(t, lower);
      await ok([
        ...options,
        ...sh("b=/bin/busybox; cd /data; $b rm a; $b mkdir a; echo 1 >a/x"),
      ]);
      await ok([...options, "--apply", "--yes"]);
      assertEquals(Deno.readTextFileSync(`${lower}/data/a/x`), "1\n");
      assert(!exists(`${lower}/data/.cage-apply~`));
    } finally {
      await output(["umount", lower]);
    }
  },
  { ...needs, takesRoot: "mounts", skip: skip ?? whyNoProgram("bindfs") },
);
