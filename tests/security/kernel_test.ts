import { assertEquals, assertMatch } from "@std/assert";
import {
  type Attack,
  attack,
  cage,
  exists,
  pack,
  type Person,
  sh,
  wordsAs,
} from "./support/mod.ts";
import { spawnOnTerminal } from "../e2e/support/terminal.ts";

/** What is tried inside, each a line that says when it was possible. */
async function possible(
  t: Attack,
  person: Person | "root",
  attempts: Readonly<Record<string, string>>,
): Promise<string[]> {
  const script = Object.entries({ nothing: "true", ...attempts }).map((
    [name, command],
  ) => `(${command}) >/dev/null 2>&1 && echo '${name}'`).join("\n");
  const args = ["--ephemeral", ...sh(`${script}\nexit 0`)];
  const { stdout, stderr, status } = person === "root"
    ? await cage(["--privileged", ...args])
    : await t.cage(person, args);
  assertEquals([status, /^cage: /m.test(stderr)], [0, false], stderr);
  const [nothing, ...rest] = stdout.trim().split("\n");
  assertEquals(nothing, "nothing", "Nothing was tried");
  return rest;
}

const NAMESPACES: Readonly<Record<string, string>> = {
  user: "unshare -U true",
  "user and root": "unshare -U -r true",
  "user and mounts": "unshare -U -r -m true",
  mounts: "unshare -m true",
  net: "unshare -n true",
  pid: "unshare -p -f true",
  cgroup: "unshare -C true",
  ipc: "unshare -i true",
  uts: "unshare -u true",
  "mount of another": "nsenter -t 1 -m true",
  "user of another": "nsenter -t 1 -U true",
  "network of another": "nsenter -t 1 -n true",
};

attack("No namespace is made or entered inside", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    assertEquals(await possible(t, person, NAMESPACES), []);
  }
  // From whom nothing is taken can do it.
  const ways = await possible(t, "root", NAMESPACES);
  assertEquals(ways.length >= 9, true, ways.join());
});

const MOUNTS: Readonly<Record<string, string>> = {
  tmpfs: "mount -t tmpfs none /mnt",
  proc: "mount -t proc none /mnt",
  sysfs: "mount -t sysfs none /mnt",
  bind: "mount --bind / /mnt",
  remount: "mount -o remount,rw /sys",
  "remount of proc/sys": "mount -o remount,rw,bind /proc/sys",
  unmasking:
    "umount /proc/keys || umount -l /proc/kcore || umount /sys/firmware",
  "unmounting proc": "umount -l /proc",
  overlay: "mount -t overlay -o lowerdir=/etc none /mnt",
  "devices again": "mount -o remount,dev /",
  pivot: "cd /mnt && pivot_root . .",
};

attack("Nothing is mounted or unmounted inside", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    assertEquals(await possible(t, person, MOUNTS), []);
  }
  const ways = await possible(t, "root", MOUNTS);
  assertEquals(ways.length >= 6, true, ways.join());
});

attack("CVE-2022-0492: no release agent is set from inside", async (t) => {
  const attempts = {
    mount: "mkdir /tmp/c && mount -t cgroup -o rdma cgroup /tmp/c",
    "unshare and mount": "unshare -UrmC sh -c 'mkdir /tmp/d && " +
      "mount -t cgroup -o memory cgroup /tmp/d && " +
      "echo /tmp/x >/tmp/d/release_agent'",
    "what is there":
      "for file in $(find /sys/fs/cgroup -name release_agent); " +
      'do echo /tmp/x >"$file" && exit 0; done; exit 1',
    "notify": "for file in $(find /sys/fs/cgroup -name notify_on_release); " +
      'do echo 1 >"$file" && exit 0; done; exit 1',
    "cgroup.procs": "for file in $(find /sys/fs/cgroup -name cgroup.procs); " +
      'do echo $$ >"$file" && exit 0; done; exit 1',
  };
  for (const person of [t.mallory, t.plain]) {
    assertEquals(await possible(t, person, attempts), []);
  }
});

