import { assert, assertEquals } from "@std/assert";
import type { Step } from "../../ffi/step.ts";
import type { Facts, VolumeSource } from "../../src/facts.ts";
import type { Graphics } from "../../src/graphics.ts";
import type { Addition } from "../../src/graphics_mounts.ts";
import {
  type Attachment,
  attachProgram,
  commandPrograms,
  createProgram,
} from "../../src/plan.ts";

const PIPES = { ready: 10, go: 11, goOfLauncher: 12 };
const ENTRY = { executable: 13, memory: 14 };
const KERNEL = {
  overlay: "descriptors",
  signals: [],
  lastCapability: 40,
} as const;

const SOCKET = "/run/user/7/wayland-0";

const GRAPHICS: Graphics = {
  runtime: "/run/user/7",
  shares: [
    { host: "/w", inside: SOCKET, readOnly: false },
    { host: "/dev/x", inside: "/dev/x", readOnly: false, isDevice: true },
  ],
  files: [{ path: "/run/user/7/Xauthority", bytes: new Uint8Array([1, 2]) }],
  variables: [["DISPLAY", ":0"], ["TERM", "x"]],
  groups: [44],
  notes: [],
};

const SOURCES: VolumeSource[] = [
  { mount: 40, host: "/w", kind: "file" },
  { mount: 41, host: "/dev/x", kind: "file" },
];

const FACTS: Facts = {
  callerEnv: new Map(),
  becomesRoot: false,
  kernel: KERNEL,
  layers: [{ mount: 20, path: "/", isMapped: false }],
  skeleton: [],
  hidden: [],
  root: { mode: 0o755, uid: 0, gid: 0 },
  absent: [],
  host: { hostname: "box" },
  volumes: [{ mount: 42, host: "/v", kind: "directory" }],
  graphics: { graphics: GRAPHICS, sources: SOURCES },
  storageInside: [],
};

const ADDITION: Addition = { shares: GRAPHICS.shares, sources: SOURCES };

const ROWS = [{ inside: 0, outside: 1000, count: 1 }];
const CONTAINER: Attachment = { pidfd: 9, becomesRoot: false };
const IN_NAMESPACE = {
  map: { uid: ROWS, gid: ROWS, setgroups: "deny" },
  inside: { uid: 0, gid: 0 },
  groups: [27],
} as const;

function attachSteps(container: Attachment, addition?: Addition) {
  return attachProgram(container, PIPES, KERNEL, addition).steps;
}

/** Where steps are, which have to be there. */
function places(steps: readonly Step[], ...is: ((step: Step) => boolean)[]) {
  const found = is.map((it) => steps.findIndex(it));
  assert(!found.includes(-1), `${found}`);
  return found;
}

function assertOrdered(found: number[]): void {
  assertEquals(found, found.toSorted((one, other) => one - other));
}

const moves = (mount: number) => ({ args, call }: Step) =>
  call === "move_mount" && args[0] === mount;
const makes = (name: string) => ({ args, call }: Step) =>
  call === "mknodat" && args[1] === name;
const enters = (flag: number) => ({ args, call }: Step) =>
  call === "setns" && (Number(args[1]) & flag) !== 0;
const drops = ({ call }: Step) => call === "capset";

/** CLONE_NEWNS and CLONE_NEWUSER. */
const [MOUNTS, USERS] = [0x20000, 0x10000000];

Deno.test("createProgram() mounts what -G gives below the caller's volumes", () => {
  const { steps } = createProgram({
    volumes: [{ host: "/v", inside: "/v", readOnly: false }],
  }, {
    ...{ upper: "/u", facts: FACTS, storage: { kind: "memory" } },
    ...{ pipes: PIPES, entry: ENTRY },
  });
  assertOrdered(places(steps, moves(40), moves(41), moves(42), drops));
});

Deno.test("createProgram() takes nodev from devices alone", () => {
  const { steps } = createProgram({}, {
    ...{ upper: "/u", facts: { ...FACTS, volumes: [] } },
    ...{ storage: { kind: "memory" }, pipes: PIPES, entry: ENTRY },
  });
  const set = (mount: number) => {
    const step = steps.find(({ args, call }) =>
      call === "mount_setattr" && args[0] === mount
    );
    return (step?.args[3] as Uint8Array)[0] & 4;
  };
  // MOUNT_ATTR_NODEV of linux/mount.h.
  assertEquals([set(40), set(41)], [4, 0]);
});

Deno.test("attachProgram() adds in the container, before rights go", () => {
  const steps = attachSteps(CONTAINER, ADDITION);
  assertOrdered(
    places(steps, enters(MOUNTS), makes("wayland-0"), moves(40), drops),
  );
});

Deno.test("attachProgram() makes places in the user namespace alone", () => {
  const userNamespace = { ...IN_NAMESPACE, isFirst: false };
  const steps = attachSteps({ ...CONTAINER, userNamespace }, ADDITION);
  const first = places(
    steps,
    enters(MOUNTS),
    ({ call, name }) => call === "clone" && name === "placer",
    enters(USERS),
    makes("wayland-0"),
    ({ args, call }) => call === "exit_group" && args[0] === 0,
    moves(40),
  );
  assertOrdered(first);
  // The process itself enters when all is mounted.
  const last = steps.findLastIndex(enters(USERS));
  assert(last > first.at(-1)! && last < steps.findIndex(drops));
});

Deno.test("attachProgram() takes mounts where it may, without privilege", () => {
  const sources = SOURCES.map((source) => ({ ...source, mount: source.host }));
  const userNamespace = { ...IN_NAMESPACE, isFirst: true };
  const steps = attachSteps(
    { ...CONTAINER, userNamespace },
    { ...ADDITION, sources },
  );
  assertOrdered(places(
    steps,
    enters(USERS),
    ({ args, call }) => call === "unshare" && args[0] === MOUNTS,
    ({ args, call }) => call === "open_tree" && args[1] === "/w",
    enters(MOUNTS),
    makes("wayland-0"),
    ({ call }) => call === "move_mount",
    drops,
  ));
});

Deno.test("attachProgram() mounts nothing where nothing is added", () => {
  for (const isFirst of [true, false]) {
    const userNamespace = { ...IN_NAMESPACE, isFirst };
    for (const container of [CONTAINER, { ...CONTAINER, userNamespace }]) {
      const calls = attachSteps(container).map(({ call }) => call);
      for (const call of ["move_mount", "unshare", "mknodat"] as const) {
        assert(!calls.includes(call), call);
      }
    }
  }
});

Deno.test("commandPrograms() gives the user a directory, and then files", () => {
  const { run: { steps } } = commandPrograms(
    { user: "7:8", env: ["TERM=own"], command: ["/bin/x"] },
    {
      ...{ callerEnv: new Map(), passwd: "", group: "", stdio: {} },
      ...{ parent: { kind: "command" }, entry: ENTRY, ready: 10 },
      graphics: GRAPHICS,
    },
  );
  assertOrdered(places(
    steps,
    ({ args, call }) => call === "fchown" && args[1] === 7 && args[2] === 8,
    ({ call }) => call === "setgroups",
    ({ call }) => call === "setresuid",
    ({ call }) => call === "write",
    ({ call }) => call === "execve",
  ));
  const groups = steps.find(({ call }) => call === "setgroups")!;
  assertEquals(groups.args[0], 2);
  const env = steps.at(-1)!.args[2] as string[];
  assert(env.includes("DISPLAY=:0") && env.includes("TERM=own"));
});
