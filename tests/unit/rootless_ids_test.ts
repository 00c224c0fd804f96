import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../src/errors.ts";
import { checkMapped, mapText, planIdMap } from "../../src/idmap.ts";
import {
  helperArguments,
  isOwn,
  type RangesWish,
  rootlessRanges,
} from "../../src/rootless_ids.ts";

const CALLER = { uid: 1000, gid: 100, groups: [] };
const RANGE = [{ start: 100000, count: 65536 }];
const RANGES = { subuids: RANGE, subgids: RANGE };

function ranges(wish: Partial<RangesWish>) {
  return rootlessRanges({
    caller: CALLER,
    ranges: RANGES,
    hasHelpers: true,
    ...wish,
  });
}

Deno.test("rootlessRanges() takes ranges that something can map", () => {
  assertEquals(ranges({}), { ...RANGES, keepsGroups: false });
  assertEquals(ranges({ hasHelpers: false }), {
    subuids: [],
    subgids: [],
    keepsGroups: false,
    lacksHelpers: true,
  });
});

Deno.test("rootlessRanges() misses no helper where there is nothing to map", () => {
  const halves = [
    { subuids: [], subgids: [] },
    { subuids: RANGE, subgids: [] },
    { subuids: [], subgids: RANGE },
  ];
  for (const half of halves) {
    assertEquals(
      ranges({ ranges: half, hasHelpers: false }),
      { ...half, keepsGroups: false },
    );
  }
});

Deno.test("rootlessRanges() gives root of a container the rest of its ids", () => {
  const outer = {
    uid: [
      { inside: 1, outside: 100000, count: 65536 },
      { inside: 0, outside: 1000, count: 1 },
    ],
    gid: [{ inside: 0, outside: 200, count: 10 }],
    setgroups: "deny",
  } as const;
  const root = { uid: 0, gid: 4, groups: [] };
  const found = ranges({ caller: root, outer, hasHelpers: false });
  assertEquals(found, {
    subuids: [{ start: 1, count: 65536 }],
    subgids: [{ start: 0, count: 4 }, { start: 5, count: 5 }],
    keepsGroups: true,
  });
  const map = planIdMap({ caller: root, ...found, hasVolumes: false });
  assertEquals(mapText(map.uid), "0 0 1\n1 1 65536\n");
  assertEquals(mapText(map.gid), "0 4 1\n1 0 4\n5 5 5\n");
});

Deno.test("rootlessRanges() gives root of one id nothing more", () => {
  const rows = [{ inside: 0, outside: 1000, count: 1 }];
  const outer = { uid: rows, gid: rows, setgroups: "deny" } as const;
  const caller = { uid: 0, gid: 0 };
  const { subgids, subuids } = ranges({ caller, outer });
  assertEquals([subuids, subgids], [[], []]);
});

Deno.test("isOwn() tells what the kernel lets everybody write", () => {
  const own = planIdMap({
    caller: CALLER,
    subuids: [],
    subgids: [],
    hasVolumes: false,
    user: "7",
  });
  assertEquals(isOwn(own, CALLER), true);
  assertEquals(isOwn(own, { ...CALLER, uid: 1001 }), false);
  assertEquals(isOwn(own, { ...CALLER, gid: 101 }), false);
  assertEquals(isOwn({ ...own, setgroups: "allow" }, CALLER), false);
  const more = planIdMap({ caller: CALLER, ...RANGES, hasVolumes: true });
  assertEquals(isOwn(more, CALLER), false);
});

Deno.test("helperArguments() has every row after the id", () => {
  const { uid } = planIdMap({ caller: CALLER, ...RANGES, hasVolumes: true });
  assertEquals(
    helperArguments(42, uid).join(" "),
    "42 0 1000 1 1 100000 65536",
  );
});

Deno.test("checkMapped() names the programs that ranges are mapped with", () => {
  const { subgids, subuids, lacksHelpers } = ranges({ hasHelpers: false });
  const wish = { caller: CALLER, subuids, subgids, hasVolumes: false };
  const map = planIdMap({ ...wish, lacksHelpers });
  assertEquals(
    assertThrows(
      () => checkMapped({ uid: 70, gid: 71, groups: [71] }, map, []),
      UsageError,
    ).message,
    "Cannot run as user 70: it is not mapped, only 0 is: use -u 70:71, or " +
      "install newuidmap and newgidmap (package uidmap), and run without no_new_privs",
  );
});
