import { assert, assertEquals, assertMatch } from "@std/assert";
import { aptProxies } from "../e2e/support/apt.ts";
import {
  type Attack,
  attack as test,
  busyboxRoot,
  debianRoot,
  exists,
  filesBelow,
  fingerprint,
  makeScratch,
  output,
  type Person,
  removeScratch,
  sh,
  waiting,
  whyNoDebian,
} from "./support/mod.ts";
import { makePolicy, under, withPolicy } from "./support/policies.ts";
import { assertTheirs, ownersBelow, upperOf } from "./support/places.ts";

/** Below it, root file systems are lent to everybody by default. */
const TRUSTED = "/var/lib/microcontainer-root";

/** Does something in a directory of root's there, and removes all of it. */
async function inTrusted(
  action: (directory: string) => Promise<void>,
): Promise<void> {
  const isNew = !exists(TRUSTED);
  if (isNew) Deno.mkdirSync(TRUSTED, { mode: 0o755 });
  const directory = makeScratch(TRUSTED);
  Deno.chmodSync(directory, 0o755);
  try {
    await action(directory);
  } finally {
    await removeScratch(directory);
    if (isNew) Deno.removeSync(TRUSTED);
  }
}

/** Owners of what is in the root, beside root. */
const OWNERS = ["1:1", "1000:1000", "33:4", "65534:65534", "200000:200000"];

/** A root with closed files, of many owners. */
async function makeRoot(path: string): Promise<string> {
  await busyboxRoot(path);
  const script = `cd '${path}'; umask 022
    echo 'root:!:1::::::' >etc/shadow; chmod 600 etc/shadow
    mkdir closed; echo x >closed/file; chmod 700 closed
    for owner in ${OWNERS.join(" ")}; do
      mkdir -p owned/$owner; echo $owner >owned/$owner/file
      chmod 600 owned/$owner/file; chown -R $owner owned/$owner
    done
    chmod 4755 bin/busybox; chmod 644 etc/passwd; echo x >group
    chown 0:4 group; chmod 640 group; touch -d @1000000000 etc/shadow`;
  await output(["sh", "-ec", script]);
  return path;
}

const LIST =
  "stat -c '%u:%g %a %n' /etc/shadow /closed/file /owned/*/file /group";

/** What {@linkcode LIST} shows where ids are as far as they are mapped. */
function listed(last: number): string {
  const shown = (id: string) => Number(id) <= last ? id : "65534";
  const owners = OWNERS.toSorted().map((owner) => {
    const [uid, gid] = owner.split(":").map(shown);
    return `${uid}:${gid} 600 /owned/${owner}/file\n`;
  });
  return "0:0 600 /etc/shadow\n0:0 644 /closed/file\n" + owners.join("") +
    `0:${shown("4")} 640 /group\n`;
}

test("Files of a trusted root belong to the ids inside", async (t) => {
  await inTrusted(async (directory) => {
    const root = await makeRoot(`${directory}/root`);
    const before = await fingerprint(root);
    for (const [person, last] of [[t.mallory, 65536], [t.plain, 0]] as const) {
      const { stdout, stderr } = await t.cage(person, [
        ...["-n", "t", "-l", root],
        ...sh(`${LIST}; cat /etc/shadow /closed/file /group`),
      ]);
      assertEquals(stderr, "");
      assertEquals(stdout, `${listed(last)}root:!:1::::::\nx\nx\n`);
    }
    assertEquals(await fingerprint(root), before);
  });
});

