import { assert, assertEquals } from "@std/assert";
import type { Desktop } from "../../src/desktop.ts";
import {
  type Graphics,
  type GraphicsFacts,
  graphicsWish,
  planGraphics,
  runtimeFor,
} from "../../src/graphics.ts";
import { cookieFile, parseCookies } from "../../src/xauthority.ts";

const RUNTIME = "/run/user/1000";

function desktop(env: Record<string, string> = {}): Desktop {
  return {
    ...{ uid: 1000, gid: 100, home: "/home/u", runtime: RUNTIME },
    ...{ env: new Map(Object.entries(env)), isOther: false },
  };
}

function plan(
  env: Record<string, string>,
  facts: Partial<GraphicsFacts> = {},
  user = "1000",
): Graphics {
  return planGraphics({
    desktop: desktop(env),
    hostname: "box",
    sockets: new Set(),
    files: new Map(),
    abstract: "",
    devices: [],
    looks: [],
    ...facts,
  }, user);
}

function hostsOf({ shares }: Graphics): string[] {
  return shares.map(({ host, inside }) => `${host} ${inside}`);
}

const TEXT = new TextEncoder();

function cookie(family: number, address: string, number: string, byte: number) {
  return {
    ...{ family, address: TEXT.encode(address), number },
    ...{ name: "MIT-MAGIC-COOKIE-1", data: new Uint8Array(16).fill(byte) },
  };
}

/** FamilyLocal and FamilyInternet. */
const [LOCAL, INTERNET] = [256, 0];

Deno.test("graphicsWish() lists one place for each variable", () => {
  const { files, sockets } = graphicsWish(desktop({
    DISPLAY: ":3",
    XAUTHORITY: "/x/auth",
    WAYLAND_DISPLAY: "wayland-2",
    PULSE_SERVER: "unix:/p/native",
    PULSE_COOKIE: "/p/cookie",
    PIPEWIRE_REMOTE: "pipewire-1",
  }));
  assertEquals(sockets, [
    "/tmp/.X11-unix/X3",
    "/run/user/1000/wayland-2",
    "/p/native",
    "/run/user/1000/pipewire-1",
  ]);
  assertEquals(files, [
    "/x/auth",
    "/p/cookie",
    "/home/u/.config/pulse/cookie",
    "/home/u/.pulse-cookie",
  ]);
});

Deno.test("graphicsWish() looks at the usual places", () => {
  const { files, sockets } = graphicsWish(desktop());
  assertEquals(sockets, [
    "/run/user/1000/wayland-0",
    "/run/user/1000/pulse/native",
    "/run/user/1000/pipewire-0",
  ]);
  assertEquals(files[0], "/home/u/.Xauthority");
});

Deno.test("planGraphics() gives one display's socket and cookie", () => {
  const file = cookieFile([
    cookie(LOCAL, "box", "1", 1),
    cookie(LOCAL, "elsewhere", "0", 2),
    cookie(INTERNET, "\x7f\0\0\x01", "0", 3),
    cookie(LOCAL, "box", "0", 4),
  ]);
  const graphics = plan({ DISPLAY: "unix:0.1" }, {
    sockets: new Set(["/tmp/.X11-unix/X0", "/tmp/.X11-unix/X1"]),
    files: new Map([["/home/u/.Xauthority", file]]),
  });
  assertEquals(hostsOf(graphics), ["/tmp/.X11-unix/X0 /tmp/.X11-unix/X0"]);
  assertEquals(graphics.variables, [
    ["XDG_RUNTIME_DIR", "/run/user/1000"],
    ["DISPLAY", ":0.1"],
    ["XAUTHORITY", "/run/user/1000/Xauthority"],
  ]);
  const [{ bytes, path }] = graphics.files;
  assertEquals(path, "/run/user/1000/Xauthority");
  assertEquals(parseCookies(bytes), [cookie(65535, "", "0", 4)]);
});

Deno.test("planGraphics() takes no other cookie file than the named one", () => {
  const file = cookieFile([cookie(LOCAL, "box", "0", 4)]);
  const sockets = new Set(["/tmp/.X11-unix/X0"]);
  const files = new Map([["/home/u/.Xauthority", file]]);
  const { variables } = plan(
    { DISPLAY: ":0", XAUTHORITY: "/gone" },
    { sockets, files },
  );
  assert(!variables.some(([key]) => key === "XAUTHORITY"));
});

Deno.test("planGraphics() needs no path for an abstract socket", () => {
  const abstract =
    "0: 00000002 00000000 00010000 0001 01 7 @/tmp/.X11-unix/X0\n";
  const { notes, shares, variables } = plan({ DISPLAY: ":0" }, { abstract });
  assertEquals(shares, []);
  assertEquals(variables.at(-1), ["DISPLAY", ":0"]);
  assert(!notes.some((note) => note.includes("X11")));
});

