import { assert, assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/errors.ts";
import {
  checkMapped,
  groupsInside,
  type IdMap,
  type IdMapWish,
  mapText,
  MAX_MAP_BYTES,
  MAX_ROWS,
  parseMap,
  planIdMap,
  toInside,
  toOutside,
} from "../../src/idmap.ts";
import type { IdRange } from "../../src/subids.ts";
import { type Random, seeded } from "./seeded.ts";

const CALLER = { uid: 1000, gid: 100, groups: [100, 27] };
const RANGE = { start: 100000, count: 65536 };

function plan(wish: Partial<IdMapWish> = {}): IdMap {
  const none = { subuids: [], subgids: [], hasVolumes: false };
  return planIdMap({ caller: CALLER, ...none, ...wish });
}

const RANGED = { subuids: [RANGE], subgids: [RANGE] };

Deno.test("planIdMap() puts the caller at 0 and the ranges after it", () => {
  const { uid, gid } = plan({
    subuids: [RANGE, { start: 5000, count: 1 }, { start: 300000, count: 10 }],
    subgids: [{ start: 200000, count: 3 }, RANGE],
  });
  assertEquals(
    mapText(uid),
    "0 1000 1\n1 100000 65536\n65537 5000 1\n65538 300000 10\n",
  );
  assertEquals(mapText(gid), "0 100 1\n1 200000 3\n4 100000 65536\n");
});

Deno.test("planIdMap() keeps the number of a caller who is named by it", () => {
  const keeping = { ...RANGED, keepsOwn: true };
  const { gid, uid } = plan({ ...keeping, user: "1000" });
  assertEquals(
    mapText(uid),
    "1000 1000 1\n0 100000 1000\n1001 101000 64536\n",
  );
  assertEquals(mapText(gid), "100 100 1\n0 100000 100\n101 100100 65436\n");
  for (const user of [undefined, "0", "1001", "alice"]) {
    const wish = user === undefined ? {} : { user };
    assertEquals(plan({ ...keeping, ...wish }), plan(RANGED), user);
  }
  assertEquals(plan({ ...RANGED, user: "1000" }), plan(RANGED));
});

Deno.test("planIdMap() keeps a number that ranges end below, or at", () => {
  const small = { start: 100000, count: 10 };
  const keeping = { subuids: [small], subgids: [small], keepsOwn: true };
  const { uid } = plan({ ...keeping, user: "1000" });
  assertEquals(mapText(uid), "1000 1000 1\n0 100000 10\n");
  const caller = { uid: 10, gid: 10, groups: [10] };
  const next = { ...keeping, subuids: [small, { start: 500, count: 2 }] };
  const map = plan({ ...next, caller, user: "10" });
  assertEquals(mapText(map.uid), "10 10 1\n0 100000 10\n11 500 2\n");
});

Deno.test("planIdMap() maps the same whoever runs, if there are ranges", () => {
  for (const user of [undefined, "0", "1000", "alice", "7:8"]) {
    assertEquals(plan({ ...RANGED, user, group: "9" }), plan(RANGED));
  }
});

Deno.test("planIdMap() maps one id of each without ranges of both", () => {
  const one = [[0, 1000, 1], [0, 100, 1]];
  for (const wish of [{}, { subuids: [RANGE] }, { subgids: [RANGE] }]) {
    const { gid, uid } = plan(wish);
    assertEquals(
      [...uid, ...gid].map((row) => [row.inside, row.outside, row.count]),
      one,
    );
  }
});

Deno.test("planIdMap() maps the numbers of -u and -g without ranges", () => {
  const cases: [string | undefined, string | undefined, number, number][] = [
    [undefined, undefined, 0, 0],
    ["0", undefined, 0, 0],
    ["alice", undefined, 0, 0],
    ["70", undefined, 70, 70],
    ["070", undefined, 70, 70],
    ["4294967294", undefined, 4294967294, 4294967294],
    // The caller's own number comes with the caller's own group.
    ["1000", undefined, 1000, 100],
    ["1000", "7", 1000, 7],
    ["1000:8", "7", 1000, 8],
    ["1000:staff:8", "7", 1000, 8],
    ["1000:staff", undefined, 1000, 100],
    ["100", undefined, 100, 100],
    [undefined, "7", 0, 7],
    [undefined, "staff:0", 0, 0],
    ["alice:0", "7", 0, 0],
    ["alice", "staff", 0, 0],
  ];
  for (const [user, group, uid, gid] of cases) {
    const map = plan({ user, group });
    assertEquals(
      [user, group, mapText(map.uid), mapText(map.gid)],
      [user, group, `${uid} 1000 1\n`, `${gid} 100 1\n`],
    );
  }
});

Deno.test("planIdMap() lets no group be given up that the host may forbid by", () => {
  const setgroups = (wish: Partial<IdMapWish>) => plan(wish).setgroups;
  assertEquals(setgroups(RANGED), "allow");
  assertEquals(setgroups({ ...RANGED, hasVolumes: true }), "deny");
  assertEquals(setgroups({ ...RANGED, subgids: [] }), "deny");
  assertEquals(setgroups({ ...RANGED, subuids: [] }), "deny");
  assertEquals(setgroups({}), "deny");
});

Deno.test("planIdMap() refuses words that mean nobody", () => {
  for (const wish of [{}, RANGED]) {
    assertThrows(() => plan({ ...wish, user: "a:" }), UsageError);
    assertThrows(() => plan({ ...wish, user: "4294967295" }), UsageError);
    assertThrows(() => plan({ ...wish, group: "" }), UsageError);
  }
});

Deno.test("planIdMap() takes as many ranges as the kernel does", () => {
  const many = (count: number, start: number) =>
    Array.from({ length: count }, (_, index) => ({
      start: start + 2 * index,
      count: 1,
    }));
  const rowsOf = (ranges: IdRange[]) =>
    plan({ subuids: ranges, subgids: [RANGE] }).uid;
  const long = rowsOf(many(1000, 4_000_000_000));
  const next = `${long.length} ${4_000_000_000 + 2 * long.length} 1\n`;
  assert(mapText(long).length <= MAX_MAP_BYTES);
  assert(mapText(long).length + next.length > MAX_MAP_BYTES);
  assertEquals(rowsOf(many(10, 2000)).length, 11);
  // So short that the number of rows counts: "339 999 1" is the longest.
  const short = rowsOf(many(500, 1));
  assertEquals(short.length, MAX_ROWS);
  assert(mapText(short).length <= MAX_MAP_BYTES);
});

/** Ranges as parseSubids() gives them: sound, and no id in two of them. */
function someRanges(random: Random, own: number): IdRange[] {
  let start = 1;
  const ranges = random.list(40, () => {
    start += random.below(random.pick([1, 1, 1000, 10_000_000]));
    const range = {
      start,
      count: 1 + random.below(random.pick([1, 9, 99999])),
    };
    start += range.count;
    return range;
  }).filter((range) => own < range.start || own >= range.start + range.count);
  return random.below(2) === 0 ? ranges : ranges.reverse();
}

Deno.test("planned rows never overlap, and go there and back again", () => {
  const random = seeded(5);
  for (let round = 0; round < 300; round++) {
    const [uid, gid] = [1 + random.below(60000), random.below(60000)];
    const map = plan({
      caller: { uid, gid, groups: [] },
      subuids: someRanges(random, uid),
      subgids: someRanges(random, gid),
      user: random.pick([undefined, `${uid}`, "7:8", "name"]),
      keepsOwn: random.below(2) === 0,
    });
    for (const rows of [map.uid, map.gid]) {
      for (const side of ["inside", "outside"] as const) {
        const sorted = [...rows].sort((a, b) => a[side] - b[side]);
        for (const [index, row] of sorted.entries()) {
          const next = sorted[index + 1]?.[side] ?? 4294967295;
          assert(row.count > 0 && row[side] + row.count <= next);
        }
      }
      for (const { inside, outside, count } of rows) {
        const step = random.below(count);
        assertEquals(toOutside(rows, inside + step), outside + step);
        assertEquals(toInside(rows, outside + step), inside + step);
      }
      for (let times = 0; times < 20; times++) {
        const id = random.below(random.pick([100, 70000, 4294967295]));
        const outside = toOutside(rows, id);
        if (outside !== undefined) assertEquals(toInside(rows, outside), id);
        const inside = toInside(rows, id);
        if (inside !== undefined) assertEquals(toOutside(rows, inside), id);
      }
      assertEquals(parseMap(mapText(rows)), rows);
    }
    assertEquals(toInside(map.uid, 0), undefined);
  }
});

Deno.test("toOutside() and toInside() end where a row ends", () => {
  const rows = [{ inside: 10, outside: 500, count: 3 }];
  const outside = [9, 10, 12, 13].map((id) => toOutside(rows, id));
  assertEquals(outside, [undefined, 500, 502, undefined]);
  const inside = [499, 500, 502, 503].map((id) => toInside(rows, id));
  assertEquals(inside, [undefined, 10, 12, undefined]);
  assertEquals(toOutside([], 0), undefined);
});

Deno.test("parseMap() reads what the kernel shows", () => {
  const text =
    "         0       1000          1\n         1     100000      65536\n";
  assertEquals(mapText(parseMap(text)), "0 1000 1\n1 100000 65536\n");
  assertEquals(parseMap(""), []);
  const own = Deno.readTextFileSync("/proc/self/uid_map");
  assert(toOutside(parseMap(own), Deno.uid()!) !== undefined);
});

Deno.test("parseMap() leaves out what is no row", () => {
  assertEquals(parseMap("0 0\n1 2 3 4\na 1 1\n-1 1 1\n0x0 1 1\n5 6 7\n"), [
    { inside: 5, outside: 6, count: 7 },
  ]);
});

function refusalOf(...args: Parameters<typeof checkMapped>): string {
  return assertThrows(() => checkMapped(...args), UsageError).message;
}

const RANGE_ADVICE = "ask for a range in /etc/subuid and /etc/subgid, e.g. " +
  "with usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME";

Deno.test("checkMapped() takes users and groups that are mapped", () => {
  const map = plan(RANGED);
  checkMapped({ uid: 0, gid: 0, groups: [0] }, map, []);
  checkMapped({ uid: 65536, gid: 65536, groups: [65536, 1, 27] }, map, []);
  const own = plan({ user: "1000" });
  checkMapped({ uid: 1000, gid: 100, groups: [100] }, own, []);
});

Deno.test("checkMapped() names the id, what is mapped and what to do", () => {
  const map = plan(RANGED);
  const group = (gid: number, ...more: number[]) => ({
    uid: 0,
    gid,
    groups: [gid, ...more],
  });
  const only = "only 65537 from 0 to 65536 are: use one of these, or ask for " +
    "a larger range in /etc/subuid and /etc/subgid";
  assertEquals(
    refusalOf({ uid: 65537, gid: 0, groups: [0] }, map, []),
    `Cannot run as user 65537: it is not mapped, ${only}`,
  );
  assertEquals(
    refusalOf({ uid: 70000, gid: 0, groups: [0], name: "big" }, map, []),
    `Cannot run as user "big": 70000 is not mapped, ${only}`,
  );
  const sentence = `Cannot run with group 65537: it is not mapped, ${only}`;
  assertEquals(refusalOf(group(65537), map, []), sentence);
  assertEquals(refusalOf(group(0, 65537), map, [65537]), sentence);
});

Deno.test("checkMapped() tells how to choose the one id that there is", () => {
  const user = { uid: 70, gid: 71, groups: [71], name: "postgres" };
  assertEquals(
    refusalOf(user, plan({ user: "postgres" }), []),
    'Cannot run as user "postgres": 70 is not mapped, only 0 is: ' +
      `use -u 70:71, or ${RANGE_ADVICE}`,
  );
  assertEquals(
    refusalOf(user, plan({ user: "70" }), []),
    "Cannot run with group 71: it is not mapped, only 70 is: " +
      `use -u 70:71, or ${RANGE_ADVICE}`,
  );
  checkMapped(user, plan({ user: "70:71" }), []);
});

Deno.test("checkMapped() refuses everybody where nobody is mapped", () => {
  const map = { uid: [], gid: [], setgroups: "allow" } as const;
  assertEquals(
    refusalOf({ uid: 0, gid: 0, groups: [0] }, map, []),
    `Cannot run as user 0: it is not mapped: ${RANGE_ADVICE}`,
  );
});

Deno.test("checkMapped() takes the caller's own groups where they are kept", () => {
  const user = { uid: 0, gid: 0, groups: [0, 27] };
  checkMapped(user, plan(), [27]);
  checkMapped(user, plan({ ...RANGED, hasVolumes: true }), [27]);
  // 0 inside is the caller's group outside.
  const own = { uid: 0, gid: 5, groups: [5, 0] };
  checkMapped(own, plan({ ...RANGED, hasVolumes: true }), [100]);
  assertEquals(
    refusalOf(user, plan(), [26]),
    "Cannot run with group 27: it is not mapped, only 0 is: " +
      `use -u 0:0, or ${RANGE_ADVICE}`,
  );
  // The primary one is set, not kept.
  refusalOf({ uid: 0, gid: 27, groups: [27] }, plan(), [27]);
});

Deno.test("checkMapped() refuses a group that can neither be set nor is kept", () => {
  const map = plan({ ...RANGED, hasVolumes: true });
  assertEquals(
    refusalOf({ uid: 0, gid: 0, groups: [0, 29] }, map, [27]),
    "Cannot run with group 29: groups are kept where volumes are, and you " +
      "are not in it: leave out -v and -G, or the group",
  );
  checkMapped({ uid: 0, gid: 0, groups: [0, 29] }, plan(RANGED), [27]);
});

Deno.test("checkMapped() does without groups that nobody named", () => {
  const alpine = { uid: 0, gid: 0, groups: [0, 1, 2, 3, 70000], name: "root" };
  for (const hasVolumes of [true, false]) {
    checkMapped(alpine, plan({ hasVolumes }), [], false);
    checkMapped(alpine, plan({ ...RANGED, hasVolumes }), [], false);
  }
  refusalOf(alpine, plan(), []);
  refusalOf({ ...alpine, gid: 1, groups: [1] }, plan(), [], false);
});

Deno.test("groupsInside() gives the groups that can be set, if any can", () => {
  const user = { uid: 0, gid: 0, groups: [0, 70000, 5] };
  assertEquals(groupsInside(user, plan(RANGED)), [0, 5]);
  assertEquals(groupsInside(user, plan()), undefined);
  const map = plan({ ...RANGED, hasVolumes: true });
  assertEquals(groupsInside(user, map), undefined);
});
