import { assertEquals } from "@std/assert";
import {
  type Attack,
  attack,
  fingerprint,
  launchArgs,
  pack,
  plainLaunch,
  trapsOf,
} from "./support/mod.ts";

/** A launch under attack ends as any other one, and touches nothing at home. */
async function assertUnmoved(
  t: Attack,
  env: Record<string, string>,
): Promise<void> {
  const plain = await plainLaunch(t, t.mallory);
  const home = await fingerprint(t.mallory.home);
  const args = await launchArgs(t);
  assertEquals(await t.cage(t.mallory, args, { env }), plain);
  assertEquals(await fingerprint(t.mallory.home), home);
}

attack("A hostile environment and home change nothing", async (t) => {
  await assertUnmoved(t, await trapsOf(t.mallory));
});

attack("Each hostile variable alone changes nothing", async (t) => {
  const env = await trapsOf(t.mallory);
  const plain = await plainLaunch(t, t.mallory);
  const home = await fingerprint(t.mallory.home);
  const args = await launchArgs(t);
  for (const [name, value] of Object.entries(env)) {
    const result = await t.cage(t.mallory, args, { env: { [name]: value } });
    assertEquals(result, plain, `${name}=${value}`);
  }
  assertEquals(await fingerprint(t.mallory.home), home);
});

attack("Homes that are none are not looked for elsewhere", async (t) => {
  await trapsOf(t.mallory);
  for (const HOME of ["", "/dev/null", "relative", "/nowhere", "/proc/self"]) {
    await assertUnmoved(t, { HOME });
  }
  const plain = await plainLaunch(t, t.mallory);
  const home = await fingerprint(t.mallory.home);
  const words = ["env", "--ignore-environment", t.cageFile];
  const args = await launchArgs(t);
  assertEquals(await t.run(t.mallory, [...words, ...args]), plain);
  assertEquals(await fingerprint(t.mallory.home), home);
});

attack("Variables that are malformed or repeated are no way in", async (t) => {
  await trapsOf(t.mallory);
  const plain = await plainLaunch(t, t.mallory);
  const env = [
    ...["", "=", "=x", "novalue", "A\n=B", "\x1b[2J=\x07"],
    ...["LD_PRELOAD=./evil.so", "LD_PRELOAD=", "LD_PRELOAD=./evil.so"],
    ...["DENO_V8_FLAGS=--help", "DENO_V8_FLAGS=--help", "PATH=.", "PATH="],
    `LONG=${"x".repeat(100_000)}`,
    "GLIBC_TUNABLES=" + "glibc.malloc.mxfast=".repeat(50) + "A".repeat(4096),
  ];
  const words = [t.cageFile, ...await launchArgs(t)];
  const launcher = packedLauncher(t, words, env);
  assertEquals(await t.run(t.mallory, [launcher]), plain);
});

attack("CVE-2021-4034: no argument at all is no way in", async (t) => {
  await trapsOf(t.mallory);
  const options = { cwd: t.mallory.home };
  const plain = await t.cage(t.mallory, [], options);
  const home = await fingerprint(t.mallory.home);
  const env = ["PATH=GCONV_PATH=.", "SHELL=./evil.sh", "CHARSET=evil"];
  const launcher = packedLauncher(t, [], env);
  assertEquals(await t.run(t.mallory, [launcher], options), plain);
  assertEquals(await fingerprint(t.mallory.home), home);
});

attack("No name under which it is called changes anything", async (t) => {
  const plain = await plainLaunch(t, t.mallory);
  const args = await launchArgs(t);
  const names = ["", "deno", "-", "--", "dx", "-h", "sh", "../x", "\n", "ü"];
  for (const name of names) {
    const launcher = packedLauncher(t, [name, ...args], []);
    assertEquals(await t.run(t.mallory, [launcher]), plain, `"${name}"`);
  }
});

/** A program that executes `cage` with exactly these words and variables. */
function packedLauncher(t: Attack, words: string[], env: string[]): string {
  return pack(t, [{ call: "execve", args: [t.cageFile, words, env] }]);
}