Deno.test("planGraphics() leaves displays of other machines as they are", () => {
  const file = cookieFile([
    cookie(INTERNET, "\x0a\0\0\x01", "0", 1),
    cookie(LOCAL, "box", "0", 2),
    cookie(INTERNET, "\x0a\0\0\x01", "1", 3),
  ]);
  const files = new Map([["/home/u/.Xauthority", file]]);
  const { files: own, shares, variables } = plan({ DISPLAY: "far:0" }, {
    files,
  });
  assertEquals(shares, []);
  assertEquals(variables[1], ["DISPLAY", "far:0"]);
  assertEquals(parseCookies(own[0].bytes), [
    cookie(INTERNET, "\x0a\0\0\x01", "0", 1),
  ]);
  // A tunnel of ssh(1) is called so, and has an entry of this machine.
  const tunnel = plan({ DISPLAY: "localhost:0.0" }, { files });
  assert(
    parseCookies(tunnel.files[0].bytes)
      .some(({ data, family }) => family === 65535 && data[0] === 2),
  );
});

Deno.test("planGraphics() sets variables of toolkits for Wayland alone", () => {
  const keys = ({ variables }: Graphics) => variables.map(([key]) => key);
  const sockets = new Set(["/run/user/1000/wayland-0", "/w/other"]);
  const there = plan({}, { sockets });
  assert(keys(there).includes("GDK_BACKEND"));
  assertEquals(hostsOf(there), [
    "/run/user/1000/wayland-0 /run/user/1000/wayland-0",
  ]);
  assert(!keys(plan({})).includes("GDK_BACKEND"));
  // A name that another socket could have is not taken over.
  const named = plan({ WAYLAND_DISPLAY: "/w/other" }, { sockets });
  assertEquals(hostsOf(named), ["/w/other /run/user/1000/wayland-0"]);
});

Deno.test("planGraphics() gives sound servers and their secret", () => {
  const secret = new Uint8Array([1, 2, 3]);
  const graphics = plan({}, {
    sockets: new Set([
      "/run/user/1000/pulse/native",
      "/run/user/1000/pipewire-0",
    ]),
    files: new Map([["/home/u/.pulse-cookie", secret]]),
  }, "0");
  assertEquals(hostsOf(graphics), [
    "/run/user/1000/pulse/native /run/user/0/pulse/native",
    "/run/user/1000/pipewire-0 /run/user/0/pipewire-0",
  ]);
  assertEquals(graphics.variables, [
    ["XDG_RUNTIME_DIR", "/run/user/0"],
    ["PULSE_SERVER", "unix:/run/user/0/pulse/native"],
    ["PULSE_COOKIE", "/run/user/0/pulse-cookie"],
  ]);
  const remote = plan({ PULSE_SERVER: "tcp:far" });
  assertEquals(remote.variables[1], ["PULSE_SERVER", "tcp:far"]);
  assert(!remote.notes.some((note) => note.includes("sound")));
});

Deno.test("planGraphics() says what is missing, and where it was looked for", () => {
  assertEquals(plan({ DISPLAY: ":0" }).notes, [
    'No X11 for -G: there is no socket at "/tmp/.X11-unix/X0" for DISPLAY ' +
    '":0", and no abstract one',
    'No Wayland for -G: there is no socket at "/run/user/1000/wayland-0"',
    "No sound for -G: there is no socket at " +
    '"/run/user/1000/pulse/native" or "/run/user/1000/pipewire-0"',
  ]);
  assertEquals(
    plan({ DISPLAY: "a b" }).notes[0],
    'No X11 for -G: DISPLAY is "a b"',
  );
});

Deno.test("planGraphics() gives devices with their groups, and looks", () => {
  const graphics = plan({}, {
    devices: [
      { path: "/dev/dri/card0", gid: 44 },
      { path: "/dev/dri/renderD128", gid: 104 },
      { path: "/dev/nvidia0" },
      { path: "/dev/dri/card1", gid: 44 },
    ],
    looks: ["/usr/share/fonts"],
  });
  assertEquals(graphics.groups, [44, 104]);
  assert(graphics.shares.slice(0, 4).every(({ isDevice }) => isDevice));
  assertEquals(graphics.shares.at(-1), {
    host: "/usr/share/fonts",
    inside: "/usr/share/fonts",
    readOnly: true,
  });
});

Deno.test("planGraphics() says for whom the session bus is not", () => {
  const bus = { name: "bus", socket: "/run/user/1000/cage/bus" };
  const noteOf = (user: string) =>
    plan({}, { bus }, user).notes.find((note) => note.includes("bus"));
  assertEquals(noteOf("1000"), undefined);
  assertEquals(noteOf("alice"), undefined);
  assert(noteOf("0")?.endsWith("the number of its user, 1000: use -u 1000"));
});

Deno.test("runtimeFor() gives one directory below /run/user, for any name", () => {
  for (const user of ["0", "alice", "..", ".", "a/b", "ü", "a b", "%2E"]) {
    const path = runtimeFor(user);
    assert(/^\/run\/user\/[^/]+$/.test(path), path);
    assert(!/\/\.{1,2}$/.test(path), path);
  }
});
