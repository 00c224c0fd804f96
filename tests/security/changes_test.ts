import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Attack,
  attack as test,
  exists,
  filesBelow,
  fingerprint,
  output,
  type Person,
  run,
  sh,
  STATE_DIRECTORY,
} from "./support/mod.ts";
import { assertTheirs, makeOwn, upperOf } from "./support/places.ts";
import { withPolicy } from "./support/policies.ts";

const SECRET = "cage-secret-of-the-host\n";

/** A root of the user's own, where they may write. */
async function ownRoot(t: Attack, person: Person): Promise<string> {
  const root = `${person.home}/root`;
  await output(["cp", "-a", await t.root(), root]);
  await output(["chown", "-R", `${person.uid}:${person.uid}`, root]);
  return root;
}

/** Everything that reads changes, or writes something of them. */
function verbs({ home }: Person): string[][] {
  return [
    ["--diff"],
    ["--diff", "--patch"],
    ["--export", `${home}/out.tar`],
    ["--export", "-", "--changes"],
    ["--apply", "--yes", "--force", "--to", `${home}/to`],
  ];
}

/** One sentence says why not, and nothing was shown or made. */
async function assertRefused(
  t: Attack,
  person: Person,
  args: readonly string[],
  why: RegExp,
): Promise<void> {
  const { status, stderr, stdout } = await t.cage(person, args);
  assertEquals([status, stdout], [125, ""], args.join(" "));
  assertMatch(stderr, why, args.join(" "));
}

test("A user carries over, and gets as files, what is theirs", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const { home, uid } = person;
    const root = await ownRoot(t, person);
    const id = person.range === undefined ? 0 : 7;
    const options = ["-l", root, "-n", "own"];
    const script = `echo x >/made; chmod 6755 /made; chown ${id}:${id} /made`;
    const made = await t.cage(person, [...options, ...sh(script)]);
    assertEquals([made.status, made.stderr], [0, ""]);
    const told = await t.cage(person, [...options, "--diff", "/made"]);
    assertMatch(told.stdout, new RegExp(` ${id}:${id} 2 /made\n$`));
    const file = `${home}/out.tar`;
    const exported = await t.cage(person, [...options, "--export", file]);
    assertEquals(exported, { status: 0, stdout: "", stderr: "" });
    const { gid, uid: owner } = Deno.lstatSync(file);
    assertEquals([owner, gid], [uid, uid]);
    const carried = await t.cage(person, [...options, "--apply", "--yes"]);
    assertEquals([carried.status, carried.stderr], [0, ""]);
    assert(exists(`${root}/made`));
    await assertTheirs(home, person);
  }
});

test("What a user may not read of one layer hides nothing of another", async (t) => {
  const first = `${t.scratch}/first`;
  const second = await t.root();
  await output(["mkdir", "-p", `${first}/etc`, `${first}/bin`]);
  await output(["mkdir", "-m", "700", `${first}/closed`]);
  Deno.writeTextFileSync(`${first}/etc/lock`, "", { mode: 0o600 });
  Deno.chmodSync(first, 0o755);
  for (const person of [t.mallory, t.plain]) {
    const options = ["-l", first, "-l", second, "-n", "two"];
    const file = `${person.home}/two.tar`;
    const exported = await t.cage(person, [...options, "--export", file]);
    assertMatch(
      exported.stderr,
      / which you cannot read:\n {2}"\/etc\/lock"\n$/,
    );
    const names = (await output(["tar", "-tf", file])).split("\n");
    for (const name of ["bin/busybox", "etc/passwd"]) {
      assert(names.includes(name), name);
    }
  }
});

test("Nobody learns what another one's changes are changes of", async (t) => {
  const app = `${t.scratch}/app`;
  await output(["mkdir", "-p", `${app}/work`]);
  const value = JSON.stringify(["/secret"]);
  const set = ["setfattr", "-n", "user.overlay.cage", "-v", value];
  await output([...set, `${app}/work`]);
  for (const [mode, told] of [["711", false], ["755", true]] as const) {
    await output(["chmod", mode, `${app}/work`]);
    const words = ["-a", app, "-p", `${t.mallory.home}/pid`, "--diff"];
    const { stderr, stdout } = await t.cage(t.mallory, words);
    assertEquals((stderr + stdout).includes("/secret"), told, mode);
  }
});

