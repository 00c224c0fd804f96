import { assertEquals } from "@std/assert";
import { basesOf } from "../../src/bases.ts";

const env = new Map<string, string>();

Deno.test("basesOf() keeps files of users apart, and those of root together", () => {
  const bases = [
    basesOf({ env, standing: "root", uid: 0 }),
    basesOf({ env, standing: "granted", uid: 1000 }),
    basesOf({ env, standing: "user", uid: 1000 }),
    basesOf({ env, standing: "user", uid: 1001 }),
  ];
  assertEquals(bases[0], bases[1]);
  assertEquals(new Set(bases.map(({ storage }) => storage)).size, 3);
  assertEquals(new Set(bases.map(({ state }) => state)).size, 3);
  // Nobody but root writes what is believed of an instance.
  assertEquals(new Set(bases.map(({ records }) => records)).size, 1);
});

const rootless = (
  variables: Record<string, string>,
  found: { home?: string; runtime?: string } = {},
) =>
  basesOf({
    env: new Map(Object.entries(variables)),
    standing: "rootless",
    uid: 1000,
    ...found,
  });

Deno.test("basesOf() puts files of a rootless caller where variables say", () => {
  const variables = {
    HOME: "/home/ada",
    XDG_DATA_HOME: "/data/",
    XDG_RUNTIME_DIR: "/run/ada",
  };
  const found = { home: "/elsewhere", runtime: "/run/user/1000" };
  assertEquals(rootless(variables, found), {
    storage: "/data/microcontainer",
    state: "/run/ada/microcontainer",
    records: "/run/ada/microcontainer/record",
  });
});

Deno.test("basesOf() falls back where variables are unset, empty or relative", () => {
  const found = { home: "/home/ada", runtime: "/run/user/1000" };
  const expected = {
    storage: "/home/ada/.local/share/microcontainer",
    state: "/run/user/1000/microcontainer",
    records: "/run/user/1000/microcontainer/record",
  };
  for (const value of ["", "relative", "./here"]) {
    const variables = {
      HOME: value,
      XDG_DATA_HOME: value,
      XDG_RUNTIME_DIR: value,
    };
    assertEquals(rootless(variables, found), expected, value);
  }
  assertEquals(rootless({}, found), expected);
  assertEquals(rootless({}), {
    storage: "/var/tmp/microcontainer-1000",
    state: "/tmp/microcontainer-1000",
    records: "/tmp/microcontainer-1000/record",
  });
});
