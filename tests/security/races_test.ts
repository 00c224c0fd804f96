import { assert, assertEquals } from "@std/assert";
import {
  type Attack,
  attack,
  busyboxRoot,
  exchange,
  filesBelow,
} from "./support/mod.ts";

/** Launches of each race. */
const ROUNDS = 60;

/** What is root's, of which nothing is to be read or changed. */
async function laySecret(t: Attack): Promise<string> {
  const secret = `${t.scratch}/secret`;
  for (const name of ["root", "upper", "work", "app/upper", "app/work"]) {
    await busyboxRoot(`${secret}/${name}`, true);
    await Deno.writeTextFile(`${secret}/${name}/marker`, "secret\n");
  }
  await Deno.writeTextFile(`${secret}/init`, "echo secret\n", { mode: 0o600 });
  await Deno.chmod(`${secret}/init`, 0o600);
  await Deno.writeTextFile(`${secret}/pid`, `${Deno.pid}\n`, { mode: 0o600 });
  await Deno.chmod(secret, 0o700);
  return secret;
}

/** The same names, the user's own. */
async function layOwn(t: Attack): Promise<void> {
  const root = await t.root();
  await t.sh(
    t.mallory,
    `mkdir own own/upper own/work own/app own/app/upper own/app/work
    cp -a '${root}' own/root; echo ':' >own/init; mkdir aside`,
  );
}

/** Options, by the name in `own` that is raced for. */
const RACES: Readonly<Record<string, (path: string) => string[]>> = {
  root: (path) => ["-l", path],
  "root as a volume": (path) => ["-v", `${path}:/mnt`],
  "root/etc as a volume": (path) => ["-v", `${path}:/mnt`],
  upper: (path) => ["-U", path, "-w", `${path}/../work`],
  work: (path) => ["-w", path, "-U", `${path}/../upper`],
  app: (path) => ["-a", path],
  pid: (path) => ["-p", path],
  init: (path) => ["-i", path],
};

/** Launches while names are exchanged, and gives all that was printed. */
async function race(t: Attack, options: string[]): Promise<string> {
  const root = options[0] === "-l" ? [] : ["-l", await t.root()];
  const inside = "cat /marker /mnt/marker /mnt/passwd 2>/dev/null; " +
    "echo inside; echo >/mnt/written; echo >/written; rm -f /marker";
  const script = `for round in $(seq ${ROUNDS}); do "$@" 2>&1; done; exit 0`;
  const words = [
    ...[t.cageFile, "-n", "race", ...root, ...options],
    ...["--", "/bin/sh", "-c", inside],
  ];
  const { status, stdout } = await t.run(t.mallory, [
    ...["/bin/sh", "-c", script, "sh", ...words],
  ], { patience: 240_000 });
  assertEquals(status, 0);
  return stdout;
}

for (const [name, options] of Object.entries(RACES)) {
  const file = name.split(" ")[0];
  attack(`A swap of ${name} for a link gains nothing`, async (t) => {
    const secret = await laySecret(t);
    await layOwn(t);
    const { home } = t.mallory;
    const before = await filesBelow(secret);
    // Once the last part of the path, once the first.
    const parts = file.includes("/") ? [file, file.split("/")[0], "own"] : [
      file,
      "own",
    ];
    for (const part of new Set(parts)) {
      const place = part === "own" ? `${home}/own` : `${home}/own/${part}`;
      const target = part === "own" ? secret : `${secret}/${part}`;
      await t.sh(
        t.mallory,
        `rm -f aside/link; ln -s '${target}' aside/link
        [ -e '${place}' ] || [ '${file}' != pid ] || echo 1 >'${place}'`,
      );
      const pair = [place, `${home}/aside/link`] as const;
      const swapper = await exchange(t, t.mallory, [pair]);
      const output = await race(t, options(`${home}/own/${file}`));
      swapper.kill("SIGKILL");
      await swapper.result;
      // An even number of exchanges is not to be counted on.
      await t.sh(
        t.mallory,
        `[ ! -L '${place}' ] || {
        rm '${place}'; mv aside/link '${place}'; }`,
      );
      assertEquals(output.includes("secret\n"), false, output.slice(0, 500));
      assert(/inside|cage: /.test(output), output.slice(0, 500));
      assertEquals(await filesBelow(secret), before);
      assertEquals(
        await Deno.readTextFile(`${secret}/pid`),
        `${Deno.pid}\n`,
      );
    }
  });
}
