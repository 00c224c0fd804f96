import { assertEquals } from "@std/assert";
import type { Facts } from "../../src/facts.ts";
import { StandIns } from "../../src/stand_ins.ts";

const FACTS: Facts = {
  callerEnv: new Map(),
  becomesRoot: false,
  kernel: { overlay: "descriptors", signals: [], lastCapability: 40 },
  layers: [
    { mount: 20, path: "/", isMapped: false },
    { mount: "/srv", path: "/srv", isMapped: false },
  ],
  root: { mode: 0o755, uid: 0, gid: 0 },
  skeleton: [],
  hidden: [],
  absent: [],
  host: { hostname: "box" },
  volumes: [{ mount: 21, host: "/data", kind: "directory" }],
  console: 22,
  storageInside: [],
};

Deno.test("StandIns takes descriptors for what they are of, and leaves paths", () => {
  const standIns = new StandIns();
  const { console, layers, volumes } = standIns.within(FACTS);
  const name = (mount: number | string | undefined) =>
    typeof mount === "number" ? standIns.names.get(mount) : mount;
  assertEquals(layers.map(({ mount }) => name(mount)), [
    'lower directory "/"',
    "/srv",
  ]);
  assertEquals(volumes.map(({ mount }) => name(mount)), ['volume "/data"']);
  assertEquals(name(console), "terminal");
});

Deno.test("StandIns leaves out what there is not", () => {
  const { console: _console, ...rest } = FACTS;
  const facts = new StandIns().within(rest);
  assertEquals(
    ["console", "graphics", "userNamespace"].map((key) => key in facts),
    [
      false,
      false,
      false,
    ],
  );
});
