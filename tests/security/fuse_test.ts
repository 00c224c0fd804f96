import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  afterMounting,
  type Attack,
  attack,
  busyboxRoot,
  exists,
  output,
  own,
  type Person,
  whyNoFileSystem,
  whyNoProgram,
} from "./support/mod.ts";

const skip = whyNoProgram("bindfs", "fusermount3") ??
  whyNoFileSystem("fuse") ??
  (exists("/dev/fuse") ? undefined : "there is no /dev/fuse");

/** Files of the root that their file system says are setuid root. */
const FILES = ["setuid", "moved", "linked", "changed"];

/** What an administrator writes to fuse.conf(5) who allows it. */
const ALLOWED = "user_allow_other";

/** What has a file copied up, one way each. */
const INSIDE = `
touch /setuid
mv /moved /moved-away
ln /linked /another
chmod 4777 /changed
echo >>/bin/busybox
chown 0:0 /setuid
mkdir /dir/made
for file in /setuid /bin/busybox; do "$file" id -u; done
echo over`;

/**
 * Mounts a file system of the user's own, on which everything is root's and
 * setuid, as a user who may: with the permissions that a device for FUSE has
 * nearly everywhere, and with what the administrator allows.
 */
function allowing(t: Attack, allowed: string): string[] {
  const at = `${t.scratch}/devices`;
  return afterMounting(`
    mkdir -p '${at}'; mount -t tmpfs -o mode=755 none '${at}'
    mknod -m 666 '${at}/fuse' c 10 229; mount --bind '${at}/fuse' /dev/fuse
    echo '${allowed}' >'${at}/conf'; chmod 644 '${at}/conf'
    mount --bind '${at}/conf' /etc/fuse.conf`);
}

/** What is at home that is not the user's, or is setuid root. */
async function foreignAt(t: Attack, person: Person): Promise<string[]> {
  const { home, range = person.uid, uid } = person;
  const list = await output([
    ...["find", home, t.scratch, "-xdev", "(", "-path", `${home}/upper*`],
    ...["-o", "-path", `${home}/work*`, ")", "-printf", "%U %m %p\n"],
  ]);
  return list.split("\n").filter((line) => {
    const id = Number(line.split(" ")[0]);
    return line !== "" && id !== uid && !(id >= range && id < range + 65536);
  });
}

for (
  const [what, allowed, options] of [
    ["", "# nothing", ["--no-allow-other"]],
    [", for all to see", ALLOWED, ["-o", "allow_other"]],
  ] as const
) {
  attack(
    `CVE-2023-0386: a FUSE of one's own gives nothing setuid root${what}`,
    async (t) => {
      for (const person of [t.mallory, t.plain]) {
        const { home } = person;
        await busyboxRoot(`${home}/real`);
        await Deno.mkdir(`${home}/real/dir`);
        for (const name of FILES) {
          await Deno.copyFile("/bin/busybox", `${home}/real/${name}`);
        }
        await Deno.mkdir(`${home}/fuse`);
        await own(person);
        const words = [
          ...["--force-user=root", "--force-group=root", "--perms=a+rwx"],
          ...[...options, `${home}/real`, `${home}/fuse`],
        ].map((word) => `'${word}'`).join(" ");
        const script = `chmod u+s ${
          FILES.map((name) => `real/${name}`).join(" ")
        } real/bin/busybox
          bindfs ${words} || exit 77
          trap 'fusermount3 -u -z fuse' EXIT
          stat -c '%u %a' fuse/setuid
          "$1" -l "$PWD/fuse" -U "$PWD/upper" -w "$PWD/work" -- \\
            /bin/sh -c '${INSIDE}'
          echo "status $?"`;
        const result = await t.run(
          person,
          ["/bin/sh", "-c", script, "sh", t.cageFile],
          { within: allowing(t, allowed) },
        );
        const told = `${person.name}: ${result.stdout}${result.stderr}`;
        assertMatch(result.stdout, /^0 4777\n/, told);
        // A private one may be refused, since root cannot look at it either.
        const isRefused = allowed !== ALLOWED &&
          /^status 125$/m.test(result.stdout) &&
          /^cage: Cannot [^\n]+$/m.test(result.stderr);
        assert(isRefused || /^over\nstatus 0$/m.test(result.stdout), told);
        assertEquals(/^0\n0\n/m.test(result.stdout), false, told);
        assertEquals(await foreignAt(t, person), [], told);
      }
    },
    { skip },
  );
}
