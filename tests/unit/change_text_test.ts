import { assertEquals } from "@std/assert";
import { changeLine, ChangeSummary, modeText } from "../../src/change_text.ts";
import type { Change, Entry } from "../../src/changes.ts";

const FILE: Entry = {
  ...{ mode: 0o100644, uid: 0, gid: 0, size: 5, modified: 7n },
  rdev: [0, 0],
};

Deno.test("modeText() writes modes as ls(1) does", () => {
  const cases: [number, string][] = [
    [0o100000, "----------"],
    [0o104755, "-rwsr-xr-x"],
    [0o104644, "-rwSr--r--"],
    [0o102711, "-rwx--s--x"],
    [0o102644, "-rw-r-Sr--"],
    [0o041776, "drwxrwxrwT"],
    [0o140777, "srwxrwxrwx"],
    [0o060600, "brw-------"],
  ];
  for (const [mode, text] of cases) assertEquals(modeText(mode), text);
});

Deno.test("changeLine() says all that is to be said", () => {
  const change: Change = {
    ...{ kind: "renamed", path: "/b", from: "/a", isStale: true },
    ...{ aspects: ["type", "owner"], link: "/c\n", target: "x y" },
    ...{ before: { ...FILE, uid: 7 }, after: { ...FILE, mode: 0o120777 } },
  };
  assertEquals(
    changeLine(change),
    'R! lrwxrwxrwx 0:0 5 /b -> x y = "/c\\n" <- /a ' +
      "(was a file, owner was 7:0, changed below since)",
  );
  const device: Change = {
    ...{ kind: "added", path: "/d", aspects: [], isStale: false },
    after: { ...FILE, mode: 0o020600, rdev: [1, 3] },
  };
  assertEquals(changeLine(device), "A  crw------- 0:0 1,3 /d");
});

Deno.test("ChangeSummary counts by kind", () => {
  const summary = new ChangeSummary();
  assertEquals(summary.text(), "nothing was changed");
  const add = (kind: Change["kind"], after: Entry, isStale = false) =>
    summary.add({ kind, path: "/x", aspects: [], after, isStale });
  add("deleted", FILE);
  add("added", FILE);
  add("added", { ...FILE, mode: 0o040755 }, true);
  add("added", { ...FILE, mode: 0o010644 });
  assertEquals(summary.total, 4);
  assertEquals(summary.text().split("\n"), [
    "added: 1 file, 1 directory, 1 other, 5 bytes",
    "deleted: 1 file, 0 directories, 0 others, 5 bytes",
    "changed below since: 1 entry",
  ]);
  assertEquals(JSON.parse(summary.json()).changedBelow, 1);
});
