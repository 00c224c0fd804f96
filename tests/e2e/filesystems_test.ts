import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  busyboxRoot,
  cage,
  cageOnTerminal,
  sh,
  test,
  whyNoProgram,
  whyNoTerminal,
} from "./support/mod.ts";

const DEVICES = [
  ...["console", "fd", "full", "null", "ptmx", "pts", "random", "shm"],
  ...["stderr", "stdin", "stdout", "tty", "urandom", "zero"],
];

test("cage mounts file systems where they belong", async (t) => {
  const text = await t.sh("cat /proc/mounts");
  const types = new Map(
    text.trim().split("\n").map((line) => line.split(" "))
      .map(([, point, type]) => [point, type]),
  );
  const expected = [
    ["/", "overlay"],
    ["/proc", "proc"],
    ["/sys", "sysfs"],
    ["/dev", "tmpfs"],
    ["/dev/pts", "devpts"],
    ["/dev/shm", "tmpfs"],
    ["/tmp", "tmpfs"],
    ["/var/tmp", "tmpfs"],
    ["/run", "tmpfs"],
  ];
  assertEquals(expected.map(([point]) => [point, types.get(point)]), expected);
});

test("cage makes the mount points that a root lacks", async (t) => {
  const root = await busyboxRoot(`${t.scratch}/bare`, true);
  const { status, stdout, stderr } = await cage([
    ...["-l", root, "-n", t.name],
    ...sh("ls -d /dev/null /dev/pts/ptmx /proc/self /run/lock /sys/kernel"),
  ]);
  assertEquals([status, stderr], [0, ""]);
  assertEquals(stdout.trim().split("\n").length, 5);
  assertEquals([...Deno.readDirSync(root)].length, 2);
});

test("cage mounts on a mount point only inside the root", async (t) => {
  const root = await busyboxRoot(`${t.scratch}/bare`, true);
  Deno.mkdirSync(`${t.scratch}/outside`);
  const links = ["dev", "proc", "run", "sys", "tmp", "var"];
  for (const name of links) {
    Deno.symlinkSync(
      `../../../../../../${t.scratch}/outside`,
      `${root}/${name}`,
    );
  }
  await cage(["-l", root, "-n", t.name, "true"]);
  assertEquals([...Deno.readDirSync(`${t.scratch}/outside`)], []);
});

test("cage shows the container's own /proc", async (t) => {
  const script = 'readlink /proc/self; exec cat "/proc/$$/comm"';
  assertMatch(await t.sh(script), /^[0-9]{1,2}\ncat\n$/);
});

test("cage makes /sys read-only", async (t) => {
  const options = await t.sh("grep ' /sys ' /proc/mounts");
  assertMatch(options, / sysfs ro,/);
  const { status } = await t.cage(["--", "mkdir", "/sys/x"]);
  assertEquals(status, 1);
});

test("cage lists exactly its devices in /dev", async (t) => {
  const list = await t.sh("ls /dev");
  const extra = ["mqueue"];
  const found = list.trim().split("\n").filter((name) => !extra.includes(name));
  assertEquals(found, DEVICES);
});

test("cage makes devices that work", async (t) => {
  const script = [
    "head -c 4 /dev/zero | od -An -tx1",
    "echo lost >/dev/null && cat /dev/null",
    "echo x 2>/dev/null >/dev/full || echo full",
    "head -c 8 /dev/urandom | wc -c",
    "head -c 8 /dev/random | wc -c",
    "echo in | cat /dev/stdin /dev/fd/0",
    "echo out >/dev/stdout",
    "readlink /dev/fd",
    "stat -c '%a %t:%T' /dev/null /dev/zero /dev/full /dev/random",
    "stat -c '%a %t:%T' /dev/urandom /dev/tty",
  ].join("\n");
  assertEquals(
    await t.sh(script),
    [
      " 00 00 00 00",
      "full",
      "8",
      "8",
      "in",
      "out",
      "/proc/self/fd",
      ...["666 1:3", "666 1:5", "666 1:7", "666 1:8", "666 1:9", "666 5:0"],
      "",
    ].join("\n"),
  );
});

test("cage lets an ordinary user use devices", async (t) => {
  const script =
    "echo x >/dev/null; cat /dev/null; head -c 1 /dev/zero | wc -c";
  const { stdout, stderr } = await t.cage(["-u", "alice", ...sh(script)]);
  assertEquals([stdout, stderr], ["1\n", ""]);
});

test("cage has terminals of its own in /dev/pts", async (t) => {
  await using child = cageOnTerminal([
    ...await t.options(),
    ...sh("ls /dev/pts | tr '\\n' ' '; echo; ls -lL /dev/ptmx | cut -c1-10"),
  ]);
  const { status, stdout } = await child.end();
  assertEquals(status, 0);
  assertMatch(stdout, /^ptmx *\r\ncrw-rw-rw-\r\n$/);
}, { skip: whyNoTerminal() });

test("cage lets a program open a new terminal", async (t) => {
  const { status, stdout } = await cage([
    ...["-n", t.name, "--", "script", "-qec", "tty; stty size", "/dev/null"],
  ]);
  assertEquals(status, 0);
  assertMatch(stdout, /^\/dev\/pts\/0\r\n/);
}, { skip: whyNoProgram("script") });

test("cage makes temporary directories that everyone can write to", async (t) => {
  const directories = ["/tmp", "/var/tmp", "/dev/shm"];
  const script = directories.map((path) =>
    `stat -c '%a %u:%g' ${path}; echo x >${path}/x; ls -A ${path}`
  ).join("\n");
  const { stdout, stderr } = await t.cage(["-u", "alice", ...sh(script)]);
  assertEquals([stdout, stderr], ["1777 0:0\nx\n".repeat(3), ""]);
});

test("cage begins with empty temporary directories", async (t) => {
  const script = "ls -A /tmp /var/tmp /dev/shm | grep -v : | grep .; " +
    "for path in /tmp /var/tmp /run /dev/shm; do echo x >$path/x; done";
  assertEquals(await t.sh(script), "");
  assertEquals(await t.sh(script), "");
});

test("cage makes /run with lock and user", async (t) => {
  const script = "stat -c '%a %u:%g %n' /run /run/lock /run/user";
  assertEquals(
    await t.sh(script),
    [
      "755 0:0 /run",
      "1777 0:0 /run/lock",
      "755 0:0 /run/user",
      "",
    ].join("\n"),
  );
});

test("cage mounts no devices but in /dev", async (t) => {
  const text = await t.sh("cat /proc/mounts");
  for (const path of ["/proc", "/sys", "/tmp", "/var/tmp", "/run"]) {
    const line = text.split("\n").find((line) => line.includes(` ${path} `));
    const flags = line?.split(" ")[3].split(",") ?? [];
    assert(flags.includes("nosuid") && flags.includes("nodev"), line);
  }
});
