/**
 * What users of the setuid binary get by `-G`: their own desktop, and nothing
 * of anybody else's.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Attack,
  attack as test,
  cageWords,
  Desktop,
  exists,
  output,
  type Person,
  processes,
  run,
  sh,
  SINK,
  until,
  waiting,
  whyNoProgram,
} from "./support/mod.ts";

const ALL = {
  skip: whyNoProgram("Xvfb", "xauth", "xdpyinfo", "weston", "wayland-info") ??
    whyNoProgram("pulseaudio", "pactl"),
};
const WAYLAND = { skip: whyNoProgram("weston", "wayland-info") };
const X = { skip: whyNoProgram("Xvfb", "xauth", "xdpyinfo") };
const BUS = {
  skip: whyNoProgram("dbus-daemon", "dbus-send", "xdg-dbus-proxy"),
};

const LOOK = "xdpyinfo | head -n 1; wayland-info | grep -c wl_compositor; " +
  "pactl info | grep '^Default Sink'";

function desktopOf(t: Attack, person: Person, runtime?: string) {
  const start = (words: readonly string[], env: Record<string, string>) =>
    t.spawn(person, words, { env });
  return new Desktop(person.home, start, runtime).prepare();
}

/** The seed's options: the user's own number, and all groups. */
async function asSelf({ name, uid }: Person): Promise<string[]> {
  const groups = await output(["id", "-G", name]);
  return ["-u", `${uid}`, "-g", `${uid}:${groups.trim().replaceAll(" ", ":")}`];
}

test("With -G, users see and hear their own desktop", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    await using desktop = await desktopOf(t, person);
    await desktop.startAll();
    const { env } = desktop;
    for (const options of [[], await asSelf(person)]) {
      const uid = options.length > 0 ? person.uid : 0;
      const { stdout, stderr } = await t.cage(person, [
        ...["-G", "--ephemeral", ...options],
        ...sh(`${LOOK}; stat -c '%a %u' $XDG_RUNTIME_DIR $XAUTHORITY`),
      ], { env });
      assertEquals(
        stdout,
        `name of display:    ${env.DISPLAY}\n1\nDefault Sink: ${SINK}\n` +
          `700 ${uid}\n600 ${uid}\n`,
        `${options}: ${stderr}`,
      );
      assertEquals(stderr, "");
    }
  }
}, ALL);

test("With -G, who is granted root sees their own desktop", async (t) => {
  const { name, uid } = t.mallory;
  await using desktop = await desktopOf(t, t.mallory);
  await desktop.startAll();
  const policy = await t.policy({ granted: { users: [name] } });
  for (const user of ["0", `${uid}`, "7"]) {
    const { stdout, stderr } = await t.cage(t.mallory, [
      ...["-G", "--ephemeral", "-u", `${user}:${user}`, ...sh(LOOK)],
    ], { env: desktop.env, ...policy });
    assertEquals(
      stdout,
      `name of display:    ${desktop.env.DISPLAY}\n1\nDefault Sink: ${SINK}\n`,
      stderr,
    );
  }
}, ALL);

test("With -G, users add sockets to their running instances", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    await using desktop = await desktopOf(t, person);
    await desktop.startAll();
    const { env } = desktop;
    const self = await asSelf(person);
    const name = ["-n", "running", "--ephemeral"];
    await using first = t.spawnCage(person, [...name, ...self, ...waiting()]);
    await first.seen("ready");
    const script = `${LOOK}; grep -c "$XDG_RUNTIME_DIR" /proc/self/mountinfo`;
    for (const _ of [1, 2]) {
      const { stdout, stderr } = await t.cage(person, [
        ...[...name, "-G", ...self, ...sh(script)],
      ], { env });
      assertEquals(
        stdout,
        `name of display:    ${env.DISPLAY}\n1\nDefault Sink: ${SINK}\n2\n`,
        stderr,
      );
    }
    await first.end();
  }
}, ALL);

test("Nobody gets what is another user's by -G", async (t) => {
  await using desktop = await desktopOf(t, t.mallory);
  await desktop.startAll();
  const { env, runtime } = desktop;
  const display = Number(env.DISPLAY.slice(1));
  const lies: Record<string, string>[] = [
    {},
    { SUDO_UID: `${t.mallory.uid}`, SUDO_GID: `${t.mallory.uid}` },
    { WAYLAND_DISPLAY: `${runtime}/${env.WAYLAND_DISPLAY}` },
    { PULSE_SERVER: `unix:${runtime}/pulse/native`, SUDO_UID: "0" },
  ];
  const script =
    "ls -A $XDG_RUNTIME_DIR; xdpyinfo >/dev/null 2>&1 || echo shut";
  for (const lie of lies) {
    const { status, stdout, stderr } = await t.cage(t.plain, [
      ...["-G", "--ephemeral", ...sh(script)],
    ], { env: { ...env, ...lie } });
    // A display's own socket is everybody's, and its cookie is not.
    assertEquals([status, stdout], [0, "shut\n"], stderr);
    assertMatch(stderr, /^cage: No Wayland for -G: there is no socket at /m);
    assertMatch(stderr, /^cage: No sound for -G: there is no socket at /m);
  }
  assert(exists(`/tmp/.X11-unix/X${display}`));
}, ALL);

