import { assert, assertEquals, assertThrows } from "@std/assert";
import { Assembly } from "../../ffi/assemble.ts";
import type { Program, Step } from "../../ffi/step.ts";
import { UsageError } from "../../src/errors.ts";
import type { Facts, Kernel, LaterNamespace } from "../../src/facts.ts";
import {
  type Attachment,
  attachProgram,
  type CommandParent,
  type CommandPrograms,
  commandPrograms,
  createProgram,
  type Creation,
  scriptProgram,
} from "../../src/plan.ts";
import { CAPABILITIES } from "../../src/restrictions.ts";
import type { ContainerSpec } from "../../src/spec.ts";
import type { Storage } from "../../src/storage.ts";
import { initProgram, supervisorProgram } from "../../src/supervisor.ts";

const PIPES = { ready: 10, go: 11, goOfLauncher: 12 };

const ENTRY = { executable: 13, memory: 14 };

const LAST = 40;

const KERNEL: Kernel = {
  overlay: "descriptors",
  signals: [13],
  lastCapability: LAST,
};

const MAP = [{ inside: 0, outside: 1000, count: 1 }];

const NAMESPACE: LaterNamespace = {
  descriptor: 30,
  map: { uid: MAP, gid: MAP, setgroups: "deny" },
  owner: { uid: 1000, gid: 100, groups: [27] },
  inside: { uid: 0, gid: 0 },
};

const DIRECTORIES: Storage = {
  kind: "directories",
  source: { mount: 22, upper: "upper", work: "work" },
};

const CONTAINER: Attachment = { pidfd: 9, becomesRoot: false };

const USERS: Attachment = {
  ...CONTAINER,
  userNamespace: { ...NAMESPACE, groups: [100, 27], isFirst: false },
};

const FACTS: Facts = {
  callerEnv: new Map(),
  becomesRoot: false,
  kernel: KERNEL,
  layers: [{ mount: 20, path: "/", isMapped: false }],
  skeleton: [],
  hidden: [],
  root: { mode: 0o755, uid: 0, gid: 0 },
  absent: [],
  host: { hostname: "box", resolvConf: "nameserver ::1\n" },
  volumes: [],
  storageInside: [],
};

function create(
  spec: ContainerSpec = {},
  facts: Partial<Facts> = {},
  rest: Partial<Creation> = {},
): Program {
  return createProgram(spec, {
    upper: "/app/upper",
    facts: { ...FACTS, ...facts },
    storage: DIRECTORIES,
    pipes: PIPES,
    entry: ENTRY,
    ...rest,
  });
}

function command(spec: ContainerSpec, parent: CommandParent): CommandPrograms {
  const passwd = "alice:x:1000:100::/home/alice:/bin/ash\n";
  return commandPrograms(spec, {
    callerEnv: new Map(),
    passwd,
    group: "",
    stdio: { stdin: 20 },
    parent,
    entry: ENTRY,
    ready: PIPES.ready,
  });
}

/** Whether names, labels and buffers of programs fit together. */
function assemble(...programs: Program[]): void {
  const place = { arch: "x86_64", address: 0x10000n, room: 1000 } as const;
  const assembly = new Assembly(place);
  programs.forEach((program) => assembly.add(program));
}

function places(program: Program, ...calls: string[]): number[] {
  return calls.map((call) =>
    program.steps.findIndex((step) => step.call === call)
  );
}

const PARENTS: CommandParent[] = [
  { kind: "init", descriptor: 9, at: 100 },
  { kind: "command" },
  { kind: "attached" },
];

