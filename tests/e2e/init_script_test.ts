import { assertEquals, assertMatch } from "@std/assert";
import {
  cage,
  cageWords,
  type Context,
  exists,
  run,
  sh,
  spawnCage,
  test,
  waiting,
} from "./support/mod.ts";

/** Writes a script on the host. */
function makeScript(t: Context, text: string): string {
  const path = `${t.scratch}/init script`;
  Deno.writeTextFileSync(path, text);
  return path;
}

test("cage -i runs a file of the host as root before the command", async (t) => {
  const script = makeScript(t, "id -u\npwd\necho made >/made\n");
  const { status, stdout, stderr } = await t.cage([
    ...["-i", script, "-u", "alice", ...sh("id -u; cat /made")],
  ]);
  assertEquals([status, stderr], [0, ""]);
  assertEquals(stdout, "0\n/\n1000\nmade\n");
});

test("cage -i runs a file that is only inside", async (t) => {
  const root = await t.root();
  Deno.writeTextFileSync(`${root}/root/only-inside`, "echo inside\n");
  const { status, stdout, stderr } = await t.cage([
    ...["-i", "/root/only-inside", "echo", "command"],
  ]);
  assertEquals([status, stdout, stderr], [0, "inside\ncommand\n", ""]);
});

test("cage -i takes a here-document", async (t) => {
  const words = [...cageWords(), ...await t.options()];
  const text = [
    '"$@" -i /proc/self/fd/3 -- /bin/sh -s 3<<INIT <<\\COMMAND',
    "echo init $((1 + 1)) \\$\\$ >/init",
    "INIT",
    "cat /init",
    "ls /proc/self/fd >/list",
    "cat /list",
    "COMMAND",
  ].join("\n");
  const { status, stdout, stderr } = await run([
    ...["bash", "-c", text, "bash", ...words],
  ]);
  assertEquals([status, stderr], [0, ""]);
  // The last one is that of ls(1) itself.
  assertMatch(stdout, /^init 2 [0-9]+\n0\n1\n2\n3\n$/);
});

test("cage -i takes a pipe", async (t) => {
  const words = [...cageWords(), ...await t.options()];
  const { status, stdout, stderr } = await run([
    ...["bash", "-c", '"$@" -i <(echo echo piped) -- true', "bash", ...words],
  ]);
  assertEquals([status, stdout, stderr], [0, "piped\n", ""]);
});

test("cage -i takes a long here-document", async (t) => {
  const words = [...cageWords(), ...await t.options()];
  const line = ": ".padEnd(99, "x");
  const text = [
    '"$@" -i /proc/self/fd/3 -- true 3<<INIT',
    ...Array(10_000).fill(line),
    "echo end",
    "INIT",
  ].join("\n");
  const { status, stdout } = await run(["bash", "-s", ...words], {
    stdin: text,
  });
  assertEquals([status, stdout], [0, "end\n"]);
});

test("cage -i ends the launch with the status of a script", async (t) => {
  for (const [text, expected] of [["exit 7", 7], ["kill -TERM $$", 143]]) {
    const script = makeScript(t, `echo began\n${text}\n`);
    const { status, stdout } = await t.cage(["-i", script, "echo", "ran"]);
    assertEquals([status, stdout], [expected, "began\n"]);
    assertEquals(exists(t.pidFile), false);
  }
});

test("cage finds users that the init script adds", async (t) => {
  const script = makeScript(
    t,
    "echo eve:x:77:78::/eve:/bin/ash >>/etc/passwd\n" +
      "echo crew:x:79:eve >>/etc/group\n",
  );
  const show = sh("id -u; id -G; echo $HOME $USER $SHELL");
  const { status, stdout, stderr } = await t.cage([
    ...["-i", script, "-u", "eve", ...show],
  ]);
  assertEquals([status, stderr], [0, ""]);
  assertEquals(stdout, "77\n78 79\n/eve eve /bin/ash\n");
});

test("cage -i does not run when it attaches", async (t) => {
  const script = makeScript(t, "echo line >>/count\n");
  const options = [...await t.options(), "-i", script];
  await using child = spawnCage([...options, ...waiting()]);
  await child.seen("ready");
  const { status, stdout } = await cage([...options, "cat", "/count"]);
  assertEquals([status, stdout], [0, "line\n"]);
  await child.end();
  const again = await cage([...options, "cat", "/count"]);
  assertEquals(again.stdout, "line\nline\n");
});

test("cage -i leaves the command its standard input", async (t) => {
  const script = makeScript(t, "echo began\n");
  const { status, stdout } = await t.cage(["-i", script, "cat"], {
    stdin: "for the command",
  });
  assertEquals([status, stdout], [0, "began\nfor the command"]);
});

test("cage -i sees volumes and is not told the command's variables", async (t) => {
  const script = makeScript(t, "cat /in\n");
  Deno.writeTextFileSync(`${t.scratch}/in`, "of the host\n");
  const { status, stdout } = await t.cage([
    ...["-i", script, "-v", `${t.scratch}/in:/in`, "true"],
  ]);
  assertEquals([status, stdout], [0, "of the host\n"]);
});

test("cage -i collects what the script leaves running", async (t) => {
  const script = makeScript(t, "(sleep 1000 >/dev/null 2>&1 &)\n");
  const { status } = await t.cage(["-i", script, "true"]);
  assertEquals(status, 0);
});