test("A link leads -G to nothing that its user cannot open", async (t) => {
  const shut = t.newScratch("/tmp");
  Deno.chmodSync(shut, 0o700);
  using _listener = Deno.listen({ transport: "unix", path: `${shut}/socket` });
  Deno.chmodSync(`${shut}/socket`, 0o777);
  const cookies = `${shut}/cookies`;
  await output(["xauth", "-q", "-f", cookies, "add", ":7", ".", "00ff"]);
  await using desktop = await desktopOf(t, t.mallory);
  const { runtime } = desktop;
  await t.sh(
    t.mallory,
    `ln -s ${shut}/socket ${runtime}/wayland-0; mkdir ${runtime}/pulse; ` +
      `ln -s /proc/self/root${shut}/socket ${runtime}/pulse/native; ` +
      `ln -s ${cookies} .Xauthority`,
  );
  const named: Record<string, string>[] = [{}, { XAUTHORITY: cookies }];
  for (const more of named) {
    const { stdout, stderr } = await t.cage(t.mallory, [
      ...["-G", "--ephemeral", ...sh("ls -A $XDG_RUNTIME_DIR; echo end")],
    ], { env: { ...desktop.env, DISPLAY: "host.invalid:7", ...more } });
    assertEquals(stdout, "end\n", stderr);
  }
}, X);

test("Links inside lead -G to nothing of the host", async (t) => {
  await using desktop = await desktopOf(t, t.mallory);
  using _listener = Deno.listen({
    transport: "unix",
    path: `${desktop.runtime}/pipewire-0`,
  });
  // Root's, and seen inside: nobody but root can make anything in it.
  const roots = t.newScratch("/tmp");
  Deno.chmodSync(roots, 0o755);
  const links = [
    "rm -rf /run/user; ln -s /mnt /run/user",
    "mkdir -m 777 /run/user/0; rm -rf /run/user/0; ln -s /mnt /run/user/0",
  ];
  for (const link of links) {
    const name = ["-n", "links", "--ephemeral", "-v", `${roots}:/mnt`];
    await using first = t.spawnCage(t.mallory, [
      ...name,
      ...waiting(`${link}; echo ready`),
    ]);
    await first.seen("ready");
    const { status, stderr } = await t.cage(t.mallory, [
      ...["-n", "links", "-G", ...sh("echo ran")],
    ], { env: desktop.env });
    assert(status !== 0, link);
    assertMatch(stderr, /Cannot add ".*" to the running instance: /);
    assertEquals([...Deno.readDirSync(roots)], [], link);
    await first.end();
  }
});

test("What covers something stays, wherever -G adds a socket", async (t) => {
  await using desktop = await desktopOf(t, t.mallory);
  await t.sh(
    t.mallory,
    "mkdir data; echo secret >data/pipewire-0; echo >cover",
  );
  using _listener = Deno.listen({
    transport: "unix",
    path: `${desktop.runtime}/pipewire-0`,
  });
  const link = "rm -rf /run/user/0; ln -s /data /run/user/0; echo ready";
  await using first = t.spawnCage(t.mallory, [
    ...["-n", "covers", "--ephemeral", "-v", "data:/data"],
    ...["-v", "cover:/data/pipewire-0", ...waiting(link)],
  ]);
  await first.seen("ready");
  await t.cage(t.mallory, ["-n", "covers", "-G", ...sh("true")], {
    env: desktop.env,
  });
  const { stdout } = await t.cage(t.mallory, [
    ...["-n", "covers", ...sh("grep -c /data/pipewire-0 /proc/self/mountinfo")],
  ]);
  assertEquals(stdout, "2\n");
  await first.end();
});

