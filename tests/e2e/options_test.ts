import { assertEquals, assertMatch } from "@std/assert";
import { cage, exists, sh, test, waiting } from "./support/mod.ts";
import { spawnCage } from "./support/mod.ts";

test("cage takes each spelling of an option", async (t) => {
  const root = await t.root();
  const spellings = [
    ["-l", root, "-n", t.name, "-e", "A=1"],
    [`-l${root}`, `-n${t.name}`, "-eA=1"],
    [`-l=${root}`, `-n=${t.name}`, "-e=A=1"],
    ["--lower", root, "--name", t.name, "--env", "A=1"],
    [`--lower=${root}`, `--name=${t.name}`, "--env=A=1"],
  ];
  for (const options of spellings) {
    const script = "echo $A; cat /mark 2>/dev/null; echo kept >/mark";
    const { status, stdout } = await cage([...options, ...sh(script)]);
    const isFirst = options === spellings[0];
    assertEquals([status, stdout], [0, isFirst ? "1\n" : "1\nkept\n"]);
  }
});

test("cage begins the command at the first word without a hyphen", async (t) => {
  const options = await t.options();
  for (const end of [[], ["--"]]) {
    const { stdout } = await cage([
      ...[...options, ...end, "echo", "-n", "x", "--", "-k", "--help"],
    ]);
    assertEquals(stdout, "x -- -k --help");
  }
});

test("cage hands the arguments of a command over byte by byte", async (t) => {
  const words = ["", " ", "a b", "ü日😀", "'\"$HOME`", "line\nbreak", "\\n"];
  const script = 'for word; do printf "<%s>" "$word"; done';
  const { stdout } = await t.cage([...sh(script), "sh", ...words]);
  assertEquals(stdout, words.map((word) => `<${word}>`).join(""));
});

test("cage takes a long command", async (t) => {
  const words = Array.from({ length: 1000 }, (_, at) => `word-${at}`);
  const { stdout } = await t.cage([...sh("echo $#"), "sh", ...words]);
  assertEquals(stdout, "1000\n");
  const long = "x".repeat(100_000);
  const second = await t.cage([...sh("printf ${#1}"), "sh", long]);
  assertEquals(second.stdout, "100000");
});

test("cage -h prints help and starts nothing", async (t) => {
  for (const option of ["-h", "--help"]) {
    const { status, stdout, stderr } = await t.cage([option, "false"]);
    assertEquals([status, stderr], [0, ""]);
    assertMatch(stdout, /^Usage: cage \[options\.\.\.\] \[--\] \[command/);
    for (const letter of "acehiklnpUuVvwg") {
      assertMatch(stdout, new RegExp(`^ {2,4}-${letter}[ ,]`, "m"));
    }
  }
  assertEquals(exists(t.appDir), false);
});

test("cage -V prints the version", async (t) => {
  for (const option of ["-V", "--version"]) {
    const { status, stdout, stderr } = await t.cage([option]);
    assertEquals([status, stderr], [0, ""]);
    assertMatch(stdout, /^cage version [0-9]+\.[0-9]+\.[0-9]+\S*\n$/);
  }
});

test("cage takes every option of storage and instance at once", async (t) => {
  const root = await t.root();
  const at = (name: string) => `${t.scratch}/${name}`;
  const options = [
    ...["--app-dir", at("app"), "--pid-file", at("deep/er/pid")],
    ...["--lower", root, "--upper", at("upper"), "--work-dir", at("work")],
  ];
  await using child = spawnCage([
    ...[...options, ...waiting("echo x >/made; echo ready")],
  ]);
  await child.seen("ready");
  assertMatch(Deno.readTextFileSync(at("deep/er/pid")), /^[0-9]+/);
  assertEquals(Deno.readTextFileSync(at("upper/made")), "x\n");
  assertEquals((await child.end()).status, 0);
  assertEquals(exists(at("deep/er/pid")), false);
  assertEquals(exists(at("work")), true);
});
