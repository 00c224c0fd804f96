import { assertEquals } from "@std/assert";
import {
  type Explained,
  explainedLines,
  explainedValue,
} from "../../src/explained.ts";
import { StandIns } from "../../src/stand_ins.ts";
import { phase, type PlanStep } from "../../src/step.ts";

const STEPS: readonly PlanStep[] = [
  { call: "umask", args: [0] },
  ...phase("mount the root", [
    { call: "load", args: [{ buffer: "zero" }, 0], ifZero: "end" },
    {
      call: "mkdirat",
      args: [3, "x", 0o755],
      onError: {},
      why: 'Cannot mount "x"',
    },
    {
      name: "end",
      call: "read",
      args: [3, { buffer: "b" }],
      onError: { errno: "EINTR", goto: "end" },
    },
  ]),
];

function explained(more: Partial<Explained> = {}): Explained {
  return {
    caller: "root",
    instance: "web",
    action: "create",
    command: ["ls", "a b"],
    user: { uid: 7, gid: 8, groups: [9, 10] },
    descriptors: new Map(),
    parts: [{ phase: "begin", as: "root", steps: STEPS }],
    ...more,
  };
}

Deno.test("explainedLines() tells who and what, and steps by phases", () => {
  assertEquals(explainedLines(explained()), [
    "caller: root",
    'instance: "web": would be created',
    'command: "ls" "a b"',
    "user inside: uid 7, gid 8, groups 9, 10",
    "",
    "begin (as root):",
    "  umask(0)",
    "",
    "mount the root (as root):",
    '  mkdirat(3, "x", 0o755)  # mount "x"; may fail',
    "  read(3, &b)",
  ]);
});

Deno.test("explainedLines() has names for descriptors, also in texts", () => {
  const standIns = new StandIns();
  const root = standIns.of("the root");
  const steps = [{
    call: "openat",
    args: [root, `/proc/${root}/x/1234567890`],
    why: `Cannot open ${root}`,
  }] as const;
  const parts = [{ phase: "begin", as: "root", steps }];
  assertEquals(
    explainedLines(explained({ descriptors: standIns.names, parts })).at(-1),
    '  openat(<the root>, "/proc/<the root>/x/1234567890")  # open <the root>',
  );
});

Deno.test("explainedValue() has the same for tools", () => {
  const { phases, ...rest } = explainedValue(explained({ action: "attach" }));
  assertEquals(rest, {
    caller: "root",
    instance: "web",
    action: "attach",
    command: ["ls", "a b"],
    user: { uid: 7, gid: 8, groups: [9, 10] },
  });
  assertEquals(phases.map(({ phase }) => phase), ["begin", "mount the root"]);
  assertEquals(phases[1].steps[0], {
    call: "mkdirat",
    args: ["3", '"x"', "0o755"],
    why: 'mount "x"',
    mayFail: true,
  });
});
