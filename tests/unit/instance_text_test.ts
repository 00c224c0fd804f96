import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Instance } from "../../src/instance.ts";
import { instanceJson, instanceTable } from "../../src/instance_text.ts";

const NOW = Date.UTC(2024, 0, 3);

const RUNNING: Instance = {
  ...{ state: "running", name: "web", uid: 0, pid: 4321, size: 5_000_000 },
  ...{ since: new Date(NOW - 3_600_000), pidFile: "/run/web.pid" },
  ...{ root: ["/srv/top", "/srv/base"], command: ["sh", "-c", "echo a b"] },
  changes: "/var/lib/microcontainer/app-web/upper",
};

const STORED: Instance = { state: "stored", uid: 1000 };

/** A name that would drive a terminal, each in its own way. */
const HOSTILE = [
  "a\nb",
  "\x1b[2Ja",
  "\x9b2Ja",
  "a\u202eb",
  "a\u2028b",
  "a\u{e0001}b",
  "a\x7fb",
  "a b",
  "",
  "-",
];

Deno.test("instanceTable() aligns what it knows, and has a hyphen for the rest", () => {
  const users = new Map([[1000, "ada"]]);
  assertEquals(instanceTable([RUNNING, STORED], { now: NOW, users }), [
    "NAME  STATE    PID   AGE  SIZE  USER  ROOT                COMMAND",
    'web   running  4321  1h   4.8M  0     /srv/top:/srv/base  sh -c "echo a b"',
    "-     stored   -     -    -     ada   -                   -",
  ]);
});

Deno.test("instanceTable() has a heading where there is nothing", () => {
  assertEquals(instanceTable([], { now: NOW }), [
    "NAME  STATE  PID  AGE  SIZE  ROOT  COMMAND",
  ]);
});

Deno.test("instanceTable() names an instance without a name by its pid file", () => {
  const { name: _, ...rest } = RUNNING;
  const [, line] = instanceTable([rest], { now: NOW });
  assert(line.startsWith("/run/web.pid  running"), line);
});

Deno.test("instanceTable() keeps within a terminal, and cuts no name", () => {
  const name = "n".repeat(30);
  const root = ["/a/very/long/path/to/a/root/file/system/alpine"];
  const command = Array(40).fill("word");
  const long = { ...RUNNING, name, root, command };
  for (const width of [90, 120, 200]) {
    const [, line] = instanceTable([long], { now: NOW, width });
    assert(line.length <= width, line);
    assert(line.startsWith(name));
    assertMatch(line, /alpine {2}word.*…$/);
  }
  // However narrow it is, some of all is there.
  const [, line] = instanceTable([long], { now: NOW, width: 1 });
  assertMatch(line, /^n{30} {2}running .* …\S*alpine {2}word wo…$/);
});

Deno.test("instanceTable() writes what drives a terminal in quotes", () => {
  for (const text of HOSTILE) {
    const hostile = {
      ...RUNNING,
      ...{ name: text, root: [text], command: [text] },
    };
    const users = new Map([[0, text]]);
    const [, line] = instanceTable([hostile], { now: NOW, users });
    assertEquals(line.match(/"[^"]*"/g)?.length, 4, line);
    assertMatch(line, /^[\x20-\x7e]*$/);
  }
});

Deno.test("instanceJson() gives every field, null for what is not known", () => {
  const known = JSON.parse(instanceJson([RUNNING, STORED], NOW));
  assertEquals(known, [
    {
      ...{ ...RUNNING, age: 3600 },
      since: "2024-01-02T23:00:00.000Z",
    },
    {
      ...{ ...STORED, name: null, pid: null, pidFile: null, since: null },
      ...{ age: null, size: null, changes: null, root: null, command: null },
    },
  ]);
  assertEquals(JSON.parse(instanceJson([], NOW)), []);
});

Deno.test("instanceJson() has names whole, and nothing for a terminal", () => {
  for (const text of HOSTILE) {
    const json = instanceJson([{ ...STORED, name: text }], NOW);
    assertEquals(JSON.parse(json)[0].name, text);
    assertMatch(json, /^[\n\x20-\x7e]*$/);
  }
});

Deno.test("instanceJson() has one object a line", () => {
  const lines = instanceJson([RUNNING, STORED], NOW).split("\n");
  assertEquals(lines.length, 4);
  assertEquals(JSON.parse(lines[2]).state, "stored");
});

Deno.test("instanceJson() has no age less than 0", () => {
  const future = { ...STORED, since: new Date(NOW + 5000) };
  assertEquals(JSON.parse(instanceJson([future], NOW))[0].age, 0);
});

Deno.test("instanceTable() has a line for each of very many", () => {
  const many = Array.from({ length: 200_000 }, () => STORED);
  assertEquals(instanceTable(many, { now: NOW }).length, many.length + 1);
});
