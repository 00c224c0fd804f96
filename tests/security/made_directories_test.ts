import { assertEquals } from "@std/assert";
import { type Attack, attack, output, pack } from "./support/mod.ts";

/** `RENAME_EXCHANGE` of linux/fs.h, Linux 3.15. */
const RENAME_EXCHANGE = 2;
const AT_FDCWD = -100;

/** Exchanges two names as fast as the kernel can, until it is killed. */
function exchange(t: Attack, one: string, other: string) {
  return t.spawn(t.mallory, [
    pack(t, [
      { call: "write", args: [1, "ready\n", 6] },
      {
        name: "again",
        call: "renameat2",
        args: [AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE],
        onError: {},
      },
      { call: "load", args: [{ buffer: "zero" }, 0], ifZero: "again" },
    ], { zero: 8 }),
  ]);
}

/** Launches, of which one in eight would win. */
const ROUNDS = 60;

attack("No directory of root's is given away for a new one", async (t) => {
  const { home } = t.mallory;
  // What everybody may open, as /etc.
  const roots = `${t.scratch}/roots`;
  for (let round = 1; round <= ROUNDS; round++) {
    for (const name of ["upper", "work"]) {
      await Deno.mkdir(`${roots}/${name}${round}`, { recursive: true });
      await Deno.chmod(`${roots}/${name}${round}`, 0o755);
    }
  }
  const list = () => output(["find", roots, "-printf", "%p %m %U %G\n"]);
  const before = await list();
  await t.sh(t.mallory, `mkdir own aside; ln -s '${roots}' aside/link`);
  const swapper = exchange(t, `${home}/own`, `${home}/aside/link`);
  await swapper.seen("ready");
  // It is new each time, and maybe another one when it is opened.
  const script = `for round in $(seq ${ROUNDS}); do
      "$@" -U "own/upper$round" -w "own/work$round" -- /bin/true
    done >/dev/null 2>&1; exit 0`;
  await t.run(t.mallory, [
    ...["/bin/sh", "-c", script, "sh", t.cageFile, "-n", "given"],
    ...["-l", await t.root()],
  ], { patience: 240_000 });
  swapper.kill("SIGKILL");
  await swapper.result;
  assertEquals(await list(), before);
});
