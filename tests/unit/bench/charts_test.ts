import { assertEquals, assertStringIncludes } from "@std/assert";
import { chartsOf } from "../../bench/charts.ts";
import { COLOURS } from "../../bench/theme.ts";
import { MEASURED } from "./measured.ts";

const CHARTS = chartsOf(MEASURED);

/** All values of a key, however deep. */
function valuesOf(chart: unknown, key: string): unknown[] {
  if (typeof chart !== "object" || chart === null) return [];
  return Object.entries(chart).flatMap(([name, value]) =>
    name === key ? [value] : valuesOf(value, key)
  );
}

Deno.test("Every chart tells kernel, processor and version", () => {
  for (const { title } of Object.values(CHARTS)) {
    const text = JSON.stringify(title);
    assertStringIncludes(text, "Linux 6.0 · abacus");
    assertStringIncludes(text, "cage 1.0, measured by make bench");
  }
});

Deno.test("Every axis that is logarithmic says so", () => {
  for (const chart of Object.values(CHARTS)) {
    for (const name of ["x", "y"]) {
      for (const axis of valuesOf(chart, name)) {
        const text = JSON.stringify(axis);
        if (!text.includes('"type":"log"')) continue;
        assertStringIncludes(text, "log", text);
        assertEquals(/"title":"[^"]*log/.test(text), true, text);
      }
    }
  }
});

Deno.test("Only colours are used that have a dark counterpart", () => {
  const known = Object.values(COLOURS).map(({ light }) => light as string);
  const text = JSON.stringify(CHARTS);
  for (const [colour] of text.matchAll(/#[0-9a-fA-F]{3,8}\b/g)) {
    assertEquals(known.includes(colour), true, colour);
  }
});

Deno.test("The chart of launches has a panel for each group that was measured", () => {
  const panels = CHARTS.launch.vconcat as { title: string }[];
  assertEquals(panels.map(({ title }) => title), [
    "As root, in a root of busybox",
    "As root, in this machine's own root",
  ]);
});

Deno.test("The chart of launches shows paired ratios and median times", () => {
  const [values] = valuesOf(CHARTS.launch, "values") as [unknown[]];
  assertEquals(values[0], {
    name: "cage",
    low: 11,
    middle: 11,
    high: 11,
    label: "11.0× · 22.0 ms",
    isCage: true,
  });
});

Deno.test("The chart of memory shows what root ran", () => {
  const [values] = valuesOf(CHARTS.memory, "values") as [{ label: string }[]];
  assertEquals(values.map(({ label }) => label), [
    "28 kB · 2 processes",
    "1,120 kB · 2 processes",
  ]);
});

Deno.test("The chart of growth names only what was measured", () => {
  const domains = valuesOf(CHARTS.growth, "domain");
  assertEquals(domains.some((domain) => String(domain) === "cage"), true);
});

Deno.test("The lock file has the versions of the library that are drawn with", async () => {
  const read = (path: string) =>
    Deno.readTextFile(new URL(`../../../${path}`, import.meta.url));
  const used = (await read("tests/bench/draw.ts")).match(/npm:[\w-]+@[\d.]+/g);
  const { specifiers } = JSON.parse(await read(".ci/charts.lock"));
  assertEquals(used?.toSorted(), Object.keys(specifiers).toSorted());
});
