import { assert, assertEquals, assertThrows } from "@std/assert";
import { Assembly } from "../../ffi/assemble.ts";
import type { Program } from "../../ffi/step.ts";
import { UsageError } from "../../src/errors.ts";
import type { Facts, Kernel } from "../../src/facts.ts";
import { layoutOf } from "../../src/layout.ts";
import {
  attachProgram,
  type CommandParent,
  commandProgram,
  createProgram,
  type Creation,
} from "../../src/plan.ts";
import { CAPABILITIES } from "../../src/restrictions.ts";
import type { ContainerSpec } from "../../src/spec.ts";
import type { Storage } from "../../src/storage.ts";
import { initProgram, supervisorProgram } from "../../src/supervisor.ts";

const PIPES = { ready: 10, go: 11, goOfLauncher: 12 };

const LAST = 40;

const KERNEL: Kernel = {
  overlay: "descriptors",
  signals: [13],
  lastCapability: LAST,
};

const FACTS: Facts = {
  caller: { cwd: "/", env: new Map() },
  kernel: KERNEL,
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
    layout: layoutOf(spec, "/"),
    facts: { ...FACTS, ...facts },
    storage: { kind: "directories" },
    pipes: PIPES,
    ...rest,
  });
}

function command(spec: ContainerSpec, parent: CommandParent): Program {
  const passwd = "alice:x:1000:100::/home/alice:/bin/ash\n";
  return commandProgram(spec, {
    callerEnv: new Map(),
    passwd,
    group: "",
    stdio: {},
    parent,
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
    { kind: "directories" },
    { kind: "memory" },
    { kind: "image", device: "/dev/loop0" },
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
    { host: "/x", kind: "missing" },
    { host: "/x", kind: "file" },
  ] as const;
  for (const storage of storages) {
    for (const overlay of kernels) {
      const facts = {
        kernel: { ...KERNEL, overlay },
        absent: ["/etc/hosts"],
        volumes,
      };
      for (const parent of PARENTS) {
        const first = create(spec, facts, { storage, script });
        assemble(first, command(spec, parent));
      }
    }
  }
  for (const parent of PARENTS) {
    assemble(attachProgram(9, PIPES, KERNEL), command({}, parent));
  }
  assemble(initProgram());
  assemble(supervisorProgram(7));
  assemble(supervisorProgram(7, { path: "/p", descriptor: 3 }));
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
    volumes: [{ host: "/data", kind: "directory" }],
  });
  const pivot = steps.findIndex(({ call }) => call === "pivot_root");
  const texts = steps.slice(pivot).flatMap(({ args }) => args);
  for (const path of ["/roots/a", "/data", "/var/lib/microcontainer"]) {
    assert(!texts.some((text) => String(text).startsWith(path)), path);
  }
});

Deno.test("createProgram() drops capabilities after the mounts and before a script", () => {
  const script = { path: "/i", descriptor: 7, outside: true, inside: false };
  const { steps } = create({}, {}, { script });
  const last = (call: string) => steps.findLastIndex((s) => s.call === call);
  assert(last("move_mount") < last("capset"));
  assert(last("capset") < last("clone"));
});

Deno.test("every way in drops the same capabilities", () => {
  const drops = ({ steps }: Program) =>
    steps.filter(({ args, call }) => call === "prctl" && args[0] === 24)
      .map(({ args }) => Number(args[1]));
  const dropped = drops(create());
  assertEquals(dropped, drops(attachProgram(9, PIPES, KERNEL)));
  const kept = Object.values(CAPABILITIES);
  const all = [...dropped, ...kept].sort((a, b) => a - b);
  assertEquals(all, Array.from({ length: LAST + 1 }, (_, bit) => bit));
});

Deno.test("every way in leaves the caller's keyring before calls are filtered", () => {
  for (const program of [create(), attachProgram(9, PIPES, KERNEL)]) {
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
  const lower = ["/a,b:c\\d", `/${"ü".repeat(200)}`];
  for (const overlay of ["descriptors", "paths", "mount"] as const) {
    const kernel = { ...KERNEL, overlay };
    const { steps } = create({ lower }, { kernel });
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
  }, { volumes: [{ host: "/x", kind: "file" }] });
  const pivot = steps.findIndex(({ call }) => call === "pivot_root");
  const inside = steps.slice(pivot).filter(({ name }) =>
    name?.startsWith("volume0")
  );
  assertEquals(inside.map(({ call }) => call), Array(4).fill("openat2"));
  const RESOLVE = 0x12n;
  for (const { args } of inside) {
    const how = new BigUint64Array((args[2] as Uint8Array).slice().buffer);
    assertEquals(how[2], RESOLVE);
  }
});

Deno.test("commandProgram() becomes the user before it enters a directory", () => {
  for (const parent of PARENTS) {
    const spec = { user: "alice", directory: "/home/alice" };
    const program = command(spec, parent);
    const order = ["setgroups", "setresgid", "setresuid", "chdir", "execve"];
    const at = places(program, ...order);
    assertEquals(at, at.toSorted((a, b) => a - b));
    assert(at.every((place) => place >= 0));
  }
});

Deno.test("commandProgram() ties a command to its parent unless pid 1 is ours", () => {
  const tied = PARENTS.map((parent) =>
    command({ command: ["/bin/true"] }, parent).steps.some(
      ({ args, call }) => call === "prctl" && args[0] === 1,
    )
  );
  assertEquals(tied, [false, true, true]);
});

Deno.test("commandProgram() fills in and seals the program of pid 1", () => {
  const [init] = PARENTS;
  const at = places(command({}, init), "clone", "pwrite64", "fcntl", "prctl");
  assertEquals(at, at.toSorted((a, b) => a - b));
});

Deno.test("commandProgram() says who is unknown", () => {
  const spec = { user: "bob" };
  for (const parent of PARENTS) {
    assertThrows(() => command(spec, parent), UsageError, 'user "bob"');
  }
});

Deno.test("commandProgram() fails for an empty word instead of running nothing", () => {
  const { steps } = command({ command: [""] }, { kind: "command" });
  assertEquals(steps.at(-1)?.call, "execve");
});