test("The administrator's policy counts for -G", async (t) => {
  await using desktop = await desktopOf(t, t.mallory);
  await desktop.startWayland();
  const { stdout, stderr } = await t.cage(t.mallory, [
    ...["-G", "--ephemeral", ...sh("ls -A $XDG_RUNTIME_DIR; echo end")],
  ], { env: desktop.env, ...await t.policy({ volumes: [] }) });
  assertEquals(stdout, "end\n");
  assertMatch(stderr, /wayland-5" is not passed on: \/etc\/cage\/policy.json/);
}, WAYLAND);

test("The proxy of --dbus is its user's, and has no privileges", async (t) => {
  for (const person of [t.mallory, t.plain]) {
    await using desktop = await desktopOf(t, person);
    await desktop.startBus();
    const ask = "dbus-send --session --print-reply " +
      "--dest=org.freedesktop.DBus / org.freedesktop.DBus.GetId";
    await using child = t.spawnCage(person, [
      ...["-G", "--dbus", "--ephemeral", ...await asSelf(person)],
      ...waiting(`${ask} | grep -c string`),
    ], { env: desktop.env });
    await child.seen("1");
    const proxies = () =>
      processes().filter(({ pid }) => {
        const words = commandOf(pid);
        return words[0]?.endsWith("xdg-dbus-proxy") &&
          words[2]?.startsWith(desktop.runtime);
      });
    const [{ pid }] = proxies();
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    const { uid } = person;
    for (const kind of ["Uid", "Gid"]) {
      const line = [`${kind}:`, uid, uid, uid, uid].join("\t");
      assert(status.split("\n").includes(line), status);
    }
    assertMatch(status, /^CapPrm:\t0+\nCapEff:\t0+$/m);
    assertMatch(status, /^NoNewPrivs:\t1$/m);
    await child.end();
    await until(() => proxies().length === 0, "the proxy ends");
  }
}, BUS);

test("A card opens for whoever is in its group", async (t) => {
  const group = (await output(["getent", "group", t.group])).split(":")[2];
  const there = exists("/dev/dri");
  if (!there) Deno.mkdirSync("/dev/dri");
  try {
    // The number of /dev/null, null(4).
    const prepare = "mount -t tmpfs -o mode=755 dri /dev/dri; " +
      'mknod -m 660 /dev/dri/card0 c 1 3; chgrp "$0" /dev/dri/card0; exec "$@"';
    const within = ["unshare", "--mount", "sh", "-ec", prepare, group];
    const script = "echo x >/dev/dri/card0 && echo opens";
    // Or a group by which something is forbidden could be left.
    const shut = `${script}; cat /proc/self/setgroups`;
    for (const options of [[], await asSelf(t.mallory)]) {
      const { stdout, stderr } = await t.cage(t.mallory, [
        ...["-G", "--ephemeral", ...options, ...sh(shut)],
      ], { within });
      assertEquals(stdout, "opens\ndeny\n", `${options}: ${stderr}`);
    }
    const args = ["-G", "--ephemeral", "-u", "7:7", ...sh(`${script}; id -G`)];
    const asRoot = await run([...within, ...cageWords(), ...args]);
    assertEquals(asRoot.stdout, `opens\n7 ${group}\n`, asRoot.stderr);
    const without = await run([...within, ...cageWords(), ...args.slice(1)]);
    assertEquals(without.stdout, "7\n");
  } finally {
    if (!there) Deno.removeSync("/dev/dri");
  }
});

test("For sudo, it is the desktop of the user who called it", async (t) => {
  const { uid } = t.mallory;
  const runtime = `/run/user/${uid}`;
  const parent = exists("/run/user");
  if (!parent) Deno.mkdirSync("/run/user", { mode: 0o755 });
  Deno.mkdirSync(runtime, { mode: 0o700 });
  Deno.chownSync(runtime, uid, uid);
  try {
    await using desktop = await desktopOf(t, t.mallory, runtime);
    await desktop.startX("-nolisten", "local");
    await desktop.startWayland("wayland-0");
    const env = {
      ...{ DISPLAY: desktop.env.DISPLAY, XAUTHORITY: desktop.env.XAUTHORITY },
      ...{ SUDO_UID: `${uid}`, SUDO_GID: `${uid}` },
    };
    const look = "xdpyinfo | head -n 1; wayland-info | grep -c wl_compositor";
    const without = ["XDG_RUNTIME_DIR", "WAYLAND_DISPLAY"]
      .flatMap((name) => ["-u", name]);
    for (const user of ["0:0", `${uid}:${uid}`]) {
      const { stdout, stderr } = await run([
        ...["env", ...without, ...cageWords()],
        ...["-G", "--ephemeral", "-u", user, ...sh(look)],
      ], { env });
      assertEquals(stdout, `name of display:    ${env.DISPLAY}\n1\n`, stderr);
    }
    // What root alone can open is not that user's.
    const shut = t.newScratch("/tmp");
    Deno.chmodSync(shut, 0o700);
    using _one = Deno.listen({ transport: "unix", path: `${shut}/socket` });
    await t.sh(t.mallory, `mkdir -p ${runtime}/pulse`);
    await t.sh(t.mallory, `ln -s ${shut}/socket ${runtime}/pulse/native`);
    const { stdout } = await run([
      ...["env", ...without, ...cageWords()],
      ...["-G", "--ephemeral", ...sh("ls $XDG_RUNTIME_DIR")],
    ], { env });
    assertEquals(stdout, "Xauthority\nwayland-0\n");
  } finally {
    Deno.removeSync(runtime, { recursive: true });
    if (!parent) Deno.removeSync("/run/user");
  }
}, { skip: X.skip ?? WAYLAND.skip });

function commandOf(pid: number): string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
  } catch {
    return [];
  }
}
