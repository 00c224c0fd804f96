import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  busyboxRoot,
  cage,
  debianRoot,
  exists,
  filesBelow,
  fingerprint,
  sh,
  test,
  whyNoDebian,
} from "./support/mod.ts";

/** Each form that `/etc/resolv.conf` of a root may have. */
const FORMS: readonly [form: string, make: (path: string) => void][] = [
  ["a file", (path) => Deno.writeTextFileSync(path, "nameserver 192.0.2.1\n")],
  ["an empty file", (path) => Deno.writeTextFileSync(path, "")],
  ["absent", () => {}],
  [
    "a link into /run",
    (path) => Deno.symlinkSync("../run/systemd/resolve/stub-resolv.conf", path),
  ],
  [
    "an absolute link into /run",
    (path) => Deno.symlinkSync("/run/resolvconf/resolv.conf", path),
  ],
  [
    "a link to nowhere",
    (path) => Deno.symlinkSync("/nowhere/at/all/resolv.conf", path),
  ],
  [
    "a link out of the root",
    (path) => Deno.symlinkSync("../../../../../../etc/passwd", path),
  ],
  ["a link to itself", (path) => Deno.symlinkSync("resolv.conf", path)],
  ["a link to a file", (path) => {
    Deno.writeTextFileSync(`${path}.real`, "nameserver 192.0.2.1\n");
    Deno.symlinkSync("resolv.conf.real", path);
  }],
  ["a link through links", (path) => {
    Deno.symlinkSync("/etc/resolv.conf.link", path);
    Deno.symlinkSync("../run/x/resolv.conf", `${path}.link`);
  }],
];

const RESOLV_CONF = "/etc/resolv.conf";

function hostResolvConf(): string {
  return exists(RESOLV_CONF) ? Deno.readTextFileSync(RESOLV_CONF) : "";
}

for (const [form, make] of FORMS) {
  for (const bare of [false, true]) {
    const of = bare ? "a bare root's" : "a root's";
    test(`cage shows the host's resolv.conf where ${of} is ${form}`, async (t) => {
      const root = await busyboxRoot(`${t.scratch}/made`, bare);
      make(`${root}${RESOLV_CONF}`);
      const before = await fingerprint(root);
      for (const _ of ["created", "found again"]) {
        const { status, stdout, stderr } = await cage([
          ...["-l", root, "-n", t.name, "-u", "alice", "cat", RESOLV_CONF],
        ]);
        assertEquals([status, stdout, stderr], [0, hostResolvConf(), ""]);
      }
      assertEquals(await fingerprint(root), before);
      const written = await filesBelow(`${t.appDir}/upper`);
      assertEquals(
        written.filter((path) => /resolv|nowhere|passwd/.test(path)),
        [],
      );
    });
  }
}

test("cage does not let writes to resolv.conf reach the host", async (t) => {
  const before = hostResolvConf();
  await t.cage(sh("echo nameserver 192.0.2.7 >/etc/resolv.conf"));
  await cage(["-n", t.name, ...sh("echo x >/etc/resolv.conf")]);
  assertEquals(hostResolvConf(), before);
});

test("cage resolves localhost and the host name", async (t) => {
  const root = await busyboxRoot(`${t.scratch}/bare`, true);
  const { status, stdout } = await cage([
    ...["-l", root, "-n", t.name, ...sh("cat /etc/hosts")],
  ]);
  assertEquals(status, 0);
  assertMatch(stdout, /^127\.0\.0\.1\s(.*\s)?localhost(\s|$)/m);
  assertStringIncludes(stdout.replaceAll("\t", " "), ` ${Deno.hostname()}`);
});

test("cage resolves the host name on this machine's root", async (t) => {
  const script = 'getent hosts "$(uname -n)" localhost';
  const { status, stdout } = await cage(["-n", t.name, ...sh(script)]);
  assertEquals(status, 0, stdout);
});

test("cage resolves the host name on a root of Debian", async (t) => {
  const script = 'getent hosts "$(uname -n)"; cat /etc/resolv.conf';
  const { status, stdout } = await cage([
    ...["-l", await debianRoot(), "-n", t.name, ...sh(script)],
  ]);
  assertEquals(status, 0);
  assertStringIncludes(stdout, Deno.hostname());
  assertStringIncludes(stdout, hostResolvConf());
}, { skip: whyNoDebian() });