test("A trusted root's modes hold among the ids inside", async (t) => {
  await inTrusted(async (directory) => {
    const root = await makeRoot(`${directory}/root`);
    const script = "cat /etc/shadow /closed/file /owned/*/file /group " +
      "2>/dev/null; echo x >>/owned/1000:1000/file; chmod 666 /etc/shadow; " +
      "id -u; true";
    const { stdout, stderr } = await t.cage(t.mallory, [
      ...["-n", "t", "-l", root, "-u", "alice", ...sh(script)],
    ]);
    assertEquals(stdout, "1000:1000\n1000\n");
    assertMatch(stderr, /^chmod: \/etc\/shadow: Operation not permitted\n$/);
    const root2 = ["-n", "t", "-l", root, "-u", "1000:4", "cat", "/group"];
    assertEquals((await t.cage(t.mallory, root2)).stdout, "x\n");
    // What is nobody's inside stays closed to root inside.
    const nobodys = await t.cage(t.mallory, [
      ...["-n", "t", "-l", root, ...sh("cat /owned/200000*/file")],
    ]);
    assertEquals(nobodys.stdout, "");
  });
});

test("What changes in a trusted root belongs to the user's ids", async (t) => {
  await inTrusted(async (directory) => {
    const root = await makeRoot(`${directory}/root`);
    const before = await fingerprint(root);
    const { plain, mallory } = t;
    const script = "chmod 640 /etc/shadow; echo new >>/etc/shadow; " +
      "chown 7:8 /closed/file; rm -r /home; mkdir /made; chown 65536 /made; " +
      "mv /closed /moved; chown 1:1 /owned/1000:1000; " +
      "echo x >>/owned/33:4/file; chmod 4755 /owned/1:1/file; " +
      "cp -a /owned/65534:65534 /copy; rm /group; ln -s /x /link; mkfifo /fifo";
    const result = await t.cage(mallory, [
      ...["-n", "t", "-l", root, ...sh(script)],
    ]);
    assertEquals(result, { status: 0, stdout: "", stderr: "" });
    const at = (id: number) => id === 0 ? mallory.uid : mallory.range! + id - 1;
    const owners = await ownersBelow(upperOf(mallory, "t"));
    const expected: [string, number, number, string][] = [
      ["etc/shadow", 0, 0, "640"],
      ["moved/file", 7, 8, "644"],
      ["made", 65536, 0, "755"],
      ["owned/1000:1000", 1, 1, "755"],
      ["owned/33:4/file", 33, 4, "600"],
      ["owned/1:1/file", 1, 1, "4755"],
      ["copy/file", 65534, 65534, "600"],
      ["fifo", 0, 0, "644"],
    ];
    for (const [name, uid, gid, mode] of expected) {
      const line = `${name} ${mode} ${at(uid)}:${at(gid)}`;
      assert(owners.includes(line), `${line} is not in ${owners.join("\n")}`);
    }
    await assertTheirs(upperOf(mallory, "t"), mallory, expected.length);
    const plainly = await t.cage(plain, [
      ...["-n", "t", "-l", root],
      ...sh(
        "chmod 640 /etc/shadow; echo x >>/closed/file; rm -r /home/alice " +
          "2>/dev/null || echo refused; chown 1 /closed 2>/dev/null || echo no",
      ),
    ]);
    assertEquals(plainly, { status: 0, stdout: "refused\nno\n", stderr: "" });
    await assertTheirs(upperOf(plain, "t"), plain, 3);
    assertEquals(await fingerprint(root), before);
    // It is there the next time, and for that user alone.
    const again = async (person: Person) =>
      (await t.cage(person, [
        ...["-n", "t", "-l", root, ...sh("tail -n1 /etc/shadow; ls -d /made")],
      ])).stdout;
    assertEquals(await again(mallory), "new\n/made\n");
    assertEquals(await again(plain), "root:!:1::::::\n");
  });
});

/** What a user sees who gets a root without any mapping. */
async function assertUnmapped(
  t: Attack,
  root: string,
  options: { readonly within?: readonly string[] } = {},
) {
  for (const person of [t.mallory, t.plain]) {
    const run = async (script: string) =>
      await t.cage(
        person,
        ["--ephemeral", "-l", root, ...sh(script)],
        options,
      );
    const { stdout, stderr } = await run(
      "stat -c '%u:%g %n' /etc/shadow /owned/1:1/file /group; id -u; " +
        "cat /etc/shadow /closed/file /owned/*/file /group 2>/dev/null; true",
    );
    assertEquals(stderr, "");
    const list = ["/etc/shadow", "/owned/1:1/file", "/group"];
    const lines = list.map((name) => `65534:65534 ${name}\n`);
    assertEquals(stdout, `${lines.join("")}0\n`);
    const tries = [
      "chmod 644 /etc/shadow",
      "chown 0 /etc/passwd",
      "rm -r /home",
    ]
      .map((line) => `${line} 2>/dev/null && echo done`);
    assertEquals((await run(`${tries.join("\n")}\ntrue`)).stdout, "");
  }
}

