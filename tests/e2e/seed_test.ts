/**
 * The examples of the first README, run by bash as they are written there.
 *
 * What they need is put in front of PATH: `cage` itself; a `wget` that gives a
 * root of busybox in place of Alpine, with `apk`, `adduser` and `addgroup`; a
 * `sudo` that root does not need; and an `id` that answers for user 1000.
 * /var/lib and /run are other directories, so that nothing real is touched.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import {
  busyboxRoot,
  cageWords,
  type Context,
  desktopOf,
  isRootless,
  onFreshState,
  output,
  type Result,
  run,
  test,
  X11,
} from "./support/mod.ts";

/** Keeps what was asked of it, and makes the program that was asked for. */
const APK = `#!/bin/sh
echo apk "$@" >>/log
mkdir -p /etc/sudoers.d
echo '#!/bin/sh' >/usr/bin/sudo
`;

/** addgroup -g GID NAME */
const ADDGROUP = `#!/bin/sh
echo addgroup "$@" >>/log
echo "$3:x:$2:" >>/etc/group
`;

/** adduser -D -G GROUP -u UID -s SHELL -h HOME NAME */
const ADDUSER = `#!/bin/sh
echo adduser "$@" >>/log
gid=$(grep "^$3:" /etc/group | cut -d: -f3)
echo "\${10}:x:$5:$gid::$9:$7" >>/etc/passwd
mkdir -p "$9" && chown "$5:$gid" "$9"
`;

const ALPINE = `
rootdir=/var/lib/microcontainer-root/alpine
if [ ! -d "$rootdir" ]; then
  sudo mkdir -p "$rootdir"
  wget -qO- \\
    'https://dl-cdn.alpinelinux.org/alpine/v3.17/releases/x86_64/alpine-minirootfs-3.17.1-x86_64.tar.gz' |
    sudo tar -xzf- -C "$rootdir"
fi
`;

/** With `tmpdir=` in the fourth line, where the README had `tmp=`. */
const UNPRIVILEGED = `
rootdir=/var/lib/microcontainer-root/alpine
if [ ! -d "$rootdir" ]; then
  tmpdir="$(mktemp -d)"
  mkdir "$tmpdir/none" "$tmpdir/root"
  wget -qO- \\
    'https://dl-cdn.alpinelinux.org/alpine/v3.17/releases/x86_64/alpine-minirootfs-3.17.1-x86_64.tar.gz' |
    sudo tar -xzf- -C "$tmpdir/root"
  cage \\
    -a "$tmpdir/app" \\
    -p "$tmpdir/pid" \\
    -l "$tmpdir/none" \\
    -U "$tmpdir/root" \\
    -- \\
    /bin/sh -s <<\\EOF
apk add --no-cache sudo
addgroup -g 1000 user
adduser -D -G user -u 1000 -s /bin/ash -h /home/user user
printf 'user ALL=(ALL:ALL) NOPASSWD: ALL\\n' > /etc/sudoers.d/nopass
EOF
  sudo mkdir -p "$(dirname "$rootdir")"
  sudo rm -rf "\${rootdir}.tmp"
  sudo mv "$tmpdir/root" "\${rootdir}.tmp"
  sudo mv "\${rootdir}.tmp" "$rootdir"
  sudo rm -rf "$tmpdir"
fi
# Then simply:
cage -l "$rootdir" -u 1000 -g 1000 -n alpine
`;

const DYNAMIC = `${ALPINE}
# Then simply:
cage -l "$rootdir" -i /proc/self/fd/3 -u "$(id -u)" -g "$(id -g)" 3<<EOF
if [ ! -f /usr/bin/sudo ]; then
  apk add --no-cache sudo
  addgroup -g $(id -g) user
  adduser -D -G user -u $(id -u) -s /bin/ash -h /home/user user
  printf 'user ALL=(ALL:ALL) NOPASSWD: ALL\\n' > /etc/sudoers.d/nopass
fi
EOF
`;

const GRAPHICAL =
  "cage -G -u \"$(id -u)\" -g \"$(id -g):$(id -G | tr ' ' ':')\"";

const LOG = [
  "apk add --no-cache sudo",
  "addgroup -g 1000 user",
  "adduser -D -G user -u 1000 -s /bin/ash -h /home/user user",
  "",
].join("\n");

/** A machine to run examples on. */
class Machine {
  readonly #bin: string;
  readonly #within: string[];
  readonly #temporary: string;
  readonly #roots: string;

  private constructor(t: Context) {
    this.#bin = `${t.scratch}/bin`;
    this.#within = onFreshState(`${t.scratch}/state`);
    this.#temporary = `${t.scratch}/tmp`;
    // A user has no right to make it where the README does.
    this.#roots = isRootless
      ? `${t.scratch}/roots`
      : "/var/lib/microcontainer-root";
  }

