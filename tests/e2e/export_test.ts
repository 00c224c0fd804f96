import { fromFileUrl } from "@std/path";
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  asRootInside,
  cage,
  cageWords,
  output,
  run,
  sh,
  test,
  whyNoProgram,
} from "./support/mod.ts";
import { makeTree, ok } from "./support/changed.ts";
import { editScript } from "./support/edits.ts";
import { rsyncMerged } from "./support/merged.ts";

const skip = whyNoProgram("python3", "rsync", "setfattr", "tar");
const needs = skip === undefined ? {} : { skip };
const APPLY = fromFileUrl(new URL("support/apply_layer.py", import.meta.url));

/** How many random scripts are played, and which is the first. */
const ROUNDS = Number(Deno.env.get("CAGE_EXPORTS") ?? 10);
const SEED = Number(Deno.env.get("CAGE_EDITS_SEED") ?? 1);

function inside(...words: string[]): Promise<string> {
  return output([...asRootInside(), ...words]);
}

const sumOf = async (path: string) =>
  (await output(["sha256sum", path])).split(" ")[0];

test(
  "cage --export gives tar(1) what overlayfs shows of random changes",
  async (t) => {
    const { layers, options } = await makeTree(t);
    const [whole, layer] = ["whole.tar", "layer.tar"]
      .map((name) => `${t.scratch}/${name}`);
    for (let seed = SEED; seed < SEED + ROUNDS; seed++) {
      await ok([...options, ...sh(editScript(seed))]);
      await ok([...options, "--export", whole]);
      const other = `${t.scratch}/other`;
      Deno.mkdirSync(other);
      await inside(
        ...["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner"],
        ...["-xpf", whole, "-C", other],
      );
      assertEquals(await rsyncMerged(layers, other), "", `seed ${seed}, whole`);
      await inside("rm", "-rf", other);
      await ok([...options, "--export", layer, "--changes"]);
      await inside("cp", "-a", layers.lower, other);
      await inside("python3", APPLY, layer, other);
      assertEquals(await rsyncMerged(layers, other), "", `seed ${seed}, layer`);
      await inside("rm", "-rf", other, `${t.scratch}/app`);
    }
  },
  needs,
);

test("cage --export gives the same bytes for the same content", async (t) => {
  const { layers: { lower }, options } = await makeTree(t);
  await ok([...options, ...sh(editScript(5))]);
  const sums = new Set<string>();
  for (const name of ["1.tar", "2.tar"]) {
    await ok([...options, "--export", `${t.scratch}/${name}`]);
    sums.add(await sumOf(`${t.scratch}/${name}`));
  }
  await inside("cp", "-a", lower, `${t.scratch}/copy`);
  await inside("cp", "-a", `${t.scratch}/app`, `${t.scratch}/app2`);
  await ok([
    ...["-l", `${t.scratch}/copy`, "-a", `${t.scratch}/app2`],
    ...["-p", `${t.scratch}/pid2`, "--export", `${t.scratch}/3.tar`],
  ]);
  sums.add(await sumOf(`${t.scratch}/3.tar`));
  assertEquals(sums.size, 1);
  await ok([...options, "--export", `${t.scratch}/4.tar`, "--changes"]);
  assertNotEquals(await sumOf(`${t.scratch}/4.tar`), [...sums][0]);
}, needs);

test("cage --export has layers of more than one file system", async (t) => {
  const layers = [`${t.scratch}/first`, `${t.newScratch("/dev/shm")}/second`];
  for (const [at, layer] of layers.entries()) {
    Deno.mkdirSync(`${layer}/usr/${at}/in`, { recursive: true });
  }
  const options = [...layers.flatMap((layer) => ["-l", layer]), "-n", t.name];
  const file = `${t.scratch}/x.tar`;
  await ok([...options, "--export", file]);
  const names = (await output(["tar", "-tf", file])).split("\n");
  for (const name of ["usr/0/in/", "usr/1/in/"]) assert(names.includes(name));
}, needs);

test("cage --export --changes has whiteouts as images have them", async (t) => {
  const { options } = await makeTree(t);
  await ok([
    ...options,
    ...sh(`b() { /bin/busybox "$@"; }; cd /data; b rm c; b rm -r d1; b mkdir d1
      echo 1 >d1/new; echo 2 >gone; b rm gone`),
  ]);
  await ok([...options, "--export", `${t.scratch}/x.tar`, "--changes"]);
  const list = await output(["tar", "-tf", `${t.scratch}/x.tar`]);
  assertEquals(list.split("\n").filter((name) => name.startsWith("data")), [
    ...["data/", "data/.wh.c", "data/d1/", "data/d1/.wh..wh..opq"],
    "data/d1/new",
  ]);
}, needs);

test("cage --export writes long names and large files", async (t) => {
  const { options } = await makeTree(t);
  const [name, way] = ["n".repeat(200), `${"d".repeat(90)}/`.repeat(3)];
  await ok([
    ...options,
    ...sh(`b() { /bin/busybox "$@"; }; b mkdir -p /x/${way}
      echo 1 >/x/${way}${name}; b ln -s ${way}${name} /x/link
      b touch -d '1960-01-01 00:00' /x/link2; b ln /x/${way}${name} /x/other`),
  ]);
  const script = '"$@" --export - | tar -tvf -';
  const words = [...cageWords(), ...options];
  const { stdout, stderr } = await run(["sh", "-c", script, "sh", ...words]);
  assertEquals(stderr, "");
  assertStringIncludes(stdout, ` x/${way}${name}\n`);
  assertStringIncludes(stdout, ` x/link -> ${way}${name}\n`);
  assertStringIncludes(stdout, ` x/other link to x/${way}${name}`);
}, needs);

test("cage --export tells of sockets, and leaves them out", async (t) => {
  const { layers: { lower }, options } = await makeTree(t);
  const script = "import socket, sys; " +
    "socket.socket(socket.AF_UNIX).bind(sys.argv[1] + '/s')";
  await output(["python3", "-c", script, lower]);
  const { status, stderr } = await cage([
    ...[...options, "--export", `${t.scratch}/x.tar`],
  ]);
  assertEquals(status, 0);
  assertEquals(
    stderr,
    "cage: 1 socket was left out: a tar file has no form for it\n",
  );
}, needs);

test("cage --export says when it cannot write", async (t) => {
  const { options } = await makeTree(t);
  await ok([...options, ...sh("echo 1 >/data/new")]);
  for (const [file, ...words] of [["/dev/full"], ["-", "--changes"]]) {
    const script = [...options, "--export", file, ...words];
    const shell = ["sh", "-c", '"$@" >/dev/full', "sh", ...cageWords()];
    assertEquals(await run([...shell, ...script]), {
      ...{ status: 125, stdout: "" },
      stderr:
        `cage: Cannot write "${file}": no space left on device: what was ` +
        "written is not whole\n",
    });
  }
  const full = ["sh", "-c", '"$@" >/dev/full', "sh", ...cageWords()];
  assertEquals(
    (await run([...full, ...options, "--diff"])).stderr,
    "cage: Cannot write the output: no space left on device\n",
  );
  const path = `${t.scratch}/nowhere/x.tar`;
  assertEquals(
    (await cage([...options, "--export", path])).stderr,
    [
      `cage: Cannot write "${path}": no such file or directory\n`,
    ].join(""),
  );
  assertEquals(
    (await cage([...options, "--export", "/dev/full"])).stderr,
    [
      'cage: Cannot write "/dev/full": no space left on device: what was ' +
      "written is not whole\n",
    ].join(""),
  );
}, needs);