Deno.test("every plan fits together", () => {
  const storages: Storage[] = [
    DIRECTORIES,
    { kind: "memory" },
    { kind: "image", path: "/app.ext4", device: "/dev/loop0" },
  ];
  const kernels: Kernel["overlay"][] = ["descriptors", "paths", "mount"];
  const script = { path: "/i", descriptor: 7, outside: true, inside: true };
  const spec: ContainerSpec = {
    lower: ["/a", "/b"],
    volumes: [
      { host: "/x", inside: "/y/z", readOnly: true },
      { host: "/x", inside: "/y/z", readOnly: false },
    ],
  };
  const volumes = [
    { mount: 24, host: "/x", kind: "directory" },
    { mount: 25, host: "/x", kind: "file" },
  ] as const;
  const layers = [
    { mount: 20, path: "/a", isMapped: true },
    { mount: 21, path: "/b", isMapped: false },
  ];
  for (const userNamespace of [undefined, NAMESPACE]) {
    for (const storage of storages) {
      for (const overlay of kernels) {
        const facts = {
          kernel: { ...KERNEL, overlay },
          absent: ["/etc/hosts"],
          ...{ console: 26, layers, volumes },
          hidden: [
            { path: "/home", kind: "directory" },
            { path: "/home-end", kind: "file" },
          ] as const,
          storageInside: ["/home"],
          skeleton: [{ path: "/root", mode: 0o700, isEmpty: true }],
          ...(userNamespace === undefined ? {} : { userNamespace }),
        };
        for (const parent of PARENTS) {
          const { run, start } = command(spec, parent);
          assemble(create(spec, facts, { storage, script }), start);
          assemble(scriptProgram(spec, new Map(), script), run);
        }
      }
    }
  }
  for (const parent of PARENTS) {
    const { run, start } = command({}, parent);
    for (const container of [CONTAINER, USERS]) {
      assemble(attachProgram(container, PIPES, KERNEL), start);
    }
    assemble(scriptProgram({}, new Map()), run);
  }
  assemble(initProgram());
  assemble(supervisorProgram(7));
  assemble(supervisorProgram(7, {
    ...{ directory: 4, name: "pid", descriptor: 3, records: "/records" },
    owner: { uid: 1000, gid: 100 },
  }, [5, 6]));
});

Deno.test("createProgram() ties itself to the launcher before anything else", () => {
  const { steps } = create();
  assertEquals(steps[0].call, "prctl");
  assertEquals(steps[1], {
    call: "close",
    args: [PIPES.goOfLauncher],
    why: steps[1].why,
  });
});

Deno.test("createProgram() separates its mounts before it mounts", () => {
  const program = create();
  const [first, fsopen] = places(program, "mount", "fsopen");
  const MS_REC_PRIVATE = 0x44000;
  assertEquals(program.steps[first].args[3], MS_REC_PRIVATE);
  assert(first < fsopen);
});

Deno.test("createProgram() uses no path of the host after the old root is gone", () => {
  const spec: ContainerSpec = {
    lower: ["/roots/a"],
    volumes: [{ host: "/data", inside: "/srv", readOnly: false }],
  };
  const { steps } = create(spec, {
    volumes: [{ mount: 24, host: "/data", kind: "directory" }],
  });
  const pivot = steps.findIndex(({ call }) => call === "pivot_root");
  const texts = steps.slice(pivot).flatMap(({ args }) => args);
  for (const path of ["/roots/a", "/data", "/var/lib/microcontainer"]) {
    assert(!texts.some((text) => String(text).startsWith(path)), path);
  }
});

Deno.test("createProgram() detaches all of the host at once", () => {
  const calls = create().steps.map(({ call }) => call);
  const pivot = calls.indexOf("pivot_root");
  assertEquals(calls.slice(pivot + 1, pivot + 3), ["umount2", "chdir"]);
});

Deno.test("createProgram() drops capabilities after the mounts and before a script", () => {
  const script = { path: "/i", descriptor: 7, outside: true, inside: false };
  const { steps } = create({}, {}, { script });
  const last = (call: string) => steps.findLastIndex((s) => s.call === call);
  const dropped = steps.findIndex(({ call }) => call === "capset");
  assert(last("move_mount") < dropped);
  assert(dropped < last("clone"));
});

Deno.test("every way in drops the same capabilities", () => {
  const drops = ({ steps }: Program) =>
    steps.filter(({ args, call }) => call === "prctl" && args[0] === 24)
      .map(({ args }) => Number(args[1]));
  const dropped = drops(create());
  assertEquals(dropped, drops(attachProgram(CONTAINER, PIPES, KERNEL)));
  const kept = Object.values(CAPABILITIES);
  const all = [...dropped, ...kept].sort((a, b) => a - b);
  assertEquals(all, Array.from({ length: LAST + 1 }, (_, bit) => bit));
});

