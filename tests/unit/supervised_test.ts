import { assert, assertEquals } from "@std/assert";
import { Assembly } from "../../ffi/assemble.ts";
import type { Program } from "../../ffi/step.ts";
import { attachProgram, commandPrograms } from "../../src/plan.ts";
import { SUPERVISED, supervisedProgram } from "../../src/supervised.ts";
import type { Supervision } from "../../src/supervisor.ts";

const PIPES = { ready: 10, go: 11, goOfLauncher: 12 };
const ENTRY = { executable: 13, memory: 14 };
const OWN = { begun: 15, order: 16, orderOfLauncher: 17, file: 18 };

const PID_FILE = {
  ...{ directory: 21, name: "pid", descriptor: 20, records: "/records" },
};

const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

const ATTACH = attachProgram({ pidfd: 9, becomesRoot: false }, PIPES, {
  ...{ overlay: "descriptors", signals: [13], lastCapability: 40 },
});

function supervised(supervision: Supervision = {}): Program {
  return supervisedProgram(ATTACH, 0, PIPES, OWN, supervision);
}

/** What the supervisor does, and not the process that it starts. */
function ownSteps({ steps }: Program) {
  return steps.slice(0, steps.findIndex(({ name }) => name === SUPERVISED));
}

/** What a process has asked for at its parent's end, in order. */
function ties({ steps }: Pick<Program, "steps">) {
  return steps.filter(({ args, call }) =>
    call === "prctl" && args[0] === PR_SET_PDEATHSIG
  ).map(({ args }) => args[1]);
}

Deno.test("supervisedProgram() is a program that can be assembled", () => {
  const place = { arch: "x86_64", address: 0x10000n, room: 1000 } as const;
  for (const supervision of [{}, { pidFile: PID_FILE, held: [22] }]) {
    const assembly = new Assembly(place);
    assembly.add(supervised(supervision));
    assembly.add(
      commandPrograms({}, {
        ...{ callerEnv: new Map(), passwd: "", group: "", stdio: {} },
        ...{ parent: { kind: "attached" }, entry: ENTRY, ready: PIPES.ready },
      }).start,
    );
  }
});

Deno.test("supervisedProgram() ties its process to the launcher, and lets it go", () => {
  const steps = ownSteps(supervised({ pidFile: PID_FILE }));
  assertEquals(ties({ steps }), [SIGKILL, 0]);
  const waits = steps.findIndex(({ call }) => call === "read");
  const last = steps.findLastIndex(({ call }) => call === "prctl");
  assert(waits < last, "It is let go before it is told to go on");
});

Deno.test("supervisedProgram() starts its child without what is the caller's", () => {
  const steps = ownSteps(supervised());
  const start = steps.findIndex(({ call }) => call === "clone");
  const before = steps.slice(0, start);
  // By which others know the parent of a container.
  assertEquals(before[0].args[1], "cage");
  assertEquals(
    before.filter(({ call }) => call === "dup3").map(({ args }) => args[1]),
    [0, 1, 2],
  );
  assert(before.some(({ call }) => call === "setsid"));
  // A copy of the launcher's end would hide from it that the launcher ended.
  assert(
    before.some(({ args, call }) =>
      call === "close" && args[0] === OWN.orderOfLauncher
    ),
  );
});

Deno.test("supervisedProgram() keeps what is locked, and gives the pid file free", () => {
  const steps = ownSteps(supervised({ pidFile: PID_FILE, held: [22, 23] }));
  const closes = steps.findIndex(({ call }) => call === "close_range");
  const kept = steps.flatMap(({ args, call }, at) =>
    call === "fcntl" && at > closes ? [args[0]] : []
  );
  assertEquals(kept, [20, 21, 22, 23]);
  const unlocked = steps.filter(({ call }) => call === "flock");
  assertEquals(unlocked.map(({ args }) => args[0]), [20]);
});

Deno.test("commandPrograms() unties what outlives its supervisor, in the end", () => {
  for (const kind of ["command", "attached", "init"] as const) {
    const parent = kind === "init" ? { kind, descriptor: 24, at: 8 } : { kind };
    for (const outlives of [false, true]) {
      const { run, start } = commandPrograms({}, {
        ...{ callerEnv: new Map(), passwd: "", group: "", stdio: {} },
        ...{ parent, entry: ENTRY, ready: PIPES.ready, outlives },
      });
      const last = kind === "init" ? start : run;
      const expected = outlives ? 0 : kind === "init" ? undefined : SIGKILL;
      assertEquals(ties(last).at(-1), expected, `${kind} ${outlives}`);
    }
  }
});
