import { assert, assertEquals, assertMatch } from "@std/assert";
import { attack as test, exists, output, sh, waiting } from "./support/mod.ts";
import { assertTheirs, homeInside, upperOf } from "./support/places.ts";

const IDS = "id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map | " +
  "tr -s ' ' ' '";

test("Without ranges, the one id is root's unless it is another", async (t) => {
  const { uid } = t.plain;
  const cases: [options: string[], uid: number, gid: number][] = [
    [[], 0, 0],
    [["-u", "0"], 0, 0],
    [["-u", `${uid}`], uid, uid],
    [["-u", "7"], 7, 7],
    [["-u", "7:8"], 7, 8],
    [["-u", `${uid}`, "-g", "5"], uid, 5],
    [["-g", "5"], 0, 5],
  ];
  for (const [options, user, group] of cases) {
    const { stdout, stderr } = await t.cage(t.plain, [
      ...["--ephemeral", ...options, ...sh(IDS)],
    ]);
    const maps = ` ${user} ${uid} 1\n ${group} ${uid} 1\n`;
    assertEquals(stdout, `${user}\n${group}\n${maps}`, stderr);
  }
});

test("With the own number, all is as outside", async (t) => {
  const home = homeInside(t, t.plain);
  const { name, uid } = t.plain;
  await t.sh(t.plain, "echo old >file; mkdir dir", home);
  const script = "id -un; stat -c '%u:%g %U' ~/file; echo new >>~/file; " +
    "echo x >~/dir/file; stat -c %u:%g ~/dir/file; cat ~/file; " +
    'ls -ld ~ | cut -c1-10; grep -E "^Cap(Prm|Eff)" /proc/self/status';
  const result = await t.cage(t.plain, [
    ...["-n", "own", "-u", `${uid}`, "-e", `HOME=${home.cwd}`, ...sh(script)],
  ], home);
  assertEquals(result, {
    ...{ status: 0, stderr: "" },
    stdout: `${name}\n${uid}:${uid} ${name}\n${uid}:${uid}\nold\nnew\n` +
      `drwx------\nCapPrm:\t${"0".repeat(16)}\nCapEff:\t${"0".repeat(16)}\n`,
  });
  assertEquals(Deno.readTextFileSync(`${home.cwd}/file`), "old\n");
  await assertTheirs(upperOf(t.plain, "own"), t.plain, 4);
  // As root of the same view, everything is still theirs.
  const asRoot = await t.cage(t.plain, [
    ...["-n", "own", ...sh(`stat -c %u ${home.cwd}/file; rm ${home.cwd}/file`)],
  ], home);
  assertEquals([asRoot.stdout, asRoot.stderr], ["0\n", ""]);
});

test("The own number works on another root, with volumes", async (t) => {
  const { home, uid } = t.plain;
  const { stdout, stderr } = await t.cage(t.plain, [
    ...["--ephemeral", "-l", await t.root(), "-u", `${uid}`],
    ...["-v", `${home}:/mnt`, ...sh("id -u; echo x >/mnt/file; ls -n /mnt")],
  ]);
  assertEquals(stderr, "");
  assertMatch(
    stdout,
    new RegExp(`^${uid}\n(total.*\n)?\\S+ +1 ${uid} +${uid} `),
  );
  assertEquals(Deno.statSync(`${home}/file`).uid, uid);
});

test("A second command has the one id too, or is refused", async (t) => {
  const { uid } = t.plain;
  const child = t.spawnCage(t.plain, ["-n", "x", "-u", `${uid}`, ...waiting()]);
  await child.seen("ready");
  const own = await t.cage(t.plain, ["-n", "x", "-u", `${uid}`, ...sh(IDS)]);
  assertEquals(
    own.stdout,
    `${uid}\n${uid}\n ${uid} ${uid} 1\n ${uid} ${uid} 1\n`,
  );
  for (const options of [[], ["-u", "7"]]) {
    const { status, stdout, stderr } = await t.cage(t.plain, [
      ...["-n", "x", ...options, "id"],
    ]);
    assertEquals([status, stdout], [125, ""]);
    assertMatch(
      stderr,
      new RegExp(`^cage: Cannot run as user [^\n]* not mapped, only ${uid} is`),
    );
  }
  await child.end();
});

test("An init script is refused where there is no root", async (t) => {
  const { home, uid } = t.plain;
  await t.sh(t.plain, "echo 'echo ran' >script");
  const args = (...options: string[]) => [
    ...["--ephemeral", "-i", `${home}/script`, ...options, "echo", "command"],
  ];
  const refused = await t.cage(t.plain, args("-u", `${uid}`));
  assertEquals(refused, {
    ...{ status: 125, stdout: "" },
    stderr: `cage: Cannot run init script "${home}/script": it runs as root ` +
      `inside, and ${uid} is the only id there: ask for ranges in ` +
      "/etc/subuid and /etc/subgid\n",
  });
  assertEquals((await t.cage(t.plain, args())).stdout, "ran\ncommand\n");
});

test("Groups that cannot be set are kept, and nothing is told", async (t) => {
  const closed = `${t.scratch}/closed`;
  await output(["sh", "-c", `echo secret >'${closed}'`]);
  await output(["chown", `0:${t.group}`, closed]);
  await Deno.chmod(closed, 0o604);
  const show = "grep ^Groups /proc/self/status";
  const ways = [
    `setpriv --clear-groups sh -c '${show}'`,
    `setpriv --groups 0 sh -c '${show}'`,
    `chroot --groups=0 / sh -c '${show}'`,
  ];
  for (const user of [[], ["-u", `${t.plain.uid}`]]) {
    const volume = ["-v", `${closed}:/mnt/closed`];
    const run = async (script: string) =>
      await t.cage(t.plain, [
        ...["--ephemeral", ...volume, ...user, ...sh(script)],
      ]);
    const { stdout: kept } = await run(`${show}; cat /proc/self/setgroups`);
    assert(kept.endsWith("\ndeny\n"), kept);
    for (const way of ways) {
      const { stdout, stderr } = await run(`${way}; cat /mnt/closed 2>&1`);
      // Without capabilities it is refused, as it is for everybody.
      if (user.length === 0) {
        assertEquals(stderr, "");
        assertEquals(stdout.split("\n")[0], kept.split("\n")[0]);
      }
      assertEquals(/secret/.test(stdout), false);
    }
  }
  // Whoever is in no forbidding group reads it.
  assert(exists(closed));
});
