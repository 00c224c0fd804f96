/**
 * The library, in a program that lives long.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ContainerSpec } from "../../src/spec.ts";
import {
  adoptOrphans,
  cage,
  CHECKOUT,
  type Context,
  exists,
  processes,
  test,
  type TestOptions,
  until,
} from "./support/mod.ts";

/** How many containers are started. */
const MANY = 200;

/** The runtime has 32 threads for what blocks. */
const MORE_THAN_THREADS = 40;

/** Mappings that the runtime itself may add while it runs. */
const SLACK = 60;

type Stdio = "piped" | "inherit" | "null";

/** What these tests know of `mod.ts`; another name is to be put here alone. */
interface Library {
  launch(spec: ContainerSpec, streams?: Streams): Promise<Handle>;
  attach(spec: ContainerSpec, streams?: Streams): Promise<Handle>;
  stop(spec: ContainerSpec): Promise<unknown>;
  list(): Promise<readonly Instance[]>;
}

interface Streams {
  readonly stdin?: Stdio;
  readonly stdout?: Stdio;
  readonly stderr?: Stdio;
}

interface Handle {
  readonly pid: number;
  readonly notes: readonly string[];
  readonly status: Promise<{ code: number; signal?: string | null }>;
  readonly stdin: WritableStream<Uint8Array<ArrayBuffer>>;
  readonly stdout: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly stderr: ReadableStream<Uint8Array<ArrayBuffer>>;
  kill(signal?: Deno.Signal): unknown;
}

interface Instance {
  readonly state: string;
  readonly name?: string;
  readonly size?: number;
}

const MODULE = new URL("../../mod.ts", import.meta.url).href;

const OPTIONS: TestOptions = {
  skip: exists(`${CHECKOUT}/mod.ts`) ? undefined : "there is no mod.ts",
  withoutCage: true,
};

const SILENT: Streams = { stdin: "null", stdout: "null", stderr: "null" };

async function load(): Promise<Library> {
  return await import(MODULE);
}

async function specOf(
  t: Context,
  script: string,
  more: ContainerSpec = {},
): Promise<ContainerSpec> {
  const command = ["/bin/sh", "-c", script];
  return { name: t.name, lower: [await t.root()], command, ...more };
}

async function textOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<string> {
  return await new Response(stream).text();
}

/** Waits until a command writes its first bytes. */
async function firstText(handle: Handle): Promise<string> {
  const reader = handle.stdout.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  return new TextDecoder().decode(value);
}

test("launch() runs a command and gives its streams and status", async (t) => {
  const { launch } = await load();
  const handle = await launch(
    await specOf(t, "cat; echo problem >&2; exit 3"),
    { stdin: "piped", stdout: "piped", stderr: "piped" },
  );
  const writer = handle.stdin.getWriter();
  await writer.write(new TextEncoder().encode("text"));
  await writer.close();
  assertEquals(await textOf(handle.stdout), "text");
  assertEquals(await textOf(handle.stderr), "problem\n");
  assertEquals((await handle.status).code, 3);
}, OPTIONS);

test("launch() gives the id of a process of the container", async (t) => {
  const { launch } = await load();
  const spec = await specOf(t, "readlink /proc/self/ns/pid; cat >/dev/null");
  const handle = await launch(spec, { stdin: "piped", stdout: "piped" });
  const namespace = (await firstText(handle)).trim();
  assertEquals(Deno.readLinkSync(`/proc/${handle.pid}/ns/pid`), namespace);
  await handle.stdin.close();
  assertEquals((await handle.status).code, 0);
}, OPTIONS);

test("launch() gives a handle whose kill() sends a signal", async (t) => {
  const { launch } = await load();
  const script = "trap 'exit 9' TERM; echo ready; sleep 1000 & wait";
  const handle = await launch(await specOf(t, script), { stdout: "piped" });
  assertEquals(await firstText(handle), "ready\n");
  await handle.kill("SIGTERM");
  assertEquals((await handle.status).code, 9);
}, OPTIONS);

test(
  "launch() tells in the status that a signal ended a command",
  async (t) => {
    const { launch } = await load();
    const handle = await launch(await specOf(t, "kill -KILL $$"), SILENT);
    assertEquals((await handle.status).code, 137);
  },
  OPTIONS,
);

