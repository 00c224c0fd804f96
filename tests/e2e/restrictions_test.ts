import { assert, assertEquals } from "@std/assert";
import {
  cage,
  exists,
  isRootless,
  sh,
  spawnCage,
  test,
  waiting,
} from "./support/mod.ts";

/** Where root inside can write. */
const WRITABLE = ["", "/dev", "/dev/shm", "/tmp", "/var/tmp", "/run", "/home"];

/** Runs each line of a script in turn, and tells those that succeeded. */
async function succeeded(
  run: (args: readonly string[]) => Promise<{ stdout: string }>,
  lines: readonly string[],
): Promise<string[]> {
  const script = lines.map((line, index) =>
    `if (${line}) >/dev/null 2>&1; then echo ${index}; fi`
  ).join("\n");
  const { stdout } = await run(sh(script));
  return stdout.split("\n").filter(Boolean).map((index) => lines[+index]);
}

test("cage lets root make device nodes and open none", async (t) => {
  const names = WRITABLE.map((path) => `${path}/node`);
  const makes = names.map((name) => `mknod ${name} c 1 3`);
  const opens = names.map((name) => `mknod ${name}2 c 1 3; cat ${name}2`);
  const run = (args: readonly string[]) => t.cage(args);
  // In a user namespace nobody makes one.
  assertEquals(await succeeded(run, makes), isRootless ? [] : makes);
  assertEquals(await succeeded(run, opens), []);
});

test("cage lets a volume bring no device along", async (t) => {
  const volume = ["-v", `${t.scratch}:/mnt`];
  const lines = ["mknod /mnt/node c 1 3; cat /mnt/node"];
  const run = (args: readonly string[]) => t.cage([...volume, ...args]);
  assertEquals(await succeeded(run, lines), []);
});

test("cage lets root read the kernel's settings and change none", async (t) => {
  const setting = "/proc/sys/kernel/core_pattern";
  const before = Deno.readTextFileSync(setting);
  const run = (args: readonly string[]) => t.cage(args);
  try {
    assertEquals(
      await succeeded(run, [
        `cat ${setting}`,
        `echo core.%p >${setting}`,
        "echo h >/proc/sysrq-trigger",
        "echo 1 >/proc/irq/default_smp_affinity",
        "echo 0 >/sys/kernel/uevent_seqnum",
        "mount -o remount,rw /proc/sys",
        "umount /proc/sys",
      ]),
      [`cat ${setting}`],
    );
    assertEquals(Deno.readTextFileSync(setting), before);
  } finally {
    if (!isRootless) Deno.writeTextFileSync(setting, before);
  }
});

test("cage hides what of /proc and /sys tells of the host", async (t) => {
  const files = ["kcore", "keys", "latency_stats", "sched_debug", "timer_list"]
    .concat("interrupts").map((name) => `/proc/${name}`).filter(exists);
  const directories = ["/proc/acpi", "/proc/asound", "/proc/scsi"]
    .concat("/sys/devices/virtual/powercap", "/sys/firmware").filter(exists);
  assert(files.length > 0 && directories.length > 0);
  const script = `cat ${files.join(" ")}; ls -A ${directories.join(" ")} | ` +
    "grep -v '^/.*:$' | grep .; true";
  assertEquals(await t.sh(script), "");
});

test("cage gives root no capability to get at the host", async (t) => {
  const run = (args: readonly string[]) => t.cage(args);
  assertEquals(
    await succeeded(run, [
      "chown 1 /home",
      "mount -t tmpfs tmpfs /mnt",
      "hostname other",
      "unshare -m true",
      "nsenter -t 1 -n true",
      "swapoff -a; swapon /etc/passwd",
      "chroot / true",
      "nice -n -5 true",
    ]),
    ["chown 1 /home", "chroot / true"],
  );
});

test("cage filters system calls, and as much for a second command", async (t) => {
  const script = "grep Seccomp /proc/self/status; readlink /proc/self/exe";
  const expected = "Seccomp:\t2\nSeccomp_filters:\t1\n/bin/busybox\n";
  await using first = spawnCage([
    ...await t.options(),
    ...waiting(`${script}; echo ready`),
  ]);
  await first.seen("ready");
  assertEquals(await t.sh(script), expected);
  assertEquals((await first.end()).stdout, `${expected}ready\n`);
});

test("cage refuses calls that root has the capabilities for", async (t) => {
  const options = ["-n", t.name, "--ephemeral"];
  // Python of this machine, whose own root it is.
  const script = "import ctypes, errno, fcntl, socket\n" +
    "def tell(call):\n" +
    "    try: print(call() or 'done')\n" +
    "    except OSError as error: print(errno.errorcode[error.errno])\n" +
    "libc = ctypes.CDLL(None, use_errno=True)\n" +
    "def keyctl():\n" +
    "    if libc.syscall(250, 0, -3, 1, 0, 0) < 0:\n" +
    "        raise OSError(ctypes.get_errno(), '')\n" +
    "tell(keyctl)\n" +
    "tell(lambda: fcntl.ioctl(0, 0x5412, b'x'))\n" +
    "tell(lambda: socket.socket(40, 1, 0) and None)\n" +
    "tell(lambda: socket.socket(2, 1, 0) and None)\n";
  const python = ["--", "/usr/bin/python3", "-c", script];
  const { stderr, stdout } = await cage([...options, ...python]);
  assertEquals([stdout, stderr], ["EPERM\nEPERM\nEPERM\ndone\n", ""]);
}, {
  skip: Deno.build.arch === "x86_64" && exists("/usr/bin/python3")
    ? undefined
    : "there is no python3, or keyctl has another number",
});

test("cage lets an init script see nothing of the launcher", async (t) => {
  const script = `${t.scratch}/script`;
  Deno.writeTextFileSync(
    script,
    "for file in exe cwd root fd/0; do readlink /proc/1/$file; done\n" +
      "cat /proc/1/environ /proc/1/maps /proc/1/mem\n" +
      "ls /proc/self/fd | tr '\\n' ' '\ntrue\n",
  );
  const { status, stdout } = await t.cage(["-i", script, ...sh("echo end")]);
  assertEquals(status, 0);
  // Of its own, the script has the standard ones, itself, and that of ls(1).
  assert(/^(?:\d+ ){4,6}end\n$/.test(stdout), stdout);
});

test("cage leaves pid 1 no descriptor and no way to privileges", async (t) => {
  // It becomes what it is while the command runs already.
  const script = 'until [ -z "$(ls /proc/1/fd 2>/dev/null)" ]; do :; done; ' +
    "grep NoNewPrivs /proc/1/status /proc/self/status";
  const lines = "/proc/1/status:NoNewPrivs:\t1\n" +
    "/proc/self/status:NoNewPrivs:\t0\n";
  assertEquals(await t.sh(script), lines);
});
