import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/errors.ts";
import { absolute, layoutOf } from "../../src/layout.ts";
import type { ContainerSpec } from "../../src/spec.ts";

Deno.test("layoutOf() has the seed's defaults without a name", () => {
  assertEquals(layoutOf({}, "/home/u"), {
    lower: ["/"],
    appDir: "/var/lib/microcontainer/default",
    upper: "/var/lib/microcontainer/default/upper",
    work: "/var/lib/microcontainer/default/work",
    pidFile: "/run/microcontainer/pid",
    image: "/var/lib/microcontainer/default.ext4",
    named: { upper: false, work: false, pidFile: false },
  });
});

Deno.test("layoutOf() tells what the caller named", () => {
  const named = (spec: ContainerSpec) => layoutOf(spec, "/").named;
  const none = { upper: false, work: false, pidFile: false };
  assertEquals(named({ name: "web" }), none);
  assertEquals(named({ appDir: "/a" }), { ...none, upper: true, work: true });
  assertEquals(named({ upper: "/a" }), { ...none, upper: true });
  assertEquals(named({ work: "/a" }), { ...none, work: true });
  assertEquals(named({ pidFile: "/a" }), { ...none, pidFile: true });
});

Deno.test("layoutOf() keeps a user's files apart from those of others", () => {
  const bases = { storage: "/var/lib/x/user/7", state: "/run/x/user/7" };
  const { appDir, pidFile } = layoutOf({ name: "web" }, "/", bases);
  assertEquals(appDir, "/var/lib/x/user/7/app-web");
  assertEquals(pidFile, "/run/x/user/7/web.pid");
});

Deno.test("layoutOf() computes from the application directory alone", () => {
  const { image, pidFile, upper, work } = layoutOf({ appDir: "app" }, "/srv");
  assertEquals(
    [upper, work, image, pidFile],
    [
      "/srv/app/upper",
      "/srv/app/work",
      "/srv/app.ext4",
      "/run/microcontainer/pid",
    ],
  );
});

Deno.test("layoutOf() puts an image beside an upper directory of the root", () => {
  assertEquals(layoutOf({ upper: "/up/" }, "/").image, "/up.ext4");
  assertEquals(layoutOf({ upper: "/a/b/up" }, "/").image, "/a/b.ext4");
  assertEquals(layoutOf({ upper: "/" }, "/srv").image, "/.ext4");
  assertEquals(layoutOf({ upper: "//" }, "/srv").image, "/.ext4");
});

Deno.test("layoutOf() refuses a NUL byte in every path", () => {
  for (const key of ["appDir", "upper", "work", "pidFile"] as const) {
    const spec = { [key]: "/a\0b" };
    assertThrows(() => layoutOf(spec, "/"), UsageError, "NUL byte");
  }
  assertThrows(() => layoutOf({ lower: ["/\0"] }, "/"), UsageError);
});

Deno.test("absolute() leaves what .. means to the kernel", () => {
  assertEquals(absolute("a/../b", "/"), "/a/../b");
  assertEquals(absolute("./a", "/srv/"), "/srv/./a");
});
