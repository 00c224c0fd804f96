import { assertEquals } from "@std/assert";
import {
  afterMounting,
  type Attack,
  attack,
  type Child,
  output,
  pack,
  run,
  whyNoFileSystem,
  whyNoProgram,
} from "./support/mod.ts";

/** `RENAME_EXCHANGE` of linux/fs.h, Linux 3.15. */
const RENAME_EXCHANGE = 2;
const AT_FDCWD = -100;

/** Launches of each race, of which nearly all would win. */
const ROUNDS = 5;

/** Exchanges a name for a link once, as soon as there is something. */
async function exchangeOnce(t: Attack, name: string): Promise<Child> {
  const { home } = t.mallory;
  const child = t.spawn(t.mallory, [
    pack(t, [
      { call: "write", args: [1, "ready\n", 6] },
      {
        name: "again",
        call: "renameat2",
        args: [
          ...[AT_FDCWD, `${home}/link`] as const,
          ...[AT_FDCWD, `${home}/${name}`, RENAME_EXCHANGE] as const,
        ],
        onError: { goto: "again" },
      },
    ]),
  ]);
  await child.seen("ready");
  return child;
}

/** Runs `cage` as root while a user exchanges what it makes in their home. */
async function race(
  t: Attack,
  name: string,
  target: string,
  args: readonly string[],
  within: readonly string[] = [],
): Promise<void> {
  const { home } = t.mallory;
  for (let round = 0; round < ROUNDS; round++) {
    await t.sh(
      t.mallory,
      `ls -A '${home}' | grep -vx -e own -e mnt | xargs rm -rf
      ln -s '${target}' link`,
    );
    const swapper = await exchangeOnce(t, name);
    const words = [t.cageFile, "-p", `${t.scratch}/pid`, ...args];
    await run([...within, ...words, "--", "/bin/true"]);
    // It waits for something, and what was made may have been too short.
    await t.sh(t.mallory, `[ -e '${name}' ] || : >'${name}'`);
    await swapper.result;
  }
}

attack("A directory that root makes in a home opens no file", async (t) => {
  const secret = `${t.scratch}/secret`;
  await Deno.writeTextFile(secret, "secret\n", { mode: 0o600 });
  const volume = `${t.mallory.home}/new:/mnt`;
  const args = ["-l", await t.root(), "--ephemeral", "-v", volume];
  await race(t, "new", secret, args);
  assertEquals(await output(["stat", "-c", "%a %u", secret]), "600 0\n");
});

attack("An upper directory that root makes gives nothing away", async (t) => {
  const secret = `${t.scratch}/secret`;
  await Deno.mkdir(secret, { mode: 0o700 });
  const { home } = t.mallory;
  // What is new belongs to the owner of the lower one.
  await t.sh(t.mallory, `cp -a '${await t.root()}' own`);
  const args = ["-l", `${home}/own`, "-U", `${home}/new`, "-w", `${home}/work`];
  await race(t, "new", secret, args);
  assertEquals(await output(["stat", "-c", "%a %u", secret]), "700 0\n");
});

attack(
  "An image that root makes in a home overwrites no file",
  async (t) => {
    const secret = `${t.scratch}/secret`;
    await Deno.writeTextFile(secret, "secret\n", { mode: 0o600 });
    await Deno.truncate(secret, 64 << 20);
    const before = await output(["sha256sum", secret]);
    const { home } = t.mallory;
    await t.sh(t.mallory, "mkdir mnt");
    for (const name of ["lower", "upper", "work"]) {
      await Deno.mkdir(`${t.scratch}/${name}`);
    }
    const within = afterMounting(
      `cd '${t.scratch}'; mount -t overlay overlay '${home}/mnt' \\
        -o lowerdir=lower,upperdir=upper,workdir=work; cd /`,
    );
    const args = ["-U", `${home}/mnt/upper`, "-w", `${home}/mnt/work`];
    const all = ["-l", await t.root(), ...args];
    await race(t, "mnt.ext4.new", secret, all, within);
    assertEquals(await output(["sha256sum", secret]), before);
  },
  { skip: whyNoProgram("mke2fs") ?? whyNoFileSystem("overlay") },
);
