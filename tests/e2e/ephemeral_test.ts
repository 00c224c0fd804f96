import { assertEquals } from "@std/assert";
import { exists, sh, spawnCage, test, waiting } from "./support/mod.ts";

test("cage --ephemeral keeps nothing", async (t) => {
  const script = "cat /kept 2>/dev/null; echo x >/kept; rm -r /home; cat /kept";
  for (const _ of ["first", "second"]) {
    assertEquals(await t.sh(script, ["--ephemeral"]), "x\n");
  }
  assertEquals(exists(t.appDir), false);
});

test("cage --ephemeral does not touch what was kept before", async (t) => {
  await t.sh("echo kept >/kept");
  await t.sh("echo lost >/kept; echo x >/new", ["--ephemeral"]);
  assertEquals(await t.sh("cat /kept; ls /new 2>/dev/null; true"), "kept\n");
});

test("cage --ephemeral attaches as well", async (t) => {
  await using child = spawnCage([
    ...await t.options("--ephemeral"),
    ...waiting("echo x >/made; echo ready"),
  ]);
  await child.seen("ready");
  const { status, stdout } = await t.cage(["--ephemeral", "cat", "/made"]);
  assertEquals([status, stdout], [0, "x\n"]);
  await child.end();
});

test("cage --ephemeral leaves a root that the modes are right of", async (t) => {
  const { stdout } = await t.cage([
    ...["--ephemeral", ...sh("stat -c '%a %u:%g' / /etc /bin")],
  ]);
  assertEquals(stdout, "755 0:0\n".repeat(3));
});
