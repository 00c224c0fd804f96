import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  afterMounting,
  cage,
  hostMounts,
  isRootless,
  spawnCage,
  test,
  unescapeOctal,
  waiting,
} from "./support/mod.ts";

/** A user's container has users of its own too. */
const OWN = ["mnt", "pid", "ipc", "uts", "cgroup"]
  .concat(isRootless ? ["user"] : []);
const SHARED = ["net", "user"].filter((kind) => !OWN.includes(kind));

function namespaceHere(kind: string): string {
  return Deno.readLinkSync(`/proc/self/ns/${kind}`);
}

test("cage gives a container its own namespaces", async (t) => {
  const list = await t.sh(
    `for kind in ${OWN.join(" ")}; do readlink /proc/self/ns/$kind; done`,
  );
  const inside = list.trim().split("\n");
  assertEquals(inside.length, OWN.length);
  for (const [at, kind] of OWN.entries()) {
    assertNotEquals(inside[at], namespaceHere(kind));
  }
});

test(`cage shares ${SHARED.join(" and ")} namespaces with the host`, async (t) => {
  const list = await t.sh(
    `for kind in ${SHARED.join(" ")}; do readlink /proc/self/ns/$kind; done`,
  );
  assertEquals(list.trim().split("\n"), SHARED.map(namespaceHere));
});

test("cage gives two containers different namespaces", async (t) => {
  const args = ["-l", await t.root(), "-n"];
  const read = waiting(
    "readlink /proc/self/ns/mnt; readlink /proc/self/ns/pid",
  );
  await using one = spawnCage([...args, t.name, ...read]);
  await using other = spawnCage([...args, t.newName(), ...read]);
  const [first, second] = await Promise.all(
    [one, other].map((child) => child.seen(/mnt:(.*)\npid:(.*)\n/)),
  );
  assertNotEquals(first[1], second[1]);
  assertNotEquals(first[2], second[2]);
  await Promise.all([one.end(), other.end()]);
});

test("cage mounts nothing that the host sees", async (t) => {
  const before = hostMounts();
  await using child = spawnCage([...await t.options(), ...waiting()]);
  await child.seen("ready");
  assertEquals(hostMounts(), before);
  await child.end();
  assertEquals(hostMounts(), before);
});

test("cage mounts nothing in a host whose mounts spread", async (t) => {
  const pointsOf = (pid: number | "self") =>
    hostMounts(pid).map((line) => line.split(" ")[4]).sort();
  await using child = spawnCage([...await t.options(), ...waiting()], {
    within: afterMounting("", "shared"),
  });
  await child.seen("ready");
  // This `cage` itself stays on the side of the host.
  assertEquals(pointsOf(child.pid), pointsOf("self"));
  await child.end();
});

test("cage lets no mount spread in either direction", async (t) => {
  const { stdout } = await cage(
    [...await t.options(), "cat", "/proc/self/mountinfo"],
    { within: afterMounting("", "shared") },
  );
  assert(stdout.length > 0);
  assertEquals(stdout.match(/ (shared|master|propagate_from):[0-9]+ /g), null);
});

test("cage leaves no way to the old root", async (t) => {
  const text = await t.sh("cat /proc/self/mountinfo");
  const rootOfHost = hostMounts().map((line) => line.split(" "))
    .filter(([, , , , point]) => point === "/").at(-1)!;
  const mounts = text.trim().split("\n").map((line) => line.split(" "));
  for (const [, , device, root, point] of mounts) {
    const isOldRoot = device === rootOfHost[2] && root === rootOfHost[3];
    assert(!isOldRoot, `${unescapeOctal(point)} is the host's root`);
  }
  const [first] = mounts.filter(([, , , , point]) => point === "/");
  assertEquals(first.slice(first.indexOf("-"))[1], "overlay");
});

const SHOWS = isRootless ? "shows what a user" : "hides what root";

test(`cage ${SHOWS} has mounted on the host`, async (t) => {
  const disk = t.newScratch();
  const { status, stdout } = await cage(["-n", t.name, "ls", "-A", disk], {
    within: afterMounting(`mount -t tmpfs tmpfs ${disk}\n: >${disk}/secret`),
  });
  // What is below a mount is nothing for users: mount_namespaces(7).
  assertEquals([status, stdout], [0, isRootless ? "secret\n" : ""]);
});

test("cage shows only the container's processes", async (t) => {
  const list = await t.sh("ls /proc | grep -c '^[0-9]'");
  assert(Number(list) <= 5, list);
  assertEquals(await t.sh("ls -d /proc/2000000 2>/dev/null; true"), "");
});

test("cage keeps a host name inside", async (t) => {
  const before = Deno.hostname();
  assertEquals(await t.sh("hostname"), `${before}\n`);
  const { status } = await t.cage(["--", "hostname", "changed"]);
  // Whether it may change its own name is a matter of capabilities.
  assert(status === 0 || status === 1);
  assertEquals(Deno.hostname(), before);
});
