import { assertEquals } from "@std/assert";
import {
  crowdTable,
  growthTable,
  insideTable,
  stayingTable,
  timesTable,
} from "../../bench/tables.ts";
import { MEASURED } from "./measured.ts";

/** The rows of a table, cell by cell. */
function rowsOf(table: string): string[][] {
  return table.split("\n").slice(2).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  );
}

Deno.test("timesTable() compares with bwrap and with the empty program", () => {
  const { groups } = MEASURED;
  assertEquals(rowsOf(timesTable(groups.busybox, groups)), [
    ["cage", "11.0", "11.0–11.0", "2.00", "10.0", "22.0", "20.0"],
    ["bwrap", "1.00", "1.00–1.00", "0.18", "1.00", "2.00", "2.00"],
  ]);
});

Deno.test("timesTable() leaves out what there is nothing to compare with", () => {
  const { groups } = MEASURED;
  const [cage] = groups.busybox;
  assertEquals(rowsOf(timesTable([cage], { ...groups, runtime: [] })), [
    ["cage", "", "", "", "", "22.0", "20.0"],
  ]);
});

Deno.test("stayingTable() compares memory with that of bwrap", () => {
  const staying = MEASURED.staying.filter(({ group }) => group === "busybox");
  assertEquals(rowsOf(stayingTable(staying)), [
    ["cage", "0.03", "28", "2"],
    ["bwrap", "1.00", "1,120", "2"],
  ]);
});

Deno.test("insideTable() divides by how many launches were under way", () => {
  assertEquals(rowsOf(insideTable(MEASURED.inside)), [
    ["8 at a time", "200", "5.00", "2.00", "6.00"],
  ]);
});

Deno.test("growthTable() compares the last count with the first one", () => {
  assertEquals(rowsOf(growthTable(MEASURED.growth[0])), [
    ["cage", "2.50", "2.25–2.75", "15.0", "20.0", "40.0"],
  ]);
});

Deno.test("crowdTable() divides by the number of containers", () => {
  assertEquals(rowsOf(crowdTable(MEASURED.crowds)), [[
    ...["cage, from a program", "100", "100", "1,400", "14.0"],
    ...["40,000", "327", "500"],
  ]]);
});
