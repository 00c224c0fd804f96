/**
 * The tests' own tools, without `cage`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseDeb822, parseLines } from "./support/apt.ts";
import {
  busybox,
  debianRoot,
  descendants,
  exists,
  filesBelow,
  killDescendants,
  leftovers,
  makeScratch,
  modeOf,
  newLeftovers,
  output,
  removeScratch,
  run,
  spawn,
  spawnOnTerminal,
  test,
  type TestOptions,
  until,
  whyNoDebian,
  whyNoProgram,
  whyNoTerminal,
} from "./support/mod.ts";

const ALONE: TestOptions = { withoutCage: true };

test("parseLines() reads one-line sources of apt", () => {
  const text = [
    "# deb http://old.example/debian stretch main",
    "deb [arch=amd64 signed-by=/x] http://a.example/debian trixie main contrib",
    "deb-src http://a.example/debian trixie main",
    "deb http://b.example/other stable extra # main",
  ].join("\n");
  assertEquals(parseLines(text), [
    { mirror: "http://a.example/debian", suite: "trixie" },
  ]);
}, ALONE);

test("parseDeb822() reads paragraphs of apt", () => {
  const text = [
    "Types: deb deb-src",
    "# a comment",
    "URIs: http://a.example/debian",
    "Suites: trixie",
    " trixie-updates",
    "Components: main",
    "",
    "Types: deb",
    "Enabled: no",
    "URIs: http://b.example/debian",
    "Suites: sid",
    "Components: main",
  ].join("\n");
  assertEquals(parseDeb822(text), [
    { mirror: "http://a.example/debian", suite: "trixie" },
    { mirror: "http://a.example/debian", suite: "trixie-updates" },
  ]);
}, ALONE);

test("run() gives status, output and errors apart", async () => {
  const script = "cat; echo problem >&2; exit 3";
  assertEquals(await run(["sh", "-c", script], { stdin: "text" }), {
    status: 3,
    stdout: "text",
    stderr: "problem\n",
  });
  const killed = await run(["sh", "-c", "kill -TERM $$"]);
  assertEquals(killed.status, 143);
}, ALONE);

test("run() takes a program that does not read its input", async () => {
  const { status } = await run(["true"], { stdin: "x".repeat(1_000_000) });
  assertEquals(status, 0);
}, ALONE);

test("seen() waits for a line and tells what came instead", async () => {
  await using child = spawn(["sh", "-c", "echo one; read x; echo got $x"]);
  await child.seen("one");
  await child.write("two\n");
  await child.seen(/^got (.*)$/m);
  const error = await child.seen("three").then(() => undefined, String);
  assertMatch(String(error), /was not seen, it has ended: .*got two/);
}, ALONE);

test("spawnOnTerminal() gives a terminal of a size", async () => {
  const script = "stty size; trap 'stty size' WINCH; echo here; read x; exit 5";
  await using child = spawnOnTerminal(["sh", "-c", script], {
    size: [33, 77],
    nextSize: [44, 99],
  });
  await child.seen("33 77");
  await child.seen("here");
  child.kill("SIGUSR1");
  await child.write("\n");
  const { status } = await child.result;
  assertEquals(status, 5);
}, { ...ALONE, skip: whyNoTerminal() });

test("spawnOnTerminal() passes Ctrl-C on", async () => {
  await using child = spawnOnTerminal([
    ...["sh", "-c", "echo here; exec sleep 1000"],
  ]);
  await child.seen("here");
  await child.write("\x03");
  assertEquals((await child.result).status, 130);
}, { ...ALONE, skip: whyNoTerminal() });

test("busyboxRoot() makes a root that runs", async (t) => {
  const root = await t.root();
  const ran = await run(["chroot", root, "/bin/sh", "-c", "id -un; ls /"]);
  assertEquals(ran.status, 0, ran.stderr);
  assertMatch(ran.stdout, /^root\nbin\ndev\netc\n/);
  assert(exists(busybox()));
}, ALONE);

test("debianRoot() gives a root that runs, the same each time", async () => {
  const root = await debianRoot();
  assertEquals(await debianRoot(), root);
  assertEquals(modeOf(root), "0755");
  const text = await output(["chroot", root, "cat", "/etc/os-release"]);
  assertMatch(text, /^ID=debian$/m);
}, { ...ALONE, skip: whyNoDebian() });

test("newLeftovers() finds mounts", async (t) => {
  const before = leftovers();
  await output(["mount", "-t", "tmpfs", "tmpfs", t.scratch]);
  const found = [...leftovers()].filter((line) => !before.has(line));
  await output(["umount", t.scratch]);
  assertEquals(found.length, 1);
  assertMatch(found[0], new RegExp(`^mount .* ${t.scratch} .* tmpfs`));
  assertEquals(await newLeftovers(before), []);
}, ALONE);

test("newLeftovers() finds loop devices", async (t) => {
  const before = leftovers();
  await output(["truncate", "-s", "1M", `${t.scratch}/image`]);
  const device = await output([
    "losetup",
    "-f",
    "--show",
    `${t.scratch}/image`,
  ]);
  const found = [...leftovers()].filter((line) => !before.has(line));
  await output(["losetup", "-d", device.trim()]);
  assertEquals(found, [
    `loop device ${device.trim().slice(5)} ${t.scratch}/image`,
  ]);
  assertEquals(await newLeftovers(before), []);
}, { ...ALONE, skip: whyNoProgram("losetup") });

test("newLeftovers() finds processes that have got away", async () => {
  const before = leftovers();
  const script = "setsid sh -c 'exec sleep 1000' >/dev/null 2>&1 &";
  await output(["sh", "-c", script]);
  await until(
    () => descendants().some(({ command }) => command === "sleep 1000"),
    "the process that got away",
  );
  killDescendants();
  assertEquals(await newLeftovers(before), []);
}, ALONE);

test("removeScratch() unmounts what is below", async () => {
  const path = makeScratch();
  await output(["mkdir", "-p", `${path}/a b/c`]);
  await output(["mount", "-t", "tmpfs", "tmpfs", `${path}/a b`]);
  await output(["mkdir", "-p", `${path}/a b/c`]);
  await output(["mount", "-t", "tmpfs", "tmpfs", `${path}/a b/c`]);
  await removeScratch(path);
  assert(!exists(path));
}, ALONE);

test("filesBelow() lists files at any depth", async (t) => {
  await output(["mkdir", "-p", `${t.scratch}/b/c`]);
  await output(["touch", `${t.scratch}/a`]);
  assertEquals(await filesBelow(t.scratch), ["a", "b", "b/c"]);
  assertEquals(await filesBelow(`${t.scratch}/none`), []);
}, ALONE);
