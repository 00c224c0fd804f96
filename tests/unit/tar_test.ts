import { assertEquals } from "@std/assert";
import { padding, TAR_BLOCK, tarHead, type TarMember } from "../../src/tar.ts";
import { nameOf } from "../../ffi/entries.ts";

const FILE: TarMember = {
  ...{ path: "a/b", type: "file", mode: 0o104755, uid: 7, gid: 8, size: 5 },
  modified: 1_000_000_000_000_000_000n,
};

function field(head: Uint8Array, at: number, length: number): string {
  return nameOf(head.subarray(at, at + length)).replace(/\0+$/, "");
}

/** The records of an extended head, whose lengths have to be right. */
function recordsOf(text: string): Record<string, string> {
  const records: Record<string, string> = {};
  for (let rest = text; rest !== "";) {
    const size = Number(rest.slice(0, rest.indexOf(" ")));
    const record = rest.slice(0, size);
    const [, key, value] = record.match(/^[0-9]+ ([^=]*)=([^]*)\n$/)!;
    records[key] = value;
    rest = rest.slice(size);
  }
  return records;
}

/** What the extended head before a member says; nothing if there is none. */
function extended(member: TarMember): Record<string, string> {
  const head = tarHead(member);
  assertEquals(head.length % TAR_BLOCK, 0);
  if (head.length === TAR_BLOCK) return {};
  assertEquals(field(head, 156, 1), "x");
  const size = parseInt(field(head, 124, 12), 8);
  assertEquals(head.length, 2 * TAR_BLOCK + size + padding(size));
  return recordsOf(nameOf(head.subarray(TAR_BLOCK, TAR_BLOCK + size)));
}

Deno.test("tarHead() puts what fits into the fields of the old format", () => {
  const head = tarHead(FILE);
  assertEquals(head.length, TAR_BLOCK);
  assertEquals(field(head, 0, 100), "a/b");
  assertEquals(field(head, 100, 8), "0004755");
  assertEquals(field(head, 108, 8), "0000007");
  assertEquals(field(head, 116, 8), "0000010");
  assertEquals(field(head, 124, 12), "00000000005");
  assertEquals(field(head, 136, 12), (1e9).toString(8).padStart(11, "0"));
  assertEquals(field(head, 156, 1), "0");
  assertEquals(field(head, 257, 8), "ustar\x0000");
  const sum = parseInt(field(head, 148, 7), 8);
  const spaces = head.slice().fill(0x20, 148, 156);
  assertEquals(spaces.reduce((all, byte) => all + byte, 0), sum);
});

Deno.test("tarHead() has a flag for each type", () => {
  const flags = ["file", "hardlink", "link", "char", "block", "directory"];
  for (const [flag, type] of [...flags, "fifo"].entries()) {
    const head = tarHead({ ...FILE, size: 0, type: type as TarMember["type"] });
    assertEquals(field(head, 156, 1), `${flag}`);
  }
  const device = tarHead({ ...FILE, size: 0, type: "char", rdev: [5, 300] });
  assertEquals(field(device, 329, 8), "0000005");
  assertEquals(field(device, 337, 8), "0000454");
});

Deno.test("tarHead() says before a member what the fields cannot hold", () => {
  const long = "\xff\n".repeat(51);
  const cases: [Partial<TarMember>, Record<string, string>][] = [
    [{}, {}],
    [{ path: long }, { path: long }],
    [{ path: long.slice(0, 100) }, {}],
    [{ target: long, type: "link" }, { linkpath: long }],
    [{ size: 8 ** 11 }, { size: "8589934592" }],
    [{ uid: 8 ** 7, gid: 8 ** 7 - 1 }, { uid: "2097152" }],
    [{ modified: -1n }, { mtime: "-0.000000001" }],
    [{ modified: -2_500_000_000n }, { mtime: "-2.5" }],
    [{ modified: -2_000_000_000n }, { mtime: "-2" }],
    [{ modified: 1_000_000_010n }, { mtime: "1.00000001" }],
    [
      { attributes: new Map([["user.x", new Uint8Array([0, 10, 255])]]) },
      { "SCHILY.xattr.user.x": "\0\n\xff" },
    ],
    // As GNU tar has it: a key ends at the first "=".
    ...["a=b", "a%3Db", "a%25", "50%"].map((
      name,
      at,
    ): [Partial<TarMember>, Record<string, string>] => [
      { attributes: new Map([[`user.${name}`, new Uint8Array([49])]]) },
      {
        [`SCHILY.xattr.user.${["a%3Db", "a%253Db", "a%2525", "50%"][at]}`]: "1",
      },
    ]),
  ];
  for (const [more, records] of cases) {
    assertEquals(extended({ ...FILE, ...more }), records);
  }
});

Deno.test("tarHead() counts the digits of a length that its own ones change", () => {
  for (let size = 101; size < 1_100; size++) {
    const path = "x".repeat(size);
    assertEquals(extended({ ...FILE, path }), { path });
  }
});

Deno.test("tarHead() gives the same bytes whatever the order of attributes", () => {
  const value = new Uint8Array([1]);
  const heads = [["user.a", "user.b"], ["user.b", "user.a"]].map((names) =>
    tarHead({
      ...FILE,
      attributes: new Map(names.map((name) => [name, value])),
    })
  );
  assertEquals(heads[0], heads[1]);
});
