import { assert, assertEquals } from "@std/assert";
import { Assembly } from "../../ffi/assemble.ts";
import type { Program } from "../../ffi/step.ts";
import type { Facts, UserNamespace } from "../../src/facts.ts";
import { attachProgram, createProgram } from "../../src/plan.ts";
import type { ContainerSpec } from "../../src/spec.ts";
import type { Storage } from "../../src/storage.ts";

const PIPES = { ready: 10, go: 11, goOfLauncher: 12 };
const ENTRY = { executable: 13, memory: 14 };

const OWN = [{ inside: 0, outside: 1000, count: 1 }];
const OWN_GROUP = [{ inside: 0, outside: 100, count: 1 }];

/** The plan begins in it, since it has no descriptor. */
const NAMESPACE: UserNamespace = {
  map: { uid: OWN, gid: OWN_GROUP, setgroups: "deny" },
  owner: { uid: 1000, gid: 100, groups: [27] },
  inside: { uid: 0, gid: 0 },
};

const FACTS: Facts = {
  callerEnv: new Map(),
  becomesRoot: false,
  userNamespace: NAMESPACE,
  kernel: { overlay: "either", signals: [13], lastCapability: 40 },
  layers: [{ mount: "/home/ada/root", path: "root", isMapped: false }],
  skeleton: [],
  hidden: [],
  root: { mode: 0o755, uid: 0, gid: 0 },
  absent: ["/etc/hosts"],
  host: { hostname: "box", hosts: "::1 box\n" },
  volumes: [{ mount: "/srv/data", host: "/srv/data", kind: "directory" }],
  console: "/dev/pts/3",
  storageInside: [],
};

const STORAGE: Storage = {
  kind: "directories",
  source: { upper: "/home/ada/upper", work: "/home/ada/work" },
};

const SPEC: ContainerSpec = {
  volumes: [{ host: "/srv/data", inside: "/data", readOnly: true }],
};

function create(facts: Partial<Facts> = {}, storage = STORAGE): Program {
  return createProgram(SPEC, {
    upper: "/home/ada/upper",
    facts: { ...FACTS, ...facts },
    storage,
    pipes: PIPES,
    entry: ENTRY,
  });
}

const COMPOSITION: Facts["composition"] = {
  skeleton: [{ path: "/usr", kind: "directory", mode: 0o755 }],
  parts: [{ path: "/usr", kind: "overlay", lower: ["/usr"] }],
  upper: [{ path: "/usr", mode: 0o755 }],
};

Deno.test("a rootless plan fits together, whatever its view is", () => {
  const storages: Storage[] = [STORAGE, { kind: "memory" }];
  for (const storage of storages) {
    for (const overlay of ["descriptors", "paths", "either"] as const) {
      const kernel = { ...FACTS.kernel, overlay };
      for (const more of [{}, { composition: COMPOSITION }]) {
        const place = { arch: "x86_64", address: 0x10000n } as const;
        const assembly = new Assembly({ ...place, room: 1000 });
        assembly.add(create({ kernel, ...more }, storage));
      }
    }
  }
});

Deno.test("a rootless plan mounts nothing before it has its ids", () => {
  const { steps } = create();
  const read = steps.findIndex(({ args, call }) =>
    call === "read" && args[0] === PIPES.go
  );
  const mount = steps.findIndex(({ call }) =>
    ["mount", "open_tree", "fsopen", "mkdirat"].includes(call)
  );
  assert(read > 0 && read < mount);
  // The end of the pipe is the launcher's.
  const gone = steps.find(({ name }) => name === steps[read].ifZero);
  assertEquals(gone?.call, "exit_group");
});

Deno.test("a rootless plan takes on nobody's ids, and keeps the groups it has", () => {
  const calls = create().steps.map(({ call }) => call);
  for (const call of ["setns", "setgroups", "setfsuid", "setresuid"]) {
    assert(!calls.includes(call as typeof calls[number]), call);
  }
});

