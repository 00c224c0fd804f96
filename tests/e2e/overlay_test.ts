import { assert, assertEquals } from "@std/assert";
import {
  busyboxRoot,
  cage,
  type Context,
  exists,
  filesBelow,
  sh,
  spawnCage,
  STATE_DIRECTORY,
  test,
  waiting,
} from "./support/mod.ts";

/** Names of directories that option strings of mount(2) cannot hold. */
const ODD_NAMES = [
  "comma,comma",
  "colon:colon",
  "back\\slash",
  "two\\\\slashes",
  "\\:",
  "space space",
  " leading",
  "trailing ",
  "equals=sign",
  "quote'\"quote",
  "dollar$HOME`id`",
  "tab\tnew\nline",
  "ünï日本😀",
  "lowerdir=x,upperdir=y",
  "%s%n",
  "x".repeat(200),
];

/** Escapes a path for a list. */
function listed(path: string): string {
  return path.replace(/[:\\]/g, "\\$&");
}

for (const name of ODD_NAMES) {
  test(`cage takes a path with ${JSON.stringify(name)}`, async (t) => {
    const base = `${t.scratch}/${name}`;
    const root = await busyboxRoot(`${base}/root`);
    const { status, stdout, stderr } = await cage([
      ...["-l", listed(root), "-a", `${base}/app`, "-p", `${base}/pid`],
      ...sh("cat /etc/passwd | head -n 1; echo x >/made"),
    ]);
    assertEquals([status, stderr], [0, ""]);
    assertEquals(stdout, "root:x:0:0:root:/root:/bin/sh\n");
    assertEquals(Deno.readTextFileSync(`${base}/app/upper/made`), "x\n");
  });
}

test("cage takes paths of several odd directories", async (t) => {
  const base = `${t.scratch}/${ODD_NAMES.slice(0, -1).join("/")}`;
  const root = await busyboxRoot(`${base}/root`);
  const { status, stderr } = await cage([
    ...["-l", listed(root), "-a", `${base}/app`, "-p", `${base}/pid`],
    ...["-U", `${base}/u,:\\`, "-w", `${base}/w,:\\`, ...sh("echo x >/made")],
  ]);
  assertEquals([status, stderr], [0, ""]);
  assertEquals(Deno.readTextFileSync(`${base}/u,:\\/made`), "x\n");
});

/** Makes three layers, of which the names are those of files in them. */
async function makeLayers(t: Context): Promise<[string, string, string]> {
  const top = `${t.scratch}/top`;
  const middle = `${t.scratch}/mid:dle`;
  for (const [layer, names] of [[top, "a"], [middle, "ab"]]) {
    Deno.mkdirSync(`${layer}/layers`, { recursive: true });
    for (const name of names) {
      Deno.writeTextFileSync(`${layer}/layers/${name}`, `${layer}\n`);
    }
  }
  const root = await t.root();
  Deno.mkdirSync(`${root}/layers`);
  for (const name of "abc") {
    Deno.writeTextFileSync(`${root}/layers/${name}`, `${root}\n`);
  }
  return [top, middle, root];
}

test("cage puts the first of several lower directories on top", async (t) => {
  const [top, middle, root] = await makeLayers(t);
  const spellings = [
    ["-l", top, "-l", listed(middle), "-l", root],
    ["-l", `${top}:${listed(middle)}:${root}`],
    ["-l", top, `--lower=${listed(middle)}:${root}`],
  ];
  for (const layers of spellings) {
    const { status, stdout, stderr } = await cage([
      ...[...layers, "--ephemeral", "-n", t.name],
      ...sh("cat /layers/a /layers/b /layers/c"),
    ]);
    assertEquals([status, stderr], [0, ""]);
    assertEquals(stdout, `${top}\n${middle}\n${root}\n`);
  }
});

test("cage takes many lower directories", async (t) => {
  const layers = Array.from({ length: 60 }, (_, at) => `${t.scratch}/l${at}`);
  for (const [at, layer] of layers.entries()) {
    Deno.mkdirSync(`${layer}/layers`, { recursive: true });
    Deno.writeTextFileSync(`${layer}/layers/${at}`, "");
  }
  const { status, stdout, stderr } = await cage([
    ...[...layers, await t.root()].flatMap((layer) => ["-l", layer]),
    ...["-n", t.name, ...sh("ls /layers | wc -l")],
  ]);
  assertEquals([status, stdout, stderr], [0, "60\n", ""]);
});