Deno.test("every way in leaves the caller's keyring before calls are filtered", () => {
  for (const program of [create(), attachProgram(CONTAINER, PIPES, KERNEL)]) {
    const at = places(program, "keyctl", "seccomp", "capset");
    assertEquals(at, at.toSorted((a, b) => a - b));
    assert(at[0] > 0);
  }
});

Deno.test("createProgram() keeps nothing of an ephemeral container", () => {
  const { steps } = create({ ephemeral: true }, {}, {
    storage: { kind: "memory" },
  });
  const makes = steps.filter(({ args, call }) =>
    call === "mkdirat" && String(args[1]).startsWith("/var/lib")
  );
  assertEquals(makes, []);
});

Deno.test("createProgram() gives layers by descriptor, whatever their paths", () => {
  const paths = ["/a,b:c\\d", `/${"ü".repeat(200)}`];
  const layers = paths.map((path) => ({ mount: 20, path, isMapped: false }));
  for (const overlay of ["descriptors", "paths", "mount"] as const) {
    const kernel = { ...KERNEL, overlay };
    const { steps } = create({}, { kernel, layers });
    const texts = steps.filter(({ call }) => /fsconfig|^mount$/.test(call))
      .flatMap(({ args }) => args).map(String);
    for (const text of texts) {
      assert(!/[a,]b:c|ü/.test(text), text);
      assert(text.length < 256, text);
    }
  }
});

Deno.test("createProgram() resolves targets of volumes inside the root only", () => {
  const { steps } = create({
    volumes: [{ host: "/x", inside: "/a/b/c", readOnly: false }],
  }, { volumes: [{ mount: 24, host: "/x", kind: "file" }] });
  const pivot = steps.findIndex(({ call }) => call === "pivot_root");
  const inside = steps.slice(pivot).filter(({ name }) =>
    name?.startsWith("volume0")
  );
  assertEquals(inside.map(({ call }) => call), Array(3).fill("openat2"));
  const RESOLVE = 0x12n;
  for (const { args } of inside) {
    const how = new BigUint64Array((args[2] as Uint8Array).slice().buffer);
    assertEquals(how[2], RESOLVE);
  }
});

Deno.test("commandPrograms() becomes the user before it enters a directory", () => {
  for (const parent of PARENTS) {
    const spec = { user: "alice", directory: "/home/alice" };
    const { run } = command(spec, parent);
    const ids = ["setgroups", "setresgid", "setresuid"];
    const at = places(run, ...ids, "openat2", "fchdir", "execve");
    assertEquals(at, at.toSorted((a, b) => a - b));
    assert(at.every((place) => place >= 0));
  }
});

Deno.test("commandPrograms() ties a command to its parent unless pid 1 is ours", () => {
  const isTie = ({ args, call }: Step) => call === "prctl" && args[0] === 1;
  const tied = PARENTS.map((parent) => {
    const { run, start } = command({ command: ["/bin/true"] }, parent);
    return [start.steps.some(isTie), run.steps.some(isTie)];
  });
  // The first process of a plan is tied from its beginning on.
  assertEquals(tied, [[false, false], [false, true], [true, true]]);
});

Deno.test("commandPrograms() fills in and seals the program of pid 1", () => {
  const [init] = PARENTS;
  const { start } = command({}, init);
  const at = places(start, "clone", "pwrite64", "fcntl", "prctl");
  assertEquals(at, at.toSorted((a, b) => a - b));
});

Deno.test("commandPrograms() says who is unknown", () => {
  const spec = { user: "bob" };
  for (const parent of PARENTS) {
    assertThrows(() => command(spec, parent), UsageError, 'user "bob"');
  }
});

Deno.test("commandPrograms() fails for an empty word instead of running nothing", () => {
  const { run } = command({ command: [""] }, { kind: "command" });
  assertEquals(run.steps.at(-1)?.call, "execve");
});

Deno.test("no program of the root file system is executed in the launcher's memory", () => {
  const script = { path: "/i", descriptor: 7, outside: true, inside: true };
  const first = create({}, {}, { script });
  const pivot = first.steps.findIndex(({ call }) => call === "pivot_root");
  for (const parent of PARENTS) {
    const { start } = command({}, parent);
    const steps = [...first.steps.slice(pivot), ...start.steps];
    const executed = steps.filter(({ call }) => /^execve/.test(call));
    assertEquals(executed.filter(({ call }) => call === "execve"), []);
    const files = new Set(executed.map(({ args }) => args[0]));
    const [init] = PARENTS;
    const own = parent === init ? [13, 9] : [13];
    assertEquals(files, new Set(own));
  }
});

