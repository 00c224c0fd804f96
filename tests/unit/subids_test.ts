import { assert, assertEquals } from "@std/assert";
import { parseSubids } from "../../src/subids.ts";
import { seeded } from "./seeded.ts";

const ALICE = ["alice", "alias"];

/** The ranges of Alice in a file of these lines, as `start+count`. */
function ranges(lines: string[], own?: number): string[] {
  return parseSubids(lines.join("\n"), ALICE, 1000, own)
    .map(({ count, start }) => `${start}+${count}`);
}

Deno.test("parseSubids() finds the lines of a user by all names and by number", () => {
  const lines = ["bob:1:5", "alias:500000:1", "1000:9000:2", "alice:8000:3"];
  assertEquals(ranges(lines), ["500000+1", "9000+2", "8000+3"]);
});

Deno.test("parseSubids() gives nobody the ranges of others", () => {
  const others = ["alice2:5:1", "Alice:5:1", " alice:5:1", "01000:5:1"];
  const more = [
    "100:5:1",
    "10000:5:1",
    "+1000:5:1",
    ":5:1",
    "#alice:5:1",
    "*:5:1",
  ];
  assertEquals(ranges([...others, ...more]), []);
  assertEquals(parseSubids("5:1:1\n:2:1\n", ["5", ""], 7), []);
});

Deno.test("parseSubids() leaves out malformed lines and goes on", () => {
  const odd = [
    ...["alice", "alice:", "alice:5", "alice:5:", "alice::5", "alice:5:1:"],
    ...[
      "alice:5:1:1",
      "alice:-5:1",
      "alice:+5:1",
      "alice:5.0:1",
      "alice:5e1:1",
    ],
    ...[
      "alice:0x50:1",
      "alice:5:0x1",
      "alice:５:1",
      "alice: 5:1",
      "alice:5 :1",
    ],
    ...[
      "alice:5:1 ",
      "alice:5:1\r",
      "alice:5:1\t# x",
      "alice:x:1",
      "alice:5:x",
    ],
  ];
  assertEquals(ranges([...odd, "alice:6:1"]), ["6+1"]);
});

Deno.test("parseSubids() leaves out numbers that are octal to other programs", () => {
  assertEquals(ranges(["alice:0100000:1", "alice:100000:010"]), []);
});

Deno.test("parseSubids() leaves out ranges of ids that are no one's to give", () => {
  const cases: [string, string[]][] = [
    ["0:1", []],
    ["0:65536", []],
    ["5:0", []],
    ["1:1", ["1+1"]],
    ["4294967294:1", ["4294967294+1"]],
    ["4294967294:2", []],
    ["4294967295:1", []],
    ["1001:4294966294", ["1001+4294966294"]],
    ["1001:4294966295", []],
    ["4294967296:1", []],
    ["5:4294967295", []],
    ["5:18446744073709551615", []],
    [`5:${"9".repeat(400)}`, []],
    [`${"9".repeat(400)}:1`, []],
  ];
  for (const [range, expected] of cases) {
    assertEquals([range, ...ranges([`alice:${range}`])], [range, ...expected]);
  }
});

Deno.test("parseSubids() leaves out ranges with the user's own id", () => {
  const lines = ["999:2", "1000:1", "1:65536", "1001:5", "990:10"];
  const text = lines.map((range) => `alice:${range}`);
  assertEquals(ranges(text), ["1001+5", "990+10"]);
  // The group of the user for /etc/subgid, another number than the user's.
  assertEquals(ranges(text, 1003), ["999+2"]);
});

Deno.test("parseSubids() leaves out what overlaps a range before it", () => {
  const lines = ["5000:10", "5000:10", "5009:1", "4990:11", "4000:9000"];
  const beside = ["5010:1", "4990:10", "bob:7000:10", "7000:10"];
  const text = [...lines, ...beside].map((range) =>
    range.startsWith("bob") ? range : `alice:${range}`
  );
  assertEquals(ranges(text), ["5000+10", "5010+1", "4990+10", "7000+10"]);
});

Deno.test("parseSubids() gives ranges that are sound, whatever the file says", () => {
  const random = seeded(11);
  const numbers = ["0", "1", "7", "99", "1000", "4294967290", "4294967295"];
  let found = 0;
  for (let round = 0; round < 3000; round++) {
    const text = random.list(8, () =>
      [
        random.pick(["alice", "1000", "bob", ""]),
        random.pick([...numbers, `${random.below(2000)}`]),
        random.pick([...numbers, `${random.below(300)}`, "x"]),
      ].join(":")).join("\n");
    const taken = new Set<number>([1000]);
    for (const { count, start } of parseSubids(text, ALICE, 1000)) {
      found++;
      assert(start > 0 && count > 0 && start + count <= 4294967295, text);
      const ids = count > 5000
        ? [start, start + count - 1]
        : Array.from({ length: count }, (_, index) => start + index);
      for (const id of ids) {
        assert(!taken.has(id), text);
        taken.add(id);
      }
    }
  }
  assert(found > 1000);
});
