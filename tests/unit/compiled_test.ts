import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { HOST_ARCH } from "../../ffi/arch.ts";
import { isOwnCall } from "../../ffi/calls.ts";
import { packElf } from "../../ffi/elf.ts";
import { packLz4 } from "../../ffi/lz4.ts";
import type { Argument, Program } from "../../ffi/step.ts";
import { type Compilation, compiledProgram } from "../../src/compiled.ts";
import { withMessages } from "../../src/compiled_messages.ts";
import { wrapperProgram } from "../../src/compiled_start.ts";
import { CONSOLE_PATH } from "../../src/compiled_console.ts";
import { explainProgram } from "../../src/explained_program.ts";
import { COMMAND } from "../../src/plan.ts";

/** Most bytes of a file. */
const MOST = 32_000;

const COMPILATION: Compilation = {
  spec: {},
  uid: 0,
  facts: {
    callerEnv: new Map(),
    becomesRoot: false,
    kernel: { overlay: "either", signals: [], lastCapability: 40 },
    layers: [{ mount: 42, path: "/srv/root", isMapped: false }],
    root: { mode: 0o755, uid: 0, gid: 0 },
    skeleton: [],
    hidden: [],
    absent: [],
    host: { hostname: "box", hosts: "", resolvConf: "", isLater: true },
    volumes: [],
    console: 40,
    storageInside: [],
  },
  instance: {
    directory: "/run/microcontainer",
    name: "web.pid",
    records: "/run/microcontainer/record",
    record: '{"uid":0,"privileged":false,"noNewPrivs":false,"origin":{}}\n',
    rights: '{"uid":0,"privileged":false,"noNewPrivs":false}\n',
  },
  sources: [{ path: "/srv/root", kind: "layer", isMade: false }],
  storage: {
    above: "/var/lib/microcontainer/app-web",
    upper: "/var/lib/microcontainer/app-web/upper",
    work: "/var/lib/microcontainer/app-web/work",
    root: { mode: 0o755, uid: 0, gid: 0 },
    private: ["/var/lib/microcontainer/app-web"],
  },
  execution: {
    user: { uid: 0, gid: 0, groups: [0] },
    groups: [0],
    directory: "/",
    command: { file: "ls", argv: ["ls", "-l"] },
    path: "/bin:/usr/bin",
    env: ["PATH=/bin:/usr/bin", "TERM=vt100", "LANG=C"],
    afterParent: "end",
    noNewPrivs: false,
  },
};

const ROWS = [{ inside: 0, outside: 1000, count: 1 }];

const OF_A_USER: Compilation = {
  ...COMPILATION,
  uid: 1000,
  facts: {
    ...COMPILATION.facts,
    layers: [{ mount: "/srv/root", path: "/srv/root", isMapped: false }],
    console: CONSOLE_PATH.buffer,
    userNamespace: {
      map: { uid: ROWS, gid: ROWS, setgroups: "deny" },
      owner: { uid: 1000, gid: 1000, groups: [] },
      inside: { uid: 0, gid: 0 },
    },
  },
  storage: { ...COMPILATION.storage!, isPlans: true },
  sources: [],
};

function fileOf(program: Program): Uint8Array {
  const { bytes } = packElf(program, HOST_ARCH);
  return packElf(wrapperProgram(packLz4(bytes), bytes.length), HOST_ARCH).bytes;
}

/** Where a program begins: before are the parts in which processes stay. */
function beginOf({ steps }: Program): number {
  return steps.findIndex(({ call }) => call === "stack");
}

/** Where calls are for the first time after that. */
function places(program: Program, calls: readonly string[]): number[] {
  const begin = beginOf(program);
  return calls.map((call) =>
    program.steps.findIndex((step, index) =>
      index >= begin && step.call === call
    )
  );
}

/** The buffers and results that an argument is made of. */
function usedBy(arg: Argument): string[] {
  if (typeof arg !== "object" || arg instanceof Uint8Array) return [];
  if ("result" in arg) return [arg.result];
  return "buffer" in arg ? [arg.buffer] : [];
}