test("No changes of root or of another user are read", async (t) => {
  const root = await t.root();
  const script = sh(`echo ${SECRET.trim()} >/made`);
  await t.cage(t.plain, ["-n", "kept", "-l", root, ...script]);
  const victims = [upperOf(t.plain, "kept").replace(/\/upper$/, "")];
  for (const mode of ["755", "700"]) {
    const app = `${t.scratch}/app-${mode}`;
    await output(["mkdir", "-p", `${app}/upper`, `${app}/work`]);
    Deno.writeTextFileSync(`${app}/upper/made`, SECRET, { mode: 0o600 });
    await output(["chmod", mode, app, `${app}/upper`]);
    victims.push(app);
  }
  const closed = `${t.scratch}/closed`;
  await output(["mkdir", "-m", "700", closed]);
  await output(["cp", "-a", victims[1], `${closed}/app`]);
  victims.push(`${closed}/app`);
  const before = await fingerprint(t.scratch);
  const to = `${t.mallory.home}/to`;
  for (const app of victims) {
    makeOwn(to, t.mallory);
    for (const verb of verbs(t.mallory)) {
      const args = ["-l", root, "-a", app, "-p", `${t.mallory.home}/pid`];
      const { status, stderr, stdout } = await t.cage(t.mallory, [
        ...[...args, ...verb],
      ]);
      const what = `${app} ${verb.join(" ")}: ${stderr}`;
      assertEquals(stdout.includes("cage-secret"), false, what);
      // What everybody can list can be told of by those who list it.
      if (app.endsWith("755")) continue;
      assertEquals([status, stdout], [125, ""], what);
      assertMatch(stderr, /^cage: Cannot use upper directory /);
    }
    await output(["rm", "-rf", to]);
  }
  const list = await filesBelow(t.mallory.home);
  for (const name of list.filter((name) => name.endsWith(".tar"))) {
    const bytes = Deno.readTextFileSync(`${t.mallory.home}/${name}`);
    assertEquals(bytes.includes("cage-secret"), false);
  }
  assertEquals(await fingerprint(t.scratch), before);
});

test("Nothing is written where the user cannot write", async (t) => {
  const root = await t.root();
  const target = `${t.scratch}/target`;
  await output(["cp", "-a", root, target]);
  const before = await fingerprint(target);
  const places = [`${target}/out.tar`, "/etc/cage-no.tar", `${target}/bin/sh`];
  for (const person of [t.mallory, t.plain]) {
    const options = ["-l", target, "-n", "no"];
    const script = "mkdir /new; echo x >/new/made; chmod 4755 /new/made";
    await t.cage(person, [...options, ...sh(script)]);
    for (const to of [[], ["--to", target], ["--to", "/etc"]]) {
      const args = [...options, "--apply", "--yes", "--force", ...to, "/new"];
      await assertRefused(t, person, args, /: permission denied\n/);
    }
    // A link of the user's own leads to a file of root's.
    const link = `${person.home}/link`;
    Deno.symlinkSync(`${target}/bin/busybox`, link);
    for (const file of [...places, link]) {
      const args = [...options, "--export", file];
      await assertRefused(t, person, args, /^cage: Cannot write .* denied\n$/);
    }
  }
  assertEquals([exists(places[1]), exists("/etc/new")], [false, false]);
  assertEquals(await fingerprint(target), before);
});

test("A root that users share is read with modes as inside, and kept", async (t) => {
  const trusted = `${t.scratch}/trusted`;
  const root = `${trusted}/root`;
  await output(["mkdir", "-m", "755", trusted]);
  await output(["cp", "-a", await t.root(), root]);
  Deno.writeTextFileSync(`${root}/old`, "old\n", { mode: 0o600 });
  const policy = withPolicy(t, { trustedRoots: [trusted] });
  const before = await fingerprint(root);
  for (const person of [t.mallory, t.plain]) {
    const options = ["-l", root, "-n", "shared"];
    await t.cage(person, [...options, ...sh("echo new >/old")], policy);
    const told = await t.cage(person, [...options, "--diff", "/old"], policy);
    assertEquals(told.stdout, "C  -rw------- 0:0 4 /old (content, time)\n");
    const apply = (...words: string[]) =>
      t.cage(
        person,
        [...options, "--apply", "--yes", ...words, "/old"],
        policy,
      );
    const inPlace = await apply();
    assertEquals(inPlace.status, 125);
    assertMatch(inPlace.stderr, /: all users share it: name a directory/);
    const own = `${person.home}/own`;
    makeOwn(own, person);
    assertEquals((await apply("--to", own)).stderr, "");
    assertEquals(Deno.readTextFileSync(`${own}/old`), "new\n");
    await assertTheirs(own, person);
  }
  assertEquals(await fingerprint(root), before);
});

test("What a mount hides in a shared root is not read", async (t) => {
  const trusted = `${t.scratch}/trusted`;
  const root = `${trusted}/root`;
  await output(["mkdir", "-m", "755", trusted]);
  await output(["cp", "-a", await t.root(), root]);
  Deno.writeTextFileSync(`${root}/tmp/hidden`, SECRET);
  const script = `mount -t tmpfs none '${root}/tmp'`;
  const policy = withPolicy(t, { trustedRoots: [trusted] }, script);
  const options = ["-l", root, "-n", "hidden"];
  const args = [...options, "--export", "-"];
  const { status, stderr, stdout } = await t.cage(t.mallory, args, policy);
  assertEquals([status, stdout.includes("cage-secret")], [125, false]);
  assertMatch(stderr, /: something is mounted on "\/tmp" in it/);
});

