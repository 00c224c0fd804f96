import { assertEquals } from "@std/assert";
import {
  attack,
  byEach,
  exists,
  own,
  type Prepared,
  sh,
} from "./support/mod.ts";

/** Launches of each race and caller. */
const RACES = 40;

/** Libraries of this machine, so that its programs could run inside. */
const LIBRARIES = ["/lib", "/lib64", "/usr/lib"].filter(exists)
  .flatMap((path) => ["-v", `${path}:${path}:ro`]);

/**
 * Looks at what every process executes, over and over, and keeps what is not
 * of the root file system, to write to it when it runs no more. The sealed
 * programs of cage can be seen, not written to.
 */
const HOLD = `
mine=$(readlink /proc/self/exe)
echo ready
while [ ! -e /tmp/stop ]; do
  for exe in /proc/[0-9]*/exe; do
    program=$(readlink "$exe") || continue
    case "$program" in
      "$mine") continue ;;
      "/memfd:cage-init (deleted)" | "/memfd:cage-enter (deleted)")
        echo bad 2>/dev/null >"$exe" && echo written
        continue
        ;;
    esac
    echo "seen $program"
    (
      exec 9<"$exe" || exit
      while [ ! -e /tmp/stop ]; do
        echo bad >/proc/self/fd/9 && echo written && break
      done
    ) 2>/dev/null &
  done
done
wait
echo end`;

/** Names of the root that are nothing but the program that executes them. */
async function linkToExecutable({ root }: Prepared): Promise<string[]> {
  await Deno.symlink("/proc/self/exe", `${root}/linked`);
  for (const [name, to] of [["script", "/proc/self/exe"], ["by", "/linked"]]) {
    await Deno.writeTextFile(`${root}/${name}`, `#!${to}\n`, { mode: 0o755 });
  }
  return ["/linked", "/script", "/by", "/proc/self/exe"];
}

attack("CVE-2019-5736: the program that enters is out of reach", async (t) => {
  const digest = async () =>
    new Uint8Array(
      await crypto.subtle.digest("SHA-256", await Deno.readFile(t.cageFile)),
    );
  const before = await digest();
  let links: string[] | undefined;
  await byEach(t, async (caller, prepared) => {
    links ??= await linkToExecutable(prepared);
    await own(t.mallory);
    const instance = ["--ephemeral", "-n", `known-${Deno.pid}`];
    const args = [...instance, "-l", prepared.root, ...LIBRARIES];
    const attacker = caller.spawnCage([...args, ...sh(HOLD)]);
    await attacker.seen("ready");
    for (let count = 0; count < RACES; count++) {
      const link = links[count % links.length];
      const { status, stdout } = await caller.cage([
        ...[...args, "--", link, "--version"],
      ]);
      assertEquals([status, stdout], [126, ""], `${caller.name} ${link}`);
    }
    const end = await caller.cage([...args, ...sh("touch /tmp/stop")]);
    assertEquals(end.status, 0, `${caller.name}: ${end.stderr}`);
    const { stdout } = await attacker.result;
    assertEquals(stdout, "ready\nend\n", caller.name);
    for (const link of links) {
      const { status, stdout } = await caller.cage([
        ...["--ephemeral", "-l", prepared.root, ...LIBRARIES],
        ...["--", link, "--version"],
      ]);
      assertEquals([status, stdout], [126, ""], `${caller.name} ${link}`);
    }
    assertEquals(await digest(), before, caller.name);
  });
});