test("The same root is not mapped where it is not trusted", async (t) => {
  const root = await makeRoot(`${t.scratch}/root`);
  const before = await fingerprint(root);
  await assertUnmapped(t, root);
  assertEquals(await fingerprint(root), before);
});

test("A policy takes the trust away, and gives it elsewhere", async (t) => {
  await inTrusted(async (directory) => {
    const root = await makeRoot(`${directory}/root`);
    await assertUnmapped(t, root, withPolicy(t, { trustedRoots: [] }));
    const elsewhere = `${t.scratch}/roots`;
    Deno.mkdirSync(elsewhere);
    const other = await makeRoot(`${elsewhere}/root`);
    const policy = withPolicy(t, { trustedRoots: [elsewhere] });
    await assertUnmapped(t, root, policy);
    const args = ["--ephemeral", "-l", other, "cat", "/etc/shadow"];
    const { stdout } = await t.cage(t.plain, args, policy);
    assertEquals(stdout, "root:!:1::::::\n");
  });
});

test("Only what really is in a trusted directory is mapped", async (t) => {
  await inTrusted(async (directory) => {
    const outside = await makeRoot(`${t.scratch}/root`);
    // Links that lead out of it and into it, a path that goes through it.
    Deno.symlinkSync(outside, `${directory}/out`);
    await assertUnmapped(t, `${directory}/out`);
    Deno.mkdirSync(`${directory}/deep`);
    const up = "../".repeat(8);
    await assertUnmapped(t, `${directory}/deep/${up}${outside.slice(1)}`);
    const root = await makeRoot(`${directory}/root`);
    await t.sh(t.mallory, `ln -s '${root}' in`);
    const { stdout } = await t.cage(t.mallory, [
      ...["--ephemeral", "-l", "in", "cat", "/etc/shadow"],
    ]);
    assertEquals(stdout, "root:!:1::::::\n");
  });
});

test("A directory that others can change is not trusted", async (t) => {
  const place = `${t.scratch}/roots`;
  Deno.mkdirSync(place);
  const root = await makeRoot(`${place}/root`);
  const policy = withPolicy(t, { trustedRoots: [place] });
  for (const [mode, uid] of [[0o777, 0], [0o775, 0], [0o755, t.plain.uid]]) {
    Deno.chmodSync(place, mode);
    Deno.chownSync(place, uid, uid);
    await assertUnmapped(t, root, policy);
  }
});

test("Layers of both kinds go together", async (t) => {
  await inTrusted(async (directory) => {
    const root = await makeRoot(`${directory}/root`);
    await t.sh(
      t.mallory,
      "mkdir -p top/etc; echo mine >top/etc/mine; chmod 600 top/etc/mine",
    );
    const own = `${t.mallory.home}/top`;
    const { stdout, stderr } = await t.cage(t.mallory, [
      ...["-n", "both", "-l", own, "-l", root],
      ...sh(
        "cat /etc/shadow /etc/mine; stat -c %u /etc/mine /etc; " +
          "echo more >>/etc/mine; cat /etc/mine",
      ),
    ]);
    assertEquals(stderr, "");
    assertEquals(stdout, "root:!:1::::::\nmine\n0\n0\nmine\nmore\n");
    assertEquals(Deno.readTextFileSync(`${own}/etc/mine`), "mine\n");
  });
});

