import { assert, assertEquals } from "@std/assert";
import {
  type Attack,
  attack,
  busyboxRoot,
  output,
  pack,
  type Person,
  run,
  sh,
} from "./support/mod.ts";

/** Options with which files that are made inside are at home. */
async function atHome(t: Attack, person: Person): Promise<string[]> {
  const { home } = person;
  const root = await t.root();
  return ["-l", root, "-U", `${home}/upper`, "-w", `${home}/work`];
}

/** All that is dangerous below a directory, as root sees it. */
async function dangersBelow(path: string): Promise<string[]> {
  const { stdout } = await run([
    ...["find", path, "-xdev", "(", "-perm", "/4000", "-user", "0", ")"],
    ...["-o", "(", "-perm", "/2000", "-group", "0", ")", "-o", "-type", "b,c"],
  ]);
  return stdout.split("\n").filter((line) => line !== "" && isDanger(line));
}

/** The mark of a file that was removed is a device that there is not, 0:0. */
function isDanger(path: string): boolean {
  try {
    const found = Deno.lstatSync(path);
    const mode = found.mode ?? 0;
    return (mode & 0o4000) !== 0 && found.uid === 0 ||
      (mode & 0o2000) !== 0 && found.gid === 0 ||
      (found.isBlockDevice || found.isCharDevice) === true && found.rdev !== 0;
  } catch {
    // It has just been removed.
    return false;
  }
}

const MAKE = `
  cp /bin/busybox /setuid; chown 0:0 /setuid; chmod 6755 /setuid
  cp /bin/busybox /setuid-1; chown 1:1 /setuid-1; chmod 6755 /setuid-1
  cp /bin/busybox /setuid-max; chown 65535:65535 /setuid-max
  chmod 6755 /setuid-max
  mkdir /setgid; chmod 2777 /setgid; touch /setgid/file
  mknod /disk b 254 0; mknod /memory c 1 1; mknod /null c 1 3
  mkdir /devices; mknod /devices/kmsg c 1 11; mkfifo /fifo
  chmod u+s /bin/busybox /etc/passwd
  exit 0`;

attack("A setuid file made inside belongs to no root outside", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    const args = [...await atHome(t, person), ...sh(MAKE)];
    assertEquals((await t.cage(person, args)).status, 0);
    assertEquals(await dangersBelow(person.home), []);
    // What it is set to is an id that is the user's to give away.
    const list = await output([
      ...["find", person.home, "-perm", "/6000", "-printf", "%U %G\n"],
    ]);
    for (const id of list.trim().split(/\s+/).filter(Boolean).map(Number)) {
      const { range = person.uid, uid } = person;
      assert(id === uid || id >= range && id < range + 65536, `${id}`);
    }
  }
});

attack("A device made inside cannot be opened, in or out", async (t) => {
  const open = "for file in /disk /memory /null /devices/kmsg; do\n" +
    '[ -e "$file" ] && head -c 1 "$file" >/dev/null && echo "opened $file"\n' +
    "done; exit 0";
  for (const person of [t.mallory, t.plain]) {
    const args = [...await atHome(t, person), ...sh(`${MAKE}`)];
    await t.cage(person, args);
    const again = [...await atHome(t, person), ...sh(open)];
    assertEquals((await t.cage(person, again)).stdout, "");
    assertEquals(await dangersBelow(person.home), []);
  }
});

/**
 * `struct vfs_cap_data`, revision 2 and effective, linux/capability.h: CHOWN,
 * DAC_OVERRIDE and SETUID, which a container has as well.
 */
function capabilities(): Uint8Array {
  return new Uint8Array(new Uint32Array([0x02000001, 0x83, 0, 0, 0]).buffer);
}

attack("A file capability given inside has no power outside", async (t) => {
  const give = pack(t, [{
    call: "setxattr",
    args: ["/given/busybox", "security.capability", capabilities(), 20, 0],
  }]);
  const script = "mkdir /given; cp /bin/busybox /given/; /mnt; exit 0";
  for (const person of [t.mallory, t.plain]) {
    const options = await atHome(t, person);
    const args = [...options, "-v", `${give}:/mnt`, ...sh(script)];
    assertEquals((await t.cage(person, args)).status, 0);
    await Deno.chmod(person.home, 0o755);
    const given = `${person.home}/upper/given/busybox`;
    for (const who of [t.mallory, t.plain]) {
      const words = [given, "grep", "CapEff", "/proc/self/status"];
      const { stdout } = await t.run(who, words);
      assertEquals(stdout.trim(), `CapEff:\t${"0".repeat(16)}`);
      const shadow = await t.run(who, [given, "cat", "/etc/shadow"]);
      assertEquals(shadow.stdout, "");
    }
  }
});