test("cage takes an upper directory inside its own lower one", async (t) => {
  const root = await t.root();
  const app = `${root}/srv/app`;
  const options = ["-l", root, "-a", app, "-p", `${t.scratch}/pid`];
  const script = [
    "echo secret >/made",
    "find /srv 2>/dev/null | grep made",
    "ls -A /srv/app 2>/dev/null",
    "cat /srv/app/upper/made 2>/dev/null",
    "echo end",
  ].join("\n");
  for (const _ of ["made", "found again"]) {
    const { status, stdout, stderr } = await cage([...options, ...sh(script)]);
    assertEquals([status, stdout, stderr], [0, "end\n", ""]);
  }
  assert(exists(`${app}/upper/made`) || exists(`${app}.ext4`));
});

test("cage does not show its storage on this machine's root", async (t) => {
  const script = [
    "echo secret >/e2e-made",
    `ls -A ${t.appDir} 2>/dev/null`,
    `find ${STATE_DIRECTORY} -name e2e-made 2>/dev/null`,
    "echo end",
  ].join("\n");
  const { status, stdout, stderr } = await cage([
    ...["-n", t.name, ...sh(script)],
  ]);
  assertEquals([status, stdout, stderr], [0, "end\n", ""]);
  assertEquals(exists("/e2e-made"), false);
});

test("cage takes an upper directory on a tmpfs", async (t) => {
  const app = `${t.newScratch("/dev/shm")}/app`;
  for (const expected of ["", "x\n"]) {
    const { status, stdout, stderr } = await cage([
      ...["-l", await t.root(), "-a", app, "-p", `${t.scratch}/pid`],
      ...sh("cat /made 2>/dev/null; rm -rf /home; echo x >/made"),
    ]);
    assertEquals([status, stdout, stderr], [0, expected, ""]);
  }
  assertEquals(Deno.readTextFileSync(`${app}/upper/made`), "x\n");
});

test("cage -U keeps changes there, without the mount points", async (t) => {
  const upper = `${t.scratch}/changes`;
  const { status } = await cage([
    ...["-l", await t.root(), "-n", t.name, "-U", upper],
    ...["-w", `${t.scratch}/work`, ...sh("echo x >/tmp/x; echo x >/made")],
  ]);
  assertEquals(status, 0);
  assertEquals(await filesBelow(upper), ["made"]);
});

test("cage -U changes a root in place above an empty lower one", async (t) => {
  const root = await t.root();
  Deno.mkdirSync(`${t.scratch}/none`);
  const { status, stderr } = await cage([
    ...["-a", `${t.scratch}/app`, "-p", `${t.scratch}/pid`],
    ...["-l", `${t.scratch}/none`, "-U", root, "--", "/bin/sh", "-s"],
  ], { stdin: "echo x >/made\nrm /etc/group\n" });
  assertEquals([status, stderr], [0, ""]);
  assertEquals(Deno.readTextFileSync(`${root}/made`), "x\n");
  assertEquals(exists(`${root}/etc/group`), false);
});

test("cage renames directories of the lower layer", async (t) => {
  await t.sh("mv /home /moved; ls /moved; mkdir /home; rm -r /usr; mkdir /usr");
  assertEquals(
    await t.sh("ls /moved /home /usr"),
    [
      "/home:",
      "",
      "/moved:",
      "alice",
      "",
      "/usr:",
      "",
    ].join("\n"),
  );
});

test("cage lets no second instance use the same directories", async (t) => {
  const options = ["-l", await t.root(), "-a", `${t.scratch}/app`];
  const first = [...options, "-p", `${t.scratch}/1`];
  const second = [...options, "-p", `${t.scratch}/2`, ...sh("echo in")];
  await using child = spawnCage([...first, ...waiting()]);
  await child.seen("ready");
  assertEquals(await cage(second), {
    status: 125,
    stdout: "",
    stderr: `cage: Cannot use upper directory "${t.scratch}/app/upper": ` +
      "another instance uses it: stop that one with -k, or use -U to put it " +
      "elsewhere\n",
  });
  const other = ["-U", `${t.scratch}/upper`, ...second];
  assertEquals(
    (await cage(other)).stderr.slice(0, 26),
    "cage: Cannot use work dire",
  );
  assertEquals((await child.end()).status, 0);
  assertEquals((await cage(second)).stdout, "in\n");
});