test("A second command in a trusted root has the same ids", async (t) => {
  await inTrusted(async (directory) => {
    const root = await makeRoot(`${directory}/root`);
    for (const [person, last] of [[t.mallory, 65536], [t.plain, 0]] as const) {
      const child = t.spawnCage(person, ["-n", "a", "-l", root, ...waiting()]);
      await child.seen("ready");
      const { stdout } = await t.cage(person, ["-n", "a", ...sh(LIST)]);
      assertEquals(stdout, listed(last));
      await child.end();
    }
  });
});

test("A user resets what they changed in a trusted root", async (t) => {
  await inTrusted(async (directory) => {
    const root = await makeRoot(`${directory}/root`);
    const before = await fingerprint(root);
    const change = sh(
      "rm -r /home; cd /owned; chown -R 65536 1:1 33:4 1000:1000; " +
        "chmod 0 1:1 33:4 1000:1000",
    );
    const args = ["-n", "r", "-l", root];
    assertEquals((await t.cage(t.mallory, [...args, ...change])).stderr, "");
    const reset = await t.cage(t.mallory, ["--reset", "-n", "r"]);
    assertEquals(reset, { status: 0, stdout: "", stderr: "" });
    assertEquals(exists(upperOf(t.mallory, "r")), false);
    const list = await t.cage(t.mallory, [...args, ...sh(LIST)]);
    assertEquals(list.stdout, listed(65536));
    assertEquals(await fingerprint(root), before);
  });
});

/** Options that hand the proxies of the machine on. */
async function proxyOptions(): Promise<string[]> {
  const names = ["http_proxy", "https_proxy", "no_proxy"];
  const own = names.map((name) => [name, Deno.env.get(name)]);
  return [...own, ...Object.entries(await aptProxies())]
    .filter(([, value]) => value)
    .flatMap(([name, value]) => ["-e", `${name}=${value}`]);
}

/** Says that the network is slow rather than that `cage` is broken. */
const PATIENT = 600_000;

test("A user installs a package on a trusted root of Debian", async (t) => {
  const debian = await debianRoot();
  const before = await fingerprint(`${debian}/var/lib/dpkg`);
  await inTrusted(async (directory) => {
    const root = `${directory}/debian`;
    Deno.mkdirSync(root, { mode: 0o755 });
    // As if it had been unpacked there, without the time that this takes.
    const within = under(
      makePolicy(t, {}),
      `mount --bind '${debian}' '${root}'`,
    );
    const options = ["-n", "debian", "-l", root, ...await proxyOptions()];
    const { status, stdout, stderr } = await t.cage(t.mallory, [
      ...[...options, "-e", "DEBIAN_FRONTEND=noninteractive"],
      ...sh(
        "apt-get -q update && apt-get -qy install hello && " +
          "useradd --create-home --groups audio user && id user",
      ),
    ], { within, patience: PATIENT });
    assertEquals(status, 0, stdout + stderr);
    assertMatch(
      stdout,
      /^uid=1000\(user\) gid=1000\(user\) groups=1000\(user\),/m,
    );
    const hello = await t.cage(t.mallory, [
      ...[...options, "-u", "user", ...sh("hello; id -u; touch ~/file")],
    ], { within });
    assertEquals(hello, {
      ...{ status: 0, stderr: "" },
      stdout: "Hello, world!\n1000\n",
    });
    const su = "su -s /bin/sh user -c 'id -u; id -G'";
    const asUser = await t.cage(t.mallory, [...options, ...sh(su)], { within });
    assertEquals(asUser.stdout, "1000\n1000 29\n", asUser.stderr);
    const upper = upperOf(t.mallory, "debian");
    assert((await filesBelow(upper)).includes("usr/bin/hello"));
    await assertTheirs(upper, t.mallory, 50);
    const { uid } = Deno.lstatSync(`${upper}/home/user/file`);
    assertEquals(uid, t.mallory.range! + 999);
  });
  assertEquals(await fingerprint(`${debian}/var/lib/dpkg`), before);
  assertEquals(exists(`${debian}/usr/bin/hello`), false);
}, { ...(whyNoDebian() ? { skip: whyNoDebian() } : {}) });
