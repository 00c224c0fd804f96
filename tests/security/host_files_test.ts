import { assertEquals, assertMatch } from "@std/assert";
import {
  type Attack,
  attack,
  busyboxRoot,
  exists,
  output,
  type Person,
  sh,
} from "./support/mod.ts";

/** Files that are closed to the user in different ways. */
async function layClosed(
  t: Attack,
  parent: string = t.scratch,
): Promise<string> {
  const directory = `${parent}/closed`;
  await Deno.mkdir(directory, { mode: 0o755 });
  const make = async (name: string, owner: string, mode: number) => {
    const path = `${directory}/${name}`;
    await Deno.writeTextFile(path, `secret of ${name}\n`);
    await output(["chown", owner, path]);
    await Deno.chmod(path, mode);
  };
  await make("roots-own", "0:0", 0o600);
  await make("group", "0:0", 0o640);
  // Open to all but the members of a group, in which the users are.
  await make("shut", `0:${t.group}`, 0o604);
  await make("other", `${t.plain.uid}:${t.plain.uid}`, 0o600);
  await Deno.mkdir(`${directory}/deep`, { mode: 0o700 });
  await make("deep/file", "0:0", 0o644);
  await Deno.mkdir(`${directory}/shut-deep`);
  await make("shut-deep/file", "0:0", 0o644);
  await output(["chown", `0:${t.group}`, `${directory}/shut-deep`]);
  await Deno.chmod(`${directory}/shut-deep`, 0o705);
  return directory;
}

/** Every way of becoming somebody else first. */
const WAYS = [
  'sh -c "$1"',
  'su -c "$1"',
  'su -s /bin/sh bare -c "$1"',
  'setpriv --reuid=1 --regid=1 --clear-groups sh -c "$1"',
  'setpriv --clear-groups sh -c "$1"',
  'chroot --groups= / sh -c "$1"',
  'newgrp root -c "$1"',
  'unshare -U sh -c "$1"',
  'busybox setuidgid 1000 sh -c "$1"',
];

const READ_ALL = "cd $DIRECTORY; cat roots-own group shut other deep/file " +
  "shut-deep/file 2>/dev/null";

/** What can be read of them inside, in whichever way. */
async function readInside(
  t: Attack,
  person: Person,
  directory: string,
  options: string[],
): Promise<string[]> {
  const seen = new Set<string>();
  for (const way of WAYS) {
    const script =
      `export DIRECTORY=${directory}\nset -- '${READ_ALL}'\n${way}`;
    const { stdout, stderr } = await t.cage(
      person,
      ["--ephemeral", ...options, ...sh(script)],
    );
    assertEquals(/^cage: /m.test(stderr), false, `${way}: ${stderr}`);
    stdout.match(/secret of .*/g)?.forEach((line) => seen.add(line));
  }
  return [...seen].sort();
}

attack("What the user cannot read is not read through a volume", async (t) => {
  const directory = await layClosed(t);
  for (const person of [t.mallory, t.plain]) {
    const own = person === t.plain ? ["secret of other"] : [];
    const options = ["-l", await t.root(), "-v", `${directory}:/mnt`];
    assertEquals(await readInside(t, person, "/mnt", options), own);
  }
});

attack("What the user cannot read is not read in a layer", async (t) => {
  const directory = await layClosed(t);
  await busyboxRoot(directory);
  for (const person of [t.mallory, t.plain]) {
    const own = person === t.plain ? ["secret of other"] : [];
    assertEquals(await readInside(t, person, "/", ["-l", directory]), own);
  }
});

attack("The host's own root is not read beyond what it was", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    for (const user of [[], ["-u", "0"], ["-u", `${person.uid}`]]) {
      const script = "cat /etc/shadow /etc/gshadow; ls /root; " +
        "cat /proc/1/environ >/dev/null; id -u";
      const { stdout } = await t.cage(person, [
        ...["--ephemeral", ...user, ...sh(script)],
      ]);
      assertEquals(/^\w+:[^:]*:\d*:/m.test(stdout), false, stdout);
    }
  }
});

attack("A group that forbids holds in the host's own root", async (t) => {
  // What is in /var/tmp is not seen inside.
  const place = t.newScratch("/var/cache");
  await Deno.chmod(place, 0o755);
  const directory = await layClosed(t, place);
  const read = `cat ${directory}/shut ${directory}/shut-deep/file`;
  for (const person of [t.mallory, t.plain]) {
    for (
      const way of ["setpriv --clear-groups", "chroot --groups=0 /", "env"]
    ) {
      const { stdout } = await t.cage(person, [
        ...["--ephemeral", ...sh(`${way} ${read}`)],
      ]);
      assertEquals(stdout.match(/secret.*/g), null, `${person.name}: ${way}`);
    }
  }
});

