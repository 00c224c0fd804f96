import { assertEquals } from "@std/assert";
import { cage, exists, sh, test } from "./support/mod.ts";

/** Signals that end a process, see signal(7). */
const SIGNALS: readonly [name: string, number: number][] = [
  ["HUP", 1],
  ["INT", 2],
  ["ABRT", 6],
  ["KILL", 9],
  ["USR1", 10],
  ["SEGV", 11],
  ["PIPE", 13],
  ["ALRM", 14],
  ["TERM", 15],
];

/** How many of the calls run at the same time, so that it does not take long. */
const LANES = 4;

async function inLanes<T>(
  items: readonly T[],
  act: (item: T, lane: number) => Promise<void>,
): Promise<void> {
  const rest = [...items];
  await Promise.all(
    Array.from({ length: LANES }, async (_, lane) => {
      for (let item = rest.shift(); item !== undefined; item = rest.shift()) {
        await act(item, lane);
      }
    }),
  );
}

test("cage ends with each status of a command", async (t) => {
  const names = Array.from({ length: LANES }, () => t.newName());
  const root = await t.root();
  const statuses = Array.from({ length: 256 }, (_, status) => status);
  await inLanes(statuses, async (expected, lane) => {
    const { status, stderr } = await cage([
      ...["-l", root, "-n", names[lane], ...sh(`exit ${expected}`)],
    ]);
    assertEquals([status, stderr], [expected, ""]);
  });
});

test("cage ends with 128+n if a signal ended the command", async (t) => {
  for (const [name, number] of SIGNALS) {
    const { status, stdout, stderr } = await t.cage(sh(`kill -${name} $$`));
    assertEquals([status, stdout, stderr], [128 + number, "", ""], name);
  }
});

test("cage --no-init ends with the status of the command", async (t) => {
  for (const expected of [0, 1, 125, 126, 127, 255]) {
    const { status } = await t.cage(["--no-init", ...sh(`exit ${expected}`)]);
    assertEquals(status, expected);
  }
});

test("cage ends with 125 if it fails itself", async (t) => {
  const { status, stdout } = await cage([
    ...["-l", `${t.scratch}/missing`, "-n", t.name, "true"],
  ]);
  assertEquals([status, stdout], [125, ""]);
  assertEquals(exists(t.pidFile), false);
});
