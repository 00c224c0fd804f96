import { assertEquals, assertMatch } from "@std/assert";
import { attack, byEach, own, sh, waiting } from "./support/mod.ts";

/** Descriptors that a process of a launch may have beside the standard ones. */
const DESCRIPTORS = [...Array(32).keys(), 250, 500, 501, 502].slice(3);

const LOOK_AROUND = sh(
  "cat secret ../canary/secret ../../../../etc/hostname; touch made; exit 0",
);

attack(
  "CVE-2024-21626: no link to a descriptor of the host is entered",
  async (t) => {
    await byEach(t, async (caller, { root }) => {
      const link = async (descriptor: number) => {
        await Deno.remove(`${root}/work`).catch(() => {});
        await Deno.symlink(`/proc/self/fd/${descriptor}`, `${root}/work`);
        await own(t.mallory);
      };
      for (const descriptor of DESCRIPTORS) {
        await link(descriptor);
        const { status, stdout, stderr } = await caller.cage([
          ...["--ephemeral", "-l", root, "-c", "/work", ...LOOK_AROUND],
        ]);
        const what = `${caller.name} ${descriptor}: ${stderr}`;
        assertEquals([status, stdout], [125, ""], what);
        assertMatch(stderr, /^cage: Cannot enter directory "\/work" inside: /);
      }
    });
  },
);

attack("CVE-2024-21626: nor is one by a command that attaches", async (t) => {
  await byEach(t, async (caller, { root }) => {
    const instance = ["--ephemeral", "-n", `known-${Deno.pid}`, "-l", root];
    const child = caller.spawnCage([
      ...instance,
      ...waiting(
        "mkdir /links; cd /links; " +
          "for fd in $(seq 0 600); do ln -s /proc/self/fd/$fd $fd; done; " +
          "echo ready",
      ),
    ]);
    await child.seen("ready");
    for (const descriptor of DESCRIPTORS) {
      const { status, stdout, stderr } = await caller.cage([
        ...[...instance, "-c", `/links/${descriptor}`, ...LOOK_AROUND],
      ]);
      const what = `${caller.name} ${descriptor}: ${stderr}`;
      assertEquals([status, stdout], [125, ""], what);
    }
    await child.end();
  });
});
