import { assert, assertEquals } from "@std/assert";
import {
  cageWords,
  type Context,
  exists,
  type Result,
  run,
  sh,
  spawn,
  test,
  waiting,
} from "./support/mod.ts";

const LINK = "/proc/self/exe";

/** Libraries of this machine, so that its programs could run inside. */
const LIBRARIES = ["/lib", "/lib64", "/usr/lib"].filter(exists)
  .flatMap((path) => ["-v", `${path}:${path}:ro`]);

/** An executable of 64 bits that names the link as its interpreter. */
function loadedByLink(): Uint8Array<ArrayBuffer> {
  const [base, text] = [0x10000000, 64 + 2 * 56];
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.set(new TextEncoder().encode(`${LINK}\0`), text);
  const words = [
    ...[[16, 2], [18, Deno.build.arch === "x86_64" ? 62 : 183], [20, 1]],
    ...[[52, 64], [54, 56], [56, 2], [58, 64]],
  ];
  for (const [at, value] of words) view.setUint16(at, value, true);
  view.setBigUint64(24, BigInt(base + text), true);
  view.setBigUint64(32, 64n, true);
  const [PT_LOAD, PT_INTERP] = [1, 3];
  [[PT_INTERP, text, LINK.length + 1], [PT_LOAD, 0, bytes.length]].forEach(
    ([type, offset, size], i) => {
      const at = 64 + 56 * i;
      view.setUint32(at, type, true);
      view.setUint32(at + 4, 5, true);
      [offset, base + offset, base + offset, size, size, 0x1000]
        .forEach((word, j) =>
          view.setBigUint64(at + 8 + 8 * j, BigInt(word), true)
        );
    },
  );
  return bytes;
}

/** Programs of the root that are nothing but the program that starts them. */
async function addLinks(t: Context): Promise<string[]> {
  const root = await t.root();
  const write = (name: string, data: Uint8Array<ArrayBuffer>) => {
    Deno.writeFileSync(`${root}/${name}`, data);
    Deno.chmodSync(`${root}/${name}`, 0o755);
  };
  Deno.symlinkSync(LINK, `${root}/linked`);
  Deno.symlinkSync("linked", `${root}/again`);
  write("script", new TextEncoder().encode(`#!${LINK}\n`));
  write("of-script", new TextEncoder().encode(`#!/linked\n`));
  write("loaded", loadedByLink());
  return ["/linked", "/again", "/script", "/of-script", "/loaded", LINK];
}

/** The program under test as a copy, which may be destroyed. */
class Copy {
  readonly path: string;
  readonly #original: string;
  readonly #words: string[];
  readonly #options: string[];

  constructor(t: Context, options: string[]) {
    const [program, ...rest] = cageWords();
    this.#original = program;
    this.path = `${t.scratch}/program`;
    Deno.copyFileSync(program, this.path);
    this.#words = [this.path, ...rest];
    this.#options = options;
  }

