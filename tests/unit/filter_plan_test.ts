import { assert, assertEquals } from "@std/assert";
import { ARCHES } from "../../ffi/arch.ts";
import { callNumber, isOwnCall } from "../../ffi/calls.ts";
import type { Program, Step } from "../../ffi/step.ts";
import { enterSteps } from "../../src/enter.ts";
import { filterCode } from "../../src/filter_code.ts";
import { initScriptSteps } from "../../src/init_script.ts";
import {
  attachProgram,
  type CommandParent,
  commandPrograms,
  scriptProgram,
} from "../../src/plan.ts";
import { initProgram } from "../../src/supervisor.ts";
import { loadFilter } from "./bpf.ts";

const AUDIT = { x86_64: 0xc000003e, aarch64: 0xc00000b7 } as const;
const ENTRY = { executable: 13, memory: 14 };
const ALLOW = 0x7fff0000;

/** Steps that the filter does not let through, on one architecture at least. */
function refused(steps: readonly Step[]): Step[] {
  return ARCHES.flatMap((arch) => {
    const filter = loadFilter(filterCode(arch));
    return steps.filter(({ args, call }) => {
      if (isOwnCall(call)) return false;
      const numbers = args.map((arg) => typeof arg === "number" ? arg : 0);
      const number = callNumber(call, arch);
      const data = { number, arch: AUDIT[arch], args: numbers };
      return filter(data).value !== ALLOW;
    });
  });
}

/** The steps after the capabilities are dropped, and so after the filter. */
function restricted({ steps }: Program): readonly Step[] {
  const from = steps.findIndex(({ call }) => call === "capset");
  assert(from !== -1);
  return steps.slice(from);
}

Deno.test("the filter lets through what a plan does after it", () => {
  const pipes = { ready: 10, go: 11, goOfLauncher: 12 };
  const container = { pidfd: 9, becomesRoot: false };
  const kernel = {
    overlay: "descriptors",
    signals: [13],
    lastCapability: 40,
  } as const;
  assertEquals(
    refused(restricted(attachProgram(container, pipes, kernel))),
    [],
  );
  const script = { path: "/i", descriptor: 7, outside: true, inside: true };
  assertEquals(refused(initScriptSteps(script, enterSteps(ENTRY, [], ""))), []);
  const { steps } = scriptProgram({}, new Map(), script);
  assertEquals(refused(steps), []);
});

Deno.test("the filter lets commands start, as pid 1 and below it", () => {
  const parents: CommandParent[] = [
    { kind: "init", descriptor: 9, at: 100 },
    { kind: "command" },
    { kind: "attached" },
  ];
  for (const parent of parents) {
    const { run, start } = commandPrograms({ command: ["a", "b"] }, {
      callerEnv: new Map(),
      passwd: "",
      group: "",
      stdio: { stdin: 3, stdout: 4, stderr: 5 },
      parent,
      entry: ENTRY,
      ready: 10,
    });
    assertEquals(refused([...start.steps, ...run.steps]), []);
  }
});

Deno.test("the filter lets a process enter other memory", () => {
  const steps = (["mmap", "close", "exit_group"] as const)
    .map((call): Step => ({ call, args: [] }));
  assertEquals(refused(steps), []);
});

Deno.test("the filter lets pid 1 of ours work", () => {
  assertEquals(refused(initProgram().steps), []);
});