test("Nothing that a user sets makes the program believe them", async (t) => {
  const target = `${t.scratch}/target`;
  await output(["cp", "-a", await t.root(), target]);
  const layout = { lower: [target], upper: target, work: "/x", appDir: "/x" };
  const told = JSON.stringify({
    ...{ cwd: "/", isRunning: false },
    layout: { ...layout, pidFile: "/x", image: "/x", named: {} },
    given: { upper: 0, lower: [0], isShared: false },
  });
  const file = `${t.scratch}/out.tar`;
  for (const person of [t.mallory, t.plain]) {
    const env = { CAGE_OWN_IDS: told };
    const args = ["-l", target, "--export", file];
    const { status, stderr } = await t.cage(person, args, { env });
    assertEquals(status, 125);
    assertMatch(stderr, /^cage: Cannot write .* denied\n$/);
  }
  assertEquals(exists(file), false);
});

test("A user to whom root is granted is told to be root for it", async (t) => {
  const policy = withPolicy(t, { granted: { users: [t.mallory.name] } });
  for (const verb of verbs(t.mallory)) {
    const args = ["-n", "granted", ...verb];
    const { status, stderr, stdout } = await t.cage(t.mallory, args, policy);
    assertEquals([status, stdout], [125, ""]);
    assertMatch(stderr, /: run it as root\n$/);
  }
  assertEquals(exists(`${STATE_DIRECTORY}/app-granted`), false);
  assertEquals(await filesBelow(t.mallory.home), []);
});

/** Long enough for a file to be found while it is written. */
const LONG = 64 << 20;

test("Root carries over to a user's directory, and the user gains nothing", async (t) => {
  const { mallory, scratch } = t;
  const lower = `${scratch}/lower`;
  await output(["cp", "-a", await t.root(), lower]);
  makeOwn(`${lower}/theirs`, mallory);
  const victim = `${scratch}/victim`;
  Deno.writeTextFileSync(victim, SECRET, { mode: 0o600 });
  const options = ["-l", lower, "-a", `${scratch}/app`, "-p", `${scratch}/pid`];
  const root = (...words: string[]) =>
    output([t.cageFile, ...options, ...words]);
  const swaps = ['ln -s "$1" "$2"', 'echo mine >"$2"; chmod 600 "$2"'];
  for (const [round, swap] of swaps.entries()) {
    const name = `file${round}`;
    const script = `cd /theirs; dd if=/dev/zero of=${name} bs=${LONG} ` +
      `count=1 2>/dev/null; chmod 4755 ${name}`;
    await root(...sh(script));
    const unfinished = `${lower}/theirs/.cage-apply~`;
    const attacker = t.spawn(mallory, [
      ...[
        "/bin/sh",
        "-c",
        'echo ready; until [ -e "$2" ]; do :; done; ' +
        `mv "$2" "$2.aside" && ${swap}; echo swapped`,
      ],
      ...["sh", victim, unfinished],
    ]);
    await attacker.seen("ready");
    const apply = [...options, "--apply", "--yes", "--", `/theirs/${name}`];
    // Where the user has taken it away just then, it tells of that.
    const { stderr } = await run([t.cageFile, ...apply]);
    assertEquals(stderr.replace(/^cage: Cannot carry all of 1 [^]*/, ""), "");
    await attacker.seen("swapped");
    // What the user has put there is the user's as before.
    const carried = `${lower}/theirs/${name}`;
    if (exists(carried)) {
      const { size, uid } = Deno.lstatSync(carried);
      assertEquals(uid, size === LONG ? 0 : mallory.uid, swap);
    }
    await output(["rm", "-f", unfinished, `${unfinished}.aside`]);
  }
  const { mode, uid } = Deno.statSync(victim);
  assertEquals([mode! & 0o7777, uid], [0o600, 0]);
});

test("A group by which the host forbids is kept", async (t) => {
  const root = `${t.scratch}/lower`;
  await output(["cp", "-a", await t.root(), root]);
  Deno.writeTextFileSync(`${root}/shut`, SECRET);
  await output(["chgrp", t.group, `${root}/shut`]);
  Deno.chmodSync(`${root}/shut`, 0o604);
  for (const person of [t.mallory, t.plain]) {
    const args = ["-l", root, "-n", "shut", "--export", "-"];
    const { status, stderr, stdout } = await t.cage(person, args);
    assertEquals([status, stdout.includes("cage-secret")], [125, false]);
    assertMatch(stderr, /which you cannot read:\n {2}"\/shut"\n$/);
  }
});
