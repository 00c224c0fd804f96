import { assertEquals } from "@std/assert";
import { desktopOf } from "../../src/desktop.ts";
import type { Standing } from "../../src/caller.ts";
import { parseDisplay } from "../../src/display.ts";

const PASSWD = "root:x:0:0::/root:/bin/sh\nu:x:1000:100::/home/u:/bin/sh\n";

function of(standing: Standing, uid: number, env: Record<string, string>) {
  const caller = { standing, uid, gid: uid, env: new Map(Object.entries(env)) };
  const { gid, home, isOther, runtime, uid: user } = desktopOf(caller, PASSWD);
  return [user, gid, home, runtime, isOther];
}

Deno.test("desktopOf() believes what sudo says to root alone", () => {
  const env = { SUDO_UID: "1000", SUDO_GID: "100", HOME: "/home/x" };
  assertEquals(of("root", 0, env), [
    ...[1000, 100, "/home/u", "/run/user/1000", true],
  ]);
  const logins = { ...env, XDG_RUNTIME_DIR: "/run/user/0" };
  assertEquals(of("root", 0, logins)[3], "/run/user/1000");
  const kept = { ...env, XDG_RUNTIME_DIR: "/run/user/1000/x" };
  assertEquals(of("root", 0, kept)[3], "/run/user/1000/x");
  for (const standing of ["granted", "user", "rootless"] as const) {
    assertEquals(of(standing, 7, env), [
      ...[7, 7, "/home/x", "/run/user/7", false],
    ]);
  }
});

Deno.test("desktopOf() takes no number that is none, and not root's", () => {
  const odd = ["0", "", "-1", "4294967295", "1e3", " 1000", "99999999999"];
  for (const SUDO_UID of odd) {
    const [uid, , , , isOther] = of("root", 0, { SUDO_UID, SUDO_GID: "100" });
    assertEquals([uid, isOther], [0, false], SUDO_UID);
  }
  assertEquals(of("root", 0, { SUDO_UID: "1000" })[4], false);
});

Deno.test("desktopOf() takes directories that are absolute", () => {
  const env = { HOME: "home", XDG_RUNTIME_DIR: "run" };
  assertEquals(of("rootless", 1000, env), [
    ...[1000, 1000, "/home/u", "/run/user/1000", false],
  ]);
  const own = { HOME: "/h", XDG_RUNTIME_DIR: "/r" };
  assertEquals(of("user", 1000, own).slice(2, 4), ["/h", "/r"]);
});

Deno.test("parseDisplay() reads all forms of a display", () => {
  const cases: [text: string, name: string | undefined, kind?: string][] = [
    [":0", ":0", "local"],
    [":0.1", ":0.1", "local"],
    [":007", ":7", "local"],
    ["unix:0", ":0", "local"],
    ["box/unix:12.0", ":12.0", "local"],
    ["host:0", "host:0", "remote"],
    ["tcp/host:0", "tcp/host:0", "remote"],
    ["[::1]:10.0", "[::1]:10.0", "remote"],
    ["0", undefined],
    [":", undefined],
    [":a", undefined],
    [":0.", undefined],
    [":0/../x", undefined],
    ["a/b/c:0", undefined],
    ["a\nb:0", undefined],
    ["", undefined],
  ];
  for (const [text, name, kind] of cases) {
    const display = parseDisplay(text);
    assertEquals([display?.name, display?.kind], [name, kind], text);
  }
});
