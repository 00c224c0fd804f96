/**
 * What is told of a launch, with `--explain` and `--debug`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { attack, directoriesOf, sh, waiting } from "./support/mod.ts";

attack("Nobody learns of users in files that they cannot read", async (t) => {
  const root = t.newScratch("/tmp");
  Deno.chmodSync(root, 0o755);
  Deno.mkdirSync(`${root}/etc`, { mode: 0o755 });
  const passwd = `${root}/etc/passwd`;
  Deno.writeTextFileSync(passwd, "secret:x:0:0::/:/bin/sh\n");
  const call = ["--explain", "--ephemeral", "-l", root, "-u", "secret", "id"];
  Deno.chmodSync(passwd, 0o644);
  const open = await t.cage(t.mallory, call);
  assertEquals([open.status, open.stderr], [0, ""]);
  assertMatch(open.stdout, /^user inside: uid 0, gid 0/m);
  Deno.chmodSync(passwd, 0o600);
  const closed = await t.cage(t.mallory, call);
  assertEquals([closed.status, closed.stdout], [125, ""]);
  assertMatch(closed.stderr, /"secret"/);
});

attack("Nobody is told of somebody else's instance", async (t) => {
  await using first = t.spawnCage(t.plain, [
    ...["--ephemeral", "-n", "web", "-l", await t.root(), ...waiting()],
  ]);
  await first.seen("ready");
  const [directory] = directoriesOf(t.plain.uid);
  const pid = Deno.readTextFileSync(`${directory}/web.pid`);
  const file = `${t.mallory.home}/pid`;
  await t.sh(t.mallory, `printf %s '${pid.trim()}' >${file}`);
  const told = await t.cage(t.mallory, ["--explain", "-p", file, "id"]);
  assertEquals([told.status, told.stdout], [125, ""]);
  assertMatch(told.stderr, new RegExp(`belongs to user ${t.plain.uid}: `));
  await first.end();
});

attack("What is told of a launch is as it was without", async (t) => {
  const call = ["--ephemeral", "-l", await t.root()];
  const show = sh("id; grep -E 'Cap|NoNew|Seccomp:' /proc/self/status");
  const plain = await t.cage(t.mallory, [...call, ...show]);
  const told = await t.cage(t.mallory, ["--debug", ...call, ...show]);
  assertEquals(plain.status, 0, plain.stderr);
  assertEquals(told.stdout, plain.stdout);
  assert(told.stderr.includes("create: pivot_root("), told.stderr);
});