/** A lower layer of root's with setuid files, mounted so that they are not. */
async function mountNosuid(t: Attack, path: string): Promise<void> {
  await Deno.mkdir(path);
  const options = "nosuid,mode=0755";
  await output(["mount", "-t", "tmpfs", "-o", options, "none", path]);
  await busyboxRoot(path);
  for (const name of ["by-root", "by-group", "by-caps"]) {
    await Deno.copyFile("/bin/busybox", `${path}/${name}`);
  }
  // Who may write to a file has it copied up.
  await Deno.chmod(`${path}/by-root`, 0o6777);
  await Deno.chmod(`${path}/by-group`, 0o2777);
  const give = pack(t, [{
    call: "setxattr",
    args: [
      ...[`${path}/by-caps`, "security.capability", capabilities(), 20, 0],
    ],
  }]);
  await output([give]);
  await Deno.chmod(`${path}/by-caps`, 0o777);
}

attack("CVE-2023-0386: nothing setuid is copied up from nosuid", async (t) => {
  const lower = `${t.scratch}/lower`;
  await mountNosuid(t, lower);
  try {
    const script = "touch /by-root /by-group /by-caps; chmod u+w /by-root; " +
      "mv /by-group /moved; ln /by-root /linked; echo >>/by-root; exit 0";
    for (const person of [t.mallory, t.plain]) {
      const { home } = person;
      for (const trustedRoots of [[], [t.scratch]]) {
        const { status, stderr } = await t.cage(person, [
          ...["-l", lower, "-U", `${home}/upper`, "-w", `${home}/work`],
          ...sh(script),
        ], await t.policy({ trustedRoots }));
        assertEquals(status, 0, stderr);
        assertEquals(await dangersBelow(home), []);
        await assertNoCapabilities(t, person);
      }
    }
  } finally {
    await run(["umount", "-l", lower]);
  }
});

/** No file below the home of a user gives anybody a capability. */
async function assertNoCapabilities(t: Attack, person: Person): Promise<void> {
  await Deno.chmod(person.home, 0o755);
  const found = await output([
    ...["find", person.home, "-type", "f", "-perm", "/111"],
  ]);
  for (const path of found.trim().split("\n").filter(Boolean)) {
    const words = [path, "grep", "Cap[PE]", "/proc/self/status"];
    const { stdout } = await t.run(t.plain, words);
    assertEquals(/Cap(Prm|Eff):\t0*[1-9a-f]/.test(stdout), false, path);
  }
}

attack("A work directory keeps nothing setuid on its way up", async (t) => {
  const lower = `${t.scratch}/lower`;
  await mountNosuid(t, lower);
  try {
    await Deno.mkdir(`${lower}/many`);
    for (let count = 0; count < MANY; count++) {
      await Deno.writeTextFile(`${lower}/many/${count}`, "#!/bin/sh\n");
      await Deno.chmod(`${lower}/many/${count}`, 0o6777);
    }
    const { home } = t.mallory;
    // A copy is made in the work directory first.
    const child = t.spawnCage(t.mallory, [
      ...["-l", lower, "-U", `${home}/upper`, "-w", `${home}/work`],
      ...sh("echo ready; touch /many/*; echo over; cat >/dev/null"),
    ], await t.policy({ trustedRoots: [t.scratch] }));
    await child.seen("ready");
    while (!/^over$/m.test(child.output)) {
      assertEquals(await dangersBelow(home), []);
    }
    assertEquals(await dangersBelow(home), []);
    await child.end();
    const { stdout } = await run(["ls", `${home}/upper/many`]);
    assertEquals(stdout.trim().split("\n").length, MANY);
  } finally {
    await run(["umount", "-l", lower]);
  }
});

/** As many files as take longer to copy than a look takes. */
const MANY = 500;
