import { assertEquals } from "@std/assert";
import {
  cage,
  cageWords,
  sh,
  spawnCage,
  test,
  waiting,
} from "./support/mod.ts";
import { isRootless } from "./support/mode.ts";
import {
  type Missing,
  withoutCalls,
  withoutCallsBeside,
} from "./support/kernel.ts";
import { whyNoTerminal } from "./support/terminal.ts";

const EINVAL = 22;

/** Calls by their numbers. */
const FSOPEN: Missing = { call: 430 };
const FSCONFIG_SET_FD: Missing = { call: 431, second: 5, errno: EINVAL };
const MOUNT_SETATTR: Missing = { call: 442 };

/** The filter is put on by the same program that makes terminals. */
const SKIP = { skip: whyNoTerminal() };

const KERNELS: [what: string, missing: Missing[]][] = [
  ["before 6.13, overlays take no descriptors", [FSCONFIG_SET_FD]],
  ["without fsopen(2)", [FSOPEN]],
  ["before 5.12, without mount_setattr(2)", [MOUNT_SETATTR]],
  ["without any of them", [FSOPEN, FSCONFIG_SET_FD, MOUNT_SETATTR]],
];

/**
 * Overlays in user namespaces came with 5.11, and fsopen(2) with 5.2, so that
 * a user is never without.
 */
const THERE = KERNELS.filter(([, missing]) =>
  !isRootless || !missing.includes(FSOPEN)
);

for (const [what, missing] of THERE) {
  const within = withoutCalls(...missing);
  test(`cage runs on a kernel ${what}`, async (t) => {
    const args = await t.options();
    const write = [...args, ...sh("echo kept >/home/x; mkdir /new")];
    assertEquals((await cage(write, { within })).stderr, "");
    const read = [...args, ...sh("cat /home/x; ls -d /new; cat /proc/keys")];
    const { stderr, stdout } = await cage(read, { within });
    assertEquals([stdout, stderr], ["kept\n/new\n", ""]);
    assertEquals(Deno.readTextFileSync(`${t.appDir}/upper/home/x`), "kept\n");
  }, SKIP);

  test(`cage takes any path on a kernel ${what}`, async (t) => {
    const appDir = `${t.scratch}/${"ü".repeat(100)},a:b\\c d`;
    const args = [
      ...["-l", await t.root(), "-a", appDir, "-p", `${t.scratch}/pid`],
      ...sh("echo kept >/x"),
    ];
    assertEquals(await cage(args, { within }), {
      status: 0,
      stdout: "",
      stderr: "",
    });
    assertEquals(Deno.readTextFileSync(`${appDir}/upper/x`), "kept\n");
  }, SKIP);

  test(`cage --ephemeral works on a kernel ${what}`, async (t) => {
    const args = [...await t.options("--ephemeral"), ...sh("echo x >/x")];
    assertEquals((await cage(args, { within })).status, 0);
  }, SKIP);
}

test("cage -v holds a volume as tightly on a kernel before 5.12", async (t) => {
  const within = withoutCalls(MOUNT_SETATTR);
  const [file, directory] = [`${t.scratch}/file`, `${t.scratch}/directory`];
  Deno.writeTextFileSync(file, "text\n");
  Deno.mkdirSync(directory);
  const volumes = [
    ...["-v", `${file}:/mnt/file:ro`, "-v", `${directory}:/mnt/read:ro`],
    ...["-v", `${directory}:/mnt/write`],
  ];
  const script = "cat /mnt/file; echo x >>/mnt/file; echo x >/mnt/read/x; " +
    "echo y >/mnt/write/y; cat /mnt/read/y; " +
    "mknod /mnt/write/node c 1 3; cat /mnt/write/node";
  const args = [...await t.options(...volumes), ...sh(script)];
  const { stdout } = await cage(args, { within });
  assertEquals(stdout, "text\ny\n");
  assertEquals(Deno.readTextFileSync(file), "text\n");
  const { status } = await cage(
    [...await t.options(...volumes), ...sh("cat /mnt/write/node")],
    { within },
  );
  assertEquals(status, 1);
}, SKIP);

test("cage says what a kernel lacks that has no namespaces", async (t) => {
  // The runtime starts its threads with clone3.
  const clone = Deno.build.arch === "x86_64" ? 56 : 220;
  const within = withoutCalls({ call: clone, errno: EINVAL });
  const args = [...await t.options(), ...sh("true")];
  assertEquals(await cage(args, { within }), {
    status: 125,
    stdout: "",
    stderr: isRootless
      ? "cage: Cannot create a container without privileges: this kernel was " +
        "built without user namespaces or others: have root boot one with " +
        "CONFIG_USER_NS, or install the set-user-ID program with sudo make " +
        "install\n"
      : "cage: Cannot create a container: invalid argument: the kernel must " +
        "have mount, pid, ipc, uts and cgroup namespaces\n",
  });
}, SKIP);

test("cage says why it does not run inside itself", async (t) => {
  // What it is run from may be in a directory that is another one inside.
  const checkout = new URL("../..", import.meta.url).pathname;
  const volume = ["-v", "/tmp:/tmp:ro", "-v", `${checkout}:${checkout}:ro`];
  const places = ["XDG_DATA_HOME=/run/data", "XDG_RUNTIME_DIR=/run"];
  const inside = ["env", ...places, ...cageWords(), "--ephemeral", "true"];
  const args = ["-n", t.name, "--ephemeral", ...volume, "--", ...inside];
  assertEquals(await cage(args), {
    status: 125,
    stdout: "",
    stderr: "cage: Cannot create a container without privileges: the " +
      "container around this one forbids it by its filter of system calls: " +
      "start that one with --privileged, or with --security-opt " +
      "seccomp=unconfined (podman, docker)\n",
  });
});

test("cage attaches on a kernel without the newer calls", async (t) => {
  const missing = [FSCONFIG_SET_FD, MOUNT_SETATTR]
    .concat(isRootless ? [] : [FSOPEN]);
  const within = withoutCalls(...missing);
  const options = await t.options();
  await using first = spawnCage([...options, ...waiting()], { within });
  await first.seen("ready");
  const again = withoutCallsBeside(first.pid, ...missing);
  const second = [...options, ...sh("echo in")];
  const { stderr, stdout } = await cage(second, { within: again });
  assertEquals([stdout, stderr], ["in\n", ""]);
  assertEquals((await first.end()).status, 0);
}, SKIP);