Deno.test("no process changes to a directory by a link of /proc", () => {
  for (const parent of PARENTS) {
    const { run, start } = command({ directory: "/proc/self/fd/7" }, parent);
    const steps = [...start.steps, ...run.steps];
    assert(!steps.some(({ call }) => call === "chdir"));
    const opens = steps.filter(({ call }) => call === "openat2");
    const how = new BigUint64Array(
      (opens[0].args[2] as Uint8Array).slice().buffer,
    );
    assertEquals([opens.length, how[2]], [1, 0x12n]);
  }
});

Deno.test("commandPrograms() takes standard descriptors while there are others", () => {
  for (const parent of PARENTS) {
    const { run, start } = command({}, parent);
    const at = places(start, "dup3", "execveat");
    const last = start.steps.findLastIndex(({ call }) => call === "execveat");
    assert(at[0] >= 0 && at[0] < last);
    assertEquals(places(run, "dup3", "execveat"), [-1, -1]);
  }
});

Deno.test("a process that has entered cannot be traced before anything else", () => {
  const script = { path: "/i", descriptor: 7 };
  for (const more of [undefined, { ...script, outside: true, inside: false }]) {
    const { steps } = scriptProgram({}, new Map(), more);
    const PR_SET_DUMPABLE = 4;
    assertEquals([steps[0].call, ...steps[0].args.slice(0, 2)], [
      "prctl",
      PR_SET_DUMPABLE,
      0,
    ]);
  }
});

Deno.test("the descriptor that tells of the command is kept until it is executed", () => {
  const marks = ({ steps }: Program) =>
    steps.filter(({ args, call }) => call === "fcntl" && args[1] === 2)
      .map(({ args }) => [args[0], args[2]]);
  for (const parent of PARENTS) {
    const { run, start } = command({}, parent);
    assertEquals(marks(start), [[ENTRY.memory, 0], [PIPES.ready, 0]]);
    assertEquals(marks(run), [[PIPES.ready, 1]]);
  }
});

Deno.test("createProgram() mounts the overlay of a user in their namespace only", () => {
  const { steps } = create({}, { userNamespace: NAMESPACE });
  const name = (name: string) => steps.findIndex((s) => s.name === name);
  const start = name("mount-overlay");
  const end = name("overlay-mounted");
  const context = steps.findIndex(({ call }) => call === "fsopen");
  assert(start < context && context < end);
  assertEquals(steps[start + 1].args, [NAMESPACE.descriptor, 0x10000000]);
  const texts = steps.slice(start, end).flatMap(({ args }) => args);
  assert(texts.includes("userxattr"));
  const root = create().steps.flatMap(({ args }) => args);
  assert(!root.includes("userxattr"));
});

Deno.test("createProgram() keeps the groups of a user, the primary one too", () => {
  const { steps } = create({}, { userNamespace: NAMESPACE });
  const groups = steps.filter(({ call }) => call === "setgroups");
  assertEquals(groups.map(({ args }) => args), [
    [2, new Uint8Array(new Uint32Array([100, 27]).buffer)],
  ]);
});

Deno.test("createProgram() makes files as the user, and restricts last", () => {
  const { steps } = create({}, { userNamespace: NAMESPACE });
  const find = (call: string) => steps.findIndex((s) => s.call === call);
  assertEquals(steps[find("setfsuid")].args, [1000]);
  // The group first: it takes root to change it.
  assertEquals(steps[find("setfsuid") - 1].call, "setfsgid");
  assertEquals(steps[find("setfsuid") - 1].args, [100]);
  const enters = steps.findLastIndex(({ call }) => call === "setns");
  const order = [
    find("setfsuid"),
    find("pivot_root"),
    enters,
    find("seccomp"),
    find("capset"),
  ];
  assertEquals(order, order.toSorted((a, b) => a - b));
  const ids = steps.slice(enters + 1, enters + 3).map(({ args }) => args);
  assertEquals(ids, [[0, 0, 0], [0, 0, 0]]);
});