test("launch() says what a graphical command was not given", async (t) => {
  const { launch } = await load();
  const script = "echo $XDG_RUNTIME_DIR";
  const more = { ephemeral: true, env: ["XDG_RUNTIME_DIR=/own"] };
  const plain = await launch(await specOf(t, script, more), SILENT);
  await plain.status;
  assertEquals(plain.notes, []);
  const handle = await launch(
    await specOf(t, script, { graphics: true, ephemeral: true }),
    { ...SILENT, stdout: "piped" },
  );
  assertEquals(await textOf(handle.stdout), "/run/user/0\n");
  await handle.status;
  const known = /^No (?:X11|Wayland|sound) for -G: |^".*" is closed to -u /;
  assert(handle.notes.every((note) => known.test(note)), `${handle.notes}`);
  const isShown = Deno.env.has("DISPLAY") || Deno.env.has("WAYLAND_DISPLAY");
  assert(isShown || handle.notes.length > 0);
  await assertRejects(
    async () => await launch(await specOf(t, script, { dbus: true })),
    Error,
    "Cannot use --dbus without -G: ",
  );
}, OPTIONS);

test("attach() runs a command in what runs", async (t) => {
  const { attach, launch } = await load();
  const script = "echo x >/tmp/x; echo ready; cat >/dev/null";
  const spec = await specOf(t, script);
  const first = await launch(spec, { stdin: "piped", stdout: "piped" });
  await firstText(first);
  const second = await attach(
    { ...spec, command: ["cat", "/tmp/x"] },
    { stdin: "null", stdout: "piped" },
  );
  assertEquals(await textOf(second.stdout), "x\n");
  assertEquals((await second.status).code, 0);
  await first.stdin.close();
  assertEquals((await first.status).code, 0);
}, OPTIONS);

test("list() shows what runs and is kept, and stop() ends it", async (t) => {
  const { launch, list, stop } = await load();
  const named = async () =>
    (await list()).filter(({ name }) => name === t.name)
      .map(({ size, state }) => [state, typeof size]);
  assertEquals(await named(), []);
  const script = "trap 'exit 0' TERM; echo ready; sleep 1000 & wait";
  const spec = await specOf(t, script);
  const handle = await launch(spec, { stdin: "null", stdout: "piped" });
  await firstText(handle);
  assertEquals(await named(), [["running", "number"]]);
  await stop(spec);
  assertEquals(await named(), [["stored", "number"]]);
  assertEquals(exists(t.pidFile), false);
  assertEquals((await handle.status).code, 0);
  await stop(spec);
}, OPTIONS);

test("launch() makes an instance that the command line knows", async (t) => {
  const { launch } = await load();
  const script = "trap 'exit 0' TERM; echo ready; sleep 1000 & wait";
  const handle = await launch(
    await specOf(t, script),
    { stdin: "null", stdout: "piped" },
  );
  await firstText(handle);
  assertEquals((await cage(["-n", t.name, "true"])).status, 0);
  assertEquals((await cage(["-k", "-n", t.name])).status, 0);
  assertEquals((await handle.status).code, 0);
  assertEquals(exists(t.pidFile), false);
}, { skip: OPTIONS.skip });

test("launch() rejects with a sentence and a status", async (t) => {
  const { launch } = await load();
  const lower = [`${t.scratch}/missing`];
  const error = await assertRejects(
    () => launch({ name: t.name, lower }, SILENT),
    Error,
    "Cannot use lower directory",
  );
  assertEquals("status" in error && error.status, 125);
  const wrong = await specOf(t, "", { command: ["nowhere"] });
  const missing = await assertRejects(() => launch(wrong, SILENT), Error);
  assertEquals("status" in missing && missing.status, 127);
}, OPTIONS);

test("launch() runs hundreds of containers at the same time", async (t) => {
  const { launch } = await load();
  const shared = `${t.scratch}/shared`;
  Deno.mkdirSync(shared);
  Deno.mkdirSync(`${t.scratch}/pids`);
  await new Deno.Command("mkfifo", { args: [`${shared}/go`] }).output();
  const spec = await specOf(
    t,
    ": >/in/$ID; read go </in/go; exit $((ID % 99))",
  );
  const handles = await Promise.all(
    Array.from({ length: MANY }, (_, at) =>
      launch({
        ...spec,
        name: `${t.name}.${at}`,
        pidFile: `${t.scratch}/pids/${at}`,
        ephemeral: true,
        env: [`ID=${at}`],
        volumes: [{ host: shared, inside: "/in", readOnly: false }],
      }, SILENT)),
  );
  await until(
    () => [...Deno.readDirSync(shared)].length === MANY + 1,
    "all containers at the same time",
    60_000,
  );
  assertEquals(new Set(handles.map(({ pid }) => pid)).size, MANY);
  // Opened for reading too, so that it waits for nobody; whoever waits reads
  // a line of its own.
  using go = Deno.openSync(`${shared}/go`, { read: true, write: true });
  go.writeSync(new TextEncoder().encode("\n".repeat(MANY)));
  const ends = await Promise.all(handles.map(({ status }) => status));
  assertEquals(
    ends.map(({ code }) => code),
    Array.from({ length: MANY }, (_, at) => at % 99),
  );
}, OPTIONS);

