import { assertEquals, assertMatch } from "@std/assert";
import { report } from "../../bench/report.ts";
import { MEASURED } from "./measured.ts";

const DRAWN = { directory: "benchmarks", names: ["launch"] };

Deno.test("report() shows the pictures that were drawn, and no others", () => {
  const text = report(MEASURED, DRAWN);
  assertEquals([...text.matchAll(/\]\((.*?)\)/g)].map(([, path]) => path), [
    "benchmarks/launch.svg",
  ]);
});

Deno.test("report() tells why there are no pictures", () => {
  const text = report(MEASURED, { reason: "the registry is on holiday" });
  assertMatch(text, /^- No pictures: the registry is on holiday$/m);
  assertEquals(text.includes(".svg"), false);
});

Deno.test("report() tells which instrument measured what", () => {
  const text = report(MEASURED, DRAWN);
  assertMatch(text, /hyperfine measured whole commands.* 3 times in each/);
  assertMatch(text, /`deno bench` measured launches within a program/);
  assertMatch(text, /2 rounds of all launches, 1 of what grows/);
});

Deno.test("report() tells each command once", () => {
  const text = report(MEASURED, DRAWN);
  assertEquals(text.match(/^- cage: `cage/gm)?.length, 2);
  assertMatch(text, /^- by hand: `mount; chroot`$/m);
});

Deno.test("report() tells who was not measured, in the words of the program", () => {
  assertMatch(
    report(MEASURED, DRAWN),
    /^## Not measured\n\n- podman: there is no podman$/m,
  );
});