  get words(): string[] {
    return [...this.#words, ...this.#options];
  }

  run(...args: string[]): Promise<Result> {
    return run([...this.words, ...args]);
  }

  async isWhole(): Promise<boolean> {
    return (await run(["cmp", this.#original, this.path])).status === 0;
  }
}

test("cage runs nothing of the host by a link to its own program", async (t) => {
  const links = await addLinks(t);
  for (const more of [[], ["--no-init"], ["-u", "alice"]]) {
    for (const link of links) {
      const { status, stdout, stderr } = await t.cage([
        ...[...LIBRARIES, ...more, "--", link, "--version"],
      ]);
      assertEquals([status, stdout, stderr], [126, "", ""], `${more} ${link}`);
    }
  }
});

test("cage attaches nothing of the host by a link to its own program", async (t) => {
  const links = await addLinks(t);
  await using first = spawn([
    ...[...cageWords(), ...await t.options(), ...LIBRARIES, ...waiting()],
  ]);
  await first.seen("ready");
  for (const more of [[], ["-u", "alice"]]) {
    for (const link of links) {
      const { status, stdout, stderr } = await t.cage([
        ...[...more, "--", link, "--version"],
      ]);
      assertEquals([status, stdout, stderr], [126, "", ""], `${more} ${link}`);
    }
  }
  assertEquals((await first.end()).status, 0);
});

test("cage -i runs nothing of the host by a link to its own program", async (t) => {
  await addLinks(t);
  const root = await t.root();
  const failed = "cage: The init script failed with status 126: " +
    "the command was not run\n";
  for (const script of ["/script", "/of-script", "/loaded"]) {
    const { status, stdout, stderr } = await t.cage([
      ...["-i", script, ...LIBRARIES, "echo", "ran"],
    ]);
    assertEquals([status, stdout, stderr], [126, "", failed], script);
  }
  const linked = await t.cage(["-i", "/linked", ...LIBRARIES, "echo", "ran"]);
  assertEquals([linked.status, linked.stdout], [125, ""]);
  Deno.writeTextFileSync(`${root}/text`, "echo text\n");
  Deno.removeSync(`${root}/bin/sh`);
  Deno.symlinkSync(LINK, `${root}/bin/sh`);
  const shell = await t.cage(["-i", "/text", ...LIBRARIES, "echo", "ran"]);
  assertEquals([shell.status, shell.stdout, shell.stderr], [126, "", failed]);
});

/**
 * Looks at what every process executes, over and over, and keeps what is not
 * of the root file system, to write to it when it runs no more: until /stop is
 * there.
 */
const ATTACK = `
mine=$(readlink /proc/self/exe)
echo ready
while [ ! -e /stop ]; do
  for exe in /proc/[0-9]*/exe; do
    program=$(readlink $exe) || continue
    [ "$program" = "$mine" ] && continue
    case "$program" in /loaded | "/memfd:cage-init (deleted)") continue;; esac
    echo "seen $program"
    (
      exec 9<$exe || exit
      while [ ! -e /stop ]; do
        echo bad >/proc/self/fd/9 && echo written && break
      done
    ) 2>/dev/null &
  done
done
wait
echo end
`;

test("cage lets nobody inside get hold of its own program", async (t) => {
  const links = await addLinks(t);
  const copy = new Copy(t, [...await t.options(), ...LIBRARIES]);
  await using attacker = spawn([...copy.words, ...sh(ATTACK)]);
  await attacker.seen("ready");
  for (const link of links) {
    await copy.run("--", link, "--version");
    await copy.run("true");
  }
  // By the original, since the copy may be no more what it was.
  assertEquals((await t.cage(["touch", "/stop"])).status, 0);
  const { status, stdout } = await attacker.end();
  assert(await copy.isWhole(), "The program was written to");
  const seen = new Set(stdout.trim().split("\n"));
  // It is a program of its own, which nobody can write to.
  seen.delete("seen /memfd:cage-enter (deleted)");
  assertEquals([status, [...seen]], [0, ["ready", "end"]]);
});

test("cage lets an init script get hold of no program of the host", async (t) => {
  const links = await addLinks(t);
  const root = await t.root();
  const script = `#!/bin/sh\n(${ATTACK}) >/seen 2>&1 &\n`;
  Deno.writeTextFileSync(`${root}/init`, script);
  Deno.chmodSync(`${root}/init`, 0o755);
  const copy = new Copy(t, [...await t.options("-i", "/init"), ...LIBRARIES]);
  await using first = spawn([...copy.words, ...waiting()]);
  await first.seen("ready");
  for (const link of links) await copy.run("--", link, "--version");
  const show =
    "touch /stop; until grep -q '^end$' /seen; do :; done; cat /seen";
  const { stdout } = await t.cage(sh(show));
  assert(await copy.isWhole(), "The program was written to");
  const seen = new Set(stdout.trim().split("\n"));
  seen.delete("seen /memfd:cage-enter (deleted)");
  assertEquals([...seen], ["ready", "end"]);
  await first.end();
});

test("cage shows no program of the host as that of a process", async (t) => {
  const script = [
    // Before, it is the launcher's, and nobody may look.
    "until readlink /proc/1/exe >/dev/null; do :; done",
    "for exe in /proc/[0-9]*/exe; do readlink $exe; done | sort -u",
    "for exe in /proc/self/exe /proc/1/exe /proc/$$/exe; do",
    "  (echo bad >>$exe) 2>/dev/null && echo written",
    "done; true",
  ].join("\n");
  const inside = "/bin/busybox\n";
  const init = "/memfd:cage-init (deleted)\n";
  assertEquals(await t.sh(script), inside + init);
  assertEquals(await t.sh(script, ["--no-init"]), inside);
});

test("cage -c refuses links of /proc, which lead to the host", async (t) => {
  const root = await t.root();
  const paths = [
    ...Array.from({ length: 30 }, (_, i) => `/proc/self/fd/${i}`),
    ...["/proc/self/cwd", "/proc/self/root", "/proc/1/root", "/proc/1/cwd"],
  ];
  for (const [i, path] of paths.entries()) {
    const link = `/link${i}`;
    Deno.symlinkSync(path, `${root}${link}`);
    const directory = i % 2 === 0 ? path : link;
    const { status, stdout, stderr } = await t.cage(["-c", directory, "ls"]);
    assertEquals([status, stdout], [125, ""], path);
    const sentence = `cage: Cannot enter directory "${directory}" inside: `;
    assert(stderr.startsWith(sentence), stderr);
    assert(stderr.endsWith(": name one inside with -c\n"), stderr);
  }
});

test("cage -c refuses links of /proc when it attaches", async (t) => {
  const words = [...cageWords(), ...await t.options()];
  await using first = spawn([...words, ...waiting()]);
  await first.seen("ready");
  for (let fd = 3; fd < 20; fd++) {
    const directory = `/proc/self/fd/${fd}`;
    const { status, stdout } = await t.cage(["-c", directory, "ls"]);
    assertEquals([status, stdout], [125, ""], directory);
  }
  assertEquals((await t.cage(["-c", "/proc/1/root", "ls"])).status, 125);
  assertEquals((await first.end()).status, 0);
});

test("cage -c is the command's user, who may not enter all directories", async (t) => {
  const root = await t.root();
  Deno.mkdirSync(`${root}/closed/below`, { recursive: true });
  Deno.chmodSync(`${root}/closed`, 0o700);
  for (const directory of ["/closed", "/closed/below"]) {
    const alice = await t.cage(["-u", "alice", "-c", directory, "pwd"]);
    assertEquals(
      [alice.status, alice.stderr],
      [
        125,
        `cage: Cannot enter directory "${directory}" inside: ` +
        "permission denied: name one inside with -c\n",
      ],
    );
    assertEquals((await t.cage(["-c", directory, "pwd"])).status, 0);
  }
  const file = await t.cage(["-c", "/etc/passwd", "pwd"]);
  assertEquals(
    file.stderr,
    'cage: Cannot enter directory "/etc/passwd" inside: not a directory: ' +
      "name one inside with -c\n",
  );
});
