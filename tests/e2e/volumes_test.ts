import { assertEquals, assertMatch } from "@std/assert";
import {
  asRootInside,
  cage,
  type Context,
  exists,
  filesBelow,
  modeOf,
  sh,
  test,
} from "./support/mod.ts";

/** A directory of the host with a file in it. */
function makeShare(t: Context, name = "share"): string {
  const path = `${t.scratch}/${name}`;
  Deno.mkdirSync(path);
  Deno.writeTextFileSync(`${path}/file`, "of the host\n");
  return path;
}

test("cage -v shows a directory where it is told to", async (t) => {
  const share = makeShare(t);
  const script = "cat /mnt/in/file; echo changed >/mnt/in/made";
  assertEquals(await t.sh(script, ["-v", `${share}:/mnt/in`]), "of the host\n");
  assertEquals(Deno.readTextFileSync(`${share}/made`), "changed\n");
  assertEquals(await filesBelow(`${t.appDir}/upper/mnt/in`), []);
});

test("cage -v shows a file where it is told to", async (t) => {
  const share = makeShare(t);
  const script = "cat /new/dir/file; echo changed >/new/dir/file";
  const volume = `${share}/file:/new/dir/file`;
  assertEquals(await t.sh(script, ["-v", volume]), "of the host\n");
  assertEquals(Deno.readTextFileSync(`${share}/file`), "changed\n");
});

test("cage -v replaces a file of the root by one of the host", async (t) => {
  const share = makeShare(t);
  const volume = `${share}/file:/etc/group`;
  assertEquals(await t.sh("cat /etc/group", ["-v", volume]), "of the host\n");
  assertMatch(await t.sh("cat /etc/group"), /^root:x:0:/);
});

test("cage -v with one path uses it on both sides", async (t) => {
  const share = t.newScratch();
  Deno.writeTextFileSync(`${share}/file`, "of the host\n");
  const script = `cat ${share}/file; echo x >${share}/made`;
  assertEquals(await t.sh(script, ["-v", share]), "of the host\n");
  assertEquals(Deno.readTextFileSync(`${share}/made`), "x\n");
});

test("cage -v is seen below the container's own file systems", async (t) => {
  const share = makeShare(t);
  for (const inside of ["/tmp/in", "/run/a/b", "/var/tmp/in", "/dev/shm/in"]) {
    const volume = `${share}:${inside}`;
    const script = `cat ${inside}/file`;
    assertEquals(await t.sh(script, ["-v", volume]), "of the host\n");
  }
});

test("cage -v with ro refuses writes, below too", async (t) => {
  const share = makeShare(t);
  const script = "cat /in/file; echo x >/in/file; mkdir /in/x; rm /in/file";
  const { stdout, stderr } = await t.cage([
    ...["-v", `${share}:/in:ro`, ...sh(script)],
  ]);
  assertEquals(stdout, "of the host\n");
  assertEquals(stderr.match(/Read-only file system/g)?.length, 3, stderr);
  assertEquals(await filesBelow(share), ["file"]);
  const one = await t.cage([
    ...["-v", `${share}/file:/in/file:ro`, ...sh("echo x >/in/file")],
  ]);
  assertMatch(one.stderr, /Read-only file system/);
  assertEquals(Deno.readTextFileSync(`${share}/file`), "of the host\n");
});

test("cage -v with rw allows writes", async (t) => {
  const share = makeShare(t);
  await t.sh("echo x >/in/made", ["-v", `${share}:/in:rw`]);
  assertEquals(await filesBelow(share), ["file", "made"]);
});

test("cage -v makes a directory that the host lacks", async (t) => {
  const share = `${t.scratch}/not/yet/there`;
  await t.sh("echo x >/in/made", ["-v", `${share}:/in`]);
  assertEquals(Deno.readTextFileSync(`${share}/made`), "x\n");
  assertEquals(modeOf(share), "0755");
});

test("cage -v takes odd paths", async (t) => {
  const share = makeShare(t, "odd :\\,ü日😀");
  const volume = `${share.replace(/[:\\]/g, "\\$&")}:/in \\:\\\\,ü日😀`;
  const script = 'cat "/in :\\\\,ü日😀/file"';
  assertEquals(await t.sh(script, ["-v", volume]), "of the host\n");
});