attack("Nothing of the kernel is set from inside", async (t) => {
  const attempts = {
    core_pattern: "echo x >/proc/sys/kernel/core_pattern",
    modprobe: "echo x >/proc/sys/kernel/modprobe",
    hostname: "echo x >/proc/sys/kernel/hostname && [ $(hostname) != x ]",
    sysrq: "echo h >/proc/sysrq-trigger",
    uevent: "echo x >/sys/kernel/uevent_helper",
    "kernel log": "dmesg -c",
    "module": "insmod /bin/sh",
    "bpf": "bpftool prog list",
    "clock": "date -s 2001-01-01",
    "raw memory": "head -c1 /dev/mem || head -c1 /proc/kcore | grep .",
    "kexec": "kexec -l /bin/sh",
    "swap": "swapon /bin/sh",
    "chattr": "chattr +i /etc/passwd",
    "keys of the host": "cat /proc/keys | grep .",
    "nice": "nice -n -20 true 2>&1 | grep -q . && exit 1; exit 1",
    "reboot": "reboot -f",
  };
  for (const person of [t.mallory, t.plain]) {
    assertEquals(await possible(t, person, attempts), []);
  }
});

const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;

attack(
  "CVE-2017-5226: nothing is typed into the user's terminal",
  async (t) => {
    // The kernel takes 32 bits of a request, a filter sees 64.
    const requests = [0n, 1n << 32n, 0xffffffffn << 32n]
      .flatMap((upper) => [TIOCSTI, TIOCLINUX].map((n) => upper | BigInt(n)));
    const steps = requests.flatMap((request) =>
      [0, 1, 2].map((descriptor) => ({
        call: "ioctl" as const,
        args: [descriptor, request, new Uint8Array([0x23])],
        onError: {},
      }))
    );
    const program = pack(t, [
      ...steps,
      { call: "write", args: [1, "tried\n", 6] },
    ]);
    for (const person of [t.mallory, t.plain]) {
      const args = [
        "--ephemeral",
        "-l",
        await t.root(),
        "-v",
        `${program}:/try`,
      ];
      const words = [t.cageFile, ...args, "--", "/try"];
      assertEquals(await typed(person, words), "", person.name);
    }
    // Without a container it is typed, where the kernel still allows it.
    if (legacy) assertMatch(await typed(t.mallory, [program]), /^#+$/);
  },
);

/** Runs a program on a terminal, which shows what is typed into it. */
async function typed(person: Person, words: string[]): Promise<string> {
  const child = spawnOnTerminal([...wordsAs(person), ...words]);
  await child.seen(/tried/);
  await child.end();
  return child.output.replaceAll(/[^#]/g, "");
}

/** See Documentation/admin-guide/sysctl/kernel.rst; Linux 6.2. */
const LEGACY = "/proc/sys/dev/tty/legacy_tiocsti";
const legacy = !exists(LEGACY) || Deno.readTextFileSync(LEGACY).trim() === "1";

attack("The command has no keyring of the user's", async (t) => {
  const { stdout } = await t.cage(t.mallory, [
    ...["--ephemeral", "-l", await t.root()],
    ...sh("cat /proc/keys /proc/key-users 2>/dev/null; echo over"),
  ]);
  assertMatch(stdout, /^over$/m);
  assertEquals(exists("/proc/keys") && stdout.includes("_ses"), false, stdout);
});

attack("CVE-2020-5291: no user namespace is left to be traced", async (t) => {
  // The helper that mounts is in the user's namespace, and has root's memory.
  const child = t.spawnCage(t.mallory, [
    ...["--ephemeral", "-l", await t.root(), ...sh("echo ready; cat")],
  ]);
  await child.seen("ready");
  const script = `
    for file in /proc/[0-9]*; do
      uids=$(grep -s ^Uid: "$file/status") || continue
      case "$uids" in *"${t.mallory.uid}"*) ;; *) continue ;; esac
      [ "$(readlink "$file/ns/user")" = "$(readlink /proc/self/ns/user)" ] &&
        continue
      nsenter --user="$file/ns/user" true 2>/dev/null && echo "entered $file"
      nsenter --target "\${file#/proc/}" --user --mount true 2>/dev/null &&
        echo "entered $file"
      ls "$file/root/" >/dev/null 2>&1 && echo "looked $file"
    done
    exit 0`;
  const { stdout } = await t.run(t.mallory, ["/bin/sh", "-c", script]);
  assertEquals(stdout, "");
  await child.end();
});