Deno.test("createProgram() maps ids of trusted layers alone", () => {
  const layers = [true, false].map((isMapped, index) => ({
    ...{ mount: 20 + index, path: "/", isMapped },
  }));
  const MOUNT_ATTR_IDMAP = 0x100000n;
  const mapped = create({}, { layers, userNamespace: NAMESPACE }).steps
    .filter(({ call }) => call === "mount_setattr").map(({ args }) => {
      const words = new BigUint64Array((args[3] as Uint8Array).slice().buffer);
      return [args[0], words[0], words[3]];
    });
  assertEquals(mapped, [[20, MOUNT_ATTR_IDMAP, 30n]]);
});

Deno.test("createProgram() becomes root in full for whom it is granted", () => {
  const { steps } = create({}, { becomesRoot: true });
  const ids = steps.filter(({ call }) => /^setres|^setgroups/.test(call));
  assertEquals(ids.map(({ args }) => args), [
    [0, 0],
    [0, 0, 0],
    [0, 0, 0],
  ]);
});

Deno.test("nothing is taken from root in a privileged container", () => {
  const programs = [
    create({ privileged: true }),
    attachProgram({ ...CONTAINER, privileged: true }, PIPES, KERNEL),
  ];
  for (const { steps } of programs) {
    const calls = steps.map(({ call }) => call);
    assert(!calls.includes("capset") && !calls.includes("seccomp"));
  }
});

Deno.test("attachProgram() enters the namespace of the container's user last", () => {
  const { steps } = attachProgram(USERS, PIPES, KERNEL);
  const namespaces = steps.filter(({ call }) => call === "setns");
  assertEquals(namespaces.length, 2);
  assertEquals(namespaces[1].args, [9, 0x10000000]);
});

Deno.test("commandPrograms() refuses a user who is not in the namespace", () => {
  const ids = { map: NAMESPACE.map, kept: [100, 27] };
  const facts = {
    ...{ callerEnv: new Map(), passwd: "", group: "", stdio: {} },
    ...{ entry: ENTRY, ready: PIPES.ready, parent: PARENTS[1], ids },
  };
  assertThrows(
    () => commandPrograms({ user: "7" }, facts),
    UsageError,
    "Cannot run as user 7",
  );
});

Deno.test("commandPrograms() gives up privileges to come if that is wanted", () => {
  const NO_NEW_PRIVS = 38;
  const count = (spec: ContainerSpec, parent: CommandParent) =>
    command(spec, parent).run.steps.filter(({ args, call }) =>
      call === "prctl" && args[0] === NO_NEW_PRIVS
    ).length;
  for (const parent of PARENTS) {
    assertEquals(count({ noNewPrivs: true }, parent), 1);
    assertEquals(count({}, parent), 0);
  }
});

Deno.test("commandPrograms() keeps the groups of a user where none can be set", () => {
  const ids = { map: NAMESPACE.map, kept: [100, 27] };
  const facts = {
    ...{ callerEnv: new Map(), passwd: "", group: "", stdio: {} },
    ...{ entry: ENTRY, ready: PIPES.ready, parent: PARENTS[1] },
  };
  const groups = (more: object) =>
    commandPrograms({}, { ...facts, ...more }).run.steps
      .filter(({ call }) => call === "setgroups").length;
  assertEquals([groups({}), groups({ ids })], [1, 0]);
});

Deno.test("attachProgram() keeps the groups of the container's user", () => {
  const { steps } = attachProgram(USERS, PIPES, KERNEL);
  const groups = steps.filter(({ call }) => call === "setgroups");
  assertEquals(groups.map(({ args }) => args), [
    [2, new Uint8Array(new Uint32Array([100, 27]).buffer)],
  ]);
  assert(steps.indexOf(groups[0]) < steps.findIndex((s) => s.call === "setns"));
});

