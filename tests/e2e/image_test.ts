import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  afterMounting,
  cage,
  type Context,
  loopDevices,
  output,
  type Result,
  sh,
  spawnCage,
  test,
  waiting,
  whyNoFileSystem,
  whyNoProgram,
} from "./support/mod.ts";

/** Where the superblock of ext4 has its magic number, and what it is. */
const EXT4_MAGIC_AT = 1080;
const EXT4_MAGIC = [0x53, 0xef];

const NO_IMAGE = {
  skip: whyNoProgram("mke2fs") ?? whyNoFileSystem("overlay"),
  takesRoot: "mounts an image by a loop device",
};

/** Runs `cage` with its application directory on an overlay mount. */
async function onOverlay(
  t: Context,
  args: readonly string[],
): Promise<Result> {
  return await cage([...await options(t), ...args], { within: overlay(t) });
}

async function options(t: Context): Promise<string[]> {
  const app = `${t.scratch}/merged/app`;
  return ["-l", await t.root(), "-a", app, "-p", `${t.scratch}/pid`];
}

function overlay(t: Context): string[] {
  for (const name of ["lower", "upper", "work", "merged"]) {
    Deno.mkdirSync(`${t.scratch}/${name}`, { recursive: true });
  }
  return afterMounting(
    `cd ${t.scratch}; mount -t overlay overlay merged \\
      -o lowerdir=lower,upperdir=upper,workdir=work; cd /`,
  );
}

/** The image, which the host sees in the upper directory of the mount. */
function imageOf(t: Context, directory = `${t.scratch}/upper`): string {
  const files = [...Deno.readDirSync(directory)]
    .filter(({ isFile }) => isFile).map(({ name }) => `${directory}/${name}`);
  assertEquals(files.length, 1, `No image among ${files}`);
  return files[0];
}

test("cage makes an image where an upper directory cannot be", async (t) => {
  const first = await onOverlay(t, sh("echo x >/made; rm -r /home"));
  assertEquals(first, { status: 0, stdout: "", stderr: "" });
  const image = imageOf(t);
  using file = Deno.openSync(image);
  file.seekSync(EXT4_MAGIC_AT, Deno.SeekMode.Start);
  const magic = new Uint8Array(2);
  file.readSync(magic);
  assertEquals([...magic], EXT4_MAGIC);
  const { size, blocks, mode, uid } = Deno.lstatSync(image);
  assert(size > 2 * 512 * (blocks ?? size), "The image is not sparse");
  assertEquals([(mode ?? 0) & 0o077, uid], [0, 0]);
}, NO_IMAGE);

test("cage finds its image again", async (t) => {
  await onOverlay(t, sh("echo x >/made; rm -r /home"));
  const image = imageOf(t);
  const { ino } = Deno.lstatSync(image);
  const second = await onOverlay(t, sh("cat /made; ls -d /home"));
  assertEquals([second.status, second.stdout], [1, "x\n"]);
  assertMatch(second.stderr, /^ls: \/home: No such file/);
  assertEquals(imageOf(t), image);
  assertEquals(Deno.lstatSync(image).ino, ino);
}, NO_IMAGE);

test("cage mounts its image where the host does not see it", async (t) => {
  const before = Deno.readTextFileSync("/proc/self/mountinfo");
  await using child = spawnCage([...await options(t), ...waiting()], {
    within: overlay(t),
  });
  await child.seen("ready");
  assertEquals(Deno.readTextFileSync("/proc/self/mountinfo"), before);
  const ours = loopDevices().filter((line) => line.includes(t.scratch));
  assertEquals(ours.length, 1);
  await child.end();
}, NO_IMAGE);

test(
  "cage refuses a file in the image's place that it did not make",
  async (t) => {
    await onOverlay(t, ["true"]);
    const image = imageOf(t);
    const foreign = [
      `printf 'my notes' >'${image}'`,
      `: >'${image}'`,
      `truncate -s 64M '${image}' && mke2fs -q -F -t ext4 '${image}'`,
      `ln -s /etc/passwd '${image}'`,
      `mkdir '${image}'`,
    ];
    for (const make of foreign) {
      await output(["rm", "-rf", "--", image]);
      await output(["sh", "-ec", make]);
      const before = await content(image);
      const { status, stdout, stderr } = await onOverlay(t, ["echo", "ran"]);
      assertEquals([status, stdout], [125, ""], make);
      assertMatch(stderr, /^cage: Cannot [^\n]*merged\/app[^\n]*\n$/);
      assertEquals(await content(image), before, make);
    }
  },
  NO_IMAGE,
);

async function content(path: string): Promise<string> {
  const { isFile, size } = Deno.lstatSync(path);
  return isFile ? await output(["sha256sum", path]) : `${size}`;
}

test(
  "cage makes an image where there are no extended attributes",
  async (t) => {
    const disk = `${t.scratch}/disk`;
    Deno.mkdirSync(`${t.scratch}/vfat`);
    await output(["truncate", "-s", "512M", disk]);
    await output(["mkfs.vfat", disk]);
    const app = `${t.scratch}/vfat/app`;
    for (const expected of ["", "x\n"]) {
      const { status, stdout, stderr } = await cage([
        ...["-l", await t.root(), "-a", app, "-p", `${t.scratch}/pid`],
        ...sh("cat /made 2>/dev/null; echo x >/made"),
      ], { within: afterMounting(`mount -o loop ${disk} ${t.scratch}/vfat`) });
      assertEquals([status, stdout, stderr], [0, expected, ""]);
    }
  },
  {
    skip: whyNoFileSystem("vfat") ?? whyNoProgram("mkfs.vfat", "mke2fs"),
    takesRoot: "mounts an image by a loop device",
  },
);
