import { assert, assertEquals } from "@std/assert";
import {
  type Attack,
  attack,
  busyboxRoot,
  exists,
  loopDevices,
  output,
  pack,
  renewHome,
  run,
  sh,
  whyNoProgram,
} from "./support/mod.ts";

/** Extended attributes by which an overlay is led, see overlayfs.rst. */
const FORGED = [
  "opaque",
  "redirect",
  "metacopy",
  "origin",
  "impure",
  "whiteout",
];

/** Sets what no shell can set; one that a user may not set is left out. */
function forge(t: Attack, directory: string, prefix: string): string {
  const text = (value: string) => new TextEncoder().encode(value);
  const values: Readonly<Record<string, Uint8Array>> = {
    redirect: text("/../../../secret"),
    metacopy: new Uint8Array(),
    origin: new Uint8Array(64).fill(0xfb),
  };
  const steps = ["link", "etc", "file"].flatMap((name) =>
    FORGED.map((attribute) => {
      const value = values[attribute] ?? text("y");
      const path = `${directory}/${name}`;
      return {
        call: "setxattr" as const,
        args: [path, `${prefix}.overlay.${attribute}`, value, value.length, 0],
        onError: {},
      };
    })
  );
  return pack(t, [...steps, { call: "exit_group", args: [0] }]);
}

/** What is root's, and would be found by a redirect. */
async function laySecret(t: Attack): Promise<void> {
  await Deno.mkdir(`${t.scratch}/secret`);
  await Deno.writeTextFile(`${t.scratch}/secret/file`, "secret\n");
  await Deno.chmod(`${t.scratch}/secret`, 0o700);
}

const LOOK = sh(
  "cat /link/* /link /file /etc/passwd /secret 2>/dev/null; echo x >/file; " +
    "mkdir /link/x; mv /etc /moved; rm -rf /link; echo over",
);

attack("Forged attributes of an overlay lead nowhere", async (t) => {
  await laySecret(t);
  const { home, uid } = t.mallory;
  for (const prefix of ["user", "trusted"]) {
    for (const place of ["lower", "upper"]) {
      renewHome(t.mallory);
      await t.sh(
        t.mallory,
        `mkdir -p lower/link lower/etc upper/link upper/etc
        echo lower >lower/file; echo upper >upper/file`,
      );
      const words = [forge(t, `${home}/${place}`, prefix)];
      // A user can set the first, and root the other ones, as on a disk that
      // was brought along.
      await (prefix === "user" ? t.run(t.mallory, words) : run(words));
      const { status, stdout, stderr } = await t.cage(t.mallory, [
        ...["-l", `${home}/lower`, "-l", await t.root()],
        ...["-U", `${home}/upper`, "-w", `${home}/work`, ...LOOK],
      ]);
      const what = `${prefix} in ${place}: ${stderr}`;
      assertEquals(stdout.includes("secret"), false, what);
      assert(status === 125 || /^over$/m.test(stdout), what);
      assertEquals(exists(`${t.scratch}/secret/file`), true);
      const foreign = await output([
        ...["find", home, "-not", "-uid", `${uid}`, "-uid", "-1000"],
      ]);
      assertEquals(foreign, "", what);
    }
  }
});

attack("CVE-2023-30549: an image of the user's is never mounted", async (t) => {
  const { home, uid } = t.mallory;
  // Beside an upper directory on a file system that cannot hold one.
  await Deno.mkdir(`${home}/weak`);
  await output(["mount", "-t", "ramfs", "none", `${home}/weak`]);
  try {
    await Deno.chown(`${home}/weak`, uid, uid);
    const image = `${t.scratch}/image`;
    await busyboxRoot(`${image}-root/upper`);
    await Deno.copyFile("/bin/busybox", `${image}-root/upper/setuid`);
    await Deno.chmod(`${image}-root/upper/setuid`, 0o6755);
    await output([
      ...["mke2fs", "-q", "-t", "ext4", "-d", `${image}-root`, image, "64M"],
    ]);
    const before = loopDevices();
    for (
      const name of ["upper.ext4", "upper.img", "app.ext4", "app/upper.ext4"]
    ) {
      const path = `${home}/weak/${name}`;
      await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.copyFile(image, path);
      await Deno.chown(path, uid, uid);
    }
    for (const place of ["weak/upper", "weak/app/upper"]) {
      const { stdout, stderr, status } = await t.cage(t.mallory, [
        ...["-n", "image", "-l", await t.root()],
        ...["-U", `${home}/${place}`, "-w", `${home}/weak/work`],
        ...sh("ls -ln /setuid; cat /proc/mounts; losetup -a"),
      ]);
      assertEquals(/setuid|ext4 .*loop/.test(stdout), false, stdout);
      assert(status === 0 || status === 125, stderr);
      assertEquals(loopDevices(), before);
    }
  } finally {
    await run(["umount", "-l", `${home}/weak`]);
  }
}, { skip: whyNoProgram("mke2fs") });

