/**
 * What a user has who has no ranges of ids, and neither a directory in
 * /run/user: one id inside.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  cage,
  cageWords,
  type Context,
  exists,
  hasRanges,
  modeOf,
  run,
  RUN_DIRECTORY,
  sh,
  spawnCage,
  test,
  waiting,
  whyNoProgram,
  whyNotRootless,
} from "./support/mod.ts";

const ONE_ID = {
  skip: whyNotRootless() ??
    (hasRanges ? "the user has ranges of ids" : undefined),
};

const UID = Deno.uid()!;
const GID = Deno.gid()!;

const SHOW_IDS = "id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map | " +
  "tr -s ' '";

/** What it shows, if one user and one group are there. */
function oneOf(user: number, group: number): string {
  return `${user}\n${group}\n ${user} ${UID} 1\n ${group} ${GID} 1\n`;
}

test("cage makes a user without ranges the one id that there is", async (t) => {
  const cases: [options: string[], user: number, group: number][] = [
    [[], 0, 0],
    [["-u", "0"], 0, 0],
    [["-u", `${UID}`], UID, GID],
    [["-u", "7"], 7, 7],
    [["-u", "7:8"], 7, 8],
    [["-g", "5"], 0, 5],
  ];
  for (const [options, user, group] of cases) {
    assertEquals(await t.sh(SHOW_IDS, options), oneOf(user, group));
  }
}, ONE_ID);

test(
  "cage keeps a user's own number, and files as they are outside",
  async (t) => {
    const share = makeShare(t);
    const script = "stat -c %u:%g /in/file; echo x >/in/made; echo x >/made; " +
      "grep -E '^Cap(Eff|Prm):' /proc/self/status";
    const nothing = "0".repeat(16);
    assertEquals(
      await t.sh(script, ["-u", `${UID}`, "-v", `${share}:/in`]),
      `${UID}:${GID}\nCapPrm:\t${nothing}\nCapEff:\t${nothing}\n`,
    );
    for (const path of [`${share}/made`, `${t.appDir}/upper/made`]) {
      const { uid, gid } = Deno.statSync(path);
      assertEquals([uid, gid], [UID, GID]);
    }
  },
  ONE_ID,
);

function makeShare(t: Context): string {
  const share = `${t.scratch}/share`;
  Deno.mkdirSync(share);
  Deno.writeTextFileSync(`${share}/file`, "of the host\n");
  return share;
}

test("cage says that an id is not to be had without ranges", async (t) => {
  const alice = await t.cage(["-u", "alice", "id"]);
  assertEquals([alice.status, alice.stdout], [125, ""]);
  assertEquals(
    alice.stderr,
    'cage: Cannot run as user "alice": 1000 is not mapped, only 0 is: ' +
      "use -u 1000:1000, or ask for a range in /etc/subuid and /etc/subgid, " +
      "e.g. with usermod --add-subuids 100000-165535 " +
      "--add-subgids 100000-165535 NAME\n",
  );
  await using first = spawnCage([...await t.options(), ...waiting()]);
  await first.seen("ready");
  for (const options of [["-u", "7"], ["-u", `${UID}`], ["-g", "7"]]) {
    const { status, stdout, stderr } = await t.cage([...options, "id"]);
    assertEquals([status, stdout], [125, ""]);
    assertMatch(stderr, /^cage: Cannot run (as|with) [^\n]* only 0 is\b/);
  }
  assertEquals((await first.end()).status, 0);
}, ONE_ID);

test("cage runs no init script where there is no root inside", async (t) => {
  const script = `${t.scratch}/script`;
  Deno.writeTextFileSync(script, "echo init $(id -u)\n");
  const ran = await t.cage(["-i", script, "echo", "command"]);
  assertEquals(ran, { status: 0, stdout: "init 0\ncommand\n", stderr: "" });
  assertEquals(await t.cage(["-i", script, "-u", `${UID}`, "true"]), {
    status: 125,
    stdout: "",
    stderr: `cage: Cannot run init script "${script}": it runs as root ` +
      `inside, and ${UID} is the only id there: ask for ranges in ` +
      "/etc/subuid and /etc/subgid\n",
  });
}, ONE_ID);

test(
  "cage without ranges lets root inside own nothing but its own",
  async (t) => {
    const script =
      "touch file; chown 7 file || chgrp 7 file || echo refused; " +
      "stat -c %u:%g file";
    const { status, stdout } = await t.cage(sh(script));
    assertEquals([status, stdout], [0, "refused\n0:0\n"]);
  },
  ONE_ID,
);

test("cage without ranges works on this machine's own root", async (t) => {
  const home = t.newScratch();
  for (const options of [[], ["-u", `${UID}`]]) {
    const script = `echo x >>${home}/made; cat ${home}/made`;
    const { status, stdout, stderr } = await cage([
      ...["--ephemeral", "-n", t.name, ...options, ...sh(script)],
    ]);
    assertEquals([status, stdout, stderr], [0, "x\n", ""]);
  }
  assertEquals(exists(`${home}/made`), false);
}, ONE_ID);

test(
  "cage keeps pid files in a private directory of /tmp at last",
  async (t) => {
    const state = `/tmp/microcontainer-${UID}`;
    assertEquals(RUN_DIRECTORY, state);
    await using child = spawnCage([...await t.options(), ...waiting()]);
    await child.seen("ready");
    assertEquals(modeOf(state), "0700");
    assert(exists(`${state}/${t.name}.pid`));
    assertEquals((await t.cage(["echo", "in"])).stdout, "in\n");
    assertEquals((await cage(["-k", "-n", t.name])).status, 0);
    assert(!exists(`${state}/${t.name}.pid`));
    await child.result;
  },
  ONE_ID,
);

test(
  "cage does not use a directory of /tmp that others may write to",
  async (t) => {
    const state = `/tmp/microcontainer-${UID}`;
    await t.sh("true");
    Deno.chmodSync(state, 0o777);
    try {
      const { status, stderr } = await t.cage(["true"]);
      if (status === 0) assertEquals(modeOf(state), "0700");
      else assertMatch(stderr, /^cage: Cannot [^\n]+\n$/);
    } finally {
      Deno.chmodSync(state, 0o700);
    }
  },
  ONE_ID,
);

test("cage as a user does no more than look at what is root's", async (t) => {
  const trace = `${t.scratch}/trace`;
  const { status, stderr } = await run([
    ...["strace", "-f", "-o", trace, "-e", "trace=%file"],
    ...[...cageWords(), ...await t.options(), "true"],
  ]);
  assertEquals([status, stderr], [0, ""]);
  const text = Deno.readTextFileSync(trace);
  assert(text.includes(t.name));
  // It is looked for, to be hidden inside.
  const named = text.split("\n").filter((line) =>
    /"\/(?:run|var\/lib)\/microcontainer/.test(line) &&
    !/ (?:openat2?\(.*\bO_PATH\b|readlink|l?stat|newfstatat|statx)/.test(line)
  );
  assertEquals(named, []);
}, { skip: ONE_ID.skip ?? whyNoProgram("strace") });