Deno.test("every way in takes as much from a user's root", () => {
  const taken = ({ steps }: Program) =>
    steps.filter(({ args, call }) =>
      /^(seccomp|capset|keyctl)$/.test(call) ||
      call === "prctl" && args[0] === PR_CAPBSET_DROP
    ).map(({ args, call }) => [call, args[0], args[1]]);
  const users = taken(create({}, { userNamespace: NAMESPACE }));
  assertEquals(taken(attachProgram(USERS, PIPES, KERNEL)), users);
  const more = users.filter(([call]) => call === "seccomp").length -
    taken(create()).filter(([call]) => call === "seccomp").length;
  // A second filter answers setgroups(2).
  assertEquals(more, 1);
});

const PR_CAPBSET_DROP = 24;

Deno.test("createProgram() covers for a user what it masks for root", () => {
  const covered = ({ steps }: Program) =>
    steps.filter(({ call }) => /^(mount|move_mount)$/.test(call))
      .map(({ args, call }) => args[call === "mount" ? 1 : 3])
      .filter((target) => /^\/(proc|sys)\//.test(String(target)));
  const root = covered(create());
  assert(root.includes("/proc/kcore") && root.includes("/proc/sys"));
  assertEquals(covered(create({}, { userNamespace: NAMESPACE })), root);
});

Deno.test("createProgram() covers what mounts hide before a volume is there", () => {
  const hidden = [{ path: "/srv", kind: "directory" } as const];
  const { steps } = create({}, { hidden, userNamespace: NAMESPACE });
  const covers = steps.findIndex(({ args, call }) =>
    call === "move_mount" && args[3] === "/srv"
  );
  const enters = steps.findLastIndex(({ call }) => call === "setns");
  const pivots = steps.findIndex(({ call }) => call === "pivot_root");
  assert(pivots < covers && covers < enters, `${pivots} ${covers} ${enters}`);
});

Deno.test("createProgram() shows nothing of the lower layers in an empty home", () => {
  const skeleton = [
    { path: "/srv", mode: 0o755 },
    { path: "/root", mode: 0o700, isEmpty: true },
  ];
  const { steps } = create({}, { skeleton, userNamespace: NAMESPACE });
  const opaque = steps.filter(({ args }) => args[1] === "user.overlay.opaque");
  assertEquals(opaque.map(({ args }) => args[0]), ["/../storage/upper/root"]);
});

Deno.test("createProgram() ties a user's volume to no mount of the host", () => {
  const MS_PRIVATE = 1n << 18n;
  const volumes = [{ mount: 21, host: "/a", kind: "directory" } as const];
  const { steps } = create(
    { volumes: [{ host: "/a", inside: "/b", readOnly: false }] },
    { volumes, userNamespace: NAMESPACE },
  );
  const [set] = steps.filter(({ args, call }) =>
    call === "mount_setattr" && args[0] === 21
  ).map(({ args }) =>
    new BigUint64Array((args[3] as Uint8Array).slice().buffer)
  );
  assertEquals(set[2], MS_PRIVATE);
});

Deno.test("supervisorProgram() removes a named pid file as its owner alone", () => {
  const pidFile = {
    ...{ directory: 9, name: "pid", descriptor: 8, records: "/records" },
  };
  const calls = (more: object) => {
    const { steps } = supervisorProgram(7, { ...pidFile, ...more });
    const end = steps.findIndex(({ args }) => args[1] === "pid");
    return steps.slice(0, end).filter(({ call }) => /^setres/.test(call))
      .map(({ args, call, onError }) => [call, args, onError?.goto]);
  };
  assertEquals(calls({}), []);
  assertEquals(calls({ owner: { uid: 1000, gid: 100 } }), [
    ["setresgid", [100, 100, 100], "removed"],
    ["setresuid", [1000, 1000, 1000], "removed"],
  ]);
});

Deno.test("a process ends with its parent once it has become the user", () => {
  const PR_SET_PDEATHSIG = 1;
  const programs = [
    create({}, { userNamespace: NAMESPACE }),
    attachProgram(USERS, PIPES, KERNEL),
  ];
  for (const { steps } of programs) {
    // A change of ids takes it back, see PR_SET_PDEATHSIG(2const).
    const becomes = steps.findLastIndex(({ call }) => call === "setresuid");
    const ties = steps.findLastIndex(({ args, call }) =>
      call === "prctl" && args[0] === PR_SET_PDEATHSIG
    );
    assert(becomes >= 0 && becomes < ties, `${becomes} ${ties}`);
  }
});