test("launch() starts containers while others are being started", async (t) => {
  const { launch } = await load();
  const spec = await specOf(t, "exit 7", { ephemeral: true });
  const codes = await Promise.all(
    Array.from({ length: 8 }, async (_, at) => {
      const found: number[] = [];
      for (let launched = 0; launched < 5; launched++) {
        const handle = await launch(
          { ...spec, name: `${t.name}.${at}` },
          SILENT,
        );
        found.push((await handle.status).code);
      }
      return found;
    }),
  );
  assertEquals(codes.flat(), Array(40).fill(7));
}, OPTIONS);

test(
  "launch() tells how a command ended whose pid file was moved away",
  async (t) => {
    const { launch } = await load();
    const pidFile = `${t.scratch}/pid`;
    const spec = await specOf(t, "cat; exit 3", { ephemeral: true, pidFile });
    const handle = await launch(spec, { ...SILENT, stdin: "piped" });
    Deno.renameSync(pidFile, `${t.scratch}/elsewhere`);
    await handle.stdin.close();
    assertEquals((await handle.status).code, 3);
  },
  OPTIONS,
);

test(
  "launch() of one instance, more often than there are threads, starts it and attaches",
  async (t) => {
    const { launch } = await load();
    const spec = await specOf(t, "cat >/dev/null", { ephemeral: true });
    const handles = await Promise.all(
      Array.from(
        { length: MORE_THAN_THREADS },
        () => launch(spec, { ...SILENT, stdin: "piped" }),
      ),
    );
    await Promise.all(handles.map(({ stdin }) => stdin.close()));
    await Promise.all(handles.map(({ status }) => status));
  },
  OPTIONS,
);

test(
  "launch() gives streams that wait at the same time, more than there are threads",
  async (t) => {
    const { launch } = await load();
    const spec = await specOf(t, "cat", { ephemeral: true });
    const handles = await Promise.all(
      Array.from({ length: MORE_THAN_THREADS }, (_, at) =>
        launch(
          { ...spec, name: `${t.name}.${at}` },
          { ...SILENT, stdin: "piped", stdout: "piped" },
        )),
    );
    const texts = handles.map(({ stdout }) => textOf(stdout));
    for (const { stdin } of handles) {
      const writer = stdin.getWriter();
      await writer.write(new TextEncoder().encode("text"));
      await writer.close();
    }
    assertEquals(await Promise.all(texts), handles.map(() => "text"));
    await Promise.all(handles.map(({ status }) => status));
  },
  OPTIONS,
);

test(
  "launch() leaves the event loop free while a container runs",
  async (t) => {
    const { launch } = await load();
    const handle = await launch(await specOf(t, "cat"), {
      stdin: "piped",
      stdout: "null",
    });
    // The command waits for the loop; a loop that waits for it gets nowhere.
    for (let tick = 0; tick < 20; tick++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await handle.stdin.close();
    assertEquals((await handle.status).code, 0);
  },
  OPTIONS,
);

test("launch() keeps no descriptors, mappings or processes", async (t) => {
  const { launch } = await load();
  const spec = await specOf(t, "true", { ephemeral: true });
  await assertKeepsNothing(MANY, async () => {
    const handle = await launch(spec, SILENT);
    assertEquals((await handle.status).code, 0);
  });
}, OPTIONS);

test("launch() keeps nothing of launches that fail", async (t) => {
  const { launch } = await load();
  const specs = [
    await specOf(t, "true", { ephemeral: true, user: "nobody-here" }),
    await specOf(t, "true", { lower: [`${t.scratch}/missing`] }),
    await specOf(t, "true", { ephemeral: true, command: ["nowhere"] }),
  ];
  await assertKeepsNothing(MANY / 2, async (at) => {
    await assertRejects(() => launch(specs[at % specs.length], SILENT), Error);
  });
}, OPTIONS);

/** Does something often, and counts what the process has before and after. */
async function assertKeepsNothing(
  times: number,
  act: (at: number) => Promise<void>,
): Promise<void> {
  adoptOrphans(false);
  try {
    for (let at = 0; at < 20; at++) await act(at);
    const before = resources();
    for (let at = 0; at < times; at++) await act(at);
    const after = resources();
    assertEquals(after.descriptors, before.descriptors);
    const grown = after.mappings - before.mappings;
    assert(grown < SLACK, `${grown} mappings more after ${times} times`);
    assertEquals(children(), []);
  } finally {
    adoptOrphans(true);
  }
}

function resources(): { descriptors: number; mappings: number } {
  const descriptors = [...Deno.readDirSync("/proc/self/fd")].length;
  const maps = Deno.readTextFileSync("/proc/self/maps");
  return { descriptors, mappings: maps.split("\n").length };
}

/** Children of this process, also those that have ended. */
function children(): string[] {
  return processes().filter(({ parent }) => parent === Deno.pid)
    .map(({ pid, state, command }) => `${pid} ${state} ${command}`);
}
