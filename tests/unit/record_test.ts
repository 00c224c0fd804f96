import { assertEquals } from "@std/assert";
import { layoutOf } from "../../src/layout.ts";
import {
  originOf,
  parseRecord,
  RECORD_SIZE,
  recordText,
} from "../../src/record.ts";

const RECORD = { uid: 1000, privileged: false, noNewPrivs: true };

Deno.test("parseRecord() reads what recordText() wrote", () => {
  for (const uid of [0, 1000, 4294967294]) {
    for (const privileged of [true, false]) {
      const record = { ...RECORD, uid, privileged };
      assertEquals(parseRecord(recordText(record)), record);
    }
  }
});

Deno.test("parseRecord() takes nothing that is not a whole record", () => {
  const texts = [
    "",
    "17\n",
    "null",
    "{}",
    '{"uid":"0","privileged":false,"noNewPrivs":false}',
    '{"uid":0.5,"privileged":false,"noNewPrivs":false}',
    '{"uid":0,"privileged":false}',
    recordText(RECORD).slice(0, -3),
  ];
  for (const text of texts) assertEquals(parseRecord(text), undefined, text);
});

const ORIGIN = {
  ...{ pidFile: "/run/web.pid", root: ["/a", "/b"], isNamed: true },
  ...{ changes: "/srv/upper", command: ["sh", "-c", "a\nb"] },
};

Deno.test("parseRecord() takes no changes at what is no path", () => {
  for (const changes of ["/a\0b", "/\ud800", "", "a/b"]) {
    const origin = { ...ORIGIN, changes };
    const text = JSON.stringify({ ...RECORD, origin });
    assertEquals(parseRecord(text), RECORD, text);
  }
});

Deno.test("recordText() leaves out what would be too long", () => {
  const read = (origin: typeof ORIGIN) => {
    const text = recordText({ ...RECORD, origin });
    assertEquals(text.length <= RECORD_SIZE, true);
    return parseRecord(text)?.origin;
  };
  const long = "\u00fc".repeat(RECORD_SIZE / 2);
  const { command: _, ...short } = ORIGIN;
  assertEquals(read(ORIGIN), ORIGIN);
  assertEquals(read({ ...ORIGIN, command: [long] }), short);
  assertEquals(read({ ...ORIGIN, root: [long] }), { ...short, root: [] });
  assertEquals(read({ ...ORIGIN, pidFile: long }), undefined);
});

Deno.test("parseRecord() believes a record that says nothing of its origin", () => {
  const odd = [
    ...[null, 7, "x", [], {}, { ...ORIGIN, root: "/" }],
    ...[{ ...ORIGIN, root: [7] }, { ...ORIGIN, command: "ls" }],
    ...[{ ...ORIGIN, changes: null }, { ...ORIGIN, isNamed: 1 }],
    { ...ORIGIN, pidFile: undefined },
  ];
  for (const origin of odd) {
    assertEquals(parseRecord(JSON.stringify({ ...RECORD, origin })), RECORD);
  }
});

Deno.test("originOf() tells where changes are kept", () => {
  const layout = layoutOf({ name: "web", upper: "up" }, "/srv/x");
  const changes = (kind: Parameters<typeof originOf>[1]["kind"]) =>
    originOf(layout, { kind }).changes;
  assertEquals(changes("directories"), "/srv/x/up");
  assertEquals(changes("fuse"), "/srv/x/up");
  assertEquals(changes("image"), layout.image);
  assertEquals(changes("memory"), undefined);
  assertEquals(originOf(layout, { kind: "fuse" }).isNamed, true);
});
