import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { aptProxies } from "./support/apt.ts";
import { parseDiff, walkMerged } from "./support/merged.ts";
import {
  cage,
  debianRoot,
  exists,
  filesBelow,
  output,
  sh,
  test,
  whyNoDebian,
  whyNoProgram,
} from "./support/mod.ts";

/** Small packages with one program of the same name. */
const PACKAGES = ["hello", "sl", "cowsay"];

/** Says that the network is slow rather than that `cage` is broken. */
const PATIENT = { patience: 600_000 };

/** The first of the packages that this machine does not have. */
function missingPackage(): string | undefined {
  return PACKAGES.find((name) => !exists(`/usr/share/doc/${name}`));
}

/** Options that hand the proxies of the machine on. */
async function proxyOptions(): Promise<string[]> {
  const names = ["http_proxy", "https_proxy", "no_proxy"];
  const own = names.map((name) => [name, Deno.env.get(name)]);
  const all = [...own, ...Object.entries(await aptProxies())];
  return all.filter(([, value]) => value)
    .flatMap(([name, value]) => ["-e", `${name}=${value}`]);
}

function install(name: string): string[] {
  return [
    ...["-e", "DEBIAN_FRONTEND=noninteractive"],
    ...sh(`apt-get -q update && apt-get -qy install ${name}`),
  ];
}

test("cage installs a package that the host does not see", async (t) => {
  const name = missingPackage()!;
  const hostState = async () => [
    await output(["sha256sum", "/var/lib/dpkg/status"]),
    await output([
      "ls",
      "-la",
      "/var/cache/apt/archives",
      "/var/lib/apt/lists",
    ]),
    await output([
      "sh",
      "-c",
      "stat -c '%n %Y' /var/log/dpkg.log /etc /usr/bin",
    ]),
  ];
  const before = await hostState();
  const options = [...await proxyOptions(), "-n", t.name];
  const { status, stdout, stderr } = await cage(
    [...options, ...install(name)],
    PATIENT,
  );
  assertEquals(status, 0, stdout + stderr);
  assertEquals(await hostState(), before);
  assertEquals(exists(`/usr/share/doc/${name}`), false);

  const again = await cage([
    ...options,
    ...sh(`dpkg -s ${name}; which ${name}`),
  ]);
  assertEquals(again.status, 0, again.stderr);
  assertMatch(again.stdout, /^Status: install ok installed$/m);
  assertStringIncludes(
    (await filesBelow(`${t.appDir}/upper/usr`)).join("\n"),
    `share/doc/${name}/copyright`,
  );
}, {
  takesRoot: "writes to directories of root's",
  skip: whyNoProgram("apt-get") ??
    (missingPackage() ? undefined : `there are ${PACKAGES} already`),
});

test("cage installs a package on a root of debootstrap", async (t) => {
  const root = await debianRoot();
  const state = () => output(["sha256sum", `${root}/var/lib/dpkg/status`]);
  const before = await state();
  const app = `${t.scratch}/app`;
  const instance = ["-l", root, "-n", t.name, "-a", app];
  const options = [...await proxyOptions(), ...instance];
  const { status, stdout, stderr } = await cage(
    [...options, ...install("hello")],
    PATIENT,
  );
  assertEquals(status, 0, stdout + stderr);
  const told = await cage([...instance, "--diff", "--json"]);
  assertEquals([told.status, told.stderr], [0, ""]);
  assertStringIncludes(told.stdout, '"path":"/usr/bin/hello"');
  const layers = { lower: root, upper: `${app}/upper` };
  assertEquals(parseDiff(told.stdout), await walkMerged(layers));
  const again = await cage([...options, "hello"]);
  assertEquals([again.status, again.stdout], [0, "Hello, world!\n"]);
  assertEquals(await state(), before);
  assertEquals(exists(`${root}/usr/bin/hello`), false);
}, { skip: whyNoDebian() ?? whyNoProgram("python3") });

test("cage adds a user with Debian's own programs", async (t) => {
  const root = await debianRoot();
  const script = `${t.scratch}/init`;
  Deno.writeTextFileSync(
    script,
    "id user >/dev/null 2>&1 ||\n" +
      "  useradd --create-home --shell /bin/bash --groups audio user\n",
  );
  const options = ["-l", root, "-n", t.name, "-i", script, "-u", "user"];
  for (const _ of ["made", "found again"]) {
    const { status, stdout, stderr } = await cage([
      ...[...options, "-c", "/home/user"],
      ...sh("id; echo $HOME $SHELL; pwd; touch file; stat -c %U file"),
    ]);
    assertEquals([status, stderr], [0, ""]);
    assertEquals(
      stdout,
      "uid=1000(user) gid=1000(user) groups=1000(user),29(audio)\n" +
        "/home/user /bin/bash\n/home/user\nuser\n",
    );
  }
}, { skip: whyNoDebian() });

test("cage lets a user become root by su where the root allows", async (t) => {
  const script = "su -s /bin/sh nobody -c 'id -un; id -G'";
  const { status, stdout } = await cage([
    ...["-l", await debianRoot(), "-n", t.name, ...sh(script)],
  ]);
  assertEquals([status, stdout], [0, "nobody\n65534\n"]);
}, { skip: whyNoDebian() });

test("cage runs a whole tree of real programs", async (t) => {
  const script = [
    "set -e; cd /tmp; mkdir tree; cp -a /usr/share/doc /usr/share/perl* tree",
    "tar cf - tree | tar tf - | wc -l; find tree | wc -l",
    "rm -rf /usr/share/doc; cp -a tree/doc /usr/share/; ls /usr/share/doc | wc -l",
  ].join("\n");
  const { status, stdout, stderr } = await cage([
    ...["-l", await debianRoot(), "-n", t.name, ...sh(script)],
  ]);
  assertEquals([status, stderr], [0, ""]);
  const [inTar, inTree, docs] = stdout.trim().split("\n").map(Number);
  assertEquals(inTar, inTree);
  assertEquals(docs > 50, true);
}, { skip: whyNoDebian() });