attack(
  "Layers that lie in each other stop nothing but themselves",
  async (t) => {
    const { home } = t.mallory;
    const root = await t.root();
    await t.sh(t.mallory, "mkdir -p lower/upper lower/work upper/lower work");
    for (
      const words of [
        ...[["-l", home, "-U", `${home}/upper`, "-w", `${home}/work`]],
        ...[["-l", `${home}/upper/lower`, "-U", `${home}/upper`]],
        ...[["-l", root, "-U", `${home}/work`, "-w", `${home}/work`]],
        ...[["-l", root, "-U", `${home}/upper`, "-w", `${home}/upper/lower`]],
        ...[["-l", "/var/lib/microcontainer"], ["-l", "/run/microcontainer"]],
        ...[["-l", "/proc"], ["-l", "/sys"], ["-l", "/dev"], ["-l", "/run"]],
        ...[["-l", root, "-U", "/dev/shm/x", "-w", "/dev/shm/y"]],
        ...[["-l", root, "-U", "/proc/self", "-w", "/proc/self"]],
        ...[["-l", root, "-v", "/run/microcontainer:/mnt"]],
        ...[["-l", root, "-v", "/var/lib/microcontainer:/mnt"]],
      ]
    ) {
      const { status, stderr } = await t.cage(t.mallory, [
        ...["-n", "layers", ...words],
        ...sh("rm -rf /mnt/* /record /user; exit 0"),
      ]);
      const isSaid = status !== 125 || /^cage: Cannot [^\n]+\n$/.test(stderr);
      assertEquals(isSaid, true, `${words.join(" ")}: ${stderr}`);
      await run(["rm", "-rf", "/dev/shm/x", "/dev/shm/y"]);
    }
    assertEquals(exists("/run/microcontainer/record"), true);
  },
);

/** What a root that a user prepared has in the place of what is mounted on. */
const HOSTILE: Readonly<Record<string, string>> = {
  "links to the host": "rm -rf $name; ln -s /../../../../$HOME/aside $name",
  "links in a circle": "rm -rf $name; ln -s /$name $name",
  "links through proc": "rm -rf $name; ln -s /proc/self/root/$name $name",
  "links to a descriptor": "rm -rf $name; ln -s /proc/self/fd/3 $name",
  "pipes": "rm -rf $name; mkfifo $name",
  "files": "rm -rf $name; echo x >$name",
  "nothing": "rm -rf $name",
  "closed directories": "rm -rf $name; mkdir $name; chmod 0 $name",
};

const PLACES = [
  ...["dev", "proc", "sys", "run", "tmp", "var/tmp", "etc", "etc/passwd"],
  ...["etc/group", "etc/resolv.conf", "etc/hosts", "dev/null", "dev/pts"],
];

attack(
  "A root that the user prepared leads to nothing of the host",
  async (t) => {
    const { home } = t.mallory;
    const root = await t.root();
    await t.sh(
      t.mallory,
      `mkdir aside; echo secret >aside/passwd
    cp -a '${root}' original`,
    );
    const before = await output([
      "find",
      `${home}/aside`,
      "-printf",
      "%p %m %T@\n",
    ]);
    for (const [what, script] of Object.entries(HOSTILE)) {
      for (const name of PLACES) {
        const parent = name.includes("/")
          ? `mkdir -p ${name.split("/")[0]}`
          : ":";
        await t.sh(
          t.mallory,
          `chmod -R u+rwx lower 2>/dev/null; rm -rf lower
        cp -a original lower; cd lower; name=${name}; ${parent}; ${script}`,
        );
        const { status, stdout, stderr } = await t.cage(t.mallory, [
          ...["--ephemeral", "-l", `${home}/lower`],
          ...sh(
            `cat /${name}/passwd 2>/dev/null; echo x >/${name}/x; echo over`,
          ),
        ], { patience: 20_000 });
        const told = `${what} ${name}: ${status} ${stderr}`;
        assertEquals(stdout.includes("secret"), false, told);
        const isSaid = status === 125 && /^cage: Cannot [^\n]+\n$/.test(stderr);
        assert(isSaid || /^over$/m.test(stdout), told);
        const after = await output([
          ...["find", `${home}/aside`, "-printf", "%p %m %T@\n"],
        ]);
        assertEquals(after, before, told);
      }
    }
  },
);
