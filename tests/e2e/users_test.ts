import { assertEquals } from "@std/assert";
import { cage, isRootless, sh, test } from "./support/mod.ts";

const SHOW = sh("grep -E '^(Uid|Gid|Groups):' /proc/self/status");

/** Options, and the user and the groups that a command then has. */
const CASES: readonly [options: string[], uid: number, gids: number[]][] = [
  [[], 0, [0, 4]],
  [["-u", "0"], 0, [0, 4]],
  [["-u", "root"], 0, [0, 4]],
  [["-u", "alice"], 1000, [1000, 29, 50]],
  [["-u", "1000"], 1000, [1000, 29, 50]],
  [["-u", "alice:staff"], 1000, [50]],
  [["-u", "alice:staff:audio:7"], 1000, [50, 29, 7]],
  [["-u", "alice", "-g", "audio"], 1000, [29]],
  [["-u", "alice", "-g", "audio:staff"], 1000, [29, 50]],
  [["-u", "alice:staff", "-g", "audio:4"], 1000, [50, 29, 4]],
  [["-g", "staff"], 0, [50]],
  [["-u", "1000", "-g", "1000"], 1000, [1000]],
  [["-u", "4242"], 4242, [4242]],
  [["-u", "4242:17"], 4242, [17]],
  [["-u", "4294967294", "-g", "4294967294"], 4294967294, [4294967294]],
];

/** A user's ranges do not go as far. */
const WITHIN = CASES.filter(([, uid]) => !isRootless || uid < 65536);

test("cage -u and -g give a command its user and groups", async (t) => {
  for (const [options, uid, gids] of WITHIN) {
    const { status, stdout, stderr } = await t.cage([...options, ...SHOW]);
    assertEquals([status, stderr], [0, ""], options.join(" "));
    const [primary] = gids;
    const sorted = [...gids].sort((one, other) => one - other);
    assertEquals(
      stdout.split("\n").map((line) => line.trim().split(/\s+/)),
      [
        ["Uid:", ...Array(4).fill(`${uid}`)],
        ["Gid:", ...Array(4).fill(`${primary}`)],
        ["Groups:", ...sorted.map(String)],
        [""],
      ],
      options.join(" "),
    );
  }
});

test("cage -u leaves an ordinary user no capability", async (t) => {
  const script = "grep -E '^Cap(Inh|Prm|Eff|Amb):' /proc/self/status";
  const { stdout } = await t.cage(["-u", "alice", ...sh(script)]);
  assertEquals(stdout.match(/\t0{16}\n/g)?.length, 4, stdout);
});

test("cage reads users of the layers, not of the host", async (t) => {
  await t.sh("echo eve:x:77:78::/eve:/bin/sh >>/etc/passwd");
  const script = "id -u; id -g; echo $HOME";
  const { stdout } = await t.cage(["-u", "eve", ...sh(script)]);
  assertEquals(stdout, "77\n78\n/eve\n");
});

test("cage takes a root without /etc/passwd and /etc/group", async (t) => {
  const root = await t.root();
  Deno.removeSync(`${root}/etc`, { recursive: true });
  const { status, stdout, stderr } = await t.cage([
    ...["-u", "7", "-g", "8:9", ...sh("id -u; id -G")],
  ]);
  assertEquals([status, stdout, stderr], [0, "7\n8 9\n", ""]);
});

test("cage does not follow /etc/passwd out of the root", async (t) => {
  const root = await t.root();
  const outside = `${t.scratch}/passwd`;
  Deno.writeTextFileSync(outside, "eve:x:77:78::/eve:/bin/sh\n");
  Deno.removeSync(`${root}/etc/passwd`);
  Deno.symlinkSync(`../../passwd`, `${root}/etc/passwd`);
  const { status, stdout } = await cage([
    ...await t.options("-u", "eve", "id"),
  ]);
  assertEquals([status, stdout], [125, ""]);
});

test("cage gives each user a writable standard output", async (t) => {
  const script = "echo one; echo two >&2";
  const { stdout, stderr } = await t.cage(["-u", "4242", ...sh(script)]);
  assertEquals([stdout, stderr], ["one\n", "two\n"]);
});