test("cage -v takes a relative path from the caller's directory", async (t) => {
  makeShare(t);
  const { stdout } = await t.cage(
    ["-v", "share:/in", "cat", "/in/file"],
    { cwd: t.scratch },
  );
  assertEquals(stdout, "of the host\n");
});

test("cage -v follows links of the root inside it", async (t) => {
  const root = await t.root();
  const share = makeShare(t);
  Deno.symlinkSync("/usr", `${root}/inner`);
  Deno.symlinkSync("../../../../home/alice", `${root}/usr/above`);
  for (const inside of ["/inner/in", "/usr/above/in"]) {
    const volume = `${share}:${inside}`;
    const script = `cat ${inside}/file`;
    assertEquals(await t.sh(script, ["-v", volume]), "of the host\n");
  }
  const upper = await filesBelow(`${t.appDir}/upper`);
  assertEquals(upper, ["home", "home/alice", "home/alice/in", "usr", "usr/in"]);
});

test("cage -v follows no link out of the root", async (t) => {
  const root = await t.root();
  const share = makeShare(t);
  const outside = makeShare(t, "outside");
  Deno.writeTextFileSync(`${outside}/file`, "outside\n");
  const up = "../../../../../../../..";
  Deno.symlinkSync(outside, `${root}/absolute`);
  Deno.symlinkSync(`${up}${outside}`, `${root}/relative`);
  Deno.symlinkSync(`${outside}/file`, `${root}/link`);
  const volumes = [
    `${share}:/absolute/in`,
    `${share}:/relative/in`,
    `${share}/file:/link`,
    `${share}/file:/absolute/made`,
  ];
  for (const volume of volumes) {
    // Whether it follows the link inside, where it leads nowhere, or refuses
    // it, is the same to the host.
    const inside = volume.slice(volume.lastIndexOf(":") + 1);
    const { status, stdout } = await t.cage([
      ...["-v", volume, ...sh(`cat ${inside} ${inside}/file 2>/dev/null; :`)],
    ]);
    const expected = status === 0 ? "of the host\n" : "";
    assertEquals([[0, 125].includes(status), stdout], [true, expected]);
  }
  assertEquals(await filesBelow(outside), ["file"]);
  assertEquals(Deno.readTextFileSync(`${outside}/file`), "outside\n");
});

test("cage -v takes .. to stay inside the root", async (t) => {
  const share = makeShare(t);
  const volume = `${share}:/a/../../../in/./x/..`;
  assertEquals(
    await t.sh("cat /in/file", ["-v", volume]),
    "of the host\n",
  );
  assertEquals(exists("/in/file"), false);
});

test("cage -v places a volume below another one", async (t) => {
  const outer = makeShare(t, "outer");
  const inner = makeShare(t, "inner");
  Deno.writeTextFileSync(`${inner}/file`, "inner\n");
  const volumes = ["-v", `${outer}:/in`, "-v", `${inner}:/in/deep/er`];
  const script = "cat /in/file /in/deep/er/file";
  assertEquals(await t.sh(script, volumes), "of the host\ninner\n");
});

test("cage -v keeps the order of volumes at one place", async (t) => {
  const first = makeShare(t, "first");
  const last = makeShare(t, "last");
  Deno.writeTextFileSync(`${last}/file`, "last\n");
  const volumes = ["-v", `${first}:/in`, "-v", `${last}:/in`];
  assertEquals(await t.sh("cat /in/file", volumes), "last\n");
});

test("cage -v takes many volumes", async (t) => {
  const share = makeShare(t);
  const volumes = Array.from({ length: 100 }, (_, at) => [
    ...["-v", `${share}:/in/${at}`],
  ]).flat();
  assertEquals(await t.sh("cat /in/*/file | wc -l", volumes), "100\n");
});

test("cage -v brings along what is mounted below on the host", async (t) => {
  const { status, stdout } = await cage(
    [...await t.options("-v", `${t.scratch}/share:/in`), "cat", "/in/sub/file"],
    {
      within: [
        ...[...asRootInside(), "unshare", "-m", "sh", "-ec"],
        'mkdir -p "$0/sub"; mount -t tmpfs tmpfs "$0/sub"\n' +
        'echo below >"$0/sub/file"; exec "$@"',
        `${t.scratch}/share`,
      ],
    },
  );
  assertEquals([status, stdout], [0, "below\n"]);
});