  static async make(t: Context, id = "echo 1000"): Promise<Machine> {
    const machine = new Machine(t);
    const root = await busyboxRoot(`${t.scratch}/alpine`);
    const archive = `${t.scratch}/alpine.tar.gz`;
    Deno.mkdirSync(machine.#temporary);
    Deno.mkdirSync(machine.#bin);
    write(`${root}/etc/passwd`, "root:x:0:0:root:/root:/bin/sh\n");
    write(`${root}/etc/group`, "root:x:0:\n");
    write(`${root}/sbin/apk`, APK);
    write(`${root}/usr/sbin/addgroup`, ADDGROUP);
    write(`${root}/usr/sbin/adduser`, ADDUSER);
    await output(["tar", "-czf", archive, "-C", root, "."]);
    const words = cageWords().map((word) => `'${word}'`).join(" ");
    machine.#program("cage", `exec ${words} "$@"`);
    machine.#program("sudo", 'exec "$@"');
    machine.#program("wget", `exec cat '${archive}'`);
    machine.#program("id", id);
    return machine;
  }

  /** Runs an example; what is typed is the input of its last line. */
  async run(
    example: string,
    typed: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Result> {
    const own = example.replaceAll("/var/lib/microcontainer-root", this.#roots);
    return await run(["bash", "-c", own], {
      stdin: typed,
      within: this.#within,
      env: {
        PATH: `${this.#bin}:${Deno.env.get("PATH")}`,
        TMPDIR: this.#temporary,
        ...env,
      },
    });
  }

  #program(name: string, text: string): void {
    write(`${this.#bin}/${name}`, `#!/bin/sh\n${text}\n`);
  }
}

function write(path: string, text: string): void {
  Deno.writeTextFileSync(path, text, { mode: 0o755 });
  Deno.chmodSync(path, 0o755);
}

test("the seed's example runs a container of the host itself", async (t) => {
  const machine = await Machine.make(t);
  const typed = "id -u; uname -n; exit 3\n";
  for (const example of ["cage", "cage -n name"]) {
    const { status, stdout } = await machine.run(example, typed);
    assertEquals([status, stdout], [3, `0\n${Deno.hostname()}\n`]);
  }
});

test("the seed's example keeps what is written by name", async (t) => {
  const machine = await Machine.make(t);
  const typed = "echo $0 >>/root/e2e-made; cat /root/e2e-made\n";
  const first = await machine.run("cage -n name", typed);
  const second = await machine.run("cage -n name", typed);
  assertMatch(first.stdout, /^-\w+\n$/);
  assertEquals(second.stdout, first.stdout.repeat(2));
  const other = await machine.run("cage -n other", typed);
  assertEquals(other.stdout, first.stdout);
});

test("the seed's example runs a system of Alpine", async (t) => {
  const machine = await Machine.make(t);
  const lines = [
    'cage -l "$rootdir" -n alpine',
    'cage -l "$rootdir" -n other-container-name',
  ];
  for (const line of lines) {
    const { status, stdout, stderr } = await machine.run(
      `${ALPINE}# Then simply:\n${line}\n`,
      "echo $0 $(id -u) $HOME; ls /sbin/apk; cat /made; echo x >/made\n",
    );
    assertEquals([status, stdout], [0, "-sh 0 /root\n/sbin/apk\n"]);
    assertMatch(stderr, /^cat: can't open '\/made'[^\n]*\n$/);
  }
});

test("the seed's example makes an unprivileged system", async (t) => {
  const machine = await Machine.make(t);
  const typed = "id -u; id -g; echo $0 $HOME $USER; cat /log; " +
    "cat /etc/sudoers.d/nopass; cd; echo x >made && ls -ln made | cut -c1-30\n";
  for (const _ of ["made", "found again"]) {
    const { status, stdout, stderr } = await machine.run(UNPRIVILEGED, typed);
    assertEquals([status, stderr], [0, ""]);
    assertEquals(
      stdout.split("\n").slice(0, 7).join("\n"),
      [
        "1000\n1000\n-ash /home/user user",
        `${LOG}user ALL=(ALL:ALL) NOPASSWD: ALL`,
      ].join("\n"),
    );
    assertMatch(stdout, /\n-rw-r--r-- +1 1000 +1000/);
  }
  assertEquals([...Deno.readDirSync(`${t.scratch}/tmp`)], []);
});

test("the seed's example makes a user when it starts", async (t) => {
  const machine = await Machine.make(t);
  const typed = "id -u; id -g; echo $0 $HOME $USER; cat /log\n";
  for (const _ of ["made", "found again"]) {
    const { status, stdout, stderr } = await machine.run(DYNAMIC, typed);
    assertEquals([status, stderr], [0, ""]);
    assertEquals(stdout, `1000\n1000\n-ash /home/user user\n${LOG}`);
  }
});

test("the seed's example runs graphical programs", async (t) => {
  await using desktop = await desktopOf(t);
  const number = await desktop.startX();
  const machine = await Machine.make(t, 'exec /usr/bin/id "$@"');
  const { status, stdout, stderr } = await machine.run(
    GRAPHICAL,
    "id -u; xdpyinfo | head -n 1; exit 3\n",
    desktop.env,
  );
  assertEquals(
    [status, stdout],
    [3, `${Deno.uid()}\nname of display:    :${number}\n`],
    stderr,
  );
}, X11);
