import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  cage,
  exists,
  filesBelow,
  isRootless,
  modeOf,
  onFreshState,
  output,
  sh,
  spawnCage,
  test,
  waiting,
} from "./support/mod.ts";

/** What root makes has places for others below. */
const BASE_MODE = isRootless ? "0700" : "0755";

test("cage makes the seed's directories with their modes", async (t) => {
  const state = `${t.scratch}/state`;
  await using child = spawnCage(
    ["-l", await t.root(), ...waiting("echo x >/made; echo ready")],
    { within: onFreshState(state) },
  );
  await child.seen("ready");
  assertMatch(
    Deno.readTextFileSync(`${state}/run/microcontainer/pid`),
    /^[0-9]+/,
  );
  await child.end();
  const modes = ["lib", "run"].map((part) => `${state}/${part}/microcontainer`);
  assertEquals(modes.map(modeOf), [BASE_MODE, BASE_MODE]);
  const app = `${state}/lib/microcontainer/default`;
  assertEquals(modeOf(app), "0700");
  assertEquals(Deno.readTextFileSync(`${app}/upper/made`), "x\n");
  assert(exists(`${app}/work`));
  assertEquals(await filesBelow(`${state}/run/microcontainer`), ["record"]);
});

test("cage -n gives directories and pid file their names", async (t) => {
  const state = `${t.scratch}/state`;
  await using child = spawnCage(
    ["-l", await t.root(), "-n", "some.name", ...waiting()],
    { within: onFreshState(state) },
  );
  await child.seen("ready");
  assert(exists(`${state}/run/microcontainer/some.name.pid`));
  await child.end();
  const app = `${state}/lib/microcontainer/app-some.name`;
  assertEquals(modeOf(app), "0700");
  assert(exists(`${app}/upper`) && exists(`${app}/work`));
});

test("cage does not believe the umask of its caller", async (t) => {
  const state = `${t.scratch}/state`;
  const words = ["sh", "-c", 'umask 0; exec "$@"', "sh"];
  const { status } = await cage(["-l", await t.root(), "true"], {
    within: [...onFreshState(state), ...words],
  });
  assertEquals(status, 0);
  const base = `${state}/lib/microcontainer`;
  assertEquals(
    [base, `${base}/default`, `${state}/run/microcontainer`].map(modeOf),
    [BASE_MODE, "0700", BASE_MODE],
  );
});

test("cage -a makes the directory with its parents", async (t) => {
  const app = `${t.scratch}/one/two`;
  const { status } = await cage([
    ...["-l", await t.root(), "-n", t.name, "-a", app, ...sh("echo x >/made")],
  ]);
  assertEquals(status, 0);
  assertEquals(Deno.readTextFileSync(`${app}/upper/made`), "x\n");
  assertEquals(modeOf(app), "0700");
  assertEquals(exists(t.appDir), false);
});

test("cage takes relative paths from the caller's directory", async (t) => {
  await t.root();
  const { status, stderr } = await cage(
    ["-l", "root", "-a", "app", "-p", "pid", ...sh("echo x >/made")],
    { cwd: t.scratch },
  );
  assertEquals([status, stderr], [0, ""]);
  assertEquals(Deno.readTextFileSync(`${t.scratch}/app/upper/made`), "x\n");
});

test("cage keeps what a named instance wrote, and only there", async (t) => {
  await t.sh("echo first >/kept; rm /etc/group; mkdir /new; chmod 0711 /new");
  const script = "cat /kept; [ -e /etc/group ] || echo gone; stat -c %a /new";
  assertEquals(await t.sh(script), "first\ngone\n711\n");
  const other = t.newName();
  const { stdout } = await cage([
    ...["-l", await t.root(), "-n", other, ...sh("ls /kept /etc/group; true")],
  ]);
  assertEquals(stdout, "/etc/group\n");
  assertEquals(exists(`${await t.root()}/kept`), false);
});

test("cage never writes to the lower directory", async (t) => {
  const root = await t.root();
  const list = () => output(["find", root, "-printf", "%P %y %m %s %T@ %l\n"]);
  const before = await list();
  await t.sh("rm -r /home; mkdir /home; echo x >/etc/group; chown 1 /bin");
  assertEquals(await list(), before);
});

test("cage alone is a shell on this machine's own root", async (t) => {
  const marker = `${t.newScratch()}/marker`;
  Deno.writeTextFileSync(marker, "host\n");
  const script = `cat ${marker}; echo changed >${marker}; id -u; uname -n`;
  const { status, stdout } = await cage([], {
    stdin: `${script}\nexit 3\n`,
    within: onFreshState(`${t.scratch}/state`),
  });
  assertEquals(status, 3);
  assertEquals(stdout, `host\n0\n${Deno.hostname()}\n`);
  assertEquals(Deno.readTextFileSync(marker), "host\n");
});
