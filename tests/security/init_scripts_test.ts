import { assertEquals, assertMatch } from "@std/assert";
import { attack, cage, sh } from "./support/mod.ts";

/** A script that writes to whatever its process has open. */
const WRITE = "#!/bin/sh\nfor file in /proc/self/fd/* /proc/$$/fd/*; do\n" +
  "  ( echo 'echo evil' >>\"$file\" ) 2>/dev/null\ndone\nexit 0\n";

attack(
  "An init script of the host is not written to from inside",
  async (t) => {
    const script = `${t.scratch}/script`;
    const root = await t.root();
    for (const mode of [0o644, 0o755, 0o666]) {
      for (const path of [script, `/proc/self/fd/0`]) {
        await Deno.writeTextFile(script, WRITE);
        await Deno.chmod(script, mode);
        // Root inside is root, and the one who could.
        const args = ["--ephemeral", "-n", `script-${Deno.pid}`, "-l", root];
        const words = [...args, "-i", path, ...sh("true")];
        const { status, stderr } = await cage(words, { stdin: WRITE });
        assertEquals(status, 0, stderr);
        assertEquals(await Deno.readTextFile(script), WRITE);
      }
      for (const person of [t.mallory, t.plain]) {
        await t.cage(person, [
          ...["--ephemeral", "-l", root, "-i", script, ...sh("true")],
        ]);
        assertEquals(await Deno.readTextFile(script), WRITE);
      }
    }
  },
);

attack("A FIFO in the place of a script holds nothing up", async (t) => {
  await t.sh(t.mallory, "mkfifo fifo; ln -s fifo link");
  for (const name of ["fifo", "link"]) {
    const { status, stdout, stderr } = await t.cage(t.mallory, [
      ...["--ephemeral", "-l", await t.root()],
      ...["-i", `${t.mallory.home}/${name}`, ...sh("echo inside")],
    ], { patience: 20_000 });
    assertEquals([status, stdout], [125, ""], stderr);
    assertMatch(stderr, /^cage: Cannot read init script .*FIFO/);
  }
});

attack("No descriptor of the runtime is taken for a script", async (t) => {
  // The runtime has copies of these, which are no more than the caller's.
  const quiet = 'exec "$@" </dev/null >/dev/null 2>words';
  for (let descriptor = 3; descriptor < 12; descriptor++) {
    await t.run(t.mallory, [
      ...["/bin/sh", "-c", quiet, "sh", t.cageFile, "--ephemeral"],
      ...["-l", await t.root(), "-i", `/proc/self/fd/${descriptor}`],
      ...sh("true"),
    ], { patience: 20_000 });
    const words = await t.sh(t.mallory, "cat words");
    // What is no file would come to be open inside, and no shell can read it.
    assertEquals(/^cage: The init script/m.test(words), false, words);
  }
});