for (
  const [whose, compilation] of [["root", COMPILATION], [
    "a user",
    OF_A_USER,
  ]] as const
) {
  Deno.test(`compiledProgram() is small enough for ${whose}`, () => {
    const file = fileOf(compiledProgram(compilation));
    assert(file.length < MOST, `${file.length} bytes`);
  });

  Deno.test(`compiledProgram() does things in their order for ${whose}`, () => {
    const program = compiledProgram(compilation);
    const order = [
      ...["getuid", "close_range", "flock", "pidfd_open", "clone"],
      ...["pivot_root", "seccomp", "capset", "execve"],
    ];
    const found = places(program, order);
    assert(!found.includes(-1), `${found}`);
    assertEquals(found, found.toSorted((a, b) => a - b));
  });

  Deno.test(`compiledProgram() keeps what it needs while it waits for ${whose}`, () => {
    const program = compiledProgram(compilation);
    const parts = program.steps.slice(0, beginOf(program));
    const names = Object.keys(program.buffers ?? {});
    const kept = new Set([
      ...parts.flatMap(({ name }) => name ?? []),
      ...names.slice(names.indexOf(COMMAND)),
    ]);
    // Those are taken along before anything is given back.
    const taken = parts.filter(({ call }) => call === "subtract");
    const first = parts.filter(({ ifZero }) => ifZero === "stack");
    const rest = parts.filter((step) =>
      !taken.includes(step) && !first.includes(step)
    );
    assert(rest.some(({ call }) => call === "rt_sigtimedwait"));
    const lost = rest.flatMap(({ args }) => args.flatMap(usedBy))
      .filter((name) => !kept.has(name));
    assertEquals(lost, []);
    const goes = rest.flatMap(({ ifZero, onError }) =>
      [ifZero, onError?.goto].filter((label) => label !== undefined)
    );
    assertEquals(goes.filter((label) => !kept.has(label!)), []);
  });

  Deno.test(`compiledProgram() gives back what it does not need for ${whose}`, () => {
    const { steps } = compiledProgram(compilation);
    const freed = steps.filter(({ call }) => call === "munmap");
    assert(freed.length >= 2);
    for (const { args: [address, size] } of freed) {
      assert(Number(address) % 4096 === 0 && Number(size) > 0);
    }
  });

  Deno.test(`compiledProgram() closes what it has before it runs the command of ${whose}`, () => {
    const { steps } = compiledProgram(compilation);
    const execute = steps.findIndex(({ call }) => call === "execve");
    const closing = steps.findLastIndex(({ call, onError }, index) =>
      call === "close_range" && index < execute && onError === undefined
    );
    const between = steps.slice(closing, execute).map(({ call }) => call);
    assert(closing !== -1);
    assert(!between.includes("clone"), between.join(" "));
  });

  Deno.test(`explainProgram() has a line for each step of ${whose}`, () => {
    const program = compiledProgram(compilation);
    const lines = explainProgram(fileOf(program), "web") ?? [];
    const text = lines.join("\n");
    assertMatch(lines[0], /^"web": \d+ bytes for /);
    const last = program.steps.length - 1;
    assertMatch(text, new RegExp(`^${last} exit_group\\(`, "m"));
    assertMatch(text, /^ *\d+ store\(\$\d+, 8, "-l"\)$/m);
    assertMatch(text, /^ *\d+ execve\("\/usr\/bin\/ls", \$\d+, \["PATH=/m);
    assertMatch(text, /^ *\d+ mount\(0, "\/", 0, MS_PRIVATE \| MS_REC\)/m);
    assertMatch(text, /\| ENOENT: \d+ \| "Cannot open pid file /);
  });
}

Deno.test("compiledProgram() maps ids of a user alone", () => {
  const files = (compilation: Compilation) =>
    compiledProgram(compilation).steps.map(({ args }) => args[1])
      .filter((path) => typeof path === "string" && path.endsWith("_map"));
  assertEquals(files(COMPILATION), []);
  assertEquals(files(OF_A_USER), ["/proc/self/uid_map", "/proc/self/gid_map"]);
});

Deno.test("compiledProgram() has no storage in memory to make or to lock", () => {
  const { storage: _, ...inMemory } = COMPILATION;
  const { steps } = compiledProgram(inMemory);
  const text = JSON.stringify(
    steps.map(({ args, call, why }) => [call, why, args[1]]),
    (_, value) => typeof value === "bigint" ? `${value}` : value,
  );
  assert(!text.includes("app-web"), text);
});

Deno.test("explainProgram() tells nothing of what is no program of cage", () => {
  const plain = packElf({ steps: [{ call: "getpid", args: [] }] }, HOST_ARCH);
  const broken = packElf(
    wrapperProgram(new Uint8Array(100).fill(0xff), 5000),
    HOST_ARCH,
  );
  for (const bytes of [plain.bytes, broken.bytes, new Uint8Array(4)]) {
    assertEquals(explainProgram(bytes, "x"), undefined);
  }
});

Deno.test("explainProgram() survives any change of a byte", () => {
  const file = fileOf(compiledProgram(COMPILATION));
  for (let at = 0; at < 4000; at += 7) {
    const changed = file.slice();
    changed[at] ^= 0x41;
    explainProgram(changed, "x");
  }
});

Deno.test("explainProgram() writes forged messages on one line", () => {
  const why = "Cannot\n9 exit_group(0)\u202e\u2028";
  const forged = fileOf({
    steps: withMessages([{ call: "getpid", args: [], why }]),
  });
  const [line] = (explainProgram(forged, "x") ?? []).slice(-2);
  assertEquals(
    line,
    '0 getpid() | "Cannot\\n9 exit_group(0)\\u202e\\u2028"',
  );
});

Deno.test("explainProgram() shows only so much of forged texts", () => {
  // Twelve times as long as all may be.
  const texts = Array(250).fill("a".repeat(4000));
  const args = Array(5).fill(texts);
  const steps = Array(40).fill({ call: "getpid", args, onError: {} });
  const lines = explainProgram(fileOf({ steps }), "x") ?? [];
  assertEquals(lines.at(-1), "and more than is shown here");
  assert(lines.join("").length < 2 ** 25);
});

Deno.test("withMessages() refuses a step that has no room for a message", () => {
  const step = { call: "mmap", args: [1, 2, 3, 4, 5, 6] } as const;
  assertThrows(() => withMessages([step]), TypeError);
  assertEquals(withMessages([{ ...step, onError: {} }]).length, 1);
});

Deno.test("compiledProgram() joins no instance that is being killed", () => {
  const { steps } = compiledProgram(COMPILATION);
  const place = (name: string) => steps.findIndex((s) => s.name === name);
  // A number that was read has a NUL after it.
  const numbers = ["signals", "memory", "begun"].map(place);
  assertEquals(numbers.toSorted((a, b) => a - b), numbers);
  const spaces = numbers.map((at) => steps[at].args[1]);
  assertEquals(spaces, [29, 21, 20]);
  const checks = steps.filter(({ args: [one], call }) =>
    call === "subtract" && typeof one === "object" && "result" in one &&
    ["signals", "memory"].includes(one.result)
  );
  assertEquals(checks.map(({ args }) => args[1]), [1 << 8, 0]);
  assertEquals(new Set(checks.map(({ ifZero }) => ifZero)).size, 1);
});

Deno.test("wrapperProgram() gives up rights before it does anything", () => {
  const { steps } = wrapperProgram(new Uint8Array(8), 8);
  const calls = steps.filter(({ call }) => !isOwnCall(call))
    .map(({ call }) => call);
  assertEquals(calls.slice(0, 5), [
    ...["getresuid", "getresgid", "setresgid", "setresuid", "capset"] as const,
  ]);
});

Deno.test("compiledProgram() compares rights in a record, and not what follows", () => {
  const rights = '{"uid":1000,"privileged":false,"noNewPrivs":true}\n';
  const instance = { ...COMPILATION.instance, rights };
  const { steps } = compiledProgram({ ...COMPILATION, instance });
  const bytes = new Uint8Array(rights.length + 4);
  for (const { args: [cell, word], call } of steps) {
    if (call !== "load" || typeof cell !== "object") continue;
    if (cell instanceof Uint8Array || !("buffer" in cell)) continue;
    if (cell.buffer !== "instance-record") continue;
    new DataView(bytes.buffer)
      .setUint32(cell.offset ?? 0, -Number(word), true);
  }
  const text = new TextDecoder().decode(bytes);
  assertEquals(text.replaceAll("\0", ""), rights.replace("}\n", ""));
});