Deno.test("a rootless plan opens what the caller named by itself", () => {
  const { steps } = create();
  const opened = steps.flatMap(({ args, call }) =>
    call === "openat" || call === "open_tree" ? [args[1]] : []
  );
  const own = ["/home/ada/root", "/home/ada/upper", "/home/ada/work"];
  for (const path of [...own, "/srv/data", "/dev/pts/3"]) {
    assert(opened.includes(path), path);
  }
});

Deno.test("a rootless plan takes /proc and /sys while it sees the host's", () => {
  const { steps } = create();
  const leaves = steps.findIndex(({ call }) => call === "pivot_root");
  const taken = steps.findIndex(({ args, call }) =>
    call === "fsopen" && args[0] === "proc"
  );
  const system = steps.findIndex(({ args, call }) =>
    call === "open_tree" && args[1] === "/sys"
  );
  assert(taken > 0 && taken < leaves);
  assert(system > 0 && system < leaves);
  // Nothing is written there, with the rights of the user outside.
  const { args, call } = steps[system + 1];
  assertEquals(call, "mount_setattr");
  const [set] = new BigUint64Array((args[3] as Uint8Array).slice().buffer);
  assertEquals(set & 1n, 1n);
});

Deno.test("a rootless plan gives files the ids that they have inside", () => {
  const { steps } = create();
  const data = steps.flatMap(({ args }) => args).filter((argument) =>
    typeof argument === "string" && argument.includes("uid=")
  );
  assert(data.length > 0);
  for (const text of data) assert(/uid=0,gid=0$/.test(text as string));
  assert(
    steps.flatMap(({ args }) => args).some((argument) =>
      typeof argument === "string" && /newinstance.*gid=0$/.test(argument)
    ),
  );
});

Deno.test("a rootless plan keeps the attributes of its overlay as a user's", () => {
  for (const composition of [undefined, COMPOSITION]) {
    const { steps } = create(composition === undefined ? {} : { composition });
    const texts = steps.flatMap(({ args }) => args);
    assert(texts.includes("userxattr"));
    assert(texts.includes("user.overlay.cage"));
    assert(!texts.includes("trusted.overlay.cage"));
  }
});

Deno.test("a composed view is attached before the host's root is left", () => {
  const { steps } = create({ composition: COMPOSITION });
  const part = steps.findIndex(({ name }) => name === "part:/usr");
  const root = steps.findIndex(({ name }) => name === "root");
  const leaves = steps.findIndex(({ call }) => call === "pivot_root");
  const order = [part, root, leaves];
  assertEquals(order, order.toSorted((a, b) => a - b));
  assert(part > 0);
});

Deno.test("attachProgram() enters the user namespace first without other rights", () => {
  const entered = (isFirst: boolean) => {
    const user = { ...NAMESPACE, groups: [100], isFirst };
    const container = { pidfd: 9, becomesRoot: false, userNamespace: user };
    const { steps } = attachProgram(container, PIPES, FACTS.kernel);
    const calls = steps.map(({ call }) => call);
    const flags = steps.filter(({ call }) => call === "setns")
      .map(({ args }) => args[1] === 0x10000000);
    return { flags, keeps: calls.includes("setgroups") };
  };
  assertEquals(entered(true), { flags: [true, false], keeps: false });
  assertEquals(entered(false), { flags: [false, true], keeps: true });
});

Deno.test("a rootless plan becomes root once all is mounted, if the caller keeps a number", () => {
  const kept = (id: number) => [
    { inside: id, outside: id, count: 1 },
    { inside: 0, outside: 100000, count: id },
  ];
  const map = { uid: kept(1000), gid: kept(100), setgroups: "allow" } as const;
  const { steps } = create({ userNamespace: { ...NAMESPACE, map } });
  const find = (call: string) => steps.findIndex((s) => s.call === call);
  const order = [find("pivot_root"), find("setresgid"), find("setresuid")];
  order.push(find("seccomp"));
  assertEquals(order, order.toSorted((a, b) => a - b));
  assertEquals(steps[find("setresuid")].args, [0, 0, 0]);
  // Which takes back that it ends with the launcher.
  assertEquals(steps[find("setresuid") + 1].call, "prctl");
});