attack("What the user cannot write is not written", async (t) => {
  const directory = await layClosed(t);
  const before = await output([
    "find",
    directory,
    "-printf",
    "%p %m %U %G %T@\n",
  ]);
  const script = `for file in /mnt/* /mnt/*/*; do
      echo x >"$file"; chmod 777 "$file"; chown 0 "$file"; rm -rf "$file"
      ln "$file" /mnt/link; mv "$file" /mnt/moved; touch "$file"
    done
    mkdir /mnt/new; mknod /mnt/null c 1 3; rm -rf /mnt/*`;
  for (const person of [t.mallory, t.plain]) {
    const root = await t.root();
    const args = ["--ephemeral", "-l", root, "-v", `${directory}:/mnt`];
    await t.cage(person, [...args, ...sh(script)]);
  }
  // One file is plain's own, in a directory that is not.
  const after = await output([
    "find",
    directory,
    "-printf",
    "%p %m %U %G %T@\n",
  ]);
  const others = (text: string) =>
    text.split("\n").filter((line) => !line.includes("/other "));
  assertEquals(others(after), others(before));
});

attack("A volume that the user cannot open is refused", async (t) => {
  const directory = await layClosed(t);
  for (const name of ["deep", "shut-deep", "deep/file"]) {
    const { status, stdout, stderr } = await t.cage(t.mallory, [
      ...["--ephemeral", "-l", await t.root()],
      ...["-v", `${directory}/${name}:/mnt`, ...sh("find /mnt -type f")],
    ]);
    if (name === "deep/file") assertEquals(status, 125, stderr);
    if (status === 125) assertMatch(stderr, /^cage: Cannot .*Permission/i);
    else assertEquals(stdout.includes("file"), false, stdout);
  }
});

attack("A volume that is missing is made with the user's rights", async (t) => {
  for (const path of ["/etc/cage-made", "/root/cage-made", "/cage-made"]) {
    const { status, stderr } = await t.cage(t.mallory, [
      ...["--ephemeral", "-l", await t.root(), "-v", path, ...sh("true")],
    ]);
    const isThere = exists(path);
    if (isThere) await Deno.remove(path);
    assertEquals([status, isThere], [125, false], stderr);
  }
});

attack("Ids inside are the caller's, and ranges alone beside it", async (t) => {
  const map = async (person: Person, ...options: string[]) => {
    const { stdout } = await t.cage(person, [
      ...["--ephemeral", "-l", await t.root(), ...options],
      ...sh("cat /proc/self/uid_map /proc/self/gid_map"),
    ]);
    return stdout.trim().split(/\s+/).map(Number);
  };
  const { uid, range } = t.mallory;
  const [inside, outside] = await map(t.mallory);
  assertEquals([inside, outside], [0, uid]);
  const numbers = await map(t.mallory);
  for (let at = 0; at < numbers.length; at += 3) {
    const first = numbers[at + 1];
    const isOwn = first === uid && numbers[at + 2] === 1;
    const isRange = first >= range! &&
      first + numbers[at + 2] <= range! + 65536;
    assertEquals(isOwn || isRange, true, `${numbers}`);
  }
  const one = [0, t.plain.uid, 1];
  assertEquals(await map(t.plain), [...one, ...one]);
});

attack("A group that forbids is not shed by setgroups(2) inside", async (t) => {
  const directory = await layClosed(t);
  const read = `cat /mnt/shut /mnt/shut-deep/file`;
  // The host's own root has the real programs.
  const ways = [
    `setpriv --clear-groups ${read}`,
    `setpriv --groups 0 ${read}`,
    `setpriv --regid 1 --clear-groups ${read}`,
    `setpriv --reuid 1 --regid 1 --init-groups ${read}`,
    `su -s /bin/sh nobody -c "${read}"`,
    `su -c "${read}"`,
    `newgrp root <<<"${read}"`,
    `sg root "${read}"`,
    `chroot --groups=0 / ${read}`,
    `unshare --user --map-root-user ${read}`,
  ];
  for (const person of [t.mallory, t.plain]) {
    for (const way of ways) {
      const { stdout } = await t.cage(person, [
        ...["--ephemeral", "-v", `${directory}:/mnt`],
        ...["--", "/bin/bash", "-c", way],
      ]);
      assertEquals(stdout.match(/secret.*/g), null, `${person.name}: ${way}`);
    }
    for (const user of ["1", "1:1", "nobody", "0:0", `${person.uid}`]) {
      const { stdout } = await t.cage(person, [
        ...["--ephemeral", "-v", `${directory}:/mnt`, "-u", user, ...sh(read)],
      ]);
      assertEquals(stdout.match(/secret.*/g), null, `${person.name}: ${user}`);
    }
  }
});
