/**
 * What a call would do, told with `--explain`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  cage,
  sh,
  spawnCage,
  test,
  waiting,
  whyNoProgram,
} from "./support/mod.ts";

/** What `--explain=json` writes of a step. */
interface Step {
  readonly call: string;
  readonly args: readonly string[];
  readonly why?: string;
}

/** What `--explain=json` writes. */
interface Explained {
  readonly action: string;
  readonly command: readonly string[];
  readonly user: { readonly uid: number };
  readonly phases: readonly {
    readonly phase: string;
    readonly as: string;
    readonly steps: readonly Step[];
  }[];
}

async function explain(options: readonly string[]): Promise<Explained> {
  const { status, stderr, stdout } = await cage(["--explain=json", ...options]);
  assertEquals([status, stderr], [0, ""]);
  return JSON.parse(stdout);
}

/** Numbers of descriptors differ, and of processes. */
function comparable(call: string, args: string): string {
  return `${call}(${args})`.replaceAll(/<[^>]*>|\b\d+\b|\b0x[0-9a-f]+\b/g, "N");
}

/** What `--debug` tells of a call that runs, for each part of it. */
async function ran(options: readonly string[]): Promise<string[][]> {
  const { status, stderr } = await cage(["--debug", ...options]);
  assertEquals(status, 0, stderr);
  const parts = new Map<string, string[]>();
  for (const line of stderr.trimEnd().split("\n")) {
    const [, part, call, args] =
      /^cage: [\d.]+ (\w+): (\w+)\((.*)\) = (?:\?|-?\d)/.exec(line) ?? [];
    assert(call !== undefined, line);
    parts.set(part, [...parts.get(part) ?? [], comparable(call, args)]);
  }
  // There two processes are at work, and one waits for the other.
  parts.get("start")?.sort();
  return [...parts.values()];
}

/** Asserts that all parts are among the steps that were explained, in order. */
function assertContained(
  parts: readonly (readonly string[])[],
  explained: readonly string[],
) {
  for (const part of parts) {
    let at = 0;
    for (const step of part) {
      const found = explained.indexOf(step, at);
      assert(found >= 0, `${step} is not explained in its place`);
      at = found + 1;
    }
  }
}

/** Those that are told by `--debug`, one after another. */
function phasesOf({ phases }: Explained, from: RegExp, to: RegExp): string[] {
  const first = phases.findIndex(({ phase }) => from.test(phase));
  const last = phases.findIndex(({ phase }) => to.test(phase));
  return phases.slice(first, last + 1).flatMap(({ phase, steps }) => {
    const all = steps.map(({ args, call }) =>
      comparable(call, args.join(", "))
    );
    return phase === "start the command" ? all.toSorted() : all;
  });
}

test("cage --explain=json tells what cage --debug tells of the same call", async (t) => {
  const volume = `${t.newScratch("/tmp")}/volume`;
  Deno.mkdirSync(volume);
  const options = [
    ...["-n", t.name, "-v", `${volume}:/there:ro`, "-e", "A=1"],
    ...["-c", "/tmp", "--no-init", "true"],
  ];
  const explained = await explain(options);
  assertEquals(explained.action, "create");
  const all = phasesOf(explained, /become pid 1|begin/, /become the command/);
  assertContained(await ran(options), all);
});

test("cage --explain makes nothing, and changes nothing", async (t) => {
  const directory = t.newScratch("/tmp");
  const missing = `${directory}/missing/volume`;
  const options = ["-n", t.name, "-v", `${missing}:/there`];
  const { status, stderr, stdout } = await cage([
    ...["--explain", ...options, "-U", `${directory}/upper`],
    ...["-w", `${directory}/work`, ...sh("echo ran")],
  ]);
  assertEquals([status, stderr], [0, ""]);
  assert(stdout.includes(`mkdirat(AT_FDCWD, "${directory}/upper")`), stdout);
  assert(stdout.includes(`create directory "${missing}"`), stdout);
  assertEquals([...Deno.readDirSync(directory)], []);
  assert(!stdout.split("\n").includes("ran"));
  // Nor is anything of the default places made.
  assertEquals((await cage(["-k", "-n", t.name])).status, 0);
  const traced = await explain([...options, "true"]);
  assertEquals(traced.action, "create");
});

const CHANGING = [
  ..."?mkdir mkdirat ?mknod mknodat ?unlink unlinkat ?rename renameat2".split(
    " ",
  ),
  ..."symlinkat linkat mount move_mount umount2 pivot_root".split(" "),
  ..."setxattr fchownat fchmodat flock".split(" "),
].join();

test("cage --explain does no call that changes anything", async (t) => {
  const log = `${t.newScratch("/tmp")}/calls`;
  const { status, stderr } = await cage(
    ["--explain", "-n", t.name, "-i", "/nowhere-inside", "ls"],
    { within: ["strace", "-f", "-qq", "-o", log, "-e", `trace=${CHANGING}`] },
  );
  assertEquals([status, stderr], [0, ""]);
  const calls = Deno.readTextFileSync(log).split("\n")
    .filter((line) => /^\d+ +\w+\(/.test(line))
    // The runtime keeps what it has compiled.
    .filter((line) =>
      !/deno|v8|sqlite|_analysis_cache|"\/dev\/null"/.test(line)
    );
  assertEquals(calls, []);
}, { skip: whyNoProgram("strace") });

test("cage --explain tells who runs the command", async (t) => {
  const root = await explain(["--ephemeral", "id"]);
  assertEquals([root.user.uid, root.command], [0, ["id"]]);
  const nobody = await cage(["--ephemeral", "--explain", "-u", "12345", "id"]);
  if (nobody.status === 0) {
    assertMatch(nobody.stdout, /^user inside: uid 12345,/m);
  }
  const unknown = await cage([
    "-n",
    t.name,
    "--explain",
    "-u",
    "no-such",
    "id",
  ]);
  assertEquals(unknown.status, 125);
  assertMatch(unknown.stderr, /^cage: .*no-such/);
});

test("cage --explain tells that an instance runs, and how it is joined", async (t) => {
  const name = ["-n", t.name, "--ephemeral"];
  await using first = spawnCage([...name, ...waiting()]);
  await first.seen("ready");
  const options = [...name, "true"];
  const explained = await explain(options);
  assertEquals(explained.action, "attach");
  const all = phasesOf(
    explained,
    /begin|enter the instance/,
    /become the command/,
  );
  assertContained(await ran(options), all);
  await first.end();
});

test("cage --explain is refused as the call would be", async (t) => {
  const nowhere = `${t.newScratch("/tmp")}/nowhere`;
  const options = ["-n", t.name, "-l", nowhere, "true"];
  const explained = await cage(["--explain", ...options]);
  const called = await cage(options);
  assertEquals(
    [explained.status, explained.stderr],
    [called.status, called.stderr],
  );
  const other = `${t.scratch}/other`;
  Deno.writeTextFileSync(other, "kept");
  for (const file of [other, t.scratch, "/dev/null"]) {
    const words = [...await t.options(), "-p", file, "true"];
    const called = await cage(words);
    assertMatch(called.stderr, /^cage: Cannot (open|use) pid file /);
    assertEquals(await cage(["--explain", ...words]), called);
  }
  const killed = await cage(["--explain", "-k", "-n", t.name]);
  assertEquals(killed.status, 125);
  assertMatch(killed.stderr, /^cage: Cannot use --explain with -k: /);
  const format = await cage(["--explain=xml", "true"]);
  assertEquals(format.status, 125);
  assertMatch(format.stderr, /write --explain alone or --explain=json$/m);
});
